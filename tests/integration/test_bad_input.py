"""Whatever is wrong gets a clear error, and nothing is lost or half-done."""

import os
import pathlib
import random
import socket
import time

import msgpack
import pytest
import zmq

from berthlib import Home, alive, wait_for

BROKEN = sorted((pathlib.Path(__file__).resolve().parents[1] / "unit/descriptors/broken").glob("*.*"))
BROKEN = [p for p in BROKEN if p.suffix in (".toml", ".yaml", ".yml", ".json")]


def test_there_are_enough_broken_descriptors():
    assert len(BROKEN) >= 30


def test_broken_descriptors_change_nothing(home):
    home.load("good.toml", '[app]\nid = "good"\ncommand = "sleep 1000"\n')
    home.berth("start", "good", check=0)
    before = home.apps()
    other = home.write("other.toml", '[app]\nid = "other"\ncommand = "true"\n')
    for path in BROKEN:
        result = home.berth("load", other, path)
        assert result.code == 1, f"{path} loaded: {result.out}"
        assert str(path) in result.err or path.name in result.err, result.err
        assert "nothing was loaded" in result.err
    after = home.apps()
    assert set(after) == {"good"} and after["good"]["pid"] == before["good"]["pid"]


@pytest.mark.parametrize("name", ["../x", "a b", "x$(touch PWNED)", "q'q", "", "/abs", "-n", "é", "a" * 65])
def test_strange_ids_are_refused_everywhere(home, name):
    path = home.write("x.toml", f'[app]\nid = """{name}"""\ncommand = "true"\n')
    result = home.berth("load", path)
    assert result.code == 1 and "app.id" in result.err
    for verb in ("start", "stop", "status", "logs", "explain"):
        assert home.berth(verb, "--", name or "''").code in (2, 3, 4)
    assert home.apps() == {} and not (home.path / "PWNED").exists() and not pathlib.Path("PWNED").exists()


def test_a_broken_descriptor_below_repos_hurts_nobody(home):
    for name, text in (("bad", "[app\n"), ("good", '[app]\nid = "good"\ncommand = "true"\n')):
        folder = home.agent_home / "repos" / name
        folder.mkdir(parents=True)
        (folder / "berth.toml").write_text(text)
    assert "bad/berth.toml:1" in home.berth("scan", check=1).err
    assert set(home.apps()) == {"good"}


class Raw:
    """Speaks to the control socket directly."""

    def __init__(self, home):
        self.context = zmq.Context()
        self.socket = self.context.socket(zmq.DEALER)
        self.socket.linger = 0
        self.socket.rcvtimeo = 10000
        self.socket.connect(f"ipc://{home.agent_home}/run/control.sock")

    def ask(self, frame):
        self.socket.send(frame)
        return msgpack.unpackb(self.socket.recv(), raw=False, unicode_errors="replace", strict_map_key=False)

    def request(self, name, **args):
        return self.ask(msgpack.packb([1, 7, name, args]))

    def close(self):
        self.socket.close()
        self.context.term()


@pytest.fixture
def raw(home):
    it = Raw(home)
    yield it
    it.close()


MALFORMED = [
    b"", b"\xc1", b"\xdd\x10\x00\x00\x00", b"\xdf\x10\x00\x00\x00", b"\xdd\x00\x00\x00\x01" * 24, b"\x91" * 100000,
    b"\x94\x01\x07", msgpack.packb([1, 7, "list"]), msgpack.packb([1, 7, "list", {}, 5]), msgpack.packb([2, 7, "list", {}]),
    msgpack.packb([1, 0, "list", {}]), msgpack.packb([1, -3, "list", {}]), msgpack.packb([1, 7, 5, {}]),
    msgpack.packb([1, 7, "list", [1]]), msgpack.packb({"a": 1}), msgpack.packb("x" * 1000000), b"GET / HTTP/1.1\r\n\r\n",
    b"\x94\x01\x07\xa4list\x82\xa1a\x01\xa1a\x02", msgpack.packb([1, 7, "list", {1: 2}]),
]


@pytest.mark.parametrize("number", range(len(MALFORMED)))
def test_malformed_frames_get_an_error(raw, number):
    reply = raw.ask(MALFORMED[number])
    assert reply[0] == 1 and reply[2] == 400 and reply[3]["error"]
    assert raw.request("hello")[2] == 0


