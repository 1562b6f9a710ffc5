"""No peer can make us grow: whatever somebody sends, and does not read, memory, logs and tables have a bound (see bounds.md)."""

import os
import socket
import sqlite3
import struct
import subprocess
import threading
import time

import pytest
import zmq

from berthlib import SLOW, Home, alive, wait_for
from relaylib import Apps, pack, unpack
from test_controller import Panel, Up

GREETING = b"\xff" + bytes(8) + b"\x7f\x03\x00NULL" + bytes(48)
READY = b"\x04\x1c\x05READY\x0bSocket-Type\0\0\0\x06DEALER"
PING = b"\x04\x07\x04PING\0\0"
MIB = 1 << 20


def resident(pid):
    with open(f"/proc/{pid}/statm", encoding="ascii") as file:
        return int(file.read().split()[1]) * os.sysconf("SC_PAGE_SIZE")


def flood(connection, data, seconds):
    """Sends it again and again, never reading, until the time is over or nothing more is taken; gives how many bytes went out."""
    connection.settimeout(0.2)
    sent, end = 0, time.monotonic() + seconds * SLOW
    while time.monotonic() < end:
        try:
            sent += connection.send(data)
        except (TimeoutError, socket.timeout):
            continue
        except OSError:
            break
    return sent


# --- the controller


@pytest.fixture(scope="module")
def up(tmp_path_factory):
    it = Up(tmp_path_factory.mktemp("growth") / "home")
    it.begin()
    yield it
    it.berth("down", timeout=120)
    it.destroy()


def controller_pid(up):
    return int((up.path / "controller/run/controller.pid").read_text())


def test_bodies_that_never_end_are_not_kept(up):
    """Each may be a megabyte; all of them together are less than a hundred, and the signed-in still send theirs."""
    pid = controller_pid(up)
    before = resident(pid)
    host, port = up.panel.host.split(":")
    crowd = []
    try:
        for number in range(400):
            connection = socket.create_connection((host, int(port)), timeout=10 * SLOW, source_address=(f"127.0.5.{1 + number % 50}", 0))
            crowd.append(connection)
            try:
                connection.sendall(f"POST /api/v1/session HTTP/1.1\r\nHost: {up.panel.host}\r\nContent-Length: 1048576\r\n\r\n".encode()
                                   + b"x" * (MIB - 1))
            except (BrokenPipeError, ConnectionResetError):
                pass  # it had to make room
            if number % 50 == 49:
                status, reply = up.panel.ask("POST", "/apps/actions", {"verb": "x" * 900_000, "apps": []})
                assert status == 400 and "no verb" in reply["detail"]
        grown = resident(pid) - before
        print(f"the controller grew by {grown >> 10} KiB")
        assert grown < 120 * MIB
    finally:
        for connection in crowd:
            connection.close()


def websocket(up):
    host, port = up.panel.host.split(":")
    connection = socket.create_connection((host, int(port)), timeout=10 * SLOW)
    connection.sendall((f"GET /api/v1/live HTTP/1.1\r\nHost: {up.panel.host}\r\nCookie: {up.panel.cookie}\r\nUpgrade: websocket\r\n"
                        "Connection: Upgrade\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n").encode())
    assert b" 101 " in connection.recv(100)
    return connection


def frame(opcode, payload=b""):
    return bytes([0x80 | opcode, 0x80 | len(payload)]) + bytes(4) + payload if len(payload) < 126 else \
        bytes([0x80 | opcode, 0xFE]) + struct.pack(">H", len(payload)) + bytes(4) + payload


def rest_of(connection):
    """All that comes until the end."""
    connection.settimeout(10 * SLOW)
    data = b""
    try:
        while piece := connection.recv(65536):
            data += piece
    except ConnectionResetError:
        pass
    return data


def test_pings_whose_pongs_are_never_read_end_their_connection(up):
    pid = controller_pid(up)
    before = resident(pid)
    for _ in range(5):
        connection = websocket(up)
        flood(connection, frame(9, b"x" * 125) * 500, 0.5)
        assert b"too slow" in rest_of(connection)
        connection.close()
    grown = resident(pid) - before
    print(f"the controller grew by {grown >> 10} KiB")
    assert grown < 16 * MIB
    assert up.panel.ask("GET", "/session")[0] == 200


def test_who_talks_without_end_is_told_so(up):
    pid = controller_pid(up)
    before = resident(pid)
    connection = websocket(up)
    orders = frame(1, b'{"type":"follow","app":"default/none"}') + frame(1, b'{"type":"unfollow","app":"default/none"}')
    flood(connection, orders * 200, 1)
    assert b"too many messages" in rest_of(connection)
    connection.close()
    assert resident(pid) - before < 16 * MIB
    # A reader's own pace is no flood.
    with websocket(up) as calm:
        calm.sendall(frame(1, b'{"type":"nonsense"}') * 50)
        wait_for(lambda: b"nonsense" in calm.recv(65536), "an answer")


