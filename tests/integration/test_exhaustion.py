"""Descriptors, processes and memory run out: nothing of Berth ends, supervision goes on, clients are let in again (R12)."""

import http.client
import os
import signal
import socket
import subprocess
import time

import pytest
import zmq

import berthlib
from berthlib import BIN, SLOW, Home, alive, may, wait_for
from relaylib import Apps
from test_controller import Up

AGAIN = '[restart]\npolicy = "always"\ndelay = "100ms"\nmax_delay = "500ms"\njitter = 0.0\nmax_restarts = 0\n'
CONTEXT = zmq.Context()
CONTEXT.set(zmq.MAX_SOCKETS, 2000)


def limit(pid, *limits, user=()):
    """Sets limits of a running process: what it has already is kept."""
    subprocess.run([*user, "prlimit", "--pid", str(pid), *limits], check=True)


def begin(home, *limits, user=()):
    """The agent of a home, under limits for prlimit(1)."""
    subprocess.run([*user, "prlimit", *limits, str(BIN / "berth"), "agent", "run", "--detach"], env=home.env, check=True)


def processor_time(pid):
    with open(f"/proc/{pid}/stat", encoding="ascii", errors="replace") as file:
        fields = file.read().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def descriptors(pid):
    return len(os.listdir(f"/proc/{pid}/fd"))


def idles(pid, seconds=1.0):
    """Whether it uses next to nothing of a processor."""
    before = processor_time(pid)
    time.sleep(seconds)
    return processor_time(pid) - before < 0.5 * seconds


class Crowd:
    """Clients of a ZeroMQ socket that stay, and come again when they are turned away."""

    def __init__(self, path, count):
        self.sockets = []
        for _ in range(count):
            client = CONTEXT.socket(zmq.DEALER)
            client.linger, client.reconnect_ivl = 0, 200
            client.connect(f"ipc://{path}")
            self.sockets.append(client)

    def close(self):
        for client in self.sockets:
            client.close(0)


def full(pid, count):
    """Waits until as many connections are in as are let in: about so many descriptors are open."""
    wait_for(lambda: descriptors(pid) >= count - 5, "many are in", 30)
    last, same = None, 0

    def look():
        nonlocal last, same
        now = descriptors(pid)
        same = same + 1 if now == last else 0
        last = now
        return same >= 20
    wait_for(look, "no more are let in", 20)
    assert descriptors(pid) <= count + 2


def restarted(home, app, old):
    """Its new pid, without asking the agent: a child of the keeper that is it."""
    def look():
        found = [pid for pid in home.processes_of(app) if pid != old]
        return found[0] if found else None
    return wait_for(look, f"{app} is started again", 20)


def test_clients_use_up_the_agents_descriptors(empty_home):
    home, apps = empty_home, Apps(empty_home)
    begin(home, "--nofile=80:80")
    for name in ("a", "b"):
        apps.install(name, AGAIN, start=True)
    agent, keeper = home.pid_of("agent"), home.pid_of("keeper")
    known = apps.wire("a")
    # Of the apps' socket: who may command is still let in.
    crowd = Crowd(home.agent_home / "run/app.sock", 100)
    full(agent, 60)  # a quarter is left
    assert idles(agent), "it does not spin"
    old = home.app("a")["pid"]
    os.kill(old, signal.SIGKILL)
    wait_for(lambda: home.app("a")["state"] == "running" and home.app("a")["pid"] != old, "it is started again", 20)
    home.berth("stop", "b", check=0)
    assert home.state("b") == "stopped"
    known.do("notify", 1, to="a")  # who was there before is served
    # Of the control socket too: what runs is looked after.
    more = Crowd(home.agent_home / "run/control.sock", 100)
    full(agent, 70)  # an eighth is left
    assert idles(agent), "it does not spin"
    old = next(iter(home.processes_of("a")))
    os.kill(old, signal.SIGKILL)
    restarted(home, "a", old)
    more.close()
    crowd.close()
    wait_for(lambda: descriptors(agent) < 50, "they have gone")
    begun = time.monotonic()
    home.berth("list", check=0)
    apps.wire("b").do("notify", 2, to="b")
    assert time.monotonic() - begun < 2 * SLOW
    assert (home.pid_of("agent"), home.pid_of("keeper")) == (agent, keeper)
    assert "turned away" in (home.agent_home / "agent.log").read_text()
    apps.close()
    home.down()


def test_apps_use_up_the_keepers_descriptors(empty_home):
    home = empty_home
    begin(home, "--nofile=64:64")
    names = [f"x{n:02}" for n in range(16)]
    for name in names:
        home.load(f"{name}.toml", f'[app]\nid = "{name}"\nshell = true\ncommand = "sleep 1000 & sleep 1000"\n{AGAIN}')
    home.berth("start", *names)
    agent, keeper = home.pid_of("agent"), home.pid_of("keeper")

    def in_state(state):
        return [name for name, app in home.apps().items() if app["state"] == state]
    running, waiting = in_state("running"), in_state("backoff")
    assert len(running) >= 4 and len(waiting) >= 4
    wait_for(lambda: "Too many open files" in home.berth("explain", waiting[0], check=0).out,
             "it says why, between two tries")
    # One that dies is started again where nobody else waits for its place, and so is the agent.
    home.berth("stop", *waiting, check=0)
    old = home.app(running[0])["pid"]
    os.kill(old, signal.SIGKILL)
    wait_for(lambda: home.app(running[0])["pid"] not in (old, None), "it is started again", 20)
    os.kill(agent, signal.SIGKILL)
    wait_for(lambda: home.pid_of("agent") not in (agent, None) and home.berth("list").code == 0, "an agent again", 20)
    home.berth("start", *waiting)
    assert in_state("backoff")
    assert idles(keeper)
    # A stop leaves nothing of them, and makes room for the others.
    home.berth("stop", *running, check=0)
    assert not [pid for name in running for pid in home.processes_of(name)]
    wait_for(lambda: len(in_state("running")) >= len(running), "others have their turn", 20)
    assert home.pid_of("keeper") == keeper
    home.down()


