#!/usr/bin/env python3
"""Malformed, truncated, deep, oversized, wrong-version and unauthenticated bytes at the relay's socket.

Two generators: frames with broken headers over a proper connection, and connections whose very bytes are
mutated. Beside them a good client counts: it must be served all the time. In the end the agent is the
same process, its memory is where it was, and its descriptors are closed. What has found something once is
kept in relay_corpus/ and played first.

    relay_fuzz.py --frames 100000 --seed 3
"""

import argparse
import os
import pathlib
import random
import socket
import struct
import sys
import tempfile
import threading
import time

HERE = pathlib.Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent / "integration"))
import berthlib  # noqa: E402 the folder comes first
import relaylib  # noqa: E402 the folder comes first
from relaylib import pack  # noqa: E402 the folder comes first

GREETING = b"\xff" + bytes(8) + b"\x7f\x03\x00" + b"NULL".ljust(20, b"\0") + bytes(32)
READY = b"\x04\x1c\x05READY\x0bSocket-Type\0\0\0\x06DEALER"
VERBS = ["hello", "ping", "version", "list", "notify", "poll", "ack", "clear", "request", "respond", "raise",
         "is_running", "is_available", "status", "config", "start", "stop", "nonsense", "", "x" * 300]
KEYS = ["app", "secret", "to", "type", "dedupe", "subscribe", "durable", "auto_ack", "ttl_ms", "max", "ids", "ack",
        "timeout_ms", "correlation", "unknown"]


def frame(body, more=False):
    head = bytes((int(more), len(body))) if len(body) < 256 else struct.pack(">BQ", 2 | int(more), len(body))
    return head + body


def message(*parts):
    return b"".join(frame(p, i + 1 < len(parts)) for i, p in enumerate(parts))


def junk(chance, depth=0):
    """Any value, often a wrong one. Waiting is left out: it would only cost time."""
    kind = chance.randrange(12)
    if kind < 3 and depth < 6:
        return [junk(chance, depth + 1) for _ in range(chance.randrange(4))]
    if kind < 5 and depth < 6:
        return {chance.choice(KEYS): junk(chance, depth + 1) for _ in range(chance.randrange(4))}
    return chance.choice([None, True, False, 0, 1, -1, 2**31, 2**63, 2**64 - 1, -2**63, 1.5, float("nan"), "", "fuzz",
                          "default/fuzz", "x" * 100, "\0", "../x", b"", b"\xff" * 40, chance.randrange(1 << 30)])


def header(chance):
    kind = chance.randrange(10)
    value = [1, chance.randrange(1, 1 << 40), chance.choice(VERBS),
             {chance.choice(KEYS): junk(chance) for _ in range(chance.randrange(5))}]
    if value[2] == "request":
        value[3]["timeout_ms"] = 1
    if kind == 0:
        value = junk(chance)
    elif kind == 1:
        value[chance.randrange(4)] = junk(chance)
    elif kind == 2:
        return chance.choice([b"\xdd\xff\xff\xff\xff", b"\xdf\xff\xff\xff\xff", b"\xdc\xff\xff" * 31, b"\x91" * 4000,
                              b"\xc1", b"", b"\xc6\xff\xff\xff\xff", b"\x94\x01\x01\xa4ping\xde\xff\xff",
                              b"\x94\x01\x01\xa4ping\x81\xa1x" + b"\xdc\xff\xff" * 20])
    data = bytearray(pack(value))
    if kind in (3, 4, 5) and data:
        for _ in range(chance.randrange(1, 4)):
            data[chance.randrange(len(data))] = chance.randrange(256)
    elif kind == 6:
        del data[chance.randrange(len(data) + 1):]
    elif kind == 7:
        data += os.urandom(chance.randrange(1, 9))
    return bytes(data)


def payload(chance):
    return chance.randbytes(chance.choice([0, 1, 10, 300, 5000]))


class Connection:
    """A socket without a ZeroMQ library, which would not let us misbehave."""

    def __init__(self, path):
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.settimeout(10)
        self.sock.connect(path)

    def begin(self, secret=None):
        self.send(GREETING + READY)
        if secret:
            self.send(message(pack([1, 1, "hello", {"app": "fuzz", "secret": secret}])))

    def send(self, data):
        """False: the relay has closed the connection, as it may."""
        try:
            self.sock.sendall(data)
            self.sock.setblocking(False)
            try:
                while self.sock.recv(1 << 16):
                    pass
                return False
            except BlockingIOError:
                return True
            finally:
                self.sock.settimeout(10)
        except OSError:
            return False

    def close(self):
        self.sock.close()


