"""The controller's HTTP side with real agents: access, bad input, hostile connections, agents that hang."""

import http.client
import json
import os
import re
import signal
import socket
import statistics
import subprocess
import time
import urllib.parse

import pytest

from berthlib import Home, alive, wait_for

PASSWORD = "correct horse battery"


class Panel:
    """A logged-in client."""

    def __init__(self, address):
        self.host = urllib.parse.urlsplit(address).netloc
        self.cookie = self.csrf = None

    def raw(self, method, path, body=None, headers=None, timeout=15):
        connection = http.client.HTTPConnection(self.host, timeout=timeout)
        try:
            connection.request(method, path, body=body, headers=headers or {})
            reply = connection.getresponse()
            text = reply.read().decode(errors="replace")
            return reply.status, dict((k.lower(), v) for k, v in reply.getheaders()), text
        finally:
            connection.close()

    def ask(self, method, path, body=None, **more):
        headers = {"Cookie": self.cookie or "", **more.pop("headers", {})}
        if method not in ("GET", "HEAD"):
            headers.setdefault("Content-Type", "application/json")
            headers.setdefault("X-CSRF-Token", self.csrf or "")
            body = json.dumps(body if body is not None else {})
        status, replied, text = self.raw(method, "/api/v1" + path, body, headers, **more)
        kind = replied.get("content-type", "")
        return status, json.loads(text) if "json" in kind and text else text

    def set_up(self, token):
        status, replied, text = self.raw("POST", "/api/v1/setup", json.dumps(
            {"token": token, "username": "admin", "password": PASSWORD}), {"Content-Type": "application/json"})
        assert status == 200, text
        self.cookie = replied["set-cookie"].split(";")[0]
        self.csrf = json.loads(text)["csrf"]
        return replied["set-cookie"]


class Up(Home):
    def begin(self):
        self.berth("up", "--detach", "--listen", "127.0.0.1:0", check=0)
        self.panel = Panel((self.path / "controller/run/address").read_text().strip())
        link = (self.path / "controller/run/setup-link").read_text().strip()
        self.set_cookie = self.panel.set_up(link.split("token=")[1])
        wait_for(lambda: any(a["state"] == "connected" for a in self.panel.ask("GET", "/agents")[1]["agents"]), "connected")

    def destroy(self):
        subprocess.run(["pkill", "-9", "-f", f"berth up .*{self.path}"], check=False)
        super().destroy()


@pytest.fixture(scope="module")
def up(tmp_path_factory):
    it = Up(tmp_path_factory.mktemp("up") / "home")
    it.begin()
    it.load("a.toml", '[app]\nid = "a"\ncommand = "cat"\n')
    it.load("b.toml", '[app]\nid = "b"\ncommand = "sleep 1000"\n')
    it.berth("start", "a", check=0)
    wait_for(lambda: len(it.panel.ask("GET", "/apps")[1]["apps"]) == 2, "both apps are known")
    yield it
    it.berth("down", timeout=120)
    it.destroy()


def test_the_cookie_is_for_the_browser_alone(up):
    assert "HttpOnly" in up.set_cookie and "SameSite=Strict" in up.set_cookie and "Path=/" in up.set_cookie


def test_the_setup_link_works_once(up):
    status, _, text = up.panel.raw("POST", "/api/v1/setup", json.dumps(
        {"token": "x" * 43, "username": "eve", "password": PASSWORD}), {"Content-Type": "application/json"})
    assert status in (401, 403, 404, 409), text
    assert not (up.path / "controller/run/setup-link").exists()


def test_every_route_is_closed_to_strangers(up):
    _, document = up.panel.ask("GET", "/openapi.json")
    stranger, checked = Panel(f"http://{up.panel.host}"), 0
    for path, methods in document["paths"].items():
        for method in methods:
            if path.split("/api/v1")[-1] in ("/session", "/setup", "/openapi.json", "/docs") or not path.startswith("/api"):
                continue
            real = re.sub(r"\{[^}]*\}", "default", path).removeprefix("/api/v1")
            status, reply = stranger.ask(method.upper(), real)
            assert status in (401, 403), f"{method} {path}: {status} {reply}"
            checked += 1
    assert checked >= 15


def test_changes_need_the_csrf_token_and_json(up):
    for headers in ({"X-CSRF-Token": ""}, {"X-CSRF-Token": "wrong"}, {"Content-Type": "text/plain"},
                    {"Origin": "http://evil.example"}, {"Sec-Fetch-Site": "cross-site"}):
        status, reply = up.panel.ask("POST", "/agents/default/apps/b/start", headers=headers)
        assert status in (403, 415), (headers, status, reply)
    assert up.state("b") == "stopped"


