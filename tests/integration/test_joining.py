"""A second machine joins by hand: two homes, over loopback. The commands are those of deploy/docs/joining.md."""

import json
import os
import re
import signal
import socket
import subprocess
import threading
import time

import pytest
import zmq.utils.z85

from berthlib import BIN, SLOW, Home, wait_for
from test_controller import Up

KEY = re.compile(r"^[0-9a-f]{64}$")
SLEEP = 'command = "sleep 1000"\n'


def free_port():
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return one.getsockname()[1]


class Two:
    """The machine with the controller, and the other one."""

    def __init__(self, tmp_path):
        self.here, self.there = Up(tmp_path / "here"), Home(tmp_path / "there")
        self.here.begin()
        self.there.up()
        self.port = free_port()

    def public_key(self):
        return self.here.berth("controller", "public-key", check=0).out.strip()

    def authorize(self, key=None):
        """What is to be typed at the controller, as the other machine says it."""
        said = self.there.berth("agent", "authorize", key or self.public_key(), "--listen", f"127.0.0.1:{self.port}", check=0).out
        return re.search(r"^at the controller: (berth controller add-agent .*)$", said, re.MULTILINE).group(1)

    def key_of_there(self):
        return json.loads(self.there.berth("--json", "agent", "peers", check=0).out)["public_key"]

    def add(self, name="lab", *more, key=None, port=None):
        return self.here.berth("controller", "add-agent", name, "--endpoint", f"127.0.0.1:{port or self.port}",
                               "--key", key or self.key_of_there(), *more, timeout=60)

    def destroy(self):
        self.here.destroy()
        self.there.destroy()


@pytest.fixture
def two(tmp_path):
    it = Two(tmp_path)
    yield it
    it.destroy()


