"""Copies, moves and restores homes at random while the original runs, and looks that no copy does anything to it.

    homes.py [--rounds N] [--seed N] [--sabotage]

The apps of the original write down each signal that they get. After each step the original must have the same
processes as before, without one signal, and no home an app twice. The last line is "N passed, M failed". With
--sabotage an app of the original gets a signal, and the exit status is 0 when that is found.
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

APP = """
import os, signal, sys, time
log = os.environ["SIGNALS"]
def note(number, frame):
    with open(log, "a") as file:
        file.write(f"{os.getpid()} {number}\\n")
    if number == signal.SIGTERM:
        sys.exit(0)
for number in set(signal.Signals) - {signal.SIGKILL, signal.SIGSTOP, signal.SIGCHLD}:
    signal.signal(number, note)
print("begun", flush=True)
while True:
    time.sleep(60)
"""


def wait_for(condition, what):
    return berthlib.wait_for(condition, what, 30.0)


def running(script):
    """Pids of the apps that run it."""
    for folder in pathlib.Path("/proc").iterdir():
        try:
            if folder.name.isdigit() and str(script).encode() in (folder / "cmdline").read_bytes().split(b"\0"):
                yield int(folder.name)
        except OSError:
            pass  # it has ended


def run_of(pid):
    """The home's mark and the app that the process belongs to; "": it has ended."""
    try:
        entries = pathlib.Path(f"/proc/{pid}/environ").read_bytes().split(b"\0")
    except OSError:
        return ""
    return next((e.decode().rsplit("/", 1)[0] for e in entries if e.startswith(b"BERTH_RUN=")), "")