def test_a_foreign_host_header_is_refused(up):
    status, _, _ = up.panel.raw("GET", "/api/v1/apps", headers={"Host": "evil.example", "Cookie": up.panel.cookie})
    assert status in (400, 403, 421)


def test_start_stop_and_their_refusals(up):
    status, reply = up.panel.ask("POST", "/agents/default/apps/b/start")
    assert status == 200 and reply["app"]["state"] == "running"
    assert up.panel.ask("POST", "/agents/default/apps/b/start")[0] == 409
    status, reply = up.panel.ask("POST", "/agents/default/apps/b/stop")
    assert status == 200 and reply["app"]["state"] == "stopped" and reply["app"]["exit_code"] == -15
    status, reply = up.panel.ask("POST", "/agents/default/apps/b/stop")
    assert status == 409 and "must be active" in reply["detail"] and reply["status"] == 409


def test_many_at_once_gives_a_result_each(up):
    status, reply = up.panel.ask("POST", "/apps/actions", {"verb": "restart", "apps": ["default/a", "default/zzz", "no/x"]})
    assert status == 200
    assert {r["app"]: r["ok"] for r in reply["results"]} == {"default/a": True, "default/zzz": False, "no/x": False}


def test_input_logs_and_explanation(up):
    assert up.panel.ask("POST", "/agents/default/apps/a/stdin", {"data": "through the panel\n"})[0] == 204
    wait_for(lambda: "through the panel" in [line["text"] for line in up.panel.ask("GET", "/agents/default/apps/a/logs?tail=5")[1]["lines"]],
             "the line")
    assert "through the panel" in up.panel.ask("GET", "/agents/default/apps/a/logs/download")[1]
    assert "running" in up.panel.ask("GET", "/agents/default/apps/a/explain")[1]["explanation"]
    status, detail = up.panel.ask("GET", "/agents/default/apps/a")
    assert status == 200 and detail["spec"] and detail["history"]


def test_a_download_by_http_1_0_is_whole_and_ends_with_its_connection(up):
    host, port = up.panel.host.split(":")
    with socket.create_connection((host, int(port)), timeout=15) as connection:
        connection.sendall((f"GET /api/v1/agents/default/apps/a/logs/download HTTP/1.0\r\nCookie: {up.panel.cookie}\r\n\r\n").encode())
        data = b""
        while piece := connection.recv(65536):
            data += piece
    head, body = data.split(b"\r\n\r\n", 1)
    assert b" 200 " in head and b"chunked" not in head.lower()
    assert body.decode() == up.panel.ask("GET", "/agents/default/apps/a/logs/download")[1]


def test_why_what_happened_and_what_would(up):
    ask = up.panel.ask
    up.load("dies.toml", '[app]\nid = "dies"\nshell = true\ncommand = "echo ouch >&2; exit 9"\n[restart]\npolicy = "never"\n')
    up.load("many.toml", '[app]\nid = "many"\ncommand = "sleep 1000"\ninstances = 2\n')
    up.load("cannot.toml", '[app]\nid = "cannot"\ncommand = "no-such-command"\ncwd = "/no/such/folder"\n')
    wait_for(lambda: ask("GET", "/agents/default/apps/cannot")[0] == 200, "they are known")
    assert ask("POST", "/agents/default/apps/dies/start")[0] in (200, 409)  # it may have been seen running
    wait_for(lambda: up.state("dies") == "failed", "its end")
    why = ask("GET", "/agents/default/apps/dies/explain")[1]
    assert why["cause"].startswith("exited 9") and why["lines"] == ["ouch"] and "berth start dies" in why["next"]
    crashes = ask("GET", "/agents/default/apps/dies/crashes?limit=1")[1]
    assert crashes["groups"][0]["count"] == 1 and crashes["crashes"][0]["bundle"]["lines"][0]["text"] == "ouch"
    assert ask("GET", "/agents/default/apps/dies/crashes?limit=many")[0] == 400
    obstacles = ask("GET", "/agents/default/apps/cannot/check")[1]["obstacles"]
    assert len(obstacles) == 2 and "/no/such/folder" in obstacles[0] and "no-such-command" in obstacles[1]
    assert ask("GET", "/agents/default/apps/a/check")[1] == {"obstacles": []}
    assert ask("GET", "/agents/default/apps/nobody/check")[0] == 404
    assert ask("POST", "/agents/default/apps/many/scale", {"count": 3})[1] == {"changed": ["many.3"]}
    for count, status in ((0, 400), (1001, 400), ("x", 400), (-1, 400)):
        assert ask("POST", "/agents/default/apps/many/scale", {"count": count})[0] == status
    assert ask("POST", "/agents/default/apps/a/scale", {"count": 2})[0] == 409
    figures = wait_for(lambda: (m := ask("GET", "/agents/default/apps/a/metrics")[1])["time"] and m, "figures, as a controller looks")
    assert {len(column) for column in figures.values()} == {len(figures["time"])} and figures["rss_bytes"][-1] >= figures["pss_bytes"][-1] > 0
    assert ask("GET", "/agents/default/apps/a/metrics?since=yesterday")[0] == 400
    audited = json.dumps(ask("GET", "/audit")[1])
    assert '"scale"' in audited and "default/many" in audited
    up.berth("stop", "many")
    up.berth("clean", "many", "dies", "cannot", check=0)


