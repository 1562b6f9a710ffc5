#!/usr/bin/env python3
"""Durable messages through random kill -9 of agent and receiver (R9).

Senders number their messages and send each, with a dedupe key, until it is acknowledged. A receiver
process polls, writes down what it got, acknowledges, and writes down what was acknowledged. The agent
and the receiver are killed at random moments meanwhile. In the end:

  - every acknowledged message was received,
  - none was received again after its acknowledgement was answered,
  - per sender, the first receptions are in the order of sending,
  - what came twice said so (attempt > 1).

    relay_crash.py --messages 1000000 --seed 7     long
    relay_crash.py --sabotage                      must fail: the receiver leaves one out
"""

import argparse
import os
import pathlib
import random
import signal
import subprocess
import sys
import tempfile
import time

import berthlib
import relaylib
import zmq

WINDOW = 200


def connect(endpoint, app, secret, deadline):
    """A wire that has said hello, however often the agent is killed meanwhile."""
    while time.monotonic() < deadline:
        wire = relaylib.Wire(endpoint, timeout=1.0)
        try:
            if wire.ask("hello", app=app, secret=secret).code == 0:
                return wire
        except TimeoutError:
            pass
        wire.close()
    raise SystemExit("the agent did not come back")


def received(args):
    """The receiver's process: journals "G seq attempt" lines as it gets and "A seq" as the relay answers."""
    journal = open(args.journal, "ab", buffering=0)  # pylint: disable=consider-using-with
    deadline = time.monotonic() + args.deadline
    while True:
        wire = connect(args.endpoint, "sink", args.secret, deadline)
        try:
            while True:
                got = wire.poll(max=500, wait_ms=500)
                if not got:
                    continue
                journal.write(b"".join(b"G %s %d %d\n" % (m["from"].encode(), p, m["attempt"]) for m, p in got))
                if wire.ask("ack", ids=[m["id"] for m, _ in got]).code == 0:
                    journal.write(b"".join(b"A %s %d\n" % (m["from"].encode(), p) for m, p in got))
        except (TimeoutError, zmq.ZMQError, AssertionError):
            wire.close()


def sent(args):
    """A sender's process: numbers 0.. each until it is acknowledged, WINDOW at a time, in order."""
    deadline = time.monotonic() + args.deadline
    following, unanswered = 0, []  # not acknowledged yet, in order
    begin = time.monotonic()
    wire, asked = None, {}
    while following < args.messages or unanswered:
        if wire is None:
            wire, asked = connect(args.endpoint, args.app, args.secret, deadline), {}
            # All again, in their order: the relay knows those that it has.
            for number in unanswered:
                asked[number] = wire.send("notify", number, to=args.to, dedupe=number)
        try:
            allowed = args.messages if not args.rate else int((time.monotonic() - begin) * args.rate) + 1
            while following < min(args.messages, allowed) and len(unanswered) < WINDOW:
                asked[following] = wire.send("notify", following, to=args.to, dedupe=following)
                unanswered.append(following)
                following += 1
            if not unanswered:
                wire.receive(0.002)  # nothing comes: this waits for the time of the next one
                continue
            number = unanswered[0]
            code = wire.answer(asked[number], timeout=1.0).code
            if code == 401:
                # The socket has connected again by itself, to the next agent, without a hello.
                raise TimeoutError("not greeted")
            assert code == 0, code
            unanswered.pop(0)
        except (TimeoutError, zmq.ZMQError):
            wire.close()
            wire = None


def check(journal, senders, messages):
    problems = []
    first, acknowledged = {s: [] for s in senders}, {s: set() for s in senders}
    seen = {s: set() for s in senders}
    for line in journal.split(b"\n")[:-1]:
        kind, sender, *rest = line.decode().split()
        number = int(rest[0])
        if kind == "A":
            acknowledged[sender].add(number)
            continue
        if number in acknowledged[sender]:
            problems.append(f"{sender} {number} came again after its acknowledgement")
        if number in seen[sender] and int(rest[1]) < 2:
            problems.append(f"{sender} {number} came again without saying so")
        if number not in seen[sender]:
            first[sender].append(number)
            seen[sender].add(number)
    for sender in senders:
        lost = set(range(messages)) - seen[sender]
        if lost:
            problems.append(f"{sender}: {len(lost)} lost, such as {min(lost)}")
        if first[sender] != sorted(first[sender]):
            problems.append(f"{sender}: out of order")
    return problems


