"""The panel over TLS: certificates made and given, what is refused, renewal, and who does not speak it."""

import base64
import hashlib
import json
import os
import re
import signal
import socket
import ssl
import stat
import subprocess
import time
import urllib.parse

import pytest

from berthlib import Home, wait_for
from proxylib import certificate
from test_controller import PASSWORD
from test_proxies import E2E

TOML = "controller/controller.toml"


class Tls(Home):
    def begin(self, *words):
        self.out = self.berth("up", "--detach", "--listen", "127.0.0.1:0", *words, check=0).out
        self.address = (self.path / "controller/run/address").read_text().strip()
        self.host = urllib.parse.urlsplit(self.address).netloc
        self.port = int(self.host.split(":")[1])
        return self

    @property
    def made(self):
        return self.path / "controller/tls/cert.pem"

    def context(self, file=None):
        context = ssl.create_default_context(cafile=str(file or self.made))
        return context

    def connect(self, context=None, name="localhost"):
        raw = socket.create_connection(("127.0.0.1", self.port), timeout=20)
        return (context or self.context()).wrap_socket(raw, server_hostname=name)

    def fingerprint(self):
        plain = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        plain.check_hostname, plain.verify_mode = False, ssl.CERT_NONE
        with self.connect(plain) as link:
            return sha256(link.getpeercert(binary_form=True))

    def end(self):
        self.berth("down", timeout=120)
        self.destroy()


def sha256(der):
    return ":".join(f"{byte:02X}" for byte in hashlib.sha256(der).digest())


def ask(link, method, path, body="", **fields):
    """One request on a connection that stays; status, fields, body."""
    head = f"{method} {path} HTTP/1.1\r\nHost: localhost\r\nContent-Length: {len(body)}\r\n"
    head += "".join(f"{name.replace('_', '-')}: {value}\r\n" for name, value in fields.items())
    link.sendall((head + "\r\n" + body).encode())
    return answer(link)


def answer(link):
    data = b""
    while b"\r\n\r\n" not in data:
        more = link.recv(65536)
        assert more, data
        data += more
    head, body = data.split(b"\r\n\r\n", 1)
    size = int((re.search(rb"Content-Length: (\d+)", head) or [0, 0])[1])
    while len(body) < size:
        more = link.recv(65536)
        assert more, (len(body), size)
        body += more
    return int(head.split()[1]), head.decode(), body


@pytest.fixture(scope="module")
def up(tmp_path_factory):
    it = Tls(tmp_path_factory.mktemp("tls") / "home").begin("--tls")
    yield it
    it.end()


def test_a_certificate_is_made_and_told(up):
    assert up.address.startswith("https://127.0.0.1:")
    assert f"panel: {up.address}\n" in up.out and f"{up.address}/setup#token=" in up.out
    with up.connect() as link:
        told = sha256(link.getpeercert(binary_form=True))
        names = link.getpeercert()["subjectAltName"]
        assert link.version() == "TLSv1.3" and ask(link, "GET", "/healthz")[2] == b"ok\n"
    assert f"its certificate (SHA-256): {told}\n" in up.out
    assert ("DNS", "localhost") in names and ("IP Address", "127.0.0.1") in names and ("DNS", socket.gethostname()) in names
    for name in ("cert.pem", "key.pem"):
        assert stat.S_IMODE((up.made.parent / name).stat().st_mode) == 0o600
    assert stat.S_IMODE(up.made.parent.stat().st_mode) == 0o700
    assert subprocess.run(["curl", "-sS", "--cacert", up.made, f"https://localhost:{up.port}/healthz"],
                          capture_output=True, text=True, timeout=30).stdout == "ok\n"


def test_sessions_have_cookies_that_only_tls_sees(up):
    token = re.search(r"token=(\S+)", up.out)[1]
    with up.connect() as link:
        status, head, body = ask(link, "POST", "/api/v1/setup", json.dumps(
            {"token": token, "username": "admin", "password": PASSWORD}), Content_Type="application/json")
        assert status == 200, body
        cookie = re.findall(r"Set-Cookie: (__Host-berth_session_\w+=[^;]+); HttpOnly; SameSite=Strict; Path=/; Secure\r\n", head)[0]
        csrf = json.loads(body)["csrf"]
        assert ask(link, "GET", "/api/v1/users", Cookie=cookie)[0] == 200
        assert ask(link, "DELETE", "/api/v1/session", Cookie=cookie)[0] == 403
        origin = f"https://localhost:{up.port}"
        link.sendall(f"GET /api/v1/live HTTP/1.1\r\nHost: localhost:{up.port}\r\nOrigin: {origin}\r\nCookie: {cookie}\r\n"
                     "Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n"
                     f"Sec-WebSocket-Key: {base64.b64encode(b'0' * 16).decode()}\r\n\r\n".encode())
        data = b""
        while b'"type":"snapshot"' not in data:
            data += link.recv(65536)
        assert data.startswith(b"HTTP/1.1 101 ") and b'"type":"hello"' in data
        order = b'{"type":"follow","app":"!"}'
        link.sendall(b"\x81" + bytes([0x80 | len(order)]) + b"\0\0\0\0" + order)
        while b'"log_error"' not in data:
            data += link.recv(65536)
    with up.connect() as link:
        assert ask(link, "DELETE", "/api/v1/session", Cookie=cookie, X_CSRF_Token=csrf)[0] == 204


