#!/usr/bin/env python3
"""A controller and an agent in network namespaces of their own, and what can go wrong between them.

During each fault, apps are restarted through the API, others are started and stopped at the agent itself, and
messages are sent across. Afterwards every command must have been carried out exactly once (it is repeated with its
Idempotency-Key until it is answered), the controller must show what the agent shows, its events must have no hole,
and each message must have arrived once and in order.

    network_faults.py --rounds 200 --seed 7 --longest 20     long
    network_faults.py --sabotage                             must fail: commands are repeated without their key
"""

import argparse
import contextlib
import ctypes
import os
import pathlib
import random
import select
import socket
import subprocess
import sys
import tempfile
import threading
import time

import berthlib
from acrosslib import Pair
from berthlib import BIN, SLOW, wait_for

NEW_NETWORK = 0x40000000
NEAR, FAR, PORT = "10.0.0.1", "10.0.0.2", 6883
CONVERGED = 5.0  # seconds after the end of a fault


def run(*words):
    return subprocess.run(words, check=True, capture_output=True, text=True)


def unusable():
    """Why there can be no namespaces here; nothing when there can."""
    if os.geteuid() != 0:
        return "needs root"
    probe = subprocess.run(["unshare", "--net", "nft", "add", "table", "inet", "probe"], capture_output=True, text=True, check=False)
    return probe.stderr.strip() or None if probe.returncode else None


class Network:
    """This process and what it starts get a network of their own; the agent's is at the other end of a cable."""

    def __init__(self):
        self.libc = ctypes.CDLL(None, use_errno=True)
        self.before = os.open("/proc/self/ns/net", os.O_RDONLY)
        self.name = f"berth-{os.getpid()}-{time.monotonic_ns()}"
        if self.libc.unshare(NEW_NETWORK) != 0:
            raise OSError(ctypes.get_errno(), "unshare")
        run("ip", "netns", "add", self.name)
        run("ip", "link", "set", "lo", "up")
        run("ip", "link", "add", "near", "type", "veth", "peer", "name", "far", "netns", self.name)
        run("ip", "addr", "add", f"{NEAR}/24", "dev", "near")
        run("ip", "link", "set", "near", "up")
        run("ip", "-n", self.name, "addr", "add", f"{FAR}/24", "dev", "far")
        for device in ("lo", "far"):
            run("ip", "-n", self.name, "link", "set", device, "up")

    def filter(self, *rules):
        text = "".join(f"add rule inet f {chain} {rule}\n" for chain, rule in rules)
        subprocess.run(["nft", "-f", "-"], check=True, text=True, capture_output=True, input=(
            "add table inet f\nadd chain inet f in { type filter hook input priority 0; }\n"
            "add chain inet f out { type filter hook output priority 0; }\n" + text))

    @contextlib.contextmanager
    def fault(self, kind):
        rules = {"deaf": [("in", "iifname near drop")], "mute": [("out", "oifname near drop")],
                 "loss": [(c, f"{d} near numgen random mod 100 < 5 drop") for c, d in (("in", "iifname"), ("out", "oifname"))],
                 "reset": [("in", f"iifname near tcp sport {PORT} reject with tcp reset"),
                           ("out", f"oifname near tcp dport {PORT} reject with tcp reset")]}
        if kind == "down":
            run("ip", "link", "set", "near", "down")
        else:
            self.filter(*rules[kind])
        try:
            yield
        finally:
            if kind == "down":
                run("ip", "link", "set", "near", "up")
            else:
                run("nft", "delete", "table", "inet", "f")

    def close(self):
        subprocess.run(["ip", "netns", "del", self.name], check=False)
        self.libc.setns(self.before, NEW_NETWORK)
        os.close(self.before)


