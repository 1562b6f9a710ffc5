#!/usr/bin/env python3
"""Durable messages to an app of another agent, through random kill -9 of everybody on the way.

As relay_crash.py, with the receiver at another agent: the sender's agent, the controller, the receiver's
agent and the receiver itself are killed at random moments, and none may be lost, stored twice, or out of
order.

    across_crash.py --messages 200000 --kills 400 --seed 7     long
    across_crash.py --sabotage                                 must fail: the receiver leaves one out
"""

import argparse
import pathlib
import random
import signal
import subprocess
import sys
import tempfile
import time

import acrosslib
import berthlib
import relay_crash

SENDERS = ["s0", "s1"]


def waiting(pair):
    """How many are neither at the receiver's agent nor acknowledged there; None when nobody can say now."""
    boxes = pair.up.berth("outbox", "--json")
    mailbox = pair.house.berth("--agent", "house", "poll", "sink", "--peek", "--json")
    if boxes.code != 0 or mailbox.code not in (0, 3):
        return None
    return sum(box["count"] for box in boxes.json()) + (0 if mailbox.code == 3 else 1)


def run(args):
    chance = random.Random(args.seed)
    print(f"seed {args.seed}", flush=True)
    berthlib.become_subreaper()
    with tempfile.TemporaryDirectory() as folder:
        pair = acrosslib.Pair(pathlib.Path(folder))
        journal = pathlib.Path(folder) / "journal"
        journal.touch()
        me = [sys.executable, str(pathlib.Path(relay_crash.__file__).resolve())]
        processes = []
        try:
            pair.begin("max_messages = 1000000")
            count = args.messages // len(SENDERS)
            rate = count / (args.kills * args.every / 2)  # so that they last as long as the kills

            def receiver():
                return subprocess.Popen([*me, "--role", "receiver", "--journal", str(journal), "--endpoint",
                                         pair.far.endpoint, "--secret", pair.far.secret("sink"),
                                         "--deadline", str(args.deadline)])
            processes.append(receiver())
            processes += [subprocess.Popen([*me, "--role", "sender", "--app", s, "--secret", pair.near.secret(s),
                                            "--endpoint", pair.near.endpoint, "--messages", str(count),
                                            "--to", "house/sink", "--rate", str(rate), "--deadline", str(args.deadline)]) for s in SENDERS]
            kills = dict.fromkeys(("sender's agent", "controller", "receiver's agent", "receiver"), 0)
            end = time.monotonic() + args.deadline
            while sum(kills.values()) < args.kills:
                assert time.monotonic() < end, "so many kills take too long"
                pause = time.monotonic() + chance.uniform(0.02, args.every)
                berthlib.wait_for(lambda pause=pause: time.monotonic() > pause, "the next kill")
                victim = min(kills, key=kills.get) if chance.random() < 0.5 else chance.choice(list(kills))
                if victim == "receiver":
                    processes[0].send_signal(signal.SIGKILL)
                    processes[0].wait()
                    processes[0] = receiver()
                    kills[victim] += 1
                else:
                    kills[victim] += 1 if {"controller": pair.kill_controller,
                                           "sender's agent": lambda: pair.up.kill("agent"),
                                           "receiver's agent": lambda: pair.house.kill("agent")}[victim]() else 0
            for process in processes[1:]:
                assert process.wait(max(1, end - time.monotonic())) == 0, "a sender has failed"
            berthlib.wait_for(lambda: waiting(pair) == 0, "all is received and acknowledged", 120)
        finally:
            for process in processes:
                process.kill()
                process.wait()
            pair.destroy()
            berthlib.reap()
        text = journal.read_bytes()
    if args.sabotage:
        text = relay_crash.without_one(text, b"default/s0")
    problems = relay_crash.check(text, [f"default/{s}" for s in SENDERS], count)
    print(f"{count * len(SENDERS)} messages, kills: {kills}, {text.count(b'G ')} receptions")
    for problem in problems[:20]:
        print(problem)
    return problems, kills


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--messages", type=int, default=40_000)
    parser.add_argument("--kills", type=int, default=24)
    parser.add_argument("--seed", type=int, default=int(time.time()))
    parser.add_argument("--every", type=float, default=0.6, help="seconds between kills, at most")
    parser.add_argument("--deadline", type=float, default=300)
    parser.add_argument("--sabotage", action="store_true")
    args = parser.parse_args()
    problems, kills = run(args)
    if args.sabotage:
        print("the check has noticed it" if problems else "the check is blind")
        return 0 if problems else 1
    return 1 if problems or (args.kills >= 20 and min(kills.values()) == 0) else 0


if __name__ == "__main__":
    sys.exit(main())
