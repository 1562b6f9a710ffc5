#!/usr/bin/env python3
"""What supervision costs: Berth beside a minimal C program that only forks, execs and waits, and beside
supervisord, runit and s6 where they are installed (deploy/install-packages bench). Prints a table, or
--json; every figure as measured.

    supervision.py [--bin build/release/bin] [--counts 100,500,1000] [--idle 30] [--kills 200] [--log-mb 1000]
                   [--only berth,limit,...] [--skip log,...]
"""

import argparse
import contextlib
import json
import os
import pathlib
import shutil
import signal
import statistics
import subprocess
import sys
import tempfile
import time

HERE = pathlib.Path(__file__).resolve()
sys.path.insert(0, str(HERE.parents[2] / "integration"))
SLEEP = shutil.which("sleep")
DEADLINE = 120


def wait_until(condition, what):
    end = time.monotonic() + DEADLINE
    while True:
        value = condition()
        if value:
            return value
        if time.monotonic() > end:
            raise RuntimeError(f"not within {DEADLINE} s: {what}")
        time.sleep(0.0005)


def stat_fields(pid):
    with open(f"/proc/{pid}/stat", encoding="utf-8", errors="replace") as file:
        return file.read().rsplit(")", 1)[1].split()


def cpu_seconds(pids):
    total = 0
    for pid in pids:
        with contextlib.suppress(OSError):
            fields = stat_fields(pid)
            total += int(fields[11]) + int(fields[12])
    return total / os.sysconf("SC_CLK_TCK")


def wakeups(pids):
    """Times that a thread of them went to sleep by itself, and so was woken."""
    total = 0
    for pid in pids:
        with contextlib.suppress(OSError):
            for task in os.listdir(f"/proc/{pid}/task"):
                for line in open(f"/proc/{pid}/task/{task}/status", encoding="ascii", errors="replace"):
                    if line.startswith("voluntary"):
                        total += int(line.split()[1])
    return total


def pss_kib(pids):
    total = 0
    for pid in pids:
        with contextlib.suppress(OSError):
            for line in open(f"/proc/{pid}/smaps_rollup", encoding="ascii"):
                if line.startswith("Pss:"):
                    total += int(line.split()[1])
    return total


def processes():
    """pid -> (parent, command name, state) of all."""
    found = {}
    for name in os.listdir("/proc"):
        if name.isdigit():
            with contextlib.suppress(OSError):
                with open(f"/proc/{name}/stat", encoding="utf-8", errors="replace") as file:
                    head, tail = file.read().rsplit(")", 1)
                fields = tail.split()
                found[int(name)] = (int(fields[1]), head.split("(", 1)[1], fields[0])
    return found


def below(roots, table=None):
    """The roots and all their descendants that are no zombies."""
    table = table or processes()
    children = {}
    for pid, (parent, _, state) in table.items():
        if state not in "ZX":
            children.setdefault(parent, []).append(pid)
    waiting, seen = list(roots), []
    while waiting:
        pid = waiting.pop()
        seen.append(pid)
        waiting += children.get(pid, [])
    return seen


class Supervisor:
    """One that runs COUNT `sleep` children. roots(): the processes that it consists of, at the top."""

    name = "?"

    def __init__(self, folder, count, options):
        self.folder, self.count, self.options = pathlib.Path(folder), count, options
        self.folder.mkdir(parents=True)

    def sleepers(self):
        table = processes()
        return [pid for pid in below(self.roots(), table) if table.get(pid, ("", "", ""))[1] == "sleep"]

    def own(self):
        """Its processes without the children it runs."""
        sleeping = set(self.sleepers())
        return [pid for pid in below(self.roots()) if pid not in sleeping]

    def wait_up(self):
        wait_until(lambda: len(self.sleepers()) >= self.count, f"{self.name}: all {self.count} run")


class Limit(Supervisor):
    name = "limit"

    def prepare(self):
        pass

    def start(self):
        self.child = subprocess.Popen([self.options.bin / "bench_limit", str(self.count), SLEEP, "1000000"],
                                      stdout=subprocess.PIPE)

    def roots(self):
        return [self.child.pid]

    def stop(self):
        self.child.terminate()
        self.child.wait()
        self.child.stdout.close()

    def end(self):
        pass