def test_plain_http_is_told_the_right_address(up):
    for request in (b"GET / HTTP/1.1\r\nHost: a\r\n\r\n", b"POST /api/v1/session HTTP/1.1\r\n", b"x"):
        with socket.create_connection(("127.0.0.1", up.port), timeout=20) as link:
            link.sendall(request)
            status, head, body = answer(link)
            assert status == 400 and b"https://" in body and "Connection: close" in head
            assert link.recv(100) == b""


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_what_is_offered_and_what_is_not(up):
    old = up.context()
    old.minimum_version = ssl.TLSVersion.TLSv1_1
    old.maximum_version = ssl.TLSVersion.TLSv1_1
    old.set_ciphers("DEFAULT:@SECLEVEL=0")
    with pytest.raises(ssl.SSLError):
        up.connect(old)
    for offered, chosen in ((["h2", "http/1.1"], "http/1.1"), (["http/1.1"], "http/1.1"), ([], None)):
        context = up.context()
        if offered:
            context.set_alpn_protocols(offered)
        with up.connect(context) as link:
            assert link.selected_alpn_protocol() == chosen
    other = up.context()
    other.set_alpn_protocols(["h2"])
    with pytest.raises(ssl.SSLError):
        up.connect(other)
    two = up.context()
    two.maximum_version = ssl.TLSVersion.TLSv1_2
    with up.connect(two) as link:
        assert link.version() == "TLSv1.2" and ask(link, "GET", "/healthz")[0] == 200


def test_nothing_is_negotiated_anew(up):
    client = subprocess.run(["openssl", "s_client", "-connect", f"127.0.0.1:{up.port}", "-tls1_2", "-legacy_renegotiation"],
                            input="R\n", capture_output=True, text=True, timeout=30)
    assert "RENEGOTIATING" in client.stdout + client.stderr and "no renegotiation" in client.stderr, client.stderr


def test_a_handshake_that_does_not_go_on_costs_nobody_else(up):
    half = []
    for sent in (b"\x16", b"\x16\x03\x01\x02\x00\x01", b"", b"\x16\x03\x01\x00\x05hello", b"\x16\x03\x01\xff\xff" + b"\0" * 9000):
        for _ in range(40):
            link = socket.create_connection(("127.0.0.1", up.port), timeout=20)
            link.sendall(sent)
            half.append(link)
    begun = time.monotonic()
    with up.connect() as link:
        assert ask(link, "GET", "/healthz")[0] == 200
    assert time.monotonic() - begun < 2
    for link in half:  # five seconds after they came, or at once
        link.settimeout(15)
        try:
            while link.recv(4096):
                pass
        except ConnectionResetError:
            pass
        link.close()


def test_bytes_come_in_whatever_pieces(up):
    with up.connect() as link:
        link.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        for byte in b"GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n":
            link.sendall(bytes([byte]))
        assert answer(link)[2] == b"ok\n"
        # Several at once, in one record; the answers in their order.
        link.sendall(b"GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\nGET /api/v1/session HTTP/1.1\r\nHost: localhost\r\n\r\n")
        data = b""
        while b"setup_required" not in data:
            data += link.recv(65536)
        assert data.index(b"200 OK") < data.index(b"401 ")


def test_what_is_large_comes_whole_to_who_reads_slowly(up):
    with up.connect() as link:
        page = ask(link, "GET", "/")[2].decode()
        script = re.search(r'src="(/assets/[^"]+\.js)"', page)[1]
        whole = ask(link, "GET", script)[2]
    raw = socket.socket()
    raw.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    raw.settimeout(20)
    raw.connect(("127.0.0.1", up.port))
    with up.context().wrap_socket(raw, server_hostname="localhost") as link:
        link.sendall(f"GET {script} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n".encode())
        data = b""
        while more := link.recv(3000):
            data += more
            time.sleep(0.001)
    assert data.split(b"\r\n\r\n", 1)[1] == whole and len(whole) > 50_000


def test_many_at_once(up):
    context = up.context()
    links = [up.connect(context) for _ in range(200)]
    for link in links:
        link.sendall(b"GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n")
    assert all(answer(link)[2] == b"ok\n" for link in links)
    for link in links:
        link.close()


def own(up, folder):
    """Puts a certificate of our own below the controller's folder, the key first."""
    folder.mkdir()
    certificate(folder)
    target = up.path / "controller"
    for name in ("panel.key", "panel.crt"):
        (target / (name + ".new")).write_text((folder / name).read_text())
        os.replace(target / (name + ".new"), target / name)
    return sha256(ssl.PEM_cert_to_DER_cert((folder / "panel.crt").read_text()))