def test_one_user_opens_a_hundred_panels_and_others_can_still_open_theirs(up):
    crowd = [websocket(up) for _ in range(100)]
    try:
        status, _, text = up.panel.raw("GET", "/api/v1/live", headers={
            "Cookie": up.panel.cookie, "Upgrade": "websocket", "Connection": "Upgrade", "Sec-WebSocket-Version": "13",
            "Sec-WebSocket-Key": "dGhlIHNhbXBsZSBub25jZQ=="})
        assert status == 503 and "at most 100 of a user" in text
        up.berth("controller", "add-user", "other", stdin=b"correct horse battery\n", check=0)
        other = Panel(f"http://{up.panel.host}")
        status, fields, _ = other.raw("POST", "/api/v1/session", '{"username": "other", "password": "correct horse battery"}',
                                      {"Content-Type": "application/json"})
        assert status == 200
        mine, up.panel.cookie = up.panel.cookie, fields["set-cookie"].split(";")[0]
        try:
            websocket(up).close()
        finally:
            up.panel.cookie = mine
    finally:
        for connection in crowd:
            connection.close()


def test_refused_log_ins_are_counted_in_the_audit_log_not_listed(up):
    stranger = Panel(f"http://{up.panel.host}")
    before = len(up.panel.ask("GET", "/audit?limit=1000")[1]["entries"])
    answers = [stranger.ask("POST", "/session", {"username": f"nobody{i}", "password": "a wrong guess"})[0] for i in range(100)]
    assert set(answers) == {401}
    assert len(up.panel.ask("GET", "/audit?limit=1000")[1]["entries"]) - before <= 31


def test_the_audit_log_keeps_its_last_million_entries_and_lets_nobody_take_one_out(up):
    file = up.path / "controller/controller.db"
    with sqlite3.connect(file, timeout=10) as db:
        for statement in ("DELETE FROM audit", "DELETE FROM audit WHERE id = (SELECT max(id) FROM audit)", "UPDATE audit SET actor = 'x'"):
            with pytest.raises(sqlite3.IntegrityError, match="append-only"):
                db.execute(statement)
        before = db.execute("SELECT count(*) FROM audit").fetchone()[0]
        db.execute("UPDATE sqlite_sequence SET seq = 1001999 WHERE name = 'audit'")
        # As an earlier version has made it, which must be able to read the file again.
        assert db.execute("PRAGMA user_version").fetchone()[0] == 1
        db.execute("DROP TRIGGER audit_no_delete")
        db.execute("CREATE TRIGGER audit_no_delete BEFORE DELETE ON audit BEGIN SELECT RAISE(ABORT, 'append-only'); END")
    assert before > 2
    up.berth("controller", "add-user", "millionth", stdin=b"correct horse battery\n", check=0)
    with sqlite3.connect(file, timeout=10) as db:
        assert db.execute("SELECT id, target FROM audit").fetchall() == [(1002000, "millionth")]
    assert [e["target"] for e in up.panel.ask("GET", "/audit")[1]["entries"]] == ["millionth"]


# --- the agent's socket for apps, which everybody on the machine may open


@pytest.fixture
def home(tmp_path):
    it = Home(tmp_path / "home")
    it.up()
    yield it
    it.down()
    it.destroy()


def app_socket(home, ready=True):
    connection = socket.socket(socket.AF_UNIX)
    connection.connect(Apps(home).endpoint.removeprefix("ipc://"))  # waits while the backlog is full
    connection.settimeout(10 * SLOW)
    connection.sendall(GREETING + (READY if ready else b""))
    return connection


def hello(app, secret="0" * 64):
    body = pack([1, 1, "hello", {"app": app, "secret": secret}])
    return b"\x00" + bytes([len(body)]) + body


def log_size(home):
    return sum(file.stat().st_size for file in home.agent_home.glob("agent.log*"))


@pytest.mark.parametrize("names", ["same", "other"])
def test_wrong_hellos_write_a_few_lines_and_their_count(home, names):
    pid = home.pid_of("agent")
    before, size = resident(pid), log_size(home)
    connection = app_socket(home)
    hellos = [hello("nobody" if names == "same" else f"nobody{i}") for i in range(2000)]
    reader = threading.Thread(target=rest_of, args=(connection,))
    reader.start()
    sent = 0
    for _ in range(20):
        for one in hellos:
            connection.sendall(one)
            sent += 1
    connection.shutdown(socket.SHUT_WR)
    reader.join()
    connection.close()
    assert log_size(home) - size < 32 << 10
    assert resident(pid) - before < 16 * MIB
    home.down()  # at its end it says what it has held back
    wait_for(lambda: not alive(pid), "the agent's end")
    lines = [line for line in (home.agent_home / "agent.log").read_text().splitlines() if "wrong secret" in line]
    assert 2 <= len(lines) <= 202  # a hundred of them at once, and at the end the counts of these and of the others
    assert sum(int(line.rsplit("repeated=", 1)[1]) if "repeated=" in line else 1 for line in lines) > sent * 0.9
    home.up()