def mutated(chance, secret):
    """A whole conversation with some of its bytes changed, cut or doubled."""
    data = bytearray(GREETING + READY + message(pack([1, 1, "hello", {"app": "fuzz", "secret": secret}])))
    for _ in range(chance.randrange(1, 6)):
        data += message(header(chance), *[payload(chance) for _ in range(chance.randrange(3))])
    for _ in range(chance.randrange(1, 8)):
        at = chance.randrange(len(data))
        what = chance.randrange(4)
        if what == 0:
            data[at] = chance.randrange(256)
        elif what == 1:
            data[at:at] = data[at:at + chance.randrange(50)]
        elif what == 2:
            del data[at:at + chance.randrange(20)]
        else:
            data[at:at] = struct.pack(">BQ", chance.choice([0, 1, 2, 3, 6, 7, 255]),
                                      chance.choice([0, 1, 1 << 16, 1 << 26, 1 << 31, 1 << 63, 2**64 - 1]))
    return bytes(data)


class Good(threading.Thread):
    """A client that behaves, beside all that."""

    def __init__(self, endpoint, secret):
        super().__init__(daemon=True)
        self.wire = relaylib.Wire(endpoint)
        self.wire.do("hello", app="good", secret=secret)
        self.done = threading.Event()
        self.rounds, self.slowest, self.problem = 0, 0.0, None

    def run(self):
        try:
            while not self.done.is_set():
                began = time.monotonic()
                self.wire.do("notify", self.rounds, to="good", durable=False)
                (_, back), = self.wire.poll(auto_ack=True)
                assert back == self.rounds
                self.rounds += 1
                self.slowest = max(self.slowest, time.monotonic() - began)
        except BaseException as error:  # pylint: disable=broad-except
            self.problem = error


def memory(pid):
    with open(f"/proc/{pid}/statm", encoding="ascii") as file:
        return int(file.read().split()[1]) * os.sysconf("SC_PAGE_SIZE")


def descriptors(pid):
    return len(os.listdir(f"/proc/{pid}/fd"))


def attack(path, secret, chance, frames, keep):
    """Sends about so many broken frames; `keep` gets what was sent last, for when it was deadly."""
    count = connections = 0
    while count < frames:
        connection = Connection(path)
        connections += 1
        if chance.random() < 0.5:
            data = mutated(chance, secret)
            keep(data)
            connection.send(data)
            count += 4
        else:
            connection.begin(secret if chance.random() < 0.8 else None)
            for _ in range(chance.randrange(1, 100)):
                data = message(header(chance), *[payload(chance) for _ in range(chance.randrange(3))])
                keep(GREETING + READY + data)
                count += 1
                if not connection.send(data):
                    break
        connection.close()
    return count, connections


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--frames", type=int, default=20_000)
    parser.add_argument("--seed", type=int, default=int(time.time()))
    args = parser.parse_args()
    chance = random.Random(args.seed)
    print(f"seed {args.seed}", flush=True)
    berthlib.become_subreaper()
    last = []
    with tempfile.TemporaryDirectory() as folder:
        home = berthlib.Home(pathlib.Path(folder) / "home")
        home.up()
        try:
            apps = relaylib.Apps(home)
            path, secret = apps.endpoint[len("ipc://"):], apps.secret("fuzz")
            pid = home.pid_of("agent")
            for file in sorted((HERE / "relay_corpus").glob("*.bin")):
                connection = Connection(path)
                connection.send(file.read_bytes())
                connection.close()
            attack(path, secret, chance, 3000, lambda data: None)  # warms the buffers up
            before, open_before = memory(pid), descriptors(pid)
            good = Good(apps.endpoint, apps.secret("good"))
            good.start()
            count, connections = attack(path, secret, chance, args.frames, lambda data: (last.clear(), last.append(data)))
            good.done.set()
            good.join(10)
            apps.wire("fuzz").do("clear")
            assert good.problem is None, good.problem
            assert home.pid_of("agent") == pid and berthlib.alive(pid), "the agent has died"
            berthlib.wait_for(lambda: descriptors(pid) <= open_before + 4, "descriptors are closed")
            grown = memory(pid) - before
            print(f"{count} frames on {connections} connections; the good client: {good.rounds} rounds, the slowest "
                  f"{good.slowest * 1000:.0f} ms; memory {grown / 2**20:+.1f} MiB")
            assert good.rounds > 20 and good.slowest < 2.0
            assert grown < 8 << 20, "it has grown"
        except BaseException:
            if last:
                found = pathlib.Path(tempfile.gettempdir()) / f"relay-fuzz-{args.seed}.bin"
                found.write_bytes(last[0])
                print(f"the last bytes are in {found}")
            raise
        finally:
            home.destroy()
    return 0


if __name__ == "__main__":
    sys.exit(main())