class Round:
    def __init__(self, folder, rng):
        self.folder = pathlib.Path(folder)
        self.rng = rng
        self.signals = self.folder / "signals"
        self.script = self.folder / "app.py"
        self.script.write_text(APP)
        self.original = berthlib.Home(self.folder / "original")
        self.original.up()
        self.apps = ["always", "below"]
        below = self.original.agent_home / "repos" / "below"
        below.mkdir(parents=True)
        for app, place in (("always", self.folder / "src"), ("below", below)):
            place.mkdir(exist_ok=True)
            (place / "berth.toml").write_text(
                f'[app]\nid = "{app}"\nargv = ["{sys.executable}", "{self.script}"]\nenv.SIGNALS = "{self.signals}"\n'
                '[restart]\npolicy = "always"\n')
            self.original.berth("load", place, check=0)
            self.original.berth("start", app, check=0)
        self.pids = {app: self.original.app(app)["pid"] for app in self.apps}
        wait_for(lambda: all("begun" in self.original.berth("logs", app).out for app in self.apps), "the apps")
        self.copies = []
        self.made = 0
        self.steps = []

    # --- what may be done

    def copy(self):
        self.made += 1
        target = self.folder / f"copy{self.made}"
        if self.rng.random() < 0.5:
            subprocess.run(["cp", "-a", self.original.path, target], check=True)
        else:
            archive = self.folder / "backup.tar"
            # What changes while it is read is not of interest here.
            subprocess.run(["tar", "-C", self.original.path, "-cf", archive, "."], check=False, stderr=subprocess.DEVNULL)
            target.mkdir()
            subprocess.run(["tar", "-C", target, "-xf", archive], check=True)
        home = berthlib.Home(target)
        home.decided = False
        self.copies.append(home)
        self.begin(home)

    def begin(self, home):
        home.up()
        said = home.berth("list")
        if not home.decided:
            assert "is a copy of" in said.err, said
            assert all(home.app(app)["pid"] is None for app in self.apps), said.out

    def some_copy(self):
        return self.rng.choice(self.copies) if self.copies else None

    def start_in_copy(self):
        if home := self.some_copy():
            if home.app("below")["state"] != "running":
                home.berth("start", "below", check=0)
            assert home.app("below")["pid"] not in self.pids.values()
            command = pathlib.Path(f"/proc/{home.app('below')['pid']}/cwd").resolve()
            assert command == home.agent_home / "repos/below", command

    def restart_in_copy(self):
        if home := self.some_copy():
            home.berth("restart", ".*")

    def down_copy(self):
        if home := self.some_copy():
            home.down()
            self.copies.remove(home)

    def own_copy(self):
        if home := self.some_copy():
            said = home.berth("home", "--as-copy")
            assert said.code == (1 if home.decided else 0), said
            home.decided = True
            key = (home.agent_home / "keys/agent.pub").read_text()
            assert key != (self.original.agent_home / "keys/agent.pub").read_text()

    def kill_in_copy(self):
        if home := self.some_copy():
            home.kill(self.rng.choice(["keeper", "agent"]))
            wait_for(lambda: home.berth("list").code == 0, "the copy")

    def kill_in_original(self):
        self.original.kill(self.rng.choice(["keeper", "agent"]))
        wait_for(lambda: self.original.berth("list").code == 0, "the original")

    def remove_runtime_folder(self):
        home = self.rng.choice([self.original, *self.copies])
        shutil.rmtree(os.path.realpath(home.agent_home / "run"), ignore_errors=True)
        wait_for(lambda: home.berth("list").code == 0, "the home whose runtime folder was removed")

    def remove_runtime_folder_of_the_dead(self):
        """Nobody is there to make it again, and no record tells what lives."""
        folder = os.path.realpath(self.original.agent_home / "run")
        self.original.kill_all()
        shutil.rmtree(folder)
        self.original.up()

    def move_original(self):
        target = self.folder / f"moved{time.monotonic_ns()}"
        os.rename(self.original.path, target)
        self.original = berthlib.Home(target)
        wait_for(lambda: self.original.berth("list").code == 0, "the home that was moved")

    # --- what must hold

    def check(self):
        wait_for(lambda: {app: self.original.app(app)["state"] for app in self.apps}
                 == dict.fromkeys(self.apps, "running"), "the original's apps")
        now = {app: self.original.app(app)["pid"] for app in self.apps}
        assert now == self.pids, f"{self.pids} are {now}"
        for pid in self.pids.values():
            assert berthlib.alive(pid), f"{pid} has gone"
        taken = self.signals.read_text().split("\n") if self.signals.exists() else []
        ours = [line for line in taken if line.split(" ")[0] in map(str, self.pids.values())]
        assert not ours, f"the original's apps got signals: {ours}"
        runs = [run for pid in running(self.script) if (run := run_of(pid))]
        twice = {run for run in runs if runs.count(run) > 1}
        assert not twice and len(runs) >= len(self.apps), f"they run twice: {twice} of {runs}"

    def run(self, steps):
        self.copy()
        self.check()
        for _ in range(steps):
            step = self.rng.choice([
                self.copy, self.start_in_copy, self.start_in_copy, self.restart_in_copy, self.down_copy, self.own_copy,
                self.kill_in_copy, self.kill_in_original, self.remove_runtime_folder,
                self.remove_runtime_folder_of_the_dead, self.move_original])
            if step is self.copy and len(self.copies) >= 2:
                continue
            self.steps.append(step.__name__)
            step()
            self.check()

    def end(self):
        for home in [*self.copies, self.original]:
            home.destroy()
        for pid in self.pids.values():
            if berthlib.alive(pid):
                os.kill(pid, signal.SIGKILL)


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--steps", type=int, default=6)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--sabotage", action="store_true")
    options = parser.parse_args()
    berthlib.become_subreaper()
    failed = 0
    for number in range(options.rounds):
        seed = options.seed * 10000 + number
        with tempfile.TemporaryDirectory(prefix="berth-homes-") as folder:
            one = Round(folder, random.Random(seed))
            try:
                one.run(options.steps)
                if options.sabotage:
                    os.kill(one.pids["always"], signal.SIGUSR1)
                    wait_for(one.signals.exists, "the signal")
                    one.check()
            except AssertionError as error:
                failed += 1
                print(f"round {number} (seed {seed}) after {one.steps}: {error}", flush=True)
            finally:
                one.end()
                berthlib.reap()
    print(f"{options.rounds - failed} passed, {failed} failed")
    return 1 if bool(failed) != options.sabotage else 0


if __name__ == "__main__":
    sys.exit(main())