@pytest.mark.parametrize("path", [
    "/agents/default/apps/..%2F..%2Fetc/logs", "/agents/..%2F/apps/a", "/agents/default/apps/a%20b", "/agents/default/apps/q'q/logs",
    "/agents/default/apps/%00", "/agents/default/apps/" + "x" * 5000, "/agents/nobody/apps/a", "/agents/default/apps/nothing",
    "/operations/999999", "/operations/../../x", "/no/such/route"], ids=range(11))
def test_strange_addresses_are_errors(up, path):
    status, reply = up.panel.ask("GET", path)
    assert status in (400, 404, 414), (status, reply)
    status, reply = up.panel.ask("POST", path + "/start")
    assert status in (400, 404, 405, 414), (status, reply)


@pytest.mark.parametrize("path", ["/../controller.db", "/..%2f..%2fetc/passwd", "//etc/passwd", "/assets/../../x", "/%2e%2e/x"])
def test_no_file_outside_the_panel_is_served(up, path):
    with socket.create_connection(up.panel.host.split(":"), timeout=10) as connection:
        connection.sendall(f"GET {path} HTTP/1.1\r\nHost: {up.panel.host}\r\nConnection: close\r\n\r\n".encode())
        reply = connection.makefile("rb").read()
    head, _, body = reply.partition(b"\r\n\r\n")
    assert b"root:" not in body and b"SQLite" not in body
    assert head.split()[1] in (b"400", b"404") or b"<title>Berth" in body or b"text/html" in head


@pytest.mark.parametrize("body", [b"", b"{", b"[]", b"null", b'"x"', b'{"data": 5}', b'{"data": "x", "data": "y"}', b"\xff\xfe", b"[" * 10000,
                                  b'{"apps": "a", "verb": {}}'], ids=range(10))
def test_broken_bodies_are_400(up, body):
    headers = {"Cookie": up.panel.cookie, "X-CSRF-Token": up.panel.csrf, "Content-Type": "application/json"}
    for path in ("/api/v1/agents/default/apps/a/stdin", "/api/v1/apps/actions", "/api/v1/session"):
        assert up.panel.raw("POST", path, body, headers)[0] in (400, 413, 422), path


def test_a_large_body_is_refused(up):
    headers = {"Cookie": up.panel.cookie, "X-CSRF-Token": up.panel.csrf, "Content-Type": "application/json"}
    try:
        status, _, _ = up.panel.raw("POST", "/api/v1/apps/actions", b'{"x":"' + b"x" * 10_000_000 + b'"}', headers)
        assert status == 413
    except (ConnectionResetError, BrokenPipeError):
        pass  # refused before it was sent to the end
    assert up.panel.ask("GET", "/apps")[0] == 200


@pytest.mark.parametrize("text", [
    b"\r\n\r\n", b"GET\r\n\r\n", b"GET / HTTP/9.9\r\n\r\n", b"GET / HTTP/1.1\r\n\r\n", b"\x00\x01\x02\r\n\r\n", b"\x16\x03\x01\x02\x00\x01\r\n\r\n",
    b"POST /api/v1/session HTTP/1.1\r\nHost: localhost\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    b"POST /api/v1/session HTTP/1.1\r\nHost: localhost\r\nContent-Length: -5\r\n\r\n",
    b"POST /api/v1/session HTTP/1.1\r\nHost: localhost\r\nContent-Length: 5\r\nContent-Length: 6\r\n\r\nhello!",
    b"GET / HTTP/1.1\r\n" + b"X: y\r\n" * 20000 + b"\r\n", b"GET /" + b"a" * 100000 + b" HTTP/1.1\r\n\r\n"], ids=range(11))