def test_frames_that_look_like_mail_are_answered_too(raw):
    for frame in (b"\xc1", b"\xc1\x01", b"\xc1\x01\xff" + b"x" * 50, b"\xc1\xc1\xc1"):
        assert raw.ask(frame)[2] == 400


def test_random_frames_never_hurt(home, raw):
    rng = random.Random(5)
    pid = home.pid_of("agent")
    valid = msgpack.packb([1, 7, "logs", {"id": "a", "tail": 5, "grep": "x", "position": [1, 2]}])
    for _ in range(3000):
        frame = bytearray(valid if rng.random() < 0.7 else rng.randbytes(rng.randrange(60)))
        for _ in range(rng.randrange(1, 4)):
            if frame:
                frame[rng.randrange(len(frame))] = rng.randrange(256)
        assert raw.ask(bytes(frame))[0] == 1
    assert home.pid_of("agent") == pid and alive(pid)


def test_requests_that_mean_nothing(raw):
    assert raw.request("dance")[2] == 404
    assert raw.request("act", verb="dance", ids=["a"])[2] == 400
    assert raw.request("logs", id="../../etc/passwd")[2] == 404
    assert raw.request("logs", id=5)[2] == 404
    assert raw.request("show", id="x" * 100000)[2] == 404
    assert raw.request("load", paths=["relative"], cwd="/")[2] == 400
    assert raw.request("authorize", key="short")[2] == 400
    assert raw.request("input", id="a", data="x" * 5_000_000)[2] == 413
    assert raw.request("act", verb="start", patterns=["("])[2] == 400
    assert raw.request("list", patterns=[1, None, {}])[2] == 0


def test_an_expired_command_is_not_carried_out(home, raw):
    home.load("a.toml", '[app]\nid = "a"\ncommand = "sleep 1000"\n')
    assert raw.request("act", verb="start", ids=["a"], deadline_ns=1)[2] == 504
    assert home.state("a") == "stopped"


def test_a_repeated_command_is_carried_out_once(home, raw):
    home.load("a.toml", '[app]\nid = "a"\ncommand = "sleep 1000"\n')
    first = raw.request("act", verb="restart", ids=["a"], key="k1")
    pid = home.app("a")["pid"]
    assert raw.request("act", verb="restart", ids=["a"], key="k1") == first
    assert home.app("a")["pid"] == pid


def test_an_oversized_frame_costs_its_sender_the_connection_only(home, raw):
    # Mail between agents comes over the same endpoint and may be larger than a request.
    assert raw.ask(b"\xc6" + b"x" * (17 << 20))[2] == 413
    raw.socket.rcvtimeo = 500
    raw.socket.send(b"\xc6" + b"x" * (67 << 20))
    with pytest.raises(zmq.Again):
        raw.socket.recv()
    assert home.berth("list").code == 0


def test_an_agent_that_cannot_begin_says_why_at_once_and_begins_once_it_can(tmp_path):
    home = Home(tmp_path / "home", agent="lab")
    home.agent_home.mkdir(parents=True)
    config = home.agent_home / "agent.toml"
    config.write_text("[log]\nmax_total = 'much'\n")
    try:
        began = time.monotonic()
        result = home.berth("agent", "run", "--name", "lab", "--detach")
        assert result.code == 4 and f"agent lab cannot begin: {config}:2" in result.err, result.err
        assert time.monotonic() - began < 8
        config.write_text("")
        wait_for(lambda: home.berth("list").code == 0, "the agent, which its keeper tries again")
        assert not (home.agent_home / "run/agent.problem").exists()
        home.berth("agent", "run", "--name", "lab", "--detach", check=0)
    finally:
        home.destroy()


def test_an_agent_whose_port_is_taken_says_so_at_once_and_begins_when_it_is_free(empty_home):
    home = empty_home
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        config = home.path / "agents/lab/agent.toml"
        config.parent.mkdir(parents=True)
        config.write_text(f'[control]\nlisten = "tcp://127.0.0.1:{port}"\n')
        result = home.berth("agent", "run", "--name", "lab", "--detach")
        assert result.code == 4 and f"agent lab cannot begin: bind tcp://127.0.0.1:{port}: Address already in use" in result.err
        log = (config.parent / "agent.log").read_text()
        assert log.count("cannot begin") < 10, "its keeper does not try without a pause"
    wait_for(lambda: home.berth("--agent", "lab", "list").code == 0, "it has begun", 30)
    home.berth("--agent", "lab", "agent", "stop", check=0)
