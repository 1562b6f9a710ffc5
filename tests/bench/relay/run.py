#!/usr/bin/env python3
"""What the relay does in a second, and how long a message takes, beside a bare ZeroMQ ROUTER that
acknowledges each message: one run, ratios count. Redis and NATS too, where they are installed
(deploy/install-packages bench): Redis with lists, "durable" with appendfsync always; NATS core, which
keeps and acknowledges nothing.

    tests/bench/relay/run.py [--bin build/release/bin] [--quick]
"""

import argparse
import json
import os
import pathlib
import shutil
import subprocess
import sys
import tempfile
import time

ROOT = pathlib.Path(__file__).resolve().parents[3]
sys.path.insert(0, str(ROOT / "tests/integration"))


def start(command):
    process = subprocess.Popen([str(c) for c in command], stdout=subprocess.PIPE, text=True)
    return process


def ready(command):
    process = start(command)
    assert process.stdout.readline() == "ready\n", command
    return process


def last(process):
    out, _ = process.communicate(timeout=300)
    assert process.returncode == 0, process.args
    return json.loads(out.splitlines()[-1])


def redis(folder, name, durable):
    """Starts one; gives it and its socket."""
    socket = f"{folder}/{name}.sock"
    keeps = ["--appendonly", "yes", "--appendfsync", "always"] if durable else ["--appendonly", "no"]
    process = subprocess.Popen(["redis-server", "--port", "0", "--unixsocket", socket, "--dir", str(folder), "--save", "",
                                "--appenddirname", name, *keeps], stdout=subprocess.DEVNULL)
    berthlib().wait_for(lambda: os.path.exists(socket), "Redis listens")
    return process, socket


def nats(folder):
    """Starts one; gives it and its port."""
    process = subprocess.Popen(["nats-server", "--addr", "127.0.0.1", "--port", "-1", "--ports_file_dir", str(folder)],
                               stderr=subprocess.DEVNULL)
    file = pathlib.Path(folder) / f"nats-server_{process.pid}.ports"
    berthlib().wait_for(lambda: file.exists() and file.read_text().strip().endswith("}"), "NATS listens")
    return process, json.loads(file.read_text())["nats"][0].rsplit(":", 1)[1]


def berthlib():
    import berthlib as it  # pylint: disable=import-outside-toplevel  # it reads BERTH_BIN
    return it


class Bench:
    def __init__(self, bench, home, folder):
        self.bench = bench
        self.home = home
        self.endpoints = {"bare": f"ipc://{folder}/bare.sock", "berth": f"ipc://{home.agent_home}/run/app.sock"}
        self.secrets = {}
        self.number = 0
        self.broker = ready([bench, "broker", self.endpoints["bare"]])
        self.peers = []
        if shutil.which("redis-server"):
            for name, durable in (("redis", False), ("redis-durable", True)):
                process, self.endpoints[name] = redis(folder, name, durable)
                self.peers.append(process)
        if shutil.which("nats-server"):
            process, self.endpoints["nats"] = nats(folder)
            self.peers.append(process)

    def end(self):
        for process in (self.broker, *self.peers):
            process.kill()
            process.wait()

    def has(self, via):
        return via in self.endpoints

    def who(self, via, name):
        app = f"{name}{self.number}"
        if via != "berth":
            return [via.split("-")[0], self.endpoints[via], app, "-"]
        self.home.berth("token", "app", app, check=0)
        secret = (self.home.agent_home / "secrets" / app).read_text().strip()
        return [via, self.endpoints[via], app, secret]

    def rate(self, via, count, size, frames=1, durable=False):
        """Messages a second from the first send to the last reception."""
        self.number += 1
        receiver, sender = self.who(via, "r"), self.who(via, "s")
        receiving = ready([self.bench, "receive", *receiver, count])
        sending = start([self.bench, "send", *sender, receiver[2], count, size, frames, int(durable)])
        began = last(sending)["began_us"]
        return count / (last(receiving)["ended_us"] - began) * 1e6

    def single(self, via, count, size, durable=False):
        """p50 and p99 of one notify at a time, acknowledged."""
        self.number += 1
        receiver, sender = self.who(via, "r"), self.who(via, "s")
        echo = ready([self.bench, "receive", *receiver, 1 << 40]) if via == "bare" else None
        result = last(start([self.bench, "single", *sender, receiver[2], count, size, int(durable)]))
        if echo:
            echo.kill()
            echo.wait()
        return result

    def trip(self, via, count, size, durable=False):
        """p50 and p99 of A -> B -> A."""
        self.number += 1
        receiver, sender = self.who(via, "r"), self.who(via, "s")
        echo = ready([self.bench, "echo", *receiver])
        result = last(start([self.bench, "trip", *sender, receiver[2], count, size, int(durable)]))
        echo.kill()
        echo.wait()
        return result

    def agent_cpu(self):
        with open(f"/proc/{self.home.pid_of('agent')}/stat", encoding="utf-8") as file:
            fields = file.read().rsplit(")", 1)[1].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def python_calls(home, count):
    """Microseconds of a volatile notify through the Python client, both of its transports."""
    code = """
import sys, time
import berth_ipc
ipc = berth_ipc.connect()
ipc.ping()
began = time.perf_counter()
for number in range(%d):
    ipc.notify('nobody', number, durable=False, ttl=1)
print((time.perf_counter() - began) / %d * 1e6)
""" % (count, count)
    app = "python"
    home.berth("token", "app", app, check=0)
    environment = {"BERTH_APP": app, "BERTH_IPC": f"ipc://{home.agent_home}/run/app.sock",
                   "BERTH_IPC_SECRET_FILE": str(home.agent_home / "secrets" / app),
                   "PYTHONPATH": str(home.agent_home / "ipc")}
    found = {}
    for name, python, more in (("built-in, no msgpack", ["/usr/bin/python3", "-S"], {}),
                               ("built-in, msgpack", ["/usr/bin/python3"], {}),
                               ("pyzmq, msgpack", ["/usr/bin/python3"], {"BERTH_IPC_TRANSPORT": "pyzmq"})):
        done = subprocess.run([*python, "-c", code], env={**environment, **more}, capture_output=True, text=True,
                              check=True, timeout=300)
        found[name] = float(done.stdout)
    return found