def test_malformed_requests_cost_their_sender_only(up, text):
    with socket.create_connection(up.panel.host.split(":"), timeout=10) as connection:
        try:
            connection.sendall(text)
            reply = connection.recv(4096)
            assert reply == b"" or reply.split()[1][:1] == b"4" or reply.split()[1] in (b"501", b"505"), reply
        except (ConnectionResetError, BrokenPipeError):
            pass
    assert up.panel.ask("GET", "/session")[0] == 200


def test_passwords_are_not_guessed_quickly(up):
    stranger = Panel(f"http://{up.panel.host}")
    answers = [stranger.ask("POST", "/session", {"username": "nobody-here", "password": f"guess {i} guess"})[0] for i in range(12)]
    assert 401 in answers and 429 in answers and set(answers) <= {401, 429}


def test_an_agent_that_hangs_delays_nobody_else(up):
    up.berth("agent", "run", "--name", "hung", "--detach", check=0)
    path = up.write("h.toml", '[app]\nid = "h"\ncommand = "sleep 1000"\n')
    up.berth("--agent", "hung", "load", path, check=0)
    wait_for(lambda: any(a["agent"] == "hung" for a in up.panel.ask("GET", "/apps")[1]["apps"]), "the second agent's app")
    agent = int((up.path / "agents/hung/run/agent.pid").read_text())
    os.kill(agent, signal.SIGSTOP)
    try:
        def state():
            return {a["name"]: a["state"] for a in up.panel.ask("GET", "/agents")[1]["agents"]}

        wait_for(lambda: state()["hung"] == "unreachable", "it is seen to hang", 15)
        begin = time.monotonic()
        assert up.panel.ask("POST", "/agents/default/apps/b/start")[0] == 200
        assert up.panel.ask("POST", "/agents/default/apps/b/stop")[0] == 200
        assert time.monotonic() - begin < 3
        apps = {a["agent"] + "/" + a["id"]: a for a in up.panel.ask("GET", "/apps")[1]["apps"]}
        assert apps["hung/h"]["stale"] and not apps["default/a"]["stale"]
        assert up.panel.ask("POST", "/agents/hung/apps/h/start", timeout=60)[0] in (502, 503, 504)
    finally:
        os.kill(agent, signal.SIGCONT)
    wait_for(lambda: state()["hung"] == "connected", "it is back", 15)
    up.berth("--agent", "hung", "agent", "stop", check=0)


def test_half_open_and_slow_clients_delay_nobody_else(up):
    host = tuple(up.panel.host.split(":"))
    crowd = []
    try:
        for number in range(500):
            connection = socket.create_connection(host, timeout=10)
            connection.sendall(b"GET / HTTP/1.1\r\nHost: local"[: 3 + number % 25])
            crowd.append(connection)
        for _ in range(100):
            reader = socket.socket()
            reader.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 2048)
            reader.settimeout(10)
            reader.connect((host[0], int(host[1])))
            request = f"GET / HTTP/1.1\r\nHost: {up.panel.host}\r\n\r\n".encode()
            reader.sendall(request * 20)
            reader.recv(1)
            crowd.append(reader)
        times = []
        for _ in range(300):
            begin = time.monotonic()
            status, _, _ = up.panel.raw("GET", "/", timeout=10)
            times.append(time.monotonic() - begin)
            assert status == 200
        p99 = sorted(times)[int(len(times) * 0.99)]
        print(f"panel page: p50 {statistics.median(times) * 1000:.1f} ms, p99 {p99 * 1000:.1f} ms")
        assert p99 < 0.25
    finally:
        for connection in crowd:
            connection.close()


def test_a_killed_controller_comes_back_and_apps_do_not_notice(up):
    pid = int((up.path / "controller/run/controller.pid").read_text())
    app = up.app("a")["pid"]
    os.kill(pid, signal.SIGKILL)
    address = up.path / "controller/run/address"
    wait_for(lambda: (up.path / "controller/run/controller.pid").read_text() != str(pid) and address.exists(), "the next one")
    assert alive(app)


def test_down_ends_also_a_controller_that_has_just_been_started_again(tmp_path):
    it = Up(tmp_path / "home")
    try:
        for _ in range(5):
            it.berth("up", "--detach", "--listen", "127.0.0.1:0", check=0)
            pid_file = it.path / "controller/run/controller.pid"
            os.kill(int(pid_file.read_text()), signal.SIGKILL)
            it.berth("down", check=0, timeout=30)
            wait_for(lambda: not alive(int(pid_file.read_text())), "the controller's end")
    finally:
        it.destroy()
