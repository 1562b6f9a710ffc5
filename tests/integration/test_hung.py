"""A process that hangs (SIGSTOP) is waited for by nobody else, is named, and harms nothing (R13)."""

import contextlib
import errno
import os
import signal
import socket
import time

import pytest

from berthlib import SLOW, alive, wait_for
from test_controller import Up

DATAGRAMS = """
import os, socket, sys, time
s = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
to = os.environ["NOTIFY_SOCKET"]
to = "\\0" + to[1:] if to[0] == "@" else to
for n in range(100000):
    s.sendto(b"WATCHDOG=1", to)
    os.write(1, b"line %d\\n" % n)
    time.sleep(0.05)
"""


def command(path, more="", app="x"):
    return f'[app]\nid = "{app}"\nshell = true\ncommand = "{path}"\n{more}'


class Two(Up):
    """`default`, and `two`, which is held still. Each has the same apps."""

    def begin(self):
        super().begin()
        self.berth("agent", "run", "--name", "two", "--detach", check=0)
        lively = self.write("lively.py", DATAGRAMS)
        for agent in ("default", "two"):
            journal = self.path / f"starts.{agent}"
            journal.touch()
            for name, text in {
                "calm": command("exec sleep 1000", app="calm"),
                "counted": command(f"echo x >> {journal}; exec sleep 1000", "[ready]\nsettle = 0\n", "counted"),
                "lively": command(f"exec python3 {lively}", '[health]\nwatchdog = "800ms"\n', "lively"),
                "checked": command("exec sleep 1000", '[health]\nexec = "true"\ninterval = "200ms"\ntimeout = "1s"\nfailures = 1\n',
                                   "checked"),
                "polite": command("trap 'sleep 0.2; echo bye; exit 0' TERM; echo up; while :; do sleep 0.05; done",
                                  '[stop]\ntimeout = "1s"\n', "polite"),
            }.items():
                path = self.write(f"{agent}.{name}.toml", text + ('[restart]\npolicy = "never"\n' if name == "calm" else ""))
                self.berth("--agent", agent, "load", path, check=0)
        wait_for(lambda: len(self.seen()) == 10, "all are known")

    def of(self, agent, which):
        return int((self.path / "agents" / agent / "run" / f"{which}.pid").read_text())

    def seen(self):
        """What the controller shows: AGENT/ID -> app."""
        return {a["agent"] + "/" + a["id"]: a for a in self.panel.ask("GET", "/apps")[1]["apps"]}

    def agents(self):
        return {a["name"]: a for a in self.panel.ask("GET", "/agents")[1]["agents"]}

    def act(self, verb, app, agent="two", **more):
        return self.panel.ask("POST", f"/agents/{agent}/apps/{app}/{verb}", timeout=60 * SLOW, **more)

    def starts(self, agent):
        return (self.path / f"starts.{agent}").read_text().count("x")

    def lines(self, agent, app):
        folder = self.path / "agents" / agent / "logs" / app
        return [line.split(" ", 3)[3] for line in (folder / "current").read_text().splitlines()]


@pytest.fixture(scope="module")
def two(tmp_path_factory):
    it = Two(tmp_path_factory.mktemp("hung") / "home")
    it.begin()
    yield it
    it.berth("--agent", "two", "agent", "stop")
    it.berth("down", timeout=120)
    it.destroy()


@pytest.fixture(autouse=True)
def all_running(two):
    for agent in ("default", "two"):
        two.berth("start", *(f"{agent}/{app}" for app in ("calm", "lively", "checked", "polite")))
        two.berth("stop", f"{agent}/counted")
    wait_for(lambda: all(a["state"] == ("stopped" if a["id"] == "counted" else "running") for a in two.seen().values()),
             "all run")


@contextlib.contextmanager
def held_still(*pids):
    for pid in pids:
        os.kill(pid, signal.SIGSTOP)
    try:
        yield time.monotonic()
    finally:
        for pid in pids:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGCONT)


