"""`berth agent upgrade`: keeper and agent are replaced in place, and nothing of the apps is lost (R4)."""

import os
import shutil
import subprocess

import pytest
from berthlib import BIN, Home, alive, wait_for

UPGRADES = 20

# Ends at random with one of many codes, and journals each life before and after.
LIVES = """
import os, random, signal, sys, time
journal = os.open(sys.argv[1], os.O_WRONLY | os.O_APPEND | os.O_CREAT)
code = random.randrange(1, 120)
stop = [signal.SIGTERM]  # comes before a begin or an end is told, or after
signal.pthread_sigmask(signal.SIG_BLOCK, stop)
os.write(journal, f"S {os.getpid()}\\n".encode())
print("begin", os.getpid(), flush=True)
signal.pthread_sigmask(signal.SIG_UNBLOCK, stop)
time.sleep(random.uniform(0, 0.4))
signal.pthread_sigmask(signal.SIG_BLOCK, stop)
print("end", code, flush=True)
os.write(journal, f"E {os.getpid()} {code}\\n".encode())
os._exit(code)
"""


def programs(folder):
    """A copy of the programs, to be replaced."""
    folder.mkdir(parents=True, exist_ok=True)
    for name in ("berth", "berth-agent", "berth-keeper"):
        fresh = folder / f"{name}.new"
        shutil.copy2(BIN / name, fresh)
        os.replace(fresh, folder / name)
    return folder


def upgrade(home, folder, check=0):
    done = subprocess.run([str(folder / "berth"), "agent", "upgrade"], env=home.env, capture_output=True,
                          text=True, timeout=60, check=False)
    assert check is None or done.returncode == check, done.stderr
    return done


@pytest.fixture
def old(tmp_path):
    """A home whose keeper and agent run from a folder of their own."""
    home = Home(tmp_path / "home")
    folder = programs(tmp_path / "bin")
    subprocess.run([str(folder / "berth"), "agent", "run", "--detach"], env=home.env, check=True)
    yield home, folder
    home.destroy()


def test_apps_run_on_through_upgrades_and_nothing_is_lost(old, tmp_path):
    home, folder = old
    script = home.write("lives.py", LIVES)
    home.load("steady.toml", f'[app]\nid = "steady"\ncommand = "{BIN}/line_app 5000"\n[log]\nkeep = 1000\n')
    home.load("terminal.toml", f'[app]\nid = "terminal"\ntty = true\ncommand = "{BIN}/line_app 100"\n')
    names = [f"lives{n}" for n in range(10)]
    for name in names:
        home.load(f"{name}.toml", f"""
[app]
id = "{name}"
command = "/usr/bin/python3 {script} {tmp_path}/{name}.journal"
[restart]
policy = "always"
delay = "1ms"
max_delay = "5ms"
jitter = 0
[log]
keep = 1000
""")
    home.berth("start", "steady", "terminal", check=0)
    home.berth("start", *names, "--no-wait", check=0)  # they end so soon that some have failed by then
    pids = {name: home.app(name)["pid"] for name in ("steady", "terminal")}
    keeper = home.pid_of("keeper")
    agents = {home.pid_of("agent")}
    for _ in range(UPGRADES):
        programs(folder)  # what ran is deleted now
        upgrade(home, folder)
        agents.add(home.pid_of("agent"))
        assert home.pid_of("keeper") == keeper and alive(keeper)
        assert os.readlink(f"/proc/{keeper}/exe") == str(folder / "berth-keeper")
        assert {name: home.app(name)["pid"] for name in pids} == pids
        assert all(home.state(name) == "running" for name in pids)
    assert len(agents) == UPGRADES + 1
    # The terminal still takes the app's output.
    seen = len(home.log_lines("terminal"))
    wait_for(lambda: len(home.log_lines("terminal")) > seen, "the terminal is read")
    home.berth("stop", "steady", "terminal", *names, check=0)
    numbers = [text for stream, text in home.log_lines("steady") if stream == "stdout"]
    last = int(numbers[-1].split()[1])
    assert numbers == [b"line %d" % n for n in range(1, last + 1)] + [b"last %d" % last]
    lives = 0
    for name in names:
        journal = [line.split() for line in (tmp_path / f"{name}.journal").read_text().splitlines()]
        codes = [int(words[2]) for words in journal if words[0] == "E"]
        stored = [code for _, code in sorted(home.runs(name).items())]
        # The last life was ended by the stop; every other one has its own code, in order.
        assert [code for code in stored if code is not None and code > 0] == codes, name
        assert None not in stored, f"{name}: an exit code is unknown"
        logged = [text.decode() for _, text in home.log_lines(name)]
        assert [line for line in logged if line.startswith("end")] == [f"end {code}" for code in codes]
        assert len([line for line in logged if line.startswith("begin")]) == \
            len([words for words in journal if words[0] == "S"])
        lives += len(codes)
    assert lives > UPGRADES  # they did end meanwhile