@pytest.mark.parametrize("data", [PING * 1000, hello("nobody") * 200], ids=["pings", "hellos"])
def test_what_is_never_read_is_not_kept(home, data):
    pid = home.pid_of("agent")
    before = resident(pid)
    crowd = [app_socket(home) for _ in range(20)]
    for connection in crowd:
        flood(connection, data, 0.3)
    grown = resident(pid) - before
    print(f"the agent grew by {grown >> 10} KiB")
    assert grown < 24 * MIB
    for connection in crowd:
        connection.close()


def test_who_says_nothing_makes_room_for_apps(home):
    home.load("app.toml", '[app]\nid = "app"\ncommand = "sleep 1000"\n')
    pid = home.pid_of("agent")
    crowd = []
    try:
        for _ in range(600):
            crowd.append(app_socket(home))
        assert len(os.listdir(f"/proc/{pid}/fd")) < 400
        apps = Apps(home)
        wire = apps.wire("app")
        wire.do("notify", "through", to="app")
        assert [payload for _, payload in wire.poll(auto_ack=True, wait_ms=5000)] == ["through"]
        wire.close()
    finally:
        for connection in crowd:
            connection.close()


def test_an_app_has_a_thousand_polls_that_wait(home):
    apps = Apps(home)
    apps.install("app")
    wire = apps.wire("app")
    for _ in range(1000):
        wire.send("poll", wait_ms=60_000)
    refused = wire.ask("poll", wait_ms=60_000)
    assert refused.code != 0 and "too many polls" in refused.info["error"]
    assert wire.ask("poll").code == 0  # one that does not wait is served
    apps.close()


def test_ten_thousand_requests_wait_for_answers(home):
    apps = Apps(home)
    for name in ("asks", "answers"):
        apps.install(name)
    asker, answerer = apps.wire("asks"), apps.wire("answers")
    for _ in range(10_000):
        asker.send("request", "?", to="answers", timeout_ms=60_000)
    refused = asker.ask("request", "?", to="answers", timeout_ms=60_000)
    assert refused.code != 0 and "too many requests" in refused.info["error"]
    meta, _ = answerer.poll(max=1)[0]
    answerer.do("respond", "!", correlation=meta["correlation"])
    last = asker.send("request", "?", to="answers", timeout_ms=60_000)
    assert asker.ask("ping").code == 0 and last not in asker.answers  # there is room for one more, and it waits
    apps.close()


def test_of_what_one_sends_twenty_thousand_keys_are_known(home):
    apps = Apps(home)
    for name in ("sends", "takes"):
        apps.install(name)
    sender, taker = apps.wire("sends"), apps.wire("takes")

    def again(key):
        sender.do("notify", key, to="takes", durable=False, dedupe=key)
        return len(taker.poll(auto_ack=True))

    assert [again("first"), again("first")] == [1, 0]
    for number in range(20_000):
        sender.send("notify", number, to="takes", durable=False, dedupe=f"key {number}")
    assert sender.ask("ping").code == 0
    while taker.poll(auto_ack=True):
        pass
    assert [again("key 19999"), again("first")] == [0, 1]
    apps.close()


def test_four_thousand_wait_for_events_and_the_next_is_answered_at_once(home):
    control = zmq.Context()
    socket_ = control.socket(zmq.DEALER)
    socket_.linger = 0
    socket_.connect(f"ipc://{home.agent_home}/run/control.sock")
    try:
        for number in range(1, 4097):
            socket_.send(pack([1, number, "events", {"after": 1 << 40, "wait_ms": 60_000}]))
        assert not socket_.poll(500)  # all of them wait
        socket_.send(pack([1, 9999, "events", {"after": 1 << 40, "wait_ms": 60_000}]))
        assert socket_.poll(10_000 * SLOW)
        reply = unpack(socket_.recv())
        assert reply[1] == 9999 and reply[3]["events"] == []
    finally:
        socket_.close()
        control.term()


# --- own logs


def test_an_own_log_that_is_large_is_put_aside(tmp_path):
    home = Home(tmp_path / "home")
    home.agent_home.mkdir(parents=True)
    (home.agent_home / "agent.log").write_bytes(b"old line\n" * (MIB * 9 // 9))
    try:
        home.up()
        home.down()
        home.up()
        with app_socket(home) as connection:  # something to write a line about
            connection.sendall(hello("nobody"))
            connection.recv(1000)
            log = home.agent_home / "agent.log"
            # Between the old one and the new one there is none.
            wait_for(lambda: log.exists() and "wrong secret" in subprocess.run(
                ["cat", log], capture_output=True, text=True, check=False).stdout, "a line in the new log")
        wait_for(lambda: (home.agent_home / "agent.log.1").exists(), "the log of before")
        assert (home.agent_home / "agent.log.1").stat().st_size >= 8 * MIB
        assert (home.agent_home / "agent.log").stat().st_size < MIB
    finally:
        home.down()
        home.destroy()
