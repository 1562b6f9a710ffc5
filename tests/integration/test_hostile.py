"""Slow and hostile clients of every kind at once starve nobody else (R16)."""

import os
import socket
import statistics
import time

import pytest
import zmq

from acrosslib import Pair
from berthlib import SLOW, wait_for
from relaylib import CONTEXT, pack

VIEWERS, HALF_OPEN = 100, 200
MEMORY = 64 << 20  # bytes that an agent may grow by


def resident(pid):
    with open(f"/proc/{pid}/statm", encoding="ascii") as file:
        return int(file.read().split()[1]) * os.sysconf("SC_PAGE_SIZE")


@pytest.fixture
def pair(tmp_path):
    it = Pair(tmp_path)
    it.begin('listen = "tcp://127.0.0.1:0"\nmax_bytes = "16MiB"')
    yield it
    it.destroy()


def viewers(panel):
    """Downloads of a long log that are hardly ever read on."""
    host, port = panel.host.split(":")
    crowd = []
    for _ in range(VIEWERS):
        reader = socket.socket()
        reader.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 2048)
        reader.settimeout(10 * SLOW)
        reader.connect((host, int(port)))
        reader.sendall(f"GET /api/v1/agents/default/apps/talker/logs/download HTTP/1.1\r\nHost: {panel.host}\r\n"
                       f"Cookie: {panel.cookie}\r\n\r\n".encode())
        crowd.append(reader)
    return crowd


def half_open(address):
    """Connections that begin a greeting of ZMTP and stop."""
    host, port = address.removeprefix("tcp://").split(":")
    crowd = []
    for number in range(HALF_OPEN):
        connection = socket.create_connection((host, int(port)), timeout=10 * SLOW)
        connection.sendall((b"\xff" + bytes(8) + b"\x7f\x03\x00CURVE")[: 1 + number % 17])
        crowd.append(connection)
    return crowd


def deaf(home, name):
    """A subscriber that says hello and never reads again."""
    client = CONTEXT.socket(zmq.DEALER)
    client.linger, client.rcvhwm, client.rcvbuf = 0, 1, 4096
    client.connect(home.endpoint)
    client.send(pack([1, 1, "hello", {"app": name, "secret": home.secret(name), "subscribe": True}]))
    assert client.poll(10_000 * SLOW)
    client.recv_multipart()
    return client


def test_slow_and_hostile_clients_starve_nobody_else(pair):
    home, panel, apps = pair.up, pair.up.panel, pair.near
    home.load("talker.toml", '[app]\nid = "talker"\nshell = true\ncommand = "yes some words of a long log | head -n 200000; sleep 1000"\n')
    home.berth("start", "talker", check=0)
    for name in ("source", "sink", "deaf"):
        apps.install(name)
    source, sink = apps.wire("source"), apps.wire("sink")
    agent = home.pid_of("agent")
    relay = (home.agent_home / "run/ipc_endpoint").read_text().strip()
    wait_for(lambda: sum(f.stat().st_size for f in (home.agent_home / "logs/talker").iterdir()) > 1 << 20, "a long log")
    crowd = []
    clients = [deaf(apps, "deaf") for _ in range(5)]
    before = resident(agent)
    try:
        crowd += viewers(panel)
        crowd += half_open(relay) + half_open(pair.house.endpoint)
        looked, passed = [], []
        for number in range(150):
            source.send("notify", "x" * 20_000, to="deaf", durable=False)  # until its mailbox is full
            source.send("raise", "y" * 20_000, type="noise")
            if number % 10 == 0:
                crowd[number % VIEWERS].recv(1)
            begin = time.monotonic()
            status, _ = panel.ask("GET", "/apps", timeout=30)
            looked.append(time.monotonic() - begin)
            assert status == 200
            begin = time.monotonic()
            source.do("notify", number, to="sink", durable=False)
            assert [payload for _, payload in sink.poll(auto_ack=True, wait_ms=5000)] == [number]
            passed.append(time.monotonic() - begin)
        p99 = sorted(looked)[int(len(looked) * 0.99)]
        print(f"panel: p50 {statistics.median(looked) * 1000:.1f} ms, p99 {p99 * 1000:.1f} ms; a message p50 "
              f"{statistics.median(passed) * 1000:.2f} ms; the agent grew by {(resident(agent) - before) >> 10} KiB")
        assert p99 < 0.25 * SLOW
        assert statistics.median(passed) < 0.1 * SLOW
        assert resident(agent) - before < MEMORY
        assert home.pid_of("agent") == agent
        # On a busy machine an agent may have been late for a moment.
        wait_for(lambda: all(a["state"] == "connected" for a in panel.ask("GET", "/agents")[1]["agents"]), "all agents")
        wait_for(lambda: pair.state(home, "house") == "connected", "each other")
    finally:
        for connection in crowd:
            connection.close()
        for client in clients:
            client.close(0)
