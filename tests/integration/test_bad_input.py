"""Whatever is wrong gets a clear error, and nothing is lost or half-done."""

import os
import pathlib
import random
import socket
import time

import msgpack
import pytest
import zmq

from berthlib import Home, alive, may, wait_for

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
    assert raw.request("logs", id=5)[2] == 400
    assert raw.request("show", id="x" * 100000)[2] == 404
    assert raw.request("load", paths=["relative"], cwd="/")[2] == 400
    assert raw.request("authorize", key="short")[2] == 400
    assert raw.request("input", id="a", data="x" * 5_000_000)[2] == 413
    assert raw.request("act", verb="start", patterns=["("])[2] == 400
    assert raw.request("list", patterns=[1, None, {}])[2] == 400
    assert raw.request("list", patterns=None, metrics=None)[2] == 0


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


@pytest.mark.parametrize("verb", ["start", "restart"])
def test_a_stop_has_the_last_word_over_a_start_that_still_reads_its_descriptor(home, raw, verb):
    ids = [f"a{n}" for n in range(10)]
    for app in ids:
        home.load(f"{app}.toml", f'[app]\nid = "{app}"\ncommand = "sleep 1000"\n')
        raw.socket.send(msgpack.packb([1, 7, "act", {"verb": verb, "patterns": [app], "reload": True}]))
        raw.socket.send(msgpack.packb([1, 8, "act", {"verb": "stop", "patterns": [app]}]))
        answers = {}
        while len(answers) < 2:
            _, number, code, info = msgpack.unpackb(raw.socket.recv())
            assert code == 0, info
            answers[number] = info["results"][0]
        assert answers[8]["ok"], answers
    assert [home.state(app) for app in ids] == ["stopped"] * len(ids)


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
        wait_for(lambda: home.pid_of("keeper") is None, "what was begun is ended: it has no apps")
        config.write_text("")
        home.berth("agent", "run", "--name", "lab", "--detach", check=0)
        assert not (home.agent_home / "run/agent.problem").exists()
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
    home.berth("agent", "run", "--name", "lab", "--detach", check=0)
    assert home.berth("--agent", "lab", "list").code == 0
    home.berth("--agent", "lab", "agent", "stop", check=0)


@pytest.mark.parametrize("line", ["#!/bin/sh\r", "#!/usr/bin/env python3\r", "#! /bin/sh -e\r"])
def test_a_script_with_windows_line_ends_is_named(home, line):
    script = home.write("run.sh", "")
    script.write_bytes(line.encode() + b"\necho hello\r\n")
    script.chmod(0o755)
    home.load("a.toml", f'[app]\nid = "a"\ncommand = "{script}"\n')
    checked = home.berth("check", "a")
    assert checked.code == 1 and "carriage return" in checked.err and "sed -i" in checked.err
    started = home.berth("start", "a")
    assert started.code == 1 and "carriage return" in started.err
    assert home.state("a") == "failed", "the next try would fail too"
    script.write_bytes(script.read_bytes().replace(b"\r", b"").replace(b"env python3", b"env no-such-python"))
    if "env" in line:
        assert "no-such-python, is not in its PATH" in home.berth("check", "a").err
    else:
        home.berth("check", "a", check=0)


def test_descriptors_say_what_has_no_effect(home):
    def loaded(text, name="x.toml"):
        return home.berth("load", home.write(name, text))

    done = loaded('[app]\nid = "a"\ncommand = "true"\n[env]\nPORT = "1"\n')
    assert done.code == 0 and "[app.env]" in done.err and "x.toml:4" in done.err
    done = loaded('command = "true"\n[app]\nid = "b"\ncommand = "true"\n', "b.toml")
    assert "app.command" in done.err
    for cron, said in (("0 0 30 2 *", "never due"), ("@fortnightly", "@daily"), ("@reboot", "autostart")):
        done = loaded(f'[app]\nid = "c"\ncommand = "true"\n[schedule]\ncron = "{cron}"\n', "c.toml")
        assert done.code == 1 and said in done.err and "c.toml:5" in done.err, cron
    for cron in ("@daily", "@hourly", "@weekly", "0 0 29 2 *"):
        assert loaded(f'[app]\nid = "c"\ncommand = "true"\n[schedule]\ncron = "{cron}"\n', "c.toml").code == 0
        assert home.app("c")["next_run"]
    assert loaded('[app]\nid = "d"\ncommand = "true"\n[stop]\nsignal = "SIGRTMIN+3"\n', "d.toml").code == 0
    assert loaded('[app]\nid = "e"\ncommand = "true"\n[stop]\nsignal = "SIGRTMIN+40"\n', "e.toml").code == 1
    done = loaded('[app]\nid = "f"\ncommand = "true"\n[setup]\nsteps = ["make"]\n[requirements]\npython = ["zmq"]\n', "f.toml")
    assert "setup.steps" in done.err and "requirements.python" in done.err


