"""The panel behind real reverse proxies, with the recipes of the docs, at its own name and below a path."""

import http.client
import json
import pathlib
import subprocess
import urllib.parse

import pytest

from berthlib import Home, wait_for
from proxylib import NAME, PROGRAMS, Connection, Proxy, certificate, nginx_config, program, tls
from test_controller import PASSWORD

E2E = pathlib.Path(__file__).resolve().parents[1] / "e2e"
KINDS = sorted(PROGRAMS)
missing = [kind for kind in KINDS if not program(kind)]
pytestmark = pytest.mark.skipif(bool(missing), reason=f"not installed: {', '.join(missing)}")


class Site:
    """A controller with one path, and all proxies in front of it."""

    def __init__(self, folder, prefix):
        self.prefix, self.folder = prefix, folder
        self.home = Home(folder / "home")
        self.proxies = {(kind, cut): Proxy(kind, folder / f"{kind}-{cut}")
                        for kind in KINDS for cut in ((False, True) if prefix else (False,))}

    def urls(self):
        return [f"https://{NAME}:{proxy.port}{self.prefix}/" for proxy in self.proxies.values()]

    def begin(self):
        certificate(self.folder)
        config = self.home.path / "controller/controller.toml"
        config.parent.mkdir(parents=True)
        config.write_text(f"[http]\nurl = {json.dumps(self.urls())}\ntrusted_proxies = [\"127.0.0.1\"]\n")
        self.home.berth("up", "--detach", "--listen", "127.0.0.1:0", check=0)
        self.direct = (self.home.path / "controller/run/address").read_text().strip().removeprefix("http://")
        self.link = (self.home.path / "controller/run/setup-link").read_text().strip()
        self.home.load("cat.toml", '[app]\nid = "cat"\ncommand = "cat"\n')
        self.home.berth("start", "cat", check=0)
        for (_, cut), proxy in self.proxies.items():
            proxy.start(proxy.config(self.direct, self.prefix, cut))

    def end(self):
        for proxy in self.proxies.values():
            proxy.stop()
        self.home.berth("down", timeout=120)
        self.home.destroy()


class Browser:
    """What a browser sends through one proxy: the Origin, its cookies, fields of its own invention."""

    def __init__(self, port, prefix, source="127.0.0.2"):
        self.port, self.prefix, self.source = port, prefix, source
        self.cookies, self.csrf = {}, ""

    def ask(self, method, path, body=None, headers=None):
        link = http.client.HTTPConnection("127.0.0.1", self.port)
        link.sock = tls(self.port, self.source)
        fields = {"Host": f"{NAME}:{self.port}", "Cookie": "; ".join(f"{k}={v}" for k, v in self.cookies.items()),
                  **(headers or {})}
        if method != "GET":
            fields |= {"Origin": f"https://{NAME}:{self.port}", "Content-Type": "application/json",
                       "X-CSRF-Token": self.csrf, "Sec-Fetch-Site": "same-origin"}
        try:
            link.request(method, self.prefix + path, body=None if body is None else json.dumps(body), headers=fields)
            reply = link.getresponse()
            text = reply.read().decode(errors="replace")
            for cookie in reply.msg.get_all("Set-Cookie") or []:
                name, value = cookie.split(";")[0].split("=", 1)
                self.cookies[name] = value
                self.last_cookie = cookie
            return reply.status, dict((k.lower(), v) for k, v in reply.getheaders()), text
        finally:
            link.close()

    def log_in(self, path="/api/v1/session", **more):
        status, _, text = self.ask("POST", path, {"username": "admin", "password": PASSWORD, **more})
        assert status == 200, text
        self.csrf = json.loads(text)["csrf"]


def make_site(tmp_path_factory, prefix):
    site = Site(tmp_path_factory.mktemp("site"), prefix)
    try:
        site.begin()
        # The link that was printed leads through the first of the addresses.
        assert site.link.startswith(site.urls()[0] + "setup#token=")
        first = Browser(urllib.parse.urlsplit(site.link).port, prefix)
        first.log_in("/api/v1/setup", token=site.link.split("token=")[1])
        yield site
    finally:
        site.end()


@pytest.fixture(scope="module")
def root(tmp_path_factory):
    yield from make_site(tmp_path_factory, "")


@pytest.fixture(scope="module")
def below(tmp_path_factory):
    yield from make_site(tmp_path_factory, "/berth")


CASES = [pytest.param(kind, where, cut, id=f"{kind}-{where}{'-cut' if cut else ''}")
         for kind in KINDS for where, cut in (("root", False), ("below", False), ("below", True))]


@pytest.fixture
def case(request):
    kind, where, cut = request.param
    site = request.getfixturevalue(where)
    return site, site.proxies[(kind, cut)]


def through(cases):
    return pytest.mark.parametrize("case", [pytest.param(case.values, id=case.id) for case in cases], indirect=True)


