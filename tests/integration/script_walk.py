#!/usr/bin/python3
"""Random scripts with `set -e` against a small model of what each command must answer.

A script is a row of verbs on a few apps whose behaviour is known. The model says for each command its exit code,
and the state that the app is in afterwards. A command that is to fail stands behind `if`, as in a careful script;
any other failure ends the script, which is then not at its last line. The seed is printed: the same one gives the
same scripts.
"""

import argparse
import pathlib
import random
import subprocess
import sys
import tempfile
import time

from berthlib import Home, become_subreaper, reap

# What each app does: the state it settles in after a start, and what `start` answers.
APPS = {
    "server": ("command = \"sleep 1000\"", "", "running", 0),
    "slow": ("shell = true\ncommand = \"sleep 0.4; echo up; exec sleep 1000\"", "[ready]\nlog = \"up\"\n", "running", 0),
    "quick": ("shell = true\ncommand = \"echo done\"", "", "exited", 0),
    "dies": ("shell = true\ncommand = \"echo why; exit 3\"", "[restart]\npolicy = \"never\"\n", "failed", 1),
    "job": ("type = \"oneshot\"\nshell = true\ncommand = \"sleep 0.3\"", "", "exited", 0),
    "badjob": ("type = \"oneshot\"\nshell = true\ncommand = \"sleep 0.3; exit 4\"", "[restart]\npolicy = \"never\"\n", "failed", 1),
    "web": ("command = \"sleep 1000\"\nrequires = [\"job\"]", "", "running", 0),
    "web-1": ("command = \"sleep 1000\"", "", "running", 0),
    "web.1": ("command = \"sleep 1000\"", "", "running", 0),
    "unmet": ("command = \"sleep 1000\"\nrequires = [\"badjob\"]", "", "waiting", 1),
}
ACTIVE = ("running",)
STARTED_ALONG = {"web": "job", "unmet": "badjob"}  # by a start of the first, unless it is as it must be


class Model:
    def __init__(self):
        self.state = {app: "stopped" for app in APPS}
        self.loaded = set(APPS)
        self.job_done = False  # since the home was brought up

    def start_needs(self, app):
        need = STARTED_ALONG.get(app)
        if need == "job" and not (self.state["job"] == "exited" and self.job_done):
            self.state["job"], self.job_done = "exited", True
        elif need == "badjob":
            self.state["badjob"] = "failed"

    def begin(self, app):
        self.start_needs(app)
        self.state[app] = APPS[app][2]
        if app == "job":
            self.job_done = True
        return APPS[app][3]

    def start(self, app, if_needed=False):
        if self.state[app] in ACTIVE:
            return 0 if if_needed else 1
        if self.state[app] == "waiting":  # it goes on waiting; what it requires is tried again
            return self.begin(app)
        return self.begin(app)

    def stop(self, app, if_needed=False):
        if self.state[app] in ACTIVE or self.state[app] == "waiting":
            self.state[app] = "stopped"
            return 0
        return 0 if if_needed else 1

    def restart(self, app):
        return self.begin(app)

    def is_active(self, app):
        return 0 if self.state[app] in ACTIVE else 1

    def is_failed(self, app):
        return 0 if self.state[app] == "failed" else 1


def commands(model, pick, length):
    """Lines of a script with the exit code that each must have, and the states after it."""
    lines = []
    for _ in range(length):
        app = pick.choice(sorted(APPS))
        verb = pick.choice(["start", "start --if-needed", "stop", "stop --if-needed", "restart", "is-active", "is-failed",
                            "status", "explain", "list", "check", "kill --if-needed", "reload"])
        code = {"start": lambda: model.start(app), "start --if-needed": lambda: model.start(app, True),
                "stop": lambda: model.stop(app), "stop --if-needed": lambda: model.stop(app, True),
                "kill --if-needed": lambda: model.stop(app, True), "restart": lambda: model.restart(app),
                "is-active": lambda: model.is_active(app), "is-failed": lambda: model.is_failed(app),
                }.get(verb, lambda: 0)()
        lines.append((f"berth {verb} {app}", code, app, model.state[app]))
    return lines


def script_of(lines):
    text = ["set -e", "step=0"]
    for number, (command, code, app, state) in enumerate(lines, 1):
        text.append(f"step={number}")
        if code == 0:
            text.append(f"{command} > out.txt 2> err.txt")
        else:
            text.append(f"if {command} > out.txt 2> err.txt; then echo \"step $step: {command} must fail\"; exit 99; else rc=$?; fi")
            text.append(f"[ $rc -eq {code} ] || {{ echo \"step $step: {command}: $rc, not {code}\"; cat err.txt; exit 98; }}")
        text.append(f"now=$(berth list '{app}' --json | python3 -c 'import json,sys; print(json.load(sys.stdin)[0][\"state\"])')")
        text.append(f"[ \"$now\" = {state} ] || {{ echo \"step $step: after {command}: $now, not {state}\"; cat err.txt; exit 97; }}")
    text.append("echo THE END")
    return "\n".join(text) + "\n"


def run(seed, seconds, sabotage):
    pick = random.Random(seed)
    until = time.monotonic() + seconds
    with tempfile.TemporaryDirectory(prefix="berth-script-") as folder:
        home = Home(pathlib.Path(folder) / "home")
        home.up()
        try:
            for app, (what, more, _, _) in APPS.items():
                home.load(f"{app}.toml", f'[app]\nid = "{app}"\nautostart = false\n{what}\n{more}')
            model = Model()
            scripts = steps = 0
            while time.monotonic() < until:
                lines = commands(model, pick, pick.randint(4, 12))
                if sabotage and scripts == 1:
                    lines[0] = (lines[0][0], 1 - lines[0][1], *lines[0][2:])
                done = subprocess.run(["sh", "-c", script_of(lines)], env=home.env, cwd=folder, capture_output=True,
                                      text=True, timeout=120, check=False)
                scripts += 1
                steps += len(lines)
                if done.returncode != 0 or not done.stdout.endswith("THE END\n"):
                    print(f"script {scripts}: exit {done.returncode}\n{done.stdout}{done.stderr}")
                    print("\n".join(f"  {n}: {c} -> {code}, {state}" for n, (c, code, _, state) in enumerate(lines, 1)))
                    return 1
            print(f"{scripts} scripts, {steps} commands, each as the model says")
            return 0 if scripts > 1 else 1
        finally:
            home.destroy()


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--seed", type=int, default=random.SystemRandom().randrange(1 << 30))
    parser.add_argument("--seconds", type=float, default=40)
    parser.add_argument("--sabotage", action="store_true", help="one answer of the model is wrong: this must be found")
    given = parser.parse_args()
    print(f"seed {given.seed}", flush=True)
    become_subreaper()
    failed = run(given.seed, given.seconds, given.sabotage)
    reap()
    return (0 if failed else 1) if given.sabotage else failed


if __name__ == "__main__":
    sys.exit(main())
