"""Limits where no controller of the kernel holds them, as on most machines without delegation."""

import re

import pytest
from berthlib import wait_for


def controllers(home):
    """What `berth doctor` says that cgroup v2 holds here."""
    line = re.search(r"limits held by cgroup v2: ([^:\n]*)", home.berth("doctor").out)
    assert line, "doctor says which limits hold"
    return set() if line.group(1) == "none" else set(line.group(1).split(", "))


def held(home, app):
    return {limit["name"]: (limit["value"], limit["by"]) for limit in home.app(app)["limits"]}


def test_status_says_by_what_each_limit_is_held(home):
    here = controllers(home)
    home.load("all.toml", """
[app]
id = "all"
command = "sleep 1000"
[limits]
memory = "512MiB"
cpu = 1.5
pids = 100
nofile = 256
""")
    home.berth("start", "all", check=0)
    assert held(home, "all") == {
        "memory": ("512MiB", "cgroup" if "memory" in here else "walk"),
        "cpu": ("1.5", "cgroup" if "cpu" in here else "not enforced"),
        "pids": ("100", "cgroup" if "pids" in here else "walk"),
        "nofile": ("256", "rlimit"),
    }
    limits = open(f"/proc/{home.app('all')['pid']}/limits", encoding="ascii").read()
    assert re.search(r"Max open files\s+256\s+256", limits)
    home.load("free.toml", '[app]\nid = "free"\ncommand = "sleep 1000"\n')
    assert home.app("free")["limits"] == []


@pytest.mark.parametrize("policy, state", [("never", "failed"), ("on-failure", "backoff")])
def test_an_app_over_its_memory_limit_is_killed_and_the_cause_is_named(home, policy, state):
    by_kernel = "memory" in controllers(home)
    home.load("hog.toml", f"""
[app]
id = "hog"
shell = true
command = "sleep 1000 & x=$(head -c 100000000 /dev/zero | tr '\\\\0' x); echo full; wait"
[restart]
policy = "{policy}"
delay = "1h"
max_delay = "1h"
[limits]
memory = "64MiB"
""")
    home.berth("start", "hog", "--no-wait", check=0)
    wait_for(lambda: home.state("hog") == state, "it is killed")
    said = home.berth("explain", "hog", check=0).out
    expected = r"killed by the kernel: out of memory \(limit 64MiB\)" if by_kernel else \
        r"killed by Berth: over its memory limit \(used \d+MiB, limit 64MiB\)"
    assert re.search(expected, said), said
    assert not home.processes_of("hog")  # nothing of its tree is left


def test_an_app_within_its_memory_limit_is_left_alone(home):
    home.load("fine.toml", """
[app]
id = "fine"
shell = true
command = "x=$(head -c 30000000 /dev/zero | tr '\\\\0' x); echo full; sleep 1000; echo $x"
[limits]
memory = "256MiB"
""")
    home.load("over.toml", """
[app]
id = "over"
shell = true
command = "x=$(head -c 100000000 /dev/zero | tr '\\\\0' x); sleep 1000; echo $x"
[restart]
policy = "never"
[limits]
memory = "64MiB"
""")
    home.berth("start", "fine", check=0)
    wait_for(lambda: home.berth("logs", "fine").out == "full\n", "it is as large as it gets")
    home.berth("start", "over", "--no-wait", check=0)
    wait_for(lambda: home.state("over") == "failed", "limits have been checked since")
    assert home.state("fine") == "running"


def test_too_many_processes(home):
    if "pids" in controllers(home):
        pytest.skip("here the kernel refuses the fork")
    home.load("many.toml", """
[app]
id = "many"
shell = true
command = "for i in $(seq 30); do setsid sleep 1000 & done; wait"
[restart]
policy = "never"
[limits]
pids = 20
""")
    home.berth("start", "many", "--no-wait", check=0)
    wait_for(lambda: home.state("many") == "failed", "it is killed")
    assert re.search(r"killed by Berth: too many processes \(3\d, limit 20\)", home.berth("explain", "many").out)
    assert not home.processes_of("many")