def show(name, *cells):
    print(f"{name:44}" + "".join(f"{cell:>16}" for cell in cells), flush=True)


def rates(bench, scale):
    show("messages a second, pipelined", "bare ROUTER", "volatile", "durable", "volatile/bare")
    for size, count in ((64, 400_000), (1024, 200_000), (65536, 15_000)):
        count = int(count * scale)
        bare = bench.rate("bare", count, size)
        volatile = bench.rate("berth", count, size)
        durable = bench.rate("berth", max(count // 4, 1000), size, durable=True)
        show(f"  {size} B, one a request", *(f"{r:,.0f}" for r in (bare, volatile, durable)), f"{volatile / bare:.2f}")
    for size, count in ((64, 1_000_000), (1024, 300_000)):
        count = int(count * scale)
        volatile = bench.rate("berth", count, size, frames=100)
        durable = bench.rate("berth", count // 2, size, frames=100, durable=True)
        show(f"  {size} B, 100 a request", "-", f"{volatile:,.0f}", f"{durable:,.0f}", "-")
    began = bench.agent_cpu()
    count = int(400_000 * scale)
    bench.rate("berth", count, 64)
    show("  agent's CPU a volatile message", "", f"{(bench.agent_cpu() - began) / count * 1e6:.2f} us")


def latencies(bench, scale):
    show("microseconds, p50 / p99", "bare ROUTER", "volatile", "durable", "volatile/bare")
    for size in (64, 1024, 65536):
        for name, measure, few in (("one notify at a time", bench.single, 300), ("there and back", bench.trip, 200)):
            count = int(5000 * scale)
            bare = measure("bare", count, size)
            volatile = measure("berth", count, size)
            durable = measure("berth", few, size, durable=True)
            show(f"  {size} B, {name}", *(f"{r['p50_us']:.0f} / {r['p99_us']:.0f}" for r in (bare, volatile, durable)),
                 f"{volatile['p50_us'] / bare['p50_us']:.2f}")


def peers(bench, scale):
    """The peers at 64 B, in the same units."""
    known = [via for via in ("redis", "redis-durable", "nats") if bench.has(via)]
    if not known:
        return
    show("peers, 64 B", *known)
    counts = {"redis-durable": 100_000}
    show("  messages a second, pipelined",
         *(f"{bench.rate(via, int(counts.get(via, 400_000) * scale), 64):,.0f}" for via in known))
    trips = [bench.trip(via, int(counts.get(via, 5000) * scale / (100 if via in counts else 1)), 64) for via in known]
    show("  microseconds there and back, p50 / p99", *(f"{t['p50_us']:.0f} / {t['p99_us']:.0f}" for t in trips))


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--bin", default=str(ROOT / "build/release/bin"))
    parser.add_argument("--quick", action="store_true")
    args = parser.parse_args()
    os.environ["BERTH_BIN"] = args.bin
    berthlib().become_subreaper()
    scale = 0.1 if args.quick else 1
    with tempfile.TemporaryDirectory() as folder:
        home = berthlib().Home(pathlib.Path(folder) / "home")
        # As the bare broker's queues have no bound, the mailboxes get one that is not reached.
        home.agent_home.mkdir(parents=True)
        (home.agent_home / "agent.toml").write_text('[ipc]\nmax_messages = 10000000\nmax_bytes = "2GiB"\n')
        home.up()
        bench = Bench(pathlib.Path(args.bin) / "relay_bench", home, folder)
        try:
            began = time.monotonic()
            rates(bench, scale)
            latencies(bench, scale)
            peers(bench, scale)
            show("microseconds a call from Python", "volatile notify")
            for name, value in python_calls(home, int(5000 * scale)).items():
                show(f"  {name}", f"{value:.0f}")
            print(f"{time.monotonic() - began:.0f} s, {os.cpu_count()} cores")
        finally:
            bench.end()
            home.destroy()
    return 0


if __name__ == "__main__":
    sys.exit(main())