def refused(home, folder, why):
    """Nothing happens, and the error says why."""
    before = (home.pid_of("keeper"), home.pid_of("agent"), home.app("x")["pid"])
    done = subprocess.run([str(BIN / "berth"), "agent", "upgrade", "--from", str(folder)], env=home.env,
                          capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 1 and why in done.stderr, done.stderr
    assert (home.pid_of("keeper"), home.pid_of("agent"), home.app("x")["pid"]) == before
    assert all(alive(pid) for pid in before) and home.state("x") == "running"


def test_a_program_that_cannot_take_over_is_refused(home, tmp_path):
    home.load("x.toml", '[app]\nid = "x"\ncommand = "sleep 1000"\n')
    home.berth("start", "x", check=0)
    refused(home, tmp_path, "No such file or directory")
    new = tmp_path / "berth-keeper"
    new.write_text("#!/bin/sh\necho it reads records of version 9, not 1 >&2\nexit 1\n")
    new.chmod(0o755)
    refused(home, tmp_path, "the new keeper refuses: it reads records of version 9, not 1")
    new.write_text("#!/bin/sh\nkill -SEGV $$\n")
    refused(home, tmp_path, "the new keeper's check was killed by signal 11")
    # A keeper alone: its agent is missing.
    shutil.copy2(BIN / "berth-keeper", new)
    refused(home, tmp_path, "berth-agent")
    # Other versions than ours.
    for words, why in ((("--handover-version", "99", "--records-version", "1"), "handover version 1, not 99"),
                       (("--handover-version", "1", "--records-version", "7"), "records of version 1, not 7")):
        done = subprocess.run([str(BIN / "berth-keeper"), "--check", "--home", str(home.agent_home), *words],
                              capture_output=True, text=True, check=False)
        assert done.returncode == 1 and why in done.stderr
    upgrade(home, BIN)  # and after all that it still can
    assert home.state("x") == "running"


def test_upgrade_after_the_keeper_was_killed(home):
    """Its apps are nobody's children then, and stay what they are."""
    home.load("x.toml", '[app]\nid = "x"\ncommand = "sleep 1000"\n[restart]\npolicy = "never"\n')
    home.berth("start", "x", check=0)
    pid = home.app("x")["pid"]
    killed = home.kill("keeper")
    wait_for(lambda: home.pid_of("keeper") not in (killed, None) and home.app("x")["pid"] == pid, "it is taken over")
    upgrade(home, BIN)
    assert home.app("x")["pid"] == pid and home.state("x") == "running"
    os.kill(pid, 9)
    wait_for(lambda: home.state("x") == "failed", "its end is seen")


# Speaks another version of the keeper link, and notes that it was started.
OTHER_AGENT = """#!/usr/bin/python3
import os, struct, sys, time
if "--check" in sys.argv:
    sys.exit(0)
with open({notes!r}, "a") as notes:
    notes.write("started\\n")
os.write(3, struct.pack("<IBIi", 9, 0, 99, os.getpid()))
while os.read(3, 65536):
    pass
time.sleep(1000)
"""


def test_an_agent_of_another_version_makes_the_keeper_renew_itself_once(old, tmp_path):
    home, folder = old
    home.load("x.toml", '[app]\nid = "x"\ncommand = "sleep 1000"\n')
    home.berth("start", "x", check=0)
    pid, keeper = home.app("x")["pid"], home.pid_of("keeper")
    notes = tmp_path / "notes"
    other = tmp_path / "other"
    other.write_text(OTHER_AGENT.format(notes=str(notes)))
    other.chmod(0o755)
    os.replace(other, folder / "berth-agent")
    home.kill("agent")
    wait_for(lambda: notes.exists() and notes.read_text().count("started") >= 3, "it is started, and again")

    def renewals():
        return (home.agent_home / "agent.log").read_text().count("becoming the next keeper")

    wait_for(lambda: renewals() > 0, "the keeper renews itself")
    seen = notes.read_text().count("started")
    wait_for(lambda: notes.read_text().count("started") >= seen + 3, "the agent is tried on")
    assert renewals() == 1  # once: it does not help
    assert home.pid_of("keeper") == keeper and alive(keeper) and alive(pid)
    programs(folder)  # the right one is back
    wait_for(lambda: home.berth("list").code == 0 and home.state("x") == "running", "an agent runs again", 30)
    assert home.app("x")["pid"] == pid
    home.berth("stop", "x", check=0)


# As an agent of another version, whose keeper was killed after the programs were replaced, starts the next one.
OTHER_PARENT = """
import os, socket, struct, subprocess, sys, time
ours, keeper = socket.socketpair()
number = keeper.fileno()
subprocess.Popen([sys.argv[1], "--home", sys.argv[2], "--agent-fd", str(number)], pass_fds=[number])
ours.send(struct.pack("<IBIi", 9, 0, 99, os.getpid()))
time.sleep(1000)
"""


def test_an_agent_of_another_version_that_started_the_keeper_makes_way(empty_home):
    home = empty_home
    home.agent_home.mkdir(parents=True)
    with open(home.agent_home / "agent.log", "w") as log:
        other = subprocess.Popen(["/usr/bin/python3", "-c", OTHER_PARENT, str(BIN / "berth-keeper"),
                                  str(home.agent_home)], stdout=log, stderr=log)
    assert other.wait(30) == -9
    wait_for(lambda: home.berth("list").code == 0, "the agent that belongs to the keeper runs", 30)
