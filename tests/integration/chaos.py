"""Kills agents and keepers at random moments while apps begin and end all the time, and then checks
that nothing was doubled, orphaned or lost (promises R1, R2 and R5).

  chaos.py --kills N [--apps N] [--keeper-share P] [--app-share P] [--seed S] [--sabotage]

Of the kills, the shares go to the keeper and to one of the apps, the rest to the agent.

The apps keep their own books (see tests/helpers/chaos_app.cpp), which are compared with what the agent
has stored. --sabotage is the negative control: it deletes the keeper's records, and the check must then
find doubled or lost runs; it exits 0 when the checker has noticed.
"""

import argparse
import os
import pathlib
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import time

import berthlib
from berthlib import BIN, Home, alive, wait_for

APPS = 8  # --apps changes it


def descriptor(home, number):
    journal = home.path / f"journal{number}"
    return f"""
[app]
id = "chaos{number}"
command = "{BIN}/chaos_app {journal} {home.path}/lock{number} 60"
[restart]
policy = "always"
delay = "{"0s" if number % 2 else "1ms"}"
factor = 1.0
jitter = 0.0
[log]
max_size = "64MiB"
"""


LINES = f"""
[app]
id = "lines"
command = "{BIN}/line_app 5000"
[restart]
policy = "never"
[log]
max_size = "1MiB"
keep = 1000
"""


def keeper_alive(home):
    pid = home.pid_of("keeper")
    return pid if pid and alive(pid) else None


def agent_child(home):
    """The agent as its parent knows it: younger than its pid file."""
    pid = home.pid_of("agent")
    if pid and alive(pid):
        return pid
    return None


def agent_pids(home):
    found = []
    keeper = keeper_alive(home)
    if keeper:
        try:
            children = pathlib.Path(f"/proc/{keeper}/task/{keeper}/children").read_text().split()
        except (FileNotFoundError, ProcessLookupError):
            children = []
        for child in children:
            try:
                if os.readlink(f"/proc/{child}/exe").endswith("berth-agent"):
                    found.append(int(child))
            except (FileNotFoundError, ProcessLookupError):
                pass  # it has ended meanwhile
    pid = agent_child(home)
    return found or ([pid] if pid else [])


def app_pids(home):
    """The chaos apps that are children of the keeper: after a kill of the keeper, those begun since."""
    keeper = keeper_alive(home)
    if not keeper:
        return []
    found = []
    try:
        for child in pathlib.Path(f"/proc/{keeper}/task/{keeper}/children").read_text().split():
            try:
                if os.readlink(f"/proc/{child}/exe").endswith("chaos_app"):
                    found.append(int(child))
            except (FileNotFoundError, ProcessLookupError):
                pass
    except (FileNotFoundError, ProcessLookupError):
        pass
    return found


# What agent and keeper say to the kernel between one state and the next.
SYSCALLS = {
    "agent": ["pwrite64", "fdatasync", "fcntl", "sendto", "recvfrom", "read", "write", "openat", "rename", "epoll_wait", "epoll_ctl",
              "mkdir", "close", "newfstatat"],
    "keeper": ["waitid", "clone3", "clone", "sendto", "read", "write", "openat", "mknodat", "mkdir", "rmdir", "close", "epoll_ctl",
               "epoll_wait", "kill", "socketpair", "newfstatat", "getdents64", "fcntl", "ioctl"],
}