def test_browsers_use_up_the_controllers_descriptors(tmp_path):
    up = Up(tmp_path / "home")
    try:
        up.begin()
        up.load("a.toml", f'[app]\nid = "a"\ncommand = "sleep 1000"\n{AGAIN}')
        up.berth("start", "a", check=0)
        wait_for(lambda: [a["state"] for a in up.panel.ask("GET", "/apps")[1]["apps"]] == ["running"], "it is known")
        controller = int((up.path / "controller/run/controller.pid").read_text())
        limit(controller, "--nofile=128:128")
        host, port = up.panel.host.split(":")
        known = http.client.HTTPConnection(up.panel.host, timeout=15 * SLOW)
        headers = {"Cookie": up.panel.cookie, "X-CSRF-Token": up.panel.csrf, "Content-Type": "application/json"}

        def ask(method, path):
            known.request(method, "/api/v1" + path, body="{}" if method == "POST" else None, headers=headers)
            reply = known.getresponse()
            reply.read()
            return reply.status
        assert ask("GET", "/apps") == 200
        crowd = []
        for _ in range(200):
            crowd.append(socket.create_connection((host, int(port)), timeout=10 * SLOW))
            crowd[-1].sendall(b"GET /api/v1/apps HTTP/1.1\r\nHost: ")
        full(controller, 96)
        assert idles(controller), "it does not spin"
        assert ask("GET", "/apps") == 200  # who was there before is served
        assert ask("POST", "/agents/default/apps/a/stop") in (200, 202)
        wait_for(lambda: up.state("a") == "stopped", "it is stopped")
        for one in crowd:
            one.close()
        wait_for(lambda: descriptors(controller) < 64, "they have gone")
        begun = time.monotonic()
        assert up.panel.ask("GET", "/apps")[0] == 200
        assert time.monotonic() - begun < 2 * SLOW
        assert alive(controller)
    finally:
        up.berth("down", timeout=120)
        up.destroy()


def test_there_is_no_more_memory(home):
    home.load("a.toml", '[app]\nid = "a"\nshell = true\ncommand = "yes some words of a log | head -n 200000; sleep 1000"\n')
    home.berth("start", "a", check=0)
    folder = home.agent_home / "logs/a"
    wait_for(lambda: sum(file.stat().st_size for file in folder.iterdir()) > 10 << 20, "a long log")
    agent, keeper, app = home.pid_of("agent"), home.pid_of("keeper"), home.app("a")
    home.load("b.toml", '[app]\nid = "b"\ncommand = "sleep 1000"\n')
    limit(agent, "--as=1:")

    with subprocess.Popen([str(BIN / "berth"), "logs", "-n", "100000", "a"], env=home.env, stdout=subprocess.DEVNULL,
                          stderr=subprocess.DEVNULL) as question:
        wait_for(lambda: home.pid_of("agent") not in (agent, None), "the end of the agent, and the next", 30)
        question.kill()
    wait_for(lambda: home.berth("list").code == 0, "there is an agent again", 20)
    assert home.pid_of("keeper") == keeper
    assert (home.app("a")["pid"], home.app("a")["restarts"]) == (app["pid"], app["restarts"])
    assert home.state("b") == "stopped"  # what was acknowledged is known
    home.down()


@pytest.mark.skipif(not may("setuid", "setgid", "chown"), reason="the limit of processes needs a user of its own")
def test_there_are_no_more_processes(tmp_path):
    home = Home(tmp_path / "home")
    user = 54321
    for folder in (tmp_path, *tmp_path.parents[:2]):
        folder.chmod(folder.stat().st_mode | 0o011)
    os.chown(tmp_path, user, user)
    become = ["setpriv", f"--reuid={user}", f"--regid={user}", "--clear-groups", "--"]
    if subprocess.run([*become, "test", "-x", str(BIN / "berth"), "-a", "-w", str(tmp_path)], check=False).returncode:
        pytest.skip("another user cannot run the programs here")
    try:
        begin(home, user=become)
        for name in ("a", "b"):
            home.load(f"{name}.toml", f'[app]\nid = "{name}"\ncommand = "sleep 1000"\n{AGAIN}')
        for name in ("a", "b"):
            (home.path / "src" / f"{name}.toml").chmod(0o644)
        home.berth("start", "a", check=0)
        agent, keeper = home.pid_of("agent"), home.pid_of("keeper")
        limit(keeper, "--nproc=1:", user=become)
        assert "Resource temporarily unavailable" in home.berth("start", "b").err
        assert "Resource temporarily unavailable" in home.berth("explain", "b", check=0).out
        os.kill(home.app("a")["pid"], signal.SIGKILL)
        wait_for(lambda: home.state("a") == "backoff", "it cannot be started", 20)
        assert idles(keeper) and idles(agent)
        limit(keeper, "--nproc=10000:", user=become)
        wait_for(lambda: home.state("a") == home.state("b") == "running", "there are processes again", 20)
        assert (home.pid_of("agent"), home.pid_of("keeper")) == (agent, keeper)
        home.down()
    finally:
        home.destroy()
        berthlib.reap()
