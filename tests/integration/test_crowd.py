"""Crowds of connections cost whoever makes them, and not the signed-in, nor others at the same address."""

import http.client
import resource
import socket
import time

import pytest

from berthlib import SLOW
from test_controller import Panel, Up

OF_ONE_ADDRESS, OF_ALL = 1024, 4096


@pytest.fixture(scope="module")
def up(tmp_path_factory):
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if hard < 8192:
        pytest.skip(f"this needs 8192 descriptors, and {hard} are allowed")
    resource.setrlimit(resource.RLIMIT_NOFILE, (max(soft, 8192), hard))
    it = Up(tmp_path_factory.mktemp("crowd") / "home")
    it.begin()
    yield it
    it.berth("down", timeout=120)
    it.destroy()
    resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


def connect(up, source, data):
    host, port = up.panel.host.split(":")
    connection = socket.create_connection((host, int(port)), timeout=10 * SLOW, source_address=(source, 0))
    if data:
        connection.sendall(data)
    return connection


def answered(up, source="127.0.0.1", cookie=None):
    """How long the page takes over a new connection."""
    begin = time.monotonic()
    link = http.client.HTTPConnection(up.panel.host, timeout=10 * SLOW, source_address=(source, 0))
    link.request("GET", "/api/v1/session", headers={"Cookie": cookie} if cookie else {})
    status = link.getresponse().status
    link.close()
    assert status == (200 if cookie else 401)
    return time.monotonic() - begin


@pytest.mark.parametrize("data", [b"", b"GET / HTTP/1.1\r\nHost: l"], ids=["silent", "half a request"])
def test_half_open_connections_of_an_address_keep_nobody_at_that_address_out(up, data):
    crowd = []
    try:
        for number in range(OF_ONE_ADDRESS + 200):
            crowd.append(connect(up, "127.0.0.1", data))
            if number >= OF_ONE_ADDRESS - 20 and number % 10 == 0:
                assert answered(up) < 1 * SLOW
                assert answered(up, cookie=up.panel.cookie) < 1 * SLOW
        # The oldest made room.
        crowd[0].settimeout(10 * SLOW)
        assert crowd[0].recv(1000) == b""
    finally:
        for connection in crowd:
            connection.close()


def test_who_is_signed_in_stays_connected_when_all_places_are_taken(up):
    link = http.client.HTTPConnection(up.panel.host, timeout=30 * SLOW)

    def ask():
        link.request("GET", "/api/v1/session", headers={"Cookie": up.panel.cookie})
        reply = link.getresponse()
        reply.read()
        assert reply.status == 200
        return link.sock

    mine = ask()
    crowd = []
    whole = f"GET /healthz HTTP/1.1\r\nHost: {up.panel.host}\r\n\r\n".encode()
    unread = f"GET /api/v1/openapi.json HTTP/1.1\r\nHost: {up.panel.host}\r\n\r\n".encode() * 50
    try:
        for number in range(OF_ALL + 500):
            data = (b"GET", whole, unread)[number % 3]
            crowd.append(connect(up, f"127.0.1.{1 + number % 20}", data))
        for number in range(50):
            assert ask() is mine, "the connection was cut"
            assert answered(up, source="127.0.2.1") < 1 * SLOW
            assert answered(up, cookie=up.panel.cookie) < 1 * SLOW
            crowd.append(connect(up, "127.0.1.1", unread))
    finally:
        link.close()
        for connection in crowd:
            connection.close()


def test_a_crowd_of_log_ins_does_not_keep_the_signed_in_from_the_workers(up):
    """Each try of a new name costs 30 ms of a worker: strangers have a few places, and others pass."""
    body = b'{"username": "u%d", "password": "some wrong password"}'
    crowd = []
    try:
        for number in range(300):
            text = body % number
            crowd.append(connect(up, f"127.0.3.{1 + number % 200}", (
                f"POST /api/v1/session HTTP/1.1\r\nHost: {up.panel.host}\r\nContent-Type: application/json\r\n"
                f"Content-Length: {len(text)}\r\n\r\n").encode() + text))
        panel = Panel(f"http://{up.panel.host}")
        panel.cookie, panel.csrf = up.panel.cookie, up.panel.csrf
        begin = time.monotonic()
        assert panel.ask("GET", "/users")[0] == 200  # a worker's
        assert time.monotonic() - begin < 2 * SLOW
        statuses = [connection.recv(12).split()[1] for connection in crowd]
        assert set(statuses) == {b"401", b"429"} and statuses.count(b"429") > 100
    finally:
        for connection in crowd:
            connection.close()