def test_a_certificate_is_renewed_without_ending_connections(tmp_path):
    up = Tls(tmp_path / "home")
    (up.path / "controller").mkdir(parents=True)
    first = own(up, tmp_path / "one")
    (up.path / TOML).write_text('[tls]\ncert = "panel.crt"\nkey = "panel.key"\n')
    try:
        up.begin()
        assert up.fingerprint() == first and f"its certificate (SHA-256): {first}\n" in up.out
        link = up.connect(up.context(up.path / "controller/panel.crt"), "panel.example.org")
        second = own(up, tmp_path / "two")
        wait_for(lambda: up.fingerprint() == second, 20)
        assert ask(link, "GET", "/healthz")[0] == 200
        third = own(up, tmp_path / "three")
        os.kill(int((up.path / "controller/run/controller.pid").read_text()), signal.SIGHUP)
        wait_for(lambda: up.fingerprint() == third, 3)
        # What does not fit is not used.
        (up.path / "controller/panel.key").write_text("nonsense")
        os.kill(int((up.path / "controller/run/controller.pid").read_text()), signal.SIGHUP)
        wait_for(lambda: "the certificate of before is kept" in (up.path / "up.log").read_text(), 10)
        assert up.fingerprint() == third and ask(link, "GET", "/healthz")[0] == 200
        link.close()
    finally:
        up.end()


def test_what_is_kept_is_kept(tmp_path):
    up = Tls(tmp_path / "home")
    try:
        told = up.begin("--tls").fingerprint()
        up.berth("down", check=0)
        assert up.begin().address.startswith("https://") and up.fingerprint() == told
        again = up.berth("up", "--tls")
        assert again.code == 1 and "berth down first" in again.err
        up.berth("down", check=0)
        (up.path / TOML).write_text("")
        assert up.begin().address.startswith("http://") and "SHA-256" not in up.out
    finally:
        up.end()


def test_files_that_cannot_be_used_are_told(tmp_path):
    up = Tls(tmp_path / "home")
    folder = up.path / "controller"
    folder.mkdir(parents=True)
    certificate(folder)
    (tmp_path / "other").mkdir()
    certificate(tmp_path / "other")
    (folder / "other.key").write_text((tmp_path / "other/panel.key").read_text())
    (folder / "empty.pem").write_text("")
    subprocess.run(["openssl", "ec", "-in", folder / "panel.key", "-aes256", "-passout", "pass:x", "-out", folder / "locked.key"],
                   check=True, capture_output=True)
    try:
        for files, why in (
                ('cert = "none.pem"\nkey = "panel.key"', ["none.pem", "No such file"]),
                ('cert = "panel.crt"\nkey = "none.key"', ["none.key", "No such file"]),
                ('cert = "empty.pem"\nkey = "panel.key"', ["empty.pem", "no certificate in PEM form"]),
                ('cert = "panel.key"\nkey = "panel.key"', ["panel.key", "no certificate in PEM form"]),
                ('cert = "panel.crt"\nkey = "panel.crt"', ["panel.crt", "no private key in PEM form"]),
                ('cert = "panel.crt"\nkey = "other.key"', ["other.key", "is not the key of the certificate", "panel.crt"]),
                ('cert = "panel.crt"\nkey = "locked.key"', ["locked.key", "passphrase"]),
                ('cert = "panel.crt"', ["cert without key", TOML]),
                ('key = "panel.key"', ["key without cert", TOML]),
                ("cert = 3", [TOML, "cert"])):
            (up.path / TOML).write_text(f"[tls]\n{files}\n")
            tried = up.berth("up", "--detach", "--listen", "127.0.0.1:0", timeout=60)
            assert tried.code == 1 and all(word in tried.err for word in why), (files, tried.err)
    finally:
        up.end()


def test_other_machines_are_let_in_over_tls_by_the_same_word(tmp_path):
    up = Tls(tmp_path / "home")
    try:
        tried = up.berth("up", "--detach", "--listen", "0.0.0.0:0", "--tls", timeout=60)
        assert tried.code == 1 and "--allow-remote" in tried.err and "clear text" not in tried.err
        (up.path / TOML).write_text("")
        tried = up.berth("up", "--detach", "--listen", "0.0.0.0:0", timeout=60)
        assert tried.code == 1 and "--allow-remote" in tried.err and "clear text" in tried.err
    finally:
        up.end()


def test_a_browser_speaks_it_with_the_controller_itself(tmp_path):
    if not (E2E / "node_modules").is_dir():
        subprocess.run(["npm", "ci", "--no-audit", "--no-fund"], cwd=E2E, check=True, capture_output=True, timeout=300)
    up = Tls(tmp_path / "home")
    try:
        up.begin("--tls")
        up.load("cat.toml", '[app]\nid = "cat"\ncommand = "cat"\n')
        up.berth("start", "cat", check=0)
        with up.connect() as link:
            token = re.search(r"token=(\S+)", up.out)[1]
            assert ask(link, "POST", "/api/v1/setup", json.dumps(
                {"token": token, "username": "admin", "password": PASSWORD}), Content_Type="application/json")[0] == 200
        done = subprocess.run(["node", "proxied.mjs", f"https://localhost:{up.port}/", "admin", PASSWORD, "default/cat"],
                              cwd=E2E, capture_output=True, text=True, timeout=180, check=False)
        assert done.returncode == 0, done.stdout + done.stderr
    finally:
        up.end()
