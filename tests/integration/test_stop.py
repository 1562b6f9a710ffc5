"""`stop` leaves nothing, and reports success only then (R8)."""

import pathlib
import signal
import os

import pytest

from berthlib import alive, processes_with, wait_for

TREE = """
import os, signal, sys, time
def spawn(name, ignore_term=False, setsid=False, stop=False, double=False):
    pid = os.fork()
    if pid == 0:
        if setsid or double:
            os.setsid()
        if double and os.fork() > 0:
            os._exit(0)
        if ignore_term:
            signal.signal(signal.SIGTERM, signal.SIG_IGN)
        os.write(1, f"{name} {os.getpid()}\\n".encode())
        if stop:
            os.kill(os.getpid(), signal.SIGSTOP)
        while True:
            time.sleep(100)
    return pid
os.write(1, f"leader {os.getpid()}\\n".encode())
spawn("child")
spawn("stubborn", ignore_term=True)
spawn("grandchild", setsid=True, ignore_term=True)
os.waitpid(spawn("daemon", double=True, ignore_term=True), 0)
spawn("stopped", stop=True)
while True:
    time.sleep(100)
"""


def start_tree(home):
    script = home.write("tree.py", TREE)
    home.load("tree.toml", f'[app]\nid = "tree"\ncommand = "/usr/bin/python3 -u {script}"\n[stop]\ntimeout = "500ms"\n')
    home.berth("start", "tree", check=0)
    names = ("leader", "child", "stubborn", "grandchild", "daemon", "stopped")
    wait_for(lambda: len(home.berth("logs", "tree").out.splitlines()) == len(names), "the tree is there")
    pids = dict(line.split() for line in home.berth("logs", "tree").out.splitlines())
    assert set(pids) == set(names) and all(alive(p) for p in pids.values())
    return pids


@pytest.mark.parametrize("verb", ["stop", "kill"])
def test_nothing_is_left(home, verb):
    pids = start_tree(home)
    assert home.berth(verb, "tree").code == 0
    left = {name: pid for name, pid in pids.items() if alive(pid)}
    assert not left
    assert not processes_with(f"BERTH_HOME_DIR={home.agent_home}")
    assert home.state("tree") == "stopped"


def test_a_leader_that_ends_alone_takes_its_tree_along(home):
    pids = start_tree(home)
    os.kill(int(pids["leader"]), signal.SIGKILL)
    wait_for(lambda: home.state("tree") in ("backoff", "running", "starting") and not any(
        alive(p) for p in pids.values()), "the rest was ended before the restart")


def test_sigterm_to_the_keeper_stops_all_apps_in_order(home):
    pids = start_tree(home)
    keeper = home.pid_of("keeper")
    os.kill(keeper, signal.SIGTERM)
    wait_for(lambda: not alive(keeper), "the keeper's end")
    assert not any(alive(p) for p in pids.values())
    home.up()
    wait_for(lambda: home.state("tree") == "running", "it is wanted still")


def test_stop_survives_a_kill_of_the_agent(home):
    pids = start_tree(home)
    home.berth("stop", "tree", "--no-wait", check=0)
    home.kill("agent")
    wait_for(lambda: home.berth("list").code == 0 and home.state("tree") == "stopped", "stopped all the same")
    assert not any(alive(p) for p in pids.values())


GROUPS = """
import os, pathlib, time
mount = next(line.split()[4] for line in open("/proc/self/mountinfo") if " - cgroup2 " in line)
own = next(line[3:].strip() for line in open("/proc/self/cgroup") if line.startswith("0::"))
inner = pathlib.Path(mount + own) / "inner" / "deeper"
inner.mkdir(parents=True)
if os.fork() == 0:
    os.setsid()
    (inner / "cgroup.procs").write_text("0")
    print(inner, flush=True)
while True:
    time.sleep(100)
"""


def test_groups_that_an_app_makes_below_its_own_go_with_it(home):
    script = home.write("groups.py", GROUPS)
    home.load("groups.toml", f'[app]\nid = "groups"\ncommand = "/usr/bin/python3 {script}"\n')
    home.berth("start", "groups", "--no-wait", check=0)
    pid = wait_for(lambda: home.app("groups")["pid"], "its pid")
    if "/berth-" not in pathlib.Path(f"/proc/{pid}/cgroup").read_text():
        pytest.skip("no cgroup may be made here")
    inner = wait_for(lambda: home.berth("logs", "groups").out.strip(), "the groups are there")
    assert os.path.isdir(inner) and len(home.processes_of("groups")) == 2
    home.berth("stop", "groups", check=0)
    assert not home.processes_of("groups") and not os.path.exists(inner)