def kill_at_syscall(pid, which, rng):
    """Kills it as it enters its next so-and-so-many'th call of one kind. Whether it came to that in a while."""
    call, count = rng.choice(SYSCALLS[which]), rng.randint(1, 5)
    words = ["strace", "-qq", "-o", "/dev/null", "-e", f"trace={call}", "-e", "signal=none",
             "-e", f"inject={call}:signal=SIGKILL:when={count}", "-p", str(pid)]
    if which == "agent":
        words.insert(1, "-f")  # it has threads; the keeper has none, and its apps are not to be traced
    tracer = subprocess.Popen(words, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
    try:
        end = time.monotonic() + 0.25 * berthlib.SLOW
        while alive(pid) and tracer.poll() is None and time.monotonic() < end:
            time.sleep(0.001)
        if alive(pid) and b"not permitted" in (tracer.stderr.read() if tracer.poll() is not None else b""):
            print("processes may not be traced here")
            sys.exit(77)
    finally:
        tracer.kill()  # its tracees go on
        tracer.wait()
        tracer.stderr.close()
    return not alive(pid)


def kill_at_random(home, options, rng):
    alive_at_keeper_kills = 0
    done = {"agent": 0, "keeper": 0, "app": 0}
    killed_apps = set()
    while sum(done.values()) < options.kills:
        berthlib.reap()
        luck = rng.random()
        if luck < options.keeper_share:
            pid = keeper_alive(home)
            which = "keeper"
        elif luck < options.keeper_share + options.app_share:
            pids = app_pids(home)
            pid = rng.choice(pids) if pids else None
            which = "app"
        else:
            pids = agent_pids(home)
            pid = pids[0] if pids else None
            which = "agent"
        if not keeper_alive(home) and not agent_child(home):
            # Both at once: what a service manager, or `berth up`, is there for.
            home.up()
            continue
        if pid is None:
            time.sleep(0.0005)
            continue
        if which == "app":
            killed_apps.add(pid)
        else:
            time.sleep(rng.uniform(0, 0.040))
        if which == "keeper":
            alive_at_keeper_kills += APPS + 1
        if options.at_syscalls and which != "app":
            done[which] += kill_at_syscall(pid, which, rng)
            continue
        try:
            os.kill(pid, signal.SIGKILL)
            done[which] += 1
        except ProcessLookupError:
            pass
    return done, alive_at_keeper_kills, killed_apps


def read_journal(home, number):
    starts, ends, doubles = {}, {}, []
    path = home.path / f"journal{number}"
    for line in path.read_text().splitlines() if path.exists() else []:
        what, generation, value = line.split()
        generation = int(generation)
        if what == "D":
            doubles.append(generation)
        elif what == "S":
            if generation in starts:
                doubles.append(generation)
            starts[generation] = int(value)
        else:
            ends[generation] = int(value)
    return starts, ends, doubles


def check_apps(home, killed=frozenset()):
    problems, unknown, runs_total = [], 0, 0
    for number in range(APPS):
        starts, ends, doubles = read_journal(home, number)
        stored = home.runs(f"chaos{number}")
        runs_total += len(starts)
        for generation in doubles:
            problems.append(f"chaos{number}: generation {generation} was doubled")
        newest = max(stored, default=0)
        for generation, status in ends.items():
            if generation not in stored:
                if generation > newest - 4000:  # older ones were trimmed
                    problems.append(f"chaos{number}: the end of generation {generation} was lost")
            elif stored[generation] is None:
                unknown += 1
            elif stored[generation] == -signal.SIGKILL and starts.get(generation) in killed:
                pass  # killed by us between its word and its end
            elif stored[generation] != status and stored[generation] != -signal.SIGTERM:
                problems.append(f"chaos{number}: generation {generation} ended {status}, stored {stored[generation]}")
        for generation in starts:
            if generation not in ends and generation in stored and stored[generation] not in (
                    None, -signal.SIGTERM, -signal.SIGKILL):
                problems.append(f"chaos{number}: generation {generation} has no end, stored {stored[generation]}")
    return problems, unknown, runs_total


def check_lines(home, started, keeper_kills):
    problems = []
    out = [text for stream, text in home.log_lines("lines") if stream == "stdout"]
    err = [text for stream, text in home.log_lines("lines") if stream == "stderr"]
    if not out or not out[-1].startswith(b"last "):
        return [f"lines: it did not end by itself: {out[-1:]}"], 0
    last = int(out[-1].split()[1])
    expected = [b"line %d" % n for n in range(1, last + 1)]
    if out[:-1] != expected and not keeper_kills:
        missing = len(set(expected) - set(out))
        problems.append(f"lines: {missing} of {last} lines missing or out of order on stdout")
    if err != [b"line %d" % n for n in range(10, last + 1, 10)] and not keeper_kills:
        problems.append("lines: stderr is not complete")
    if len(started) != 1:
        problems.append(f"lines: started {len(started)} times")
    return problems, last


def sabotage(home):
    """Both killed and the records gone: nobody knows of the living apps any more."""
    home.kill_all()
    (home.agent_home / "run" / "keeper.records").unlink()
    home.up()


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--kills", type=int, default=2000)
    parser.add_argument("--apps", type=int, default=APPS)
    parser.add_argument("--keeper-share", type=float, default=0.0)
    parser.add_argument("--app-share", type=float, default=0.0)
    parser.add_argument("--seed", type=int, default=int(time.time()))
    parser.add_argument("--at-syscalls", action="store_true", help="kill agent and keeper as they enter a system call")
    parser.add_argument("--sabotage", action="store_true")
    options = parser.parse_args()
    globals()["APPS"] = options.apps
    print(f"seed {options.seed}", flush=True)
    rng = random.Random(options.seed)
    berthlib.become_subreaper()
    home = Home(tempfile.mkdtemp(prefix="berth-chaos-"))
    began = time.monotonic()
    try:
        home.up()
        for number in range(APPS):
            home.load(f"chaos{number}.toml", descriptor(home, number))
        home.load("lines.toml", LINES)
        home.berth("start", "lines", *[f"chaos{n}" for n in range(APPS)], "--no-wait", check=0)
        wait_for(lambda: home.state("lines") == "running", "lines runs")
        line_pid = home.app("lines")["pid"]
        if options.sabotage:
            rounds = 0
            while not check_apps(home)[0] and rounds < 20:
                sabotage(home)
                home.berth("start", *[f"chaos{n}" for n in range(APPS)], "--no-wait")
                time.sleep(0.1)  # time for the doubled ones to meet
                rounds += 1
            problems = check_apps(home)[0] + (["lines lives on unknown"] if alive(line_pid) else [])
            print(f"negative control: {len(problems)} problems noticed, such as: {problems[:2]}")
            return 0 if problems else 1
        done, alive_at_kills, killed = kill_at_random(home, options, rng)

        def both_back():
            if not keeper_alive(home) and not agent_child(home):
                home.up()  # the last kill has met one while it was starting the other
            return agent_child(home) and keeper_alive(home)
        wait_for(both_back, "both back")
        home.berth("stop", "lines", *[f"chaos{n}" for n in range(APPS)], timeout=120)

        def all_stopped():
            busy = {i: (a["state"], a["reason"]) for i, a in home.apps().items() if a["active"] or a["state"] == "backoff"}
            if busy and time.monotonic() - asked > 15:
                print(f"still busy: {busy}", flush=True)
            return not busy
        asked = time.monotonic()
        wait_for(all_stopped, "all stopped", deadline=60)
        home.down()
        wait_for(lambda: not keeper_alive(home), "the keeper's end")
        problems, unknown, runs = check_apps(home, killed)
        line_problems, lines = check_lines(home, home.runs("lines"), done["keeper"])
        problems += line_problems
        survivors = berthlib.processes_with(f"BERTH_HOME_DIR={home.agent_home}")
        problems += [f"orphan: {pid}" for pid in survivors]
        if unknown > alive_at_kills:
            problems.append(f"{unknown} unknown ends, but only {alive_at_kills} apps lived at keeper kills")
        print(f"{done['agent']} agent kills, {done['keeper']} keeper kills, {done['app']} app kills, {runs} runs, {lines} log lines, "
              f"{unknown} unknown ends, {time.monotonic() - began:.0f} s")
        for problem in problems[:20]:
            print("PROBLEM " + problem)
        print(f"{len(problems)} problems")
        return 1 if problems else 0
    finally:
        home.destroy()
        berthlib.reap()
        shutil.rmtree(home.path, ignore_errors=True)


if __name__ == "__main__":
    sys.exit(main())