def without_one(journal, sender):
    """The journal of a receiver that has never got one of them."""
    lines = journal.split(b"\n")
    number = next(line.split()[2] for line in lines if line.startswith(b"G %s " % sender))
    return b"\n".join(line for line in lines if line.split()[1:3] != [sender, number])


def run(args):
    chance = random.Random(args.seed)
    print(f"seed {args.seed}", flush=True)
    berthlib.become_subreaper()
    with tempfile.TemporaryDirectory() as folder:
        home = berthlib.Home(pathlib.Path(folder) / "home")
        home.up()
        apps = relaylib.Apps(home)
        senders = ["s0", "s1"]
        journal = pathlib.Path(folder) / "journal"
        journal.touch()
        me = [sys.executable, os.path.abspath(__file__)]
        common = ["--endpoint", apps.endpoint, "--deadline", str(args.deadline)]
        count = args.messages // len(senders)

        def receiver():
            return subprocess.Popen([*me, "--role", "receiver", "--journal", str(journal), *common,
                                     "--secret", apps.secret("sink")])
        processes = [receiver()]
        processes += [subprocess.Popen([*me, "--role", "sender", "--app", s, "--secret", apps.secret(s),
                                        "--messages", str(count), "--rate", str(args.rate), *common]) for s in senders]
        kills = {"agent": 0, "receiver": 0}
        end = time.monotonic() + args.deadline
        try:
            while any(p.poll() is None for p in processes[1:]):
                if time.monotonic() > end:
                    raise AssertionError("the senders did not finish")
                pause = time.monotonic() + chance.uniform(0.02, args.every)
                berthlib.wait_for(lambda: time.monotonic() > pause, "the next kill")
                spared = [name for name, killed in kills.items() if killed == 0]
                victim = spared[0] if len(spared) == 1 else chance.choice(list(kills))
                if victim == "agent":
                    if home.kill("agent"):
                        kills["agent"] += 1
                        berthlib.reap()
                else:
                    processes[0].send_signal(signal.SIGKILL)
                    processes[0].wait()
                    processes[0] = receiver()
                    kills["receiver"] += 1
            assert all(p.returncode == 0 for p in processes[1:]), "a sender has failed"
            wire = connect(apps.endpoint, "sink", apps.secret("sink"), end)
            berthlib.wait_for(lambda: drained(home), "all is received and acknowledged", 60)
            wire.close()
        finally:
            for process in processes:
                process.kill()
                process.wait()
            home.destroy()
        text = journal.read_bytes()
    if args.sabotage:
        text = without_one(text, b"s0")
    problems = check(text, senders, count)
    print(f"{count * len(senders)} messages, {kills['agent']} kills of the agent, {kills['receiver']} of the "
          f"receiver, {text.count(b'G ')} receptions")
    for problem in problems[:20]:
        print(problem)
    return problems, kills


def drained(home):
    result = home.berth("poll", "sink", "--peek", "--json")
    return result.code == 3


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--to", default="sink")
    parser.add_argument("--rate", type=float, default=0, help="messages a second of one sender; 0: as fast as it goes")
    parser.add_argument("--messages", type=int, default=20_000)
    parser.add_argument("--seed", type=int, default=int(time.time()))
    parser.add_argument("--every", type=float, default=0.6, help="seconds between kills, at most")
    parser.add_argument("--deadline", type=float, default=300)
    parser.add_argument("--sabotage", action="store_true")
    parser.add_argument("--role", choices=["receiver", "sender"])
    for name in ("--endpoint", "--secret", "--journal", "--app"):
        parser.add_argument(name)
    args = parser.parse_args()
    if args.role == "receiver":
        return received(args)
    if args.role == "sender":
        return sent(args)
    problems, kills = run(args)
    if args.sabotage:
        print("the check has noticed it" if problems else "the check is blind")
        return 0 if problems else 1
    return 1 if problems or min(kills.values()) == 0 else 0


if __name__ == "__main__":
    sys.exit(main())