class SlowWay:
    """A TCP proxy that hands each piece on after a while: `delay` seconds, anew for each, order kept."""

    def __init__(self, delay):
        self.delay = delay
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.address = f"tcp://127.0.0.1:{self.listener.getsockname()[1]}"
        self.ending = False
        self.threads = [threading.Thread(target=self.accept, daemon=True)]
        self.threads[0].start()

    def accept(self):
        with contextlib.suppress(OSError):
            while True:
                one = self.listener.accept()[0]
                other = socket.create_connection((FAR, PORT))
                for source, target in ((one, other), (other, one)):
                    self.threads.append(threading.Thread(target=self.pump, args=(source, target), daemon=True))
                    self.threads[-1].start()

    def pump(self, source, target):
        waiting = []  # (when, bytes); b"" is the end
        with contextlib.suppress(OSError, ValueError):
            while not self.ending:
                now = time.monotonic()
                while waiting and waiting[0][0] <= now:
                    piece = waiting.pop(0)[1]
                    if not piece:
                        return target.shutdown(socket.SHUT_RDWR)
                    target.sendall(piece)
                patience = min(max(waiting[0][0] - now, 0.001), 0.1) if waiting else 0.1
                if select.select([source], [], [], patience)[0]:
                    piece = source.recv(65536)
                    due = time.monotonic() + self.delay()
                    waiting.append((max(due, waiting[-1][0] if waiting else 0), piece))
                    if not piece:
                        break
            for due, piece in waiting:
                while not self.ending and time.monotonic() < due:
                    time.sleep(0.01)
                target.sendall(piece)
        for end in (source, target):
            with contextlib.suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)

    def close(self):
        self.ending = True
        self.listener.close()


