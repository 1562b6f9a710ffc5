#!/usr/bin/env python3
"""Acknowledged messages and a power cut (R10): in a virtual machine a sender writes each acknowledgement on the
console; the power is cut at a random moment; after the next boot all that was acknowledged must be there, in order.

    tests/qemu/powercut.py build/release/bin --cuts 10
    tests/qemu/powercut.py build/release/bin --cuts 3 --control    must lose some: the agent's flushes do nothing

With --control the agent runs under libeatmydata.
"""

import argparse
import glob
import pathlib
import random
import subprocess
import sys
import tempfile
import threading

from machine import Disk, Machine, make_initramfs

TESTS = pathlib.Path(__file__).resolve().parents[1]

COMMAND = """
export BERTH_HOME=/home-of-berth PATH=/berth/bin:$PATH
exec python3 -u /berth/guest.py "$(cat /guest-mode)"
"""

# A message is (round, number). "ACK round number" goes to the console for each that was acknowledged.
GUEST = '''
import os, subprocess, sys
sys.path.insert(0, "/berth/sdk")
import berth_ipc

def berth(*words):
    done = subprocess.run(["berth", *words], capture_output=True, text=True)
    if done.returncode:
        print("GUEST berth", words, done.returncode, done.stdout, done.stderr, flush=True)
        sys.exit(3)
    return done.stdout

mode, number = sys.argv[1].split()
environment = {"LD_PRELOAD": "libeatmydata.so"} if mode == "control" else {}
started = subprocess.run(["berth", "agent", "run", "--detach"], env={**os.environ, **environment}, capture_output=True, text=True)
if started.returncode:
    print("GUEST no agent:", started.stderr, flush=True)
    sys.exit(4)
agent = "/home-of-berth/agents/default"
if number == "0":
    for app in ("source", "sink"):
        with open(f"/{app}.toml", "w") as file:
            file.write(f'[app]\\nid = "{app}"\\ncommand = "true"\\nautostart = false\\n')
        berth("load", f"/{app}.toml")
    for app in ("source", "sink"):
        berth("token", "app", app)

def client(app):
    with open(f"{agent}/secrets/{app}") as file:
        return berth_ipc.connect(app=app, secret=file.read().strip(), endpoint=f"ipc://{agent}/run/app.sock")

if number != "0":
    sink = client("sink")
    while True:
        got = sink.poll(max=1000)
        if not got:
            break
        for message in got:
            print("GOT", *message.payload, flush=True)
        sink.ack(got)
    print("GOT all", flush=True)
source = client("source")
i = 0
while True:
    source.notify("sink", [int(number), i])
    print("ACK", number, i, flush=True)
    i += 1
'''


class Cut:
    """One boot: what the guest read of the round before, and what was acknowledged until the cut."""

    def __init__(self, image, initramfs, seconds):
        self.got, self.acknowledged, self.read_all, self.other = [], [], False, []
        machine = Machine(image, initramfs, processors=1)
        timer = None
        for line in machine.lines():
            words = line.split()
            if words[:1] == ["ACK"] and len(words) == 3:
                if timer is None:  # from the first acknowledgement on
                    timer = threading.Timer(seconds, machine.process.kill)
                    timer.start()
                self.acknowledged.append((int(words[1]), int(words[2])))
            elif words[:2] == ["GOT", "all"]:
                self.read_all = True
            elif words[:1] == ["GOT"] and len(words) == 3:
                self.got.append((int(words[1]), int(words[2])))
            else:
                self.other.append(line)
        if timer:
            timer.cancel()
        machine.cut()


def build(folder, binaries, image):
    disk = Disk(folder / "disk")
    disk.python("msgpack")
    disk.programs("sh", "true", "cat", "sleep")
    for program in ("berth", "berth-agent", "berth-keeper"):
        disk.program(str(binaries / program), f"/berth/bin/{program}")
    for name in ("berth_ipc.py",):
        disk.copy(TESTS.parent / "agent/sdk/python" / name, f"/berth/sdk/{name}")
    for library in glob.glob("/usr/lib/*/libeatmydata.so*"):
        disk.copy(library)
    disk.write("/berth/guest.py", GUEST)
    disk.write("/guest-command", COMMAND)
    disk.write("/guest-mode", "run 0")
    disk.image(image, 512)


def set_mode(image, mode):
    """Changes the one file that tells the guest what to do, in the image itself."""
    with tempfile.NamedTemporaryFile("w") as file:
        file.write(mode)
        file.flush()
        subprocess.run(["debugfs", "-w", "-f", "/dev/stdin", image], check=True, capture_output=True,
                       input=f"rm /guest-mode\nwrite {file.name} /guest-mode\n".encode())


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("binaries", type=pathlib.Path)
    parser.add_argument("--cuts", type=int, default=10)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--control", action="store_true")
    options = parser.parse_args()
    rng = random.Random(options.seed)
    problems, lost_in, total = [], 0, 0
    with tempfile.TemporaryDirectory(prefix="berth-qemu-") as name:
        folder = pathlib.Path(name)
        image = str(folder / "disk.img")
        build(folder, options.binaries, image)
        make_initramfs(folder / "initramfs")
        before = []
        for number in range(options.cuts + 1):
            # The journal of the file system is to be replayed by the guest, as after every cut; e2fsck is told nothing.
            subprocess.run(["e2fsck", "-p", image], check=False, capture_output=True)
            set_mode(image, f"{'control' if options.control else 'run'} {number}")
            cut = Cut(image, folder / "initramfs", rng.uniform(1, 6))
            if number > 0:
                lost = set(before) - set(cut.got)
                in_order = cut.got == sorted(cut.got)
                total += len(before)
                lost_in += bool(lost) or not cut.read_all
                print(f"cut {number}: {len(before)} acknowledged, {len(set(cut.got))} found, {len(lost)} lost", flush=True)
                if lost or not cut.read_all or not in_order:
                    problems.append(f"cut {number}: {len(lost)} lost, read to the end: {cut.read_all}, in order: {in_order}")
                    print("\n".join(cut.other[-8:]))
                if not cut.read_all:
                    break  # nothing to go on with
            before = cut.acknowledged
            if not before:
                problems.append(f"round {number}: nothing was acknowledged")
                print("\n".join(cut.other[-20:]))
                break
    print(f"{total} acknowledged messages, {lost_in} cuts that lost some, {len(problems)} problems")
    for problem in problems:
        print(problem)
    sys.exit(bool(problems) if not options.control else not lost_in)


if __name__ == "__main__":
    main()