def at_least(begin, seconds):
    """The hold-up itself has to last for so long."""
    wait_for(lambda: time.monotonic() - begin >= seconds, "time passes")


def pids(two, *but):
    return {key: app["pid"] for key, app in two.seen().items() if app["id"] not in ("counted", *but)}


def seconds(call):
    begin = time.monotonic()
    result = call()
    return result, time.monotonic() - begin


def test_an_agent_that_hangs(two):
    before = pids(two, "calm")
    agent, calm = two.of("two", "agent"), two.seen()["two/calm"]["pid"]
    with held_still(agent) as begin:
        wait_for(lambda: two.agents()["two"]["state"] == "unreachable", "it is seen to hang", 10)
        assert time.monotonic() - begin < 6 * SLOW  # 3 ticks, and the time to look
        os.kill(calm, signal.SIGKILL)  # what its keeper sees meanwhile is not lost
        wait_for(lambda: not alive(calm), "its end")
        times = [seconds(lambda: two.panel.ask("GET", "/apps"))[1] for _ in range(150)]
        times += [seconds(lambda n=n: two.act(("start", "stop")[n % 2], "counted", "default"))[1] for n in range(20)]
        p99 = sorted(times)[int(len(times) * 0.99)]
        print(f"the others' p99 is {p99 * 1000:.0f} ms")
        assert p99 < 0.2 * SLOW
        (status, reply), took = seconds(lambda: two.act("stop", "polite"))
        assert status == 503 and "stopped answering" in reply["detail"] or "does not answer" in reply["detail"]
        assert reply["title"] == "The agent does not answer" and reply["type"].endswith(":agent-away"), reply
        assert took < 2 * SLOW
        # On the command line: the others' apps, what is wrong, and what helps.
        for words in (("list",), ("list", "--agent", "two"), ("stop", "two/polite"), ("--agent", "two", "logs", "polite"),
                      ("agent", "run", "--name", "two", "--detach")):
            result, took = seconds(lambda words=words: two.berth(*words))
            assert result.code == 4 and f"kill -CONT {agent}" in result.err, (words, result.err)
            assert took < 6 * SLOW
            assert words != ("list",) or "polite" in result.out
        # Also when nobody can get in at its door any more.
        with contextlib.ExitStack() as crowd:
            for _ in range(5000):
                one = crowd.enter_context(socket.socket(socket.AF_UNIX))
                one.setblocking(False)
                if one.connect_ex(str(two.path / "agents/two/run/control.sock")) == errno.EAGAIN:
                    break
            else:
                pytest.fail("its door is never full")
            assert f"kill -CONT {agent}" in two.berth("list", "--agent", "two").err
    wait_for(lambda: two.agents()["two"]["state"] == "connected", "it is back", 15)
    wait_for(lambda: two.seen()["two/calm"]["state"] == "failed", "what was seen meanwhile", 15)
    assert pids(two, "calm") == before and two.of("two", "agent") == agent


def test_a_command_that_is_under_way_to_an_agent_that_hangs(two):
    key = {"headers": {"Idempotency-Key": f"k{time.monotonic_ns()}"}}
    before = two.starts("two")
    with held_still(two.of("two", "agent")):
        (status, reply), took = seconds(lambda: two.act("start", "counted", **key))
        assert status == 504 and "not known" in reply["detail"], reply
        assert took < 8 * SLOW
        wait_for(lambda: two.agents()["two"]["state"] == "unreachable", "it is seen to hang", 10)
        assert two.act("start", "counted", **key)[0] == 503  # that was not even sent
    wait_for(lambda: two.agents()["two"]["state"] == "connected", "it is back", 15)
    assert two.act("start", "counted", **key)[0] == 200
    assert two.act("start", "counted")[0] == 409
    assert two.starts("two") == before + 1


