#!/usr/bin/env python3
"""What a request costs the controller, in clear and over TLS, beside nginx with one worker: one run, ratios count.

    tests/bench/http/run.py [--bin build/release/bin] [--before FOLDER] [--seconds 5]

--before: the binaries of another state, measured too (in clear only, when it knows no TLS). The clients are on the same
machine, so processor time of the server for each request says more than requests in a second.
"""

import argparse
import os
import pathlib
import subprocess
import sys
import tempfile
import time

ROOT = pathlib.Path(__file__).resolve().parents[3]
sys.path.insert(0, str(ROOT / "tests/integration"))

CONF = """
daemon off; worker_processes 1; pid {folder}/nginx.pid; error_log {folder}/error.log;
events {{ worker_connections 1024; }}
http {{
    access_log off; keepalive_requests 100000000;
    client_body_temp_path {folder}/a; proxy_temp_path {folder}/b; fastcgi_temp_path {folder}/c;
    uwsgi_temp_path {folder}/d; scgi_temp_path {folder}/e;
    server {{
        listen 127.0.0.1:{plain}; listen 127.0.0.1:{tls} ssl;
        ssl_certificate {folder}/panel.crt; ssl_certificate_key {folder}/panel.key; ssl_protocols TLSv1.2 TLSv1.3;
        location = /healthz {{ default_type text/plain; return 200 "ok\\n"; }}
    }}
}}
"""


class Server:
    def __init__(self, name, command, port, tls):
        self.name, self.port, self.tls = name, port, tls
        self.process = subprocess.Popen([str(word) for word in command], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)

    def processor_seconds(self):
        pids = [self.process.pid]
        children = pathlib.Path(f"/proc/{self.process.pid}/task/{self.process.pid}/children")
        pids += [int(pid) for pid in children.read_text().split()]
        ticks = 0
        for pid in pids:
            fields = pathlib.Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
            ticks += int(fields[11]) + int(fields[12])
        return ticks / os.sysconf("SC_CLK_TCK")

    def end(self):
        self.process.terminate()
        self.process.wait()


def controller(name, folder, home, tls):
    ready = home / "ready"
    home.mkdir(parents=True)
    words = [folder / "berth-controller", "--home", home, "--listen", "127.0.0.1:0", "--ready-file", ready] + (["--tls"] if tls else [])
    server = Server(name, words, 0, tls)
    deadline = time.monotonic() + 20
    while not (ready.exists() and ready.read_text().strip()):
        if server.process.poll() is not None:
            return None     # it knows no TLS
        assert time.monotonic() < deadline, name
        os.sched_yield()
    server.port = int(ready.read_text().strip().rsplit(":", 1)[1])
    return server


def nginx(folder):
    import proxylib
    folder.mkdir()
    proxylib.certificate(folder)
    plain, tls = proxylib.free_port(), proxylib.free_port()
    (folder / "conf").write_text(CONF.format(folder=folder, plain=plain, tls=tls))
    server = Server("nginx", [proxylib.program("nginx"), "-p", folder, "-c", folder / "conf", "-e", folder / "error.log"], plain, False)
    proxylib.wait_for(lambda: (folder / "nginx.pid").exists(), 20)
    server.ports = {"plain": plain, "tls": tls}
    return server


def measure(tool, server, port, kind, how, connections, seconds):
    before = server.processor_seconds()
    out = subprocess.run([tool, str(port), "/healthz", kind, how, str(connections), str(seconds)], capture_output=True,
                         text=True, check=True, timeout=seconds + 60).stdout.split()
    answers, took = int(out[0]), float(out[1])
    return answers / took, (server.processor_seconds() - before) / answers * 1e6


def main():
    arguments = argparse.ArgumentParser()
    arguments.add_argument("--bin", type=pathlib.Path, default=ROOT / "build/release/bin")
    arguments.add_argument("--before", type=pathlib.Path)
    arguments.add_argument("--seconds", type=float, default=5)
    arguments.add_argument("--rounds", type=int, default=3)
    given = arguments.parse_args()
    tool = given.bin / "http_bench"
    with tempfile.TemporaryDirectory() as name:
        folder = pathlib.Path(name)
        web = nginx(folder / "nginx")
        servers = [("nginx", "plain", web, web.ports["plain"]), ("nginx", "tls", web, web.ports["tls"])]
        for title, binaries in (("before", given.before), ("berth", given.bin)):
            for kind in ("plain", "tls") if binaries else ():
                if server := controller(title, binaries, folder / f"{title}-{kind}", kind == "tls"):
                    servers.append((title, kind, server, server.port))
        print(f"{'':24}{'requests/s':>12}{'µs of processor':>18}")
        for how, connections in (("keep", 32), ("anew", 8)):
            rows = {}
            for _ in range(given.rounds):     # in turns, so that what else runs here hits all alike
                for title, kind, server, port in servers:
                    rows.setdefault((title, kind), []).append(
                        measure(tool, server, port, kind, how, connections, given.seconds))
            for kind in ("plain", "tls"):
                for (title, what), found in rows.items():
                    if what == kind:
                        rate, cost = max(r for r, _ in found), min(c for _, c in found)
                        print(f"{how} {kind:6}{title:12}{rate:14.0f}{cost:18.1f}")
        for server in {id(s): s for _, _, s, _ in servers}.values():
            server.end()


main()