def test_the_whole_way_by_hand(two):
    """Four commands, none of which needs a quote: each is given to a shell as it is printed."""
    two.there.load("sensor.toml", f'[app]\nid = "sensor"\n{SLEEP}')
    key = two.public_key()
    assert KEY.match(key)
    line = two.authorize(key)
    assert " default " not in line, "each machine's agent is called so"
    line = re.sub(r"add-agent \S+", "add-agent lab", line)
    done = subprocess.run(["sh", "-c", line], env=two.here.env, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("added lab: agent default on ") and "1 apps" in done.stdout
    assert "lab/sensor" in wait_for(lambda: (said := two.here.berth("list").out).count("lab/") and said, "it is in the list")
    # All that is said of apps reaches it, by its name here.
    two.here.berth("start", "lab/sensor", check=0)
    assert two.there.state("sensor") == "running"
    two.here.berth("--agent", "lab", "restart", "sensor", check=0)
    assert "asked by" in two.here.berth("explain", "lab/sensor", check=0).out or "restarted by" in \
        two.here.berth("explain", "lab/sensor", check=0).out
    assert "lab/sensor" in two.here.berth("status", "lab/sensor", check=0).out or "sensor (task)" in \
        two.here.berth("status", "lab/sensor", check=0).out
    assert "running" in two.here.berth("--agent", "lab", "events", check=0).out
    two.here.berth("logs", "lab/sensor", check=0)
    two.here.berth("is-active", "lab/sensor", check=0)
    assert "agent lab at tcp://127.0.0.1" in two.here.berth("doctor").out
    assert two.here.berth("--json", "list", "--agent", "lab", check=0).json()[0]["agent"] == "lab"
    two.here.berth("stop", "lab/sensor", check=0)
    assert two.there.state("sensor") == "stopped"
    rows = wait_for(lambda: [(row["verb"], row["target"]) for row in two.here.panel.ask("GET", "/audit")[1]["entries"]
                             if row["address"] == "local"], "it is in the audit log")
    assert ("start", "lab/sensor") in rows and ("stop", "lab/sensor") in rows, rows
    # It is kept on both sides.
    two.there.down()
    result = two.here.berth("list")
    assert "agent lab" in result.err and "berth up" not in result.err
    result = two.here.berth("start", "lab/sensor")
    assert result.code == 4 and "berth up" not in result.err, result.err
    two.there.up()
    wait_for(lambda: two.here.berth("start", "lab/sensor").code == 0, "it is back", 30)


def test_what_only_its_own_machine_may_do(two):
    two.authorize()
    assert two.add().code == 0
    wait_for(lambda: two.here.berth("list", "--agent", "lab").code == 0, "the controller has it")
    for words in (["agent", "stop"], ["agent", "authorize", two.public_key()], ["token", "app", "x"], ["agent", "upgrade"]):
        result = two.here.berth("--agent", "lab", *words)
        assert result.code != 0 and result.err, words
    assert two.there.berth("list").code == 0
    two.here.berth("agent", "run", "--name", "lab", "--detach", check=1)  # would hide it
    assert not (two.here.path / "agents/lab").exists()


def test_keys_are_read_in_both_forms(two):
    z85 = (two.here.path / "controller/keys/controller.pub").read_text().strip()
    assert zmq.utils.z85.decode(z85).hex() == two.public_key()
    two.there.berth("agent", "authorize", "--listen", f"127.0.0.1:{two.port}", "--", z85, check=0)
    peers = json.loads(two.there.berth("--json", "agent", "peers", check=0).out)["peers"]
    assert [peer["key"] for peer in peers] == [two.public_key()]
    own = (two.there.agent_home / "keys/agent.pub").read_text().strip()
    assert two.add("lab", key=own).code == 0
    two.there.berth("agent", "revoke", two.public_key().upper(), check=0)
    # agent.toml too, and what is no key there is a warning.
    two.there.down()
    (two.there.agent_home / "agent.toml").write_text(f'[control]\nallow = ["{two.public_key()}", "nonsense"]\n')
    two.there.up()
    assert "nonsense" in two.there.berth("list").err
    assert two.add("lab", key=own).code == 0


@pytest.mark.parametrize("wrong", ["port", "key", "not authorised", "no agent", "name of the host"])
def test_what_is_wrong_is_said(two, wrong):
    two.authorize("0" * 64 if wrong == "not authorised" else None)
    began = time.monotonic()
    listener = socket.create_server(("127.0.0.1", 0))
    taken = []  # and never answered
    threading.Thread(target=lambda: taken.extend(iter(listener.accept, None)), daemon=True).start()
    more = {"port": {"port": free_port()}, "key": {"key": "ab" * 32}, "no agent": {"port": listener.getsockname()[1]}}
    if wrong == "name of the host":
        result = two.here.berth("controller", "add-agent", "lab", "--endpoint", "tcp://no-such-host.invalid:6883", "--key",
                                two.key_of_there(), "--timeout", "8s")
    else:
        result = two.add("lab", "--timeout", "8s", **more.get(wrong, {}))
    said = {"port": "nobody listens at", "key": "its key is another than the one given", "not authorised": f"agent authorize {two.public_key()}",
            "no agent": "it is no agent", "name of the host": "no host of the name"}[wrong]
    assert result.code == 4 and said in result.err, result.err
    assert "remove-agent lab" in result.err and time.monotonic() - began < 20 * SLOW
    listener.close()
    # The controller says the same.
    panel_error = wait_for(lambda: said in two.here.berth("doctor").out, "the controller has found out too", 30)
    assert panel_error
    listed = two.here.berth("list")
    assert listed.code == 4 and "agent lab" in listed.err


def test_it_waits_until_it_is_let_in(two):
    two.authorize("0" * 64)
    with subprocess.Popen([str(BIN / "berth"), "controller", "add-agent", "lab", "--endpoint", f"127.0.0.1:{two.port}", "--key",
                           two.key_of_there(), "--timeout", "60s"], env=two.here.env, stderr=subprocess.PIPE,
                          stdout=subprocess.PIPE, text=True) as adding:
        assert "does not let this controller in" in adding.stderr.readline() or \
            "does not let this controller in" in adding.stderr.readline()
        two.there.berth("agent", "authorize", two.public_key(), check=0)
        assert adding.wait(timeout=40 * SLOW) == 0
        assert adding.stdout.read().startswith("added lab")


def test_names_that_are_taken_are_refused(two):
    two.authorize()
    result = two.add("default", "--no-wait")
    assert result.code == 1 and "an agent of this machine is named" in result.err
    two.here.berth("list", check=0)
    two.add("lab", "--no-wait")
    assert two.add("lab").code == 0, "said again it is the same one"
    for name, key, said in (("lab", "cd" * 32, "named \"lab\" already"), ("other", None, "as \"lab\"")):
        result = two.add(name, "--no-wait", key=key)
        assert result.code == 1 and said in result.err, result.err
    panel = two.here.panel
    for name, key in (("default", "ab" * 32), ("lab", "ab" * 32), ("other", two.key_of_there())):
        status, reply = panel.ask("POST", "/agents", {"name": name, "endpoint": "tcp://127.0.0.1:1", "public_key": key})
        assert status == 409, reply
    status, reply = panel.ask("POST", "/agents", {"name": "more", "endpoint": "tcp://127.0.0.1:1", "public_key": "xyz"})
    assert status == 400 and "64 hexadecimal digits" in reply["detail"]


def test_the_time_it_was_seen_last_is_true(two):
    two.authorize()
    assert two.add().code == 0
    panel = two.here.panel

    def seen():
        agent = next(a for a in panel.ask("GET", "/agents")[1]["agents"] if a["name"] == "lab")
        return agent["last_seen"]

    first = wait_for(seen, "it is heard of")
    wait_for(lambda: seen() > first, "that goes on while nothing changes")
    assert panel.ask("GET", "/agents/lab")[1]["last_seen"] >= first


def test_a_controller_that_is_held_still_holds_nobody_up(two):
    two.authorize()
    assert two.add().code == 0
    two.here.load("near.toml", f'[app]\nid = "near"\n{SLEEP}')
    wait_for(lambda: two.here.berth("list", "--agent", "lab").code == 0, "the controller has it")
    pid = int((two.here.path / "controller/run/controller.pid").read_text())
    os.kill(pid, signal.SIGSTOP)
    try:
        began = time.monotonic()
        listed = two.here.berth("list")
        assert listed.code == 4 and "near" in listed.out and f"kill -CONT {pid}" in listed.err
        assert time.monotonic() - began < 3 * SLOW
    finally:
        os.kill(pid, signal.SIGCONT)
    wait_for(lambda: two.here.berth("list").code == 0, "it goes on", 20)


def test_an_unknown_agent_is_named_with_those_there_are(two):
    result = two.here.berth("--agent", "lob", "list")
    assert result.code == 4 and 'no agent is called "lob"' in result.err and "default" in result.err
    two.here.berth("down", check=0)
    result = two.here.berth("--agent", "lob", "list")
    assert result.code == 4 and "berth up" in result.err


def test_the_old_way_by_agent_toml_holds(two):
    two.there.down()
    (two.there.agent_home / "agent.toml").write_text(f'[control]\nlisten = "tcp://127.0.0.1:{two.port}"\n')
    two.there.up()
    assert two.there.berth("agent", "authorize", two.public_key(), check=0).out.startswith("authorized\n")
    refused = two.there.berth("agent", "authorize", two.public_key(), "--listen", "127.0.0.1:1")
    assert refused.code == 1 and "agent.toml" in refused.err
    assert two.add().code == 0
