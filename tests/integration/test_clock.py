"""The wall clock jumps by an hour and by a month, there and back: nothing is restarted, ended or told wrongly (R14)."""

import datetime
import glob
import os
import signal
import subprocess
import time

import pytest

from berthlib import SLOW, alive, wait_for
from relaylib import Apps
from test_controller import Up
from test_exhaustion import idles

LIBRARY = next(iter(glob.glob("/usr/lib/*/faketime/libfaketimeMT.so.1")), None)
HOUR, MONTH = 3600, 30 * 24 * 3600
JUMPS = (HOUR, 0, -HOUR, 0, MONTH, 0, -MONTH, 0)

pytestmark = pytest.mark.skipif(LIBRARY is None, reason="libfaketime is not there")


class Clock:
    """The wall clock of what is started with its environment."""

    def __init__(self, folder):
        self.file = folder / "clock"
        self.base = 0
        self.set(0)
        # What the library shares belongs to the first process that has it, and must outlive all others.
        self.first = subprocess.Popen(["faketime", "-f", "+0", "sh", "-c", "echo $FAKETIME_SHARED; read end"],
                                      stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        shared = self.first.stdout.readline().strip()
        self.env = {"LD_PRELOAD": LIBRARY, "FAKETIME_TIMESTAMP_FILE": str(self.file), "FAKETIME_NO_CACHE": "1",
                    "FAKETIME_DONT_FAKE_MONOTONIC": "1", "NO_FAKE_STAT": "1",
                    "FAKETIME_SHARED": shared}

    def set(self, by):
        self.by = self.base + by
        fresh = self.file.with_suffix(".new")
        fresh.write_text(f"{self.by:+.3f}\n")
        fresh.rename(self.file)

    def close(self):
        self.first.communicate()

    def begin_at_second(self, second):
        """From now on the time before a jump is that second of a minute."""
        self.base = (second - time.time()) % 60
        self.set(0)

    def age(self, text):
        return time.time() + self.by - datetime.datetime.fromisoformat(text.replace("Z", "+00:00")).timestamp()


@pytest.fixture
def up(tmp_path):
    it = Up(tmp_path / "home")
    it.clock = Clock(tmp_path)
    it.env.update(it.clock.env)
    it.begin()
    yield it
    it.berth("down", timeout=120)
    it.destroy()
    it.clock.close()


def controller(up):
    return int((up.path / "controller/run/controller.pid").read_text())


def test_jumps_of_the_clock_harm_nothing(up):
    apps = Apps(up)
    apps.install("steady", '[health]\nexec = "true"\ninterval = "200ms"\ntimeout = "20s"\nfailures = 1\n', start=True)
    apps.install("crash", '[restart]\ndelay = "300ms"\nmax_delay = "300ms"\njitter = 0.0\nmax_restarts = 0\n', "false")
    apps.install("slow", '[ready]\nlog = "it is up"\n[restart]\npolicy = "never"\n', "sh -c 'sleep 1; echo it is up; sleep 1000'")
    apps.install("deaf", '[stop]\ntimeout = "1s"\n', "sh -c 'trap \\\"\\\" TERM; while :; do sleep 0.1; done'")
    up.berth("start", "crash", "--no-wait", check=0)
    sender = apps.wire("crash")
    sender.do("notify", "kept", to="steady", ttl_ms=600_000, dedupe="once")
    pids = {which: up.pid_of(which) for which in ("agent", "keeper")}
    known, began, restarts = up.app("steady"), time.monotonic(), up.app("crash")["restarts"]
    for by in JUMPS:
        up.berth("start", "slow", "deaf", "--no-wait", check=0)
        up.clock.set(by)
        wait_for(lambda: all(-2 < up.clock.age(app["since"]) < time.monotonic() - began + 10 for app in up.apps().values()),
                 f"{by}: since when they are what they are", 10)
        now = up.app("steady")
        assert (now["pid"], now["restarts"]) == (known["pid"], 0)
        begun = time.monotonic()
        up.berth("stop", "deaf", check=0)
        assert 0.8 < time.monotonic() - begun < 10 * SLOW  # its timeout is what it was
        wait_for(lambda: up.state("slow") == "running", f"{by}: a line of its log makes it ready", 20)
        up.berth("stop", "slow", check=0)
        sender.do("notify", by, to="deaf", dedupe=str(time.monotonic()))
        assert sender.do("notify", "kept", to="steady", dedupe="once")["repeated"]
        status, answer = up.panel.ask("GET", "/agents")  # the session goes on
        assert status == 200 and answer["agents"][0]["state"] == "connected"
        shown = up.berth("list", "steady", check=0).out.splitlines()[1].split()
        assert shown[1] == "running" and float(shown[2]) < 300, up.berth("events", "-n", "12", "steady").out
    passed = time.monotonic() - began
    more = up.app("crash")["restarts"] - restarts
    assert passed / 0.3 / 6 / SLOW < more <= passed / 0.3 + 2, "its restarts keep their pace"
    assert all(idles(pid) for pid in (*pids.values(), controller(up)))
    assert {which: up.pid_of(which) for which in pids} == pids
    assert [payload for _, payload in apps.wire("steady").poll(auto_ack=True)] == ["kept"]
    # An agent that begins after a jump finds what it had.
    up.clock.set(MONTH)
    os.kill(pids["agent"], signal.SIGKILL)
    wait_for(lambda: up.pid_of("agent") not in (None, pids["agent"]) and up.berth("list").code == 0, "an agent again", 20)
    assert up.app("steady")["pid"] == known["pid"] and alive(known["pid"]), up.berth("events", "-n", "20", "steady").out
    apps.close()


def test_a_jump_makes_no_storm_of_a_schedule(up):
    up.clock.begin_at_second(56)
    up.load("tick.toml", '[app]\nid = "tick"\ntype = "oneshot"\ncommand = "echo tick"\n[schedule]\ncron = "* * * * *"\n')
    up.clock.set(MONTH)
    wait_for(lambda: up.runs("tick"), "it is run", 30)
    assert idles(up.pid_of("agent"))
    assert len(up.runs("tick")) == 1
    told = [event for event in up.berth("events", "--json", check=0).out.splitlines() if "missed" in event]
    assert len(told) == 1 and "runs were missed" in told[0]
    up.clock.set(0)
    assert idles(up.pid_of("agent"))
    assert len(up.runs("tick")) == 1