def test_a_keeper_that_hangs(two):
    before = pids(two, "polite")
    keeper = two.of("two", "keeper")
    hint = f"kill -CONT {keeper}"
    with held_still(keeper) as begin:
        (status, reply), took = seconds(lambda: two.act("stop", "polite"))  # before it is seen to hang
        assert status == 504 and hint in reply["detail"] and took < 8 * SLOW
        key = {"headers": {"Idempotency-Key": f"k{time.monotonic_ns()}"}}
        (status, reply), took = seconds(lambda: two.act("start", "counted", **key))
        assert status == 503 and hint in reply["detail"] and took < 2 * SLOW
        wait_for(lambda: hint in (two.agents()["two"]["error"] or ""), "the controller shows it")
        assert two.agents()["two"]["state"] == "connected"
        assert hint in two.panel.ask("GET", "/agents/two/apps/calm/explain")[1]["explanation"]
        listed = two.berth("list", check=0)
        assert hint in listed.err and "two/calm" in listed.out
        two.berth("agent", "run", "--name", "two", "--detach", check=0)
        assert two.of("two", "keeper") == keeper
        at_least(begin, 4)  # longer than every watchdog and check would wait
    wait_for(lambda: two.agents()["two"]["error"] is None, "it is well again", 15)
    assert two.act("start", "counted", **key)[0] == 200  # a refusal is not remembered
    wait_for(lambda: two.seen()["two/polite"]["state"] == "stopped", "what was asked for", 10)
    assert two.seen()["two/polite"]["exit_code"] == 0 and two.lines("two", "polite")[-1] == "bye"  # it had its time
    assert pids(two, "polite") == before and two.of("two", "keeper") == keeper
    numbers = [int(line.split()[1]) for line in two.lines("two", "lively")]
    assert numbers == list(range(len(numbers)))


def test_an_agent_and_its_keeper_that_hang(two):
    """Nothing that they missed counts against those who said it."""
    before = pids(two)
    with held_still(two.of("two", "agent"), two.of("two", "keeper")) as begin:
        at_least(begin, 2)
    with held_still(two.of("two", "agent")) as begin:
        at_least(begin, 2)
    wait_for(lambda: two.agents()["two"]["state"] == "connected", "it is back", 15)
    begin = time.monotonic()
    at_least(begin, 1)  # longer than the watchdog
    assert pids(two) == before
    assert all(two.seen()[key]["restarts"] == 0 for key in before)


def test_a_controller_that_hangs(two):
    since = {name: agent["since"] for name, agent in two.agents().items()}
    controller = int((two.path / "controller/run/controller.pid").read_text())
    with held_still(controller) as begin:
        two.berth("start", "two/counted", check=0)
        two.berth("stop", "two/calm", check=0)
        at_least(begin, 4)  # longer than it would wait for the others
    wait_for(lambda: (s := two.seen())["two/counted"]["state"] == "running" and s["two/calm"]["state"] == "stopped", "it knows", 15)
    assert {name: agent["since"] for name, agent in two.agents().items()} == since  # nobody is blamed for its own absence


def test_an_app_that_hangs(two):
    apps = two.seen()
    lively, polite = apps["two/lively"]["pid"], apps["two/polite"]["pid"]
    other = len(two.lines("default", "lively"))
    with held_still(lively, polite):
        wait_for(lambda: two.seen()["two/lively"]["pid"] not in (lively, None), "the watchdog has acted", 20)
        assert len(two.lines("default", "lively")) > other
        (status, reply), took = seconds(lambda: two.act("stop", "polite"))
        assert status == 200 and reply["app"]["exit_code"] == 0, reply  # it was let go on, and said goodbye
        assert took < 8 * SLOW
    assert two.lines("two", "polite")[-1] == "bye"


def test_down_ends_those_that_hang_too(tmp_path):
    it = Up(tmp_path / "home")
    try:
        it.berth("up", "--detach", "--listen", "127.0.0.1:0", check=0)
        services = [int(path.read_text()) for path in (it.path / "up.pid", it.path / "controller/run/controller.pid")]
        services += [it.pid_of("agent"), it.pid_of("keeper")]
        for pid in services:
            os.kill(pid, signal.SIGSTOP)
        it.berth("down", check=0, timeout=30)
        assert not any(alive(pid) for pid in services)
    finally:
        it.destroy()