class Berth(Supervisor):
    name = "berth"

    def prepare(self):
        os.environ["BERTH_BIN"] = str(self.options.bin)
        import berthlib  # noqa: PLC0415: it reads BERTH_BIN
        self.home = berthlib.Home(self.folder / "home")
        self.home.up()
        apps = self.folder / "apps"
        apps.mkdir()
        files = []
        for n in range(self.count):
            file = apps / f"s{n}.toml"
            file.write_text(f'[app]\nid = "s{n}"\ncommand = "{SLEEP} 1000000"\nautostart = false\n'
                            '[restart]\npolicy = "always"\ndelay = "0s"\njitter = 0.0\n')
            files.append(file)
        if files:
            self.home.berth("load", *files, check=0, timeout=120)
        self.pids = [self.home.pid_of("keeper"), self.home.pid_of("agent")]

    def start(self):
        self.home.berth("start", "s.*", "--no-wait", check=0)

    def roots(self):
        return [self.pids[0]]

    def stop(self):
        self.home.berth("stop", "s.*", check=0, timeout=120)

    def end(self):
        self.home.down()
        self.home.destroy()


class Supervisord(Supervisor):
    name = "supervisord"
    needs = ("supervisord", "supervisorctl")

    def prepare(self):
        self.conf = self.folder / "supervisord.conf"
        self.conf.write_text(f"""[supervisord]
nodaemon=true
directory={self.folder}
pidfile={self.folder}/pid
logfile={self.folder}/log
minfds=8192
[unix_http_server]
file={self.folder}/sock
[rpcinterface:supervisor]
supervisor.rpcinterface_factory=supervisor.rpcinterface:make_main_rpcinterface
[supervisorctl]
serverurl=unix://{self.folder}/sock
""" + "".join(f"[program:s{n}]\ncommand={SLEEP} 1000000\nstartsecs=0\nautorestart=true\n"
              for n in range(self.count)))

    def start(self):
        self.child = subprocess.Popen(["supervisord", "-c", self.conf], stdout=subprocess.DEVNULL)

    def roots(self):
        return [self.child.pid]

    def stop(self):
        subprocess.run(["supervisorctl", "-c", self.conf, "stop", "all"], stdout=subprocess.DEVNULL, check=True)

    def end(self):
        self.child.terminate()
        self.child.wait()


class Runit(Supervisor):
    name = "runit"
    needs = ("runsvdir", "sv")

    def prepare(self):
        for n in range(self.count):
            (self.folder / f"s{n}").mkdir()
            run = self.folder / f"s{n}" / "run"
            run.write_text(f"#!/bin/sh\nexec {SLEEP} 1000000\n")
            run.chmod(0o755)

    def start(self):
        self.child = subprocess.Popen(["runsvdir", "-P", self.folder])

    def roots(self):
        return [self.child.pid]

    def stop(self):
        services = [str(self.folder / f"s{n}") for n in range(self.count)]
        subprocess.run(["sv", "-w", "60", "down", *services], stdout=subprocess.DEVNULL, check=True)
        wait_until(lambda: not self.sleepers(), "runit: all are down")

    def end(self):
        self.child.send_signal(signal.SIGHUP)
        self.child.wait()


class S6(Runit):
    name = "s6"
    needs = ("s6-svscan", "s6-svc", "s6-svscanctl")

    def start(self):
        self.child = subprocess.Popen(["s6-svscan", "-c", str(self.count * 2 + 10), self.folder])

    def stop(self):
        for n in range(self.count):
            subprocess.run(["s6-svc", "-d", self.folder / f"s{n}"], check=True)
        wait_until(lambda: not self.sleepers(), "s6: all are down")

    def end(self):
        subprocess.run(["s6-svscanctl", "-t", self.folder], check=True)
        self.child.wait()