@through(CASES)
def test_log_in_live_input_download_and_health_through_a_proxy(case):
    site, proxy = case
    browser = Browser(proxy.port, site.prefix)
    assert browser.ask("GET", "/healthz")[::2] == (200, "ok\n")
    assert browser.ask("GET", "/readyz")[0] == 200
    status, fields, page = browser.ask("GET", "/agents")
    assert status == 200 and "text/html" in fields["content-type"]
    script = page.split('<script type="module"')[1].split('src="')[1].split('"')[0]
    assert script.startswith(f"{site.prefix}/assets/")
    assert browser.ask("GET", script.removeprefix(site.prefix))[0] == 200

    browser.log_in()
    name = next(name for name in browser.cookies if "_session_" in name)
    assert name.startswith("__Secure-" if site.prefix else "__Host-")
    assert "; Secure" in browser.last_cookie and f"; Path={site.prefix}/;" in browser.last_cookie

    live = Connection(proxy.port)
    try:
        live.send((f"GET {site.prefix}/api/v1/live HTTP/1.1\r\nHost: {NAME}:{proxy.port}\r\nOrigin: https://{NAME}:{proxy.port}\r\n"
                   f"Cookie: {name}={browser.cookies[name]}\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
                   "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n").encode())
        assert " 101 " in live.head()
        assert json.loads(live.frame())["type"] == "hello"
        assert json.loads(live.frame())["type"] == "snapshot"

        app = "/api/v1/agents/default/apps/cat"
        line = f"{proxy.folder.name} " + "x" * 60_000
        assert browser.ask("POST", f"{app}/stdin", {"data": line + "\n"})[0] == 204
        wait_for(lambda: line in browser.ask("GET", f"{app}/logs/download")[2], "the line in the download")
        assert browser.ask("POST", f"{app}/restart", {})[0] == 200
        wait_for(lambda: '"delta"' in live.frame(), "a delta")
    finally:
        live.close()


@through(CASES)
def test_the_audit_log_has_who_is_behind_the_proxy(case):
    site, proxy = case
    here = f"127.1.{proxy.port // 256}.{proxy.port % 256}"
    there = here.replace("127.1.", "127.2.")
    browser = Browser(proxy.port, site.prefix, source=here)
    browser.log_in()
    # What a client says itself is before what the proxy adds, and is not believed.
    liar = Browser(proxy.port, site.prefix, source=there)
    liar.ask("GET", "/healthz", headers={"X-Forwarded-For": "6.6.6.6", "Forwarded": "for=6.6.6.6"})
    liar.ask("POST", "/api/v1/session", {"username": "admin", "password": "not this one"},
             {"X-Forwarded-For": "6.6.6.6", "Forwarded": "for=6.6.6.6"})
    entries = json.loads(browser.ask("GET", "/api/v1/audit?limit=3")[2])["entries"]
    assert [entry["address"] for entry in entries[:2]] == [there, here]


@through([case for case in CASES if case.id in ("nginx-below", "nginx-below-cut", "haproxy-root", "haproxy-below", "caddy-below-cut")])
def test_a_browser_behind_a_proxy(case):
    site, proxy = case
    if not (E2E / "node_modules").is_dir():
        subprocess.run(["npm", "ci", "--no-audit", "--no-fund"], cwd=E2E, check=True, capture_output=True, timeout=300)
    done = subprocess.run(
        ["node", "proxied.mjs", f"https://{NAME}:{proxy.port}{site.prefix}/", "admin", PASSWORD, "default/cat"],
        cwd=E2E, capture_output=True, text=True, timeout=180, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


# What people have in their nginx before they read our page.
USUAL = {
    "proxy_pass alone": "",
    "Host $host": "proxy_set_header Host $host;",
    "Host $http_host": "proxy_set_header Host $http_host;",
    "Host name:443": f"proxy_set_header Host {NAME}:443;",
    "Host of the upstream": "proxy_set_header Host $proxy_host;",
}


@pytest.mark.parametrize("recipe", sorted(USUAL))
def test_the_usual_lines_of_nginx_are_enough_to_log_in(tmp_path, recipe):
    proxy = Proxy("nginx", tmp_path / "nginx")
    certificate(tmp_path)
    home = Home(tmp_path / "home")
    try:
        home.berth("up", "--detach", "--listen", "127.0.0.1:0", "--url", f"https://{NAME}:{proxy.port}/", check=0)
        direct = (home.path / "controller/run/address").read_text().strip()
        token = (home.path / "controller/run/setup-link").read_text().strip().split("token=")[1]
        proxy.start(nginx_config(proxy.folder, (
            f"server {{\n listen 127.0.0.1:{proxy.port} ssl;\n ssl_certificate {tmp_path}/panel.crt;\n"
            f" ssl_certificate_key {tmp_path}/panel.key;\n"
            f" location / {{\n  proxy_pass {direct};\n  {USUAL[recipe]}\n }}\n}}\n")))
        browser = Browser(proxy.port, "")
        browser.log_in("/api/v1/setup", token=token)
        browser.log_in()
        assert browser.last_cookie.startswith("__Host-")
        assert browser.ask("GET", "/api/v1/apps")[0] == 200
        # Without HTTP/1.1 to the controller there is no WebSocket, and it is said what to do.
        status, _, text = browser.ask("GET", "/api/v1/live", headers={"Upgrade": "websocket", "Connection": "Upgrade"})
        assert status == 426 and "proxy_http_version" in text
        # A download has no length; nginx asks for it by HTTP/1.0.
        home.load("echo.toml", '[app]\nid = "hello"\ncommand = "echo hello"\n[restart]\npolicy = "never"\n')
        home.berth("start", "hello", check=0)
        wait_for(lambda: "hello" in browser.ask("GET", "/api/v1/agents/default/apps/hello/logs/download")[2], "the download")
    finally:
        proxy.stop()
        home.berth("down", timeout=120)
        home.destroy()