def test_real_time_signals_reach_the_app(home):
    home.load("a.toml", """[app]
id = "a"
shell = true
command = "trap 'echo got it; exit 0' RTMIN+3; echo up; while :; do sleep 0.05; done"
[ready]
log = "up"
[stop]
signal = "SIGRTMIN+3"
timeout = "20s"
""".replace('shell = true\ncommand = "', 'argv = ["bash", "-c", "').replace('done"\n', 'done"]\n'))
    home.berth("start", "a", check=0)
    home.berth("stop", "a", check=0)
    assert "got it" in home.berth("logs", "a").out


def test_pytainers_defaults(home):
    folder = home.path / "src" / "py"
    folder.mkdir(parents=True)
    (folder / "init.py").write_text("print('from init.py')\n")
    (folder / "pytainer.toml").write_text('[app]\nident = "py"\n[config.loud]\ntype = "bool"\nvalue = true\n[requirements]\nmodules = ["numpy"]\n')
    (folder / "setup.pytainer").write_text("PIPINSTALL numpy\n")
    done = home.berth("load", folder, check=0)
    assert "requirements.modules" in done.err and "setup.pytainer" in done.err
    home.berth("start", "py", check=0)
    wait_for(lambda: "from init.py" in home.berth("logs", "py").out, "its default launcher ran")


@pytest.mark.parametrize("target", ["/proc/kmsg", "/etc/shadow", "fifo", "/dev/zero", "folder"])
def test_files_that_are_no_files_hang_nobody(home, target):
    repos = home.agent_home / "repos"
    (repos / "bad").mkdir(parents=True)
    path = repos / "bad" / "berth.toml"
    if target == "fifo":
        os.mkfifo(path)
    elif target == "folder":
        path.mkdir()
    else:
        path.symlink_to(target)
    began = time.monotonic()
    home.berth("scan")
    home.down()
    home.up()
    assert home.apps() == {}
    assert time.monotonic() - began < 20
    if target.startswith("/etc") or target.startswith("/proc"):
        assert "leads out of its folder" in home.berth("list").err
    loaded = home.berth("load", repos / "bad")
    assert loaded.code == 1 and "root:" not in loaded.err


def test_a_descriptor_that_becomes_a_link_is_not_followed(home):
    folder = home.path / "src" / "a"
    folder.mkdir(parents=True)
    (folder / "berth.toml").write_text('[app]\nid = "a"\ncommand = "sleep 1000"\n')
    home.berth("load", folder, check=0)
    home.berth("start", "a", check=0)
    (folder / "berth.toml").unlink()
    (folder / "berth.toml").symlink_to("/etc/shadow")
    for words in (["list"], ["check", "a"], ["reload", "a"], ["restart", "--reload", "a"]):
        said = home.berth(*words)
        assert "leads out of its folder" in said.err and "root:" not in said.err + said.out, words
    assert home.state("a") == "running"


def test_paths_that_a_descriptor_names_may_lie_outside(home):
    outside = home.write("shared.env", "FROM_OUTSIDE=1\n")
    folder = home.path / "apps" / "a"
    folder.mkdir(parents=True)
    (folder / "link.env").symlink_to(outside)
    (folder / "berth.toml").write_text('[app]\nid = "a"\nshell = true\ncommand = "env; sleep 1000"\nenv_file = "link.env"\n')
    home.berth("load", folder, check=0)
    home.berth("start", "a", check=0)
    assert "FROM_OUTSIDE=1" in home.berth("logs", "a").out
    (folder / "Procfile").write_text("web: env; sleep 1000\n")
    (folder / "berth.toml").unlink()
    (folder / ".env").symlink_to(outside)
    home.berth("load", folder, check=0)
    assert "leads out of its folder" in home.berth("start", "a-web").err


@pytest.mark.skipif(not may("chown"), reason="needs a root that may give files away")
def test_root_is_warned_of_what_others_can_write(home):
    path = home.write("a.toml", '[app]\nid = "a"\ncommand = "true"\n')
    assert "decides" not in home.berth("load", path, check=0).err
    path.chmod(0o666)
    assert "can be written by everybody" in home.berth("load", path, check=0).err
    path.chmod(0o644)
    os.chown(path, 65534, 0)
    assert "belongs to user 65534" in home.berth("load", path, check=0).err