def respawn_times(it, kills):
    """From the kill to the next process that has become `sleep`, in milliseconds."""
    times = []
    for n in range(kills):
        before = set(it.sleepers())
        victim = sorted(before)[n % len(before)]
        parent = int(stat_fields(victim)[1])
        begin = time.monotonic()
        os.kill(victim, signal.SIGKILL)
        while True:
            with open(f"/proc/{parent}/task/{parent}/children", encoding="ascii") as file:
                fresh = [pid for pid in map(int, file.read().split()) if pid not in before]
            named = [pid for pid in fresh if name_of(pid) == "sleep"]
            time.sleep(0.0001)  # looking all the time would take a processor from what is measured
            if named:
                break
            if time.monotonic() - begin > DEADLINE:
                raise RuntimeError("not started again")
        times.append((time.monotonic() - begin) * 1000)
        before.discard(victim)
    return times


def name_of(pid):
    try:
        with open(f"/proc/{pid}/comm", encoding="utf-8", errors="replace") as file:
            return file.read().strip()
    except OSError:
        return ""


def percentile(values, share):
    return sorted(values)[min(len(values) - 1, int(len(values) * share))]


def measure(kind, folder, count, options):
    it = kind(folder, count, options)
    it.prepare()
    figures = {}
    try:
        begin = time.monotonic()
        it.start()
        it.wait_up()
        figures["start_s"] = time.monotonic() - begin
        time.sleep(1)  # what it does after a start is no part of being idle
        own = it.own()
        figures["pss_kib"] = pss_kib(own)
        cpu, woken, begin = cpu_seconds(own), wakeups(own), time.monotonic()
        time.sleep(options.idle)
        length = time.monotonic() - begin
        figures["idle_cpu_percent"] = (cpu_seconds(own) - cpu) / length * 100
        figures["idle_wakeups_per_s"] = (wakeups(own) - woken) / length
        if count == min(options.counts) and options.kills:
            times = respawn_times(it, options.kills if kind.name in ("limit", "berth") else 5)
            figures["respawn_p50_ms"] = statistics.median(times)
            figures["respawn_p99_ms"] = percentile(times, 0.99)
        begin = time.monotonic()
        it.stop()
        figures["stop_s"] = time.monotonic() - begin
        if kind.name == "berth":  # files that the first start had to make are there
            begin = time.monotonic()
            it.start()
            it.wait_up()
            figures["start_again_s"] = time.monotonic() - begin
            it.stop()
    finally:
        it.end()
    return figures


def measure_logs(options, folder):
    """MB/s and CPU seconds per GB of what captures; the writer's own time is not in it."""
    size = options.log_mb * 1_000_000
    results = {}
    for name, piece in (("line", 100), ("block", 65536)):
        writer = [str(options.bin / "bench_writer"), str(size), str(piece)]
        begin = time.monotonic()
        pump = subprocess.Popen([options.bin / "bench_pump", folder / "pump.log", *writer])
        used = 0.0
        while pump.poll() is None:  # the writer ends last but one: only the pump itself is counted
            with contextlib.suppress(OSError, IndexError):
                used = max(used, cpu_seconds([pump.pid]))
            time.sleep(0.005)
        results[f"pump_{name}"] = {"mb_per_s": size / 1e6 / (time.monotonic() - begin),
                                   "cpu_s_per_gb": used / (size / 1e9)}
        it = Berth(folder / f"berth-{name}", 0, options)
        try:
            it.prepare()
            it.home.load("writer.toml", f'[app]\nid = "writer"\ntype = "oneshot"\nautostart = false\n'
                                        f'command = "{" ".join(writer)}"\n')
            before = [cpu_seconds([pid]) for pid in it.pids]
            begin = time.monotonic()
            it.home.berth("start", "writer", "--no-wait", check=0)
            wait_until(lambda: name_of_child(it.pids[0], "bench_writer"), "the writer runs")
            wait_until(lambda: not name_of_child(it.pids[0], "bench_writer"), "the writer has ended")
            length = time.monotonic() - begin
            after = [cpu_seconds([pid]) for pid in it.pids]
            results[f"berth_{name}"] = {"mb_per_s": size / 1e6 / length,
                                        "cpu_s_per_gb": (after[0] - before[0]) / (size / 1e9),
                                        "agent_cpu_s_per_gb": (after[1] - before[1]) / (size / 1e9)}
        finally:
            it.end()
    return results