class Apart(Pair):
    """Pair, with the agent `house` in the other namespace."""

    def __init__(self, folder, network):
        super().__init__(folder)
        self.network = network
        house = self.house
        house.endpoint = f"tcp://{FAR}:{PORT}"
        house.configure("")
        house.up = lambda: subprocess.run(["ip", "netns", "exec", network.name, str(BIN / "berth"), "agent", "run", "--name",
                                           "house", "--detach"], env=house.env, check=True, capture_output=True)
        self.commands, self.statuses, self.longest, self.sent, self.got = [], {}, 0.0, 0, []
        self.last_event = 0
        self.failure = None

    def begin(self, ipc=""):
        super().begin(ipc)
        self.house.load("counted.toml", '[app]\nid = "counted"\ncommand = "sleep 1000"\n')
        self.house.load("local.toml", '[app]\nid = "local"\ncommand = "sleep 1000"\n')
        self.house.berth("--agent", "house", "start", "counted", check=0)
        self.a, self.b = self.near.wire("a"), self.far.wire("b")
        wait_for(self.same, "the controller shows what the agent shows")
        self.first = self.ends()
        self.last_event = self.events(0)[-1]["seq"]

    def move(self, endpoint):
        """The controller goes to the agent by another way."""
        own = (self.house.agent_home / "keys" / "agent.pub").read_text().strip()
        self.up.berth("controller", "remove-agent", "house", check=0)
        wait_for(lambda: self.up.panel.ask("GET", "/agents/house")[0] == 404, "it is forgotten")
        self.up.berth("controller", "add-agent", "house", "--endpoint", endpoint, "--key", own, check=0)

    # --- what goes on during a fault

    def restart(self, key):
        begin = time.monotonic()
        headers = {"Idempotency-Key": key} if key else {}
        status, reply = self.up.panel.ask("POST", "/agents/house/apps/counted/restart", headers=headers, timeout=60 * SLOW)
        self.longest = max(self.longest, time.monotonic() - begin)
        self.statuses[status] = self.statuses.get(status, 0) + 1
        assert status != 504 or "not known" in reply["detail"], reply
        assert status in (200, 503, 504), (status, reply)
        return status == 200

    def command(self, until):
        """Restarts, each with a key of its own, for as long as the fault lasts."""
        try:
            while True:
                key = f"command-{len(self.commands)}-{time.monotonic_ns()}"
                self.commands.append((key, self.restart(key)))
                if until.wait(0.02):
                    return
        except Exception as error:  # pylint: disable=broad-except
            self.failure = error

    def disturb(self, duration):
        """What happens during a fault that lasts for so long."""
        over = threading.Event()
        commander = threading.Thread(target=self.command, args=(over,))
        commander.start()
        end = time.monotonic() + duration
        try:
            turn = 0
            while True:
                self.house.berth("--agent", "house", ("start", "stop")[turn % 2], "local", check=0)
                turn += 1
                self.a.do("notify", self.sent, to="house/b", durable=self.sent % 3 != 0)
                self.sent += 1
                if time.monotonic() >= end:
                    break
                over.wait(min(0.05, max(end - time.monotonic(), 0)))
            if turn % 2:
                self.house.berth("--agent", "house", "stop", "local", check=0)
        finally:
            over.set()
        return commander

    # --- what must be so afterwards

    def ends(self):
        """How many runs of the app have ended; each restart ends one."""
        return max(self.house.runs("counted"), default=0)

    def same(self):
        own = {i: (a["state"], a["pid"]) for i, a in self.house.apps().items()}
        shown = {a["id"]: (a["state"], a["pid"]) for a in self.up.panel.ask("GET", "/apps")[1]["apps"]
                 if a["agent"] == "house" and not a["stale"]}
        return own == shown

    def events(self, after):
        status, reply = self.up.panel.ask("GET", f"/events?agent=house&after={after}&limit=1000")
        assert status == 200
        return reply["events"]

    def check(self, commander, keys=True, deadline=CONVERGED):
        """Gives what is wrong."""
        healed = time.monotonic()
        wait_for(self.same, "the controller shows what the agent shows", deadline)
        took = time.monotonic() - healed
        commander.join()
        if self.failure:
            raise self.failure
        problems = []
        for number, (key, done) in enumerate(self.commands):
            if not done:
                wait_for(lambda key=key: self.restart(key if keys else None), "an answer to a repeated command", 30)
                self.commands[number] = (key, True)
        starts = self.ends() - self.first
        if starts != len(self.commands):
            problems.append(f"{len(self.commands)} restarts were asked for, {starts} were made")
        seen = self.events(self.last_event)
        numbers = [event["seq"] for event in seen]
        if numbers != list(range(self.last_event + 1, self.last_event + 1 + len(numbers))):
            problems.append(f"events after {self.last_event} have a hole: {numbers}")
        self.last_event = numbers[-1] if numbers else self.last_event
        wait_for(self.receive, "the messages", 15)
        if self.got != list(range(self.sent)):
            problems.append(f"messages: {self.got}")
        return problems, took

    def receive(self):
        self.got += [payload for _, payload in self.b.poll(wait_ms=200, auto_ack=True, max=500)]
        return len(self.got) >= self.sent

    def round(self, kind, duration, keys=True):
        with self.network.fault(kind):
            commander = self.disturb(duration)
        return self.check(commander, keys)


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=30)
    parser.add_argument("--seed", type=int, default=int(time.time()))
    parser.add_argument("--longest", type=float, default=8.0, help="seconds that a fault lasts")
    parser.add_argument("--sabotage", action="store_true")
    args = parser.parse_args()
    if why := unusable():
        print(why)
        return 77
    print(f"seed {args.seed}", flush=True)
    chance = random.Random(args.seed)
    berthlib.become_subreaper()
    network = Network()
    problems, slowest = [], 0.0
    with tempfile.TemporaryDirectory() as folder:
        apart = Apart(pathlib.Path(folder), network)
        try:
            apart.begin()
            for number in range(args.rounds):
                kind = chance.choice(["down", "deaf", "mute", "loss", "reset"] if not args.sabotage else ["deaf"])
                duration = chance.uniform(0.1, args.longest) if not args.sabotage else 4.0
                found, took = apart.round(kind, duration, keys=not args.sabotage)
                slowest = max(slowest, took)
                problems += found
                print(f"{number}: {kind} for {duration:.1f} s, alike after {took:.1f} s {found or ''}", flush=True)
                if args.sabotage and problems:
                    break
        finally:
            apart.destroy()
            berthlib.reap()
            network.close()
    print(f"{len(apart.commands)} commands, answers {apart.statuses}, the slowest after {apart.longest:.1f} s, {apart.sent} messages, "
          f"alike after {slowest:.1f} s at most, {len(problems)} problems")
    if args.sabotage:
        print("the check has noticed it" if problems else "the check is blind")
        return 0 if problems else 1
    return 1 if problems else 0


if __name__ == "__main__":
    sys.exit(main())
