"""Real reverse proxies in front of a controller, with the recipes of deploy/docs/proxies.md."""

import pathlib
import re
import shutil
import socket
import ssl
import subprocess

from berthlib import wait_for

DOCS = pathlib.Path(__file__).resolve().parents[2] / "deploy/docs/proxies.md"
NAME = "panel.example.org"
PROGRAMS = {"nginx": "nginx", "haproxy": "haproxy", "caddy": "caddy"}


def program(name):
    return shutil.which(name, path="/usr/sbin:/usr/bin:/sbin:/bin:/usr/local/bin")


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def recipe(name):
    """The one block of this language in the docs."""
    blocks = re.findall(rf"```{name}\n(.*?)```", DOCS.read_text(), re.S)
    assert len(blocks) == 1, f"{name}: {len(blocks)} recipes"
    return blocks[0]


def certificate(folder):
    """A key and a certificate of our own for NAME; a .pem with both, as HAProxy wants it."""
    subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "2",
                    "-subj", f"/CN={NAME}", "-addext", f"subjectAltName=DNS:{NAME}", "-keyout", folder / "panel.key",
                    "-out", folder / "panel.crt"], check=True, capture_output=True)
    (folder / "both.pem").write_text((folder / "panel.crt").read_text() + (folder / "panel.key").read_text())


class Proxy:
    """One of them on a free port, with NAME over TLS."""

    def __init__(self, kind, folder):
        self.kind, self.folder, self.port, self.process = kind, folder, free_port(), None
        folder.mkdir(parents=True)

    def start(self, text):
        config = self.folder / "config"
        config.write_text(text)
        binary = program(PROGRAMS[self.kind])
        command = {
            "nginx": [binary, "-p", str(self.folder), "-c", str(config), "-e", str(self.folder / "error.log")],
            "haproxy": [binary, "-db", "-f", str(config)],
            "caddy": [binary, "run", "--adapter", "caddyfile", "--config", str(config)],
        }[self.kind]
        with open(self.folder / "out.log", "wb") as log:
            self.process = subprocess.Popen(command, stdout=log, stderr=log, cwd=self.folder,
                                            env={"HOME": str(self.folder), "PATH": "/usr/bin:/bin"})
        wait_for(self.listens, f"{self.kind} listens")

    def listens(self):
        assert self.process.poll() is None, (self.folder / "out.log").read_text()
        with socket.socket() as probe:
            return probe.connect_ex(("127.0.0.1", self.port)) == 0

    def stop(self):
        if self.process:
            self.process.terminate()
            self.process.wait(30)

    def config(self, controller, prefix, cut):
        """The recipe, for this test: its ports, its certificate, a path that is `prefix`, passed on or cut off."""
        text = recipe(self.kind).replace("127.0.0.1:6880", controller)
        return {"nginx": self.nginx, "haproxy": self.haproxy, "caddy": self.caddy}[self.kind](text, prefix, cut)

    def nginx(self, text, prefix, cut):
        text = changed(text, "listen 443 ssl", f"listen 127.0.0.1:{self.port} ssl")
        text = changed(text, "/etc/ssl/panel.pem", str(self.folder.parent / "panel.crt"))
        text = changed(text, "/etc/ssl/panel.key", str(self.folder.parent / "panel.key"))
        text = changed(text, "location /berth/", f"location {prefix}/")
        if cut:
            text = re.sub(r"(proxy_pass http://[^;]*);", r"\1/;", text)
        return nginx_config(self.folder, text)

    def haproxy(self, text, prefix, cut):
        text = changed(text, "bind :443", f"bind 127.0.0.1:{self.port}")
        text = changed(text, "/etc/haproxy/panel.pem", str(self.folder.parent / "both.pem"))
        text = changed(text, "path_beg /berth/", f"path_beg {prefix}/")
        if cut:
            text = changed(text, "backend berth\n", f"backend berth\n    http-request replace-path {prefix}(/.*) \\1\n")
        return text

    def caddy(self, text, prefix, cut):
        keys = self.folder.parent
        text = changed(text, f"{NAME} {{", f"https://{NAME}:{self.port} {{\n    bind 127.0.0.1\n"
                                           f"    tls {keys / 'panel.crt'} {keys / 'panel.key'}")
        text = changed(text, "handle /berth/*", f"{'handle_path' if cut else 'handle'} {prefix}/*")
        return "{\n    admin off\n    auto_https disable_redirects\n}\n" + text


def changed(text, old, new):
    assert text.count(old) >= 1, f"the recipe has no {old!r}"
    return text.replace(old, new)


def nginx_config(folder, text):
    """A whole configuration around servers, for an nginx that touches nothing outside of `folder`."""
    paths = "".join(f"    {kind}_temp_path {folder}/{kind};\n" for kind in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi"))
    user = "user root;\n" if pathlib.Path("/proc/self").owner() == "root" else ""
    return (f"{user}daemon off;\npid {folder}/pid;\nworker_processes 1;\nevents {{}}\nhttp {{\n    access_log off;\n"
            f"{paths}{text}}}\n")


def tls(port, source):
    """A connection to NAME at this port of ours, whose certificate nobody has signed."""
    context = ssl.create_default_context()
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    raw = socket.create_connection(("127.0.0.1", port), timeout=30, source_address=(source, 0))
    return context.wrap_socket(raw, server_hostname=NAME)


class Connection:
    """HTTP over TLS through a proxy, as a browser at `source` would speak it."""

    def __init__(self, port, source="127.0.0.2"):
        self.socket = tls(port, source)
        self.buffer = b""

    def send(self, data):
        self.socket.sendall(data)

    def need(self, size):
        while len(self.buffer) < size:
            piece = self.socket.recv(65536)
            assert piece, f"it has ended: {self.buffer[:200]}"
            self.buffer += piece

    def take(self, size):
        self.need(size)
        data, self.buffer = self.buffer[:size], self.buffer[size:]
        return data

    def head(self):
        while b"\r\n\r\n" not in self.buffer:
            self.need(len(self.buffer) + 1)
        head, self.buffer = self.buffer.split(b"\r\n\r\n", 1)
        return head.decode()

    def frame(self):
        """The text of the next WebSocket frame."""
        _, size = self.take(2)
        if size == 126:
            size = int.from_bytes(self.take(2), "big")
        elif size == 127:
            size = int.from_bytes(self.take(8), "big")
        return self.take(size).decode(errors="replace")

    def close(self):
        self.socket.close()