def name_of_child(parent, name):
    with open(f"/proc/{parent}/task/{parent}/children", encoding="ascii") as file:
        return any(name_of(pid) == name and stat_fields_safe(pid) not in ("Z", "X") for pid in file.read().split())


def stat_fields_safe(pid):
    try:
        return stat_fields(pid)[0]
    except OSError:
        return "X"


def print_table(results, counts):
    print(f"{'':13}" + "".join(f"{key:>20}" for key in ("count", "start s", "PSS MiB", "idle CPU %", "wake-ups/s",
                                                        "respawn p50/99 ms", "stop s")))
    for name, by_count in results.items():
        if name == "logs":
            continue
        for count in counts:
            f = by_count[count]
            respawn = f"{f['respawn_p50_ms']:.2f} / {f['respawn_p99_ms']:.2f}" if "respawn_p50_ms" in f else ""
            print(f"{name:13}{count:20}{f['start_s']:20.3f}{f['pss_kib'] / 1024:20.2f}{f['idle_cpu_percent']:20.3f}"
                  f"{f['idle_wakeups_per_s']:20.2f}{respawn:>20}{f['stop_s']:20.3f}")
        if len(counts) > 1:
            low, high = min(counts), max(counts)
            slope = (by_count[high]["pss_kib"] - by_count[low]["pss_kib"]) / (high - low)
            print(f"{'':13}{slope:.2f} KiB a further child")
    if "limit" in results and "berth" in results:
        for key in ("start_s", "respawn_p50_ms", "stop_s"):
            for count in counts:
                if key in results["berth"][count]:
                    ratio = results["berth"][count][key] / results["limit"][count][key]
                    print(f"berth / limit, {key} at {count}: {ratio:.2f}")
    for count in counts if "berth" in results else ():
        f = results["berth"][count]
        print(f"berth, first start / a later one at {count}: {f['start_s']:.3f} / {f['start_again_s']:.3f} s = "
              f"{f['start_s'] / f['start_again_s']:.2f}")
    for name, f in results.get("logs", {}).items():
        agent = f", agent {f['agent_cpu_s_per_gb']:.2f}" if "agent_cpu_s_per_gb" in f else ""
        print(f"log {name:12}{f['mb_per_s']:10.0f} MB/s {f['cpu_s_per_gb']:8.2f} s CPU a GB{agent}")


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--bin", type=pathlib.Path, default=HERE.parents[3] / "build/release/bin")
    parser.add_argument("--counts", type=lambda text: [int(n) for n in text.split(",")], default=[100, 500, 1000])
    parser.add_argument("--idle", type=float, default=30)
    parser.add_argument("--kills", type=int, default=200)
    parser.add_argument("--log-mb", type=int, default=1000)
    parser.add_argument("--only", default="")
    parser.add_argument("--skip", default="")
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    options.bin = options.bin.resolve()
    skip = options.skip.split(",")
    results = {}
    with tempfile.TemporaryDirectory(prefix="bench") as temporary:
        for kind in (Limit, Berth, Supervisord, Runit, S6):
            if (options.only and kind.name not in options.only.split(",")) or kind.name in skip:
                continue
            if not all(shutil.which(program) for program in getattr(kind, "needs", ())):
                print(f"{kind.name}: not installed", file=sys.stderr)
                continue
            results[kind.name] = {count: measure(kind, pathlib.Path(temporary) / f"{kind.name}{count}", count, options)
                                  for count in options.counts}
        if "log" not in skip:
            results["logs"] = measure_logs(options, pathlib.Path(temporary))
    if options.json:
        print(json.dumps(results, indent=1))
    else:
        print_table(results, options.counts)


if __name__ == "__main__":
    main()
