"""What the controller's API tells and takes: nothing passed over, rounded, half taken or shown to whom it is not for."""

import concurrent.futures
import json
import time
import urllib.parse

import pytest

from berthlib import wait_for
from schemalib import Description
from test_controller import PASSWORD, Panel, Up

SECRET = "hunter2hunter2"


@pytest.fixture(scope="module")
def up(tmp_path_factory):
    it = Up(tmp_path_factory.mktemp("truth") / "home")
    it.begin()
    it.load("deaf.toml", '[app]\nid = "deaf"\ncommand = "sleep 1000"\n')
    it.load("cat.toml", '[app]\nid = "cat"\ncommand = "cat"\n')
    it.load("slow.toml", '[app]\nid = "slow"\nshell = true\n'
            'command = "while sleep 0.02 && dd bs=65536 count=1 2>/dev/null | wc -c; do :; done"\n')
    it.load("secretive.toml", f"""[app]
id = "secretive"
argv = ["sh", "-c", "exit 3", "--password", "{SECRET}", "--api-key={SECRET}"]
env = {{ API_TOKEN = "{SECRET}", DATABASE_URL = "postgres://ann:{SECRET}@db/x", PORT = "8080" }}
[restart]
policy = "never"
[config.db_password]
type = "string"
value = "{SECRET}"
[health]
exec = "true --token {SECRET}"
""")
    for app in ("web.1", "web-1", "web11"):
        it.load(app + ".toml", f'[app]\nid = "{app}"\ncommand = "sleep 1000"\n')
    it.berth("start", "deaf", "cat", "slow", check=0)
    wait_for(lambda: len(it.panel.ask("GET", "/apps")[1]["apps"]) == 7, "all apps are known")
    yield it
    it.berth("down", timeout=120)
    it.destroy()


def user(up, name, role):
    panel = Panel(f"http://{up.panel.host}")
    up.panel.ask("POST", "/users", {"name": name, "password": PASSWORD, "role": role})
    log_in(panel, name, PASSWORD)
    return panel


def log_in(panel, name, password):
    status, replied, text = panel.raw("POST", "/api/v1/session", json.dumps({"username": name, "password": password}),
                                      {"Content-Type": "application/json"})
    if status == 200:
        panel.cookie, panel.csrf = replied["set-cookie"].split(";")[0], json.loads(text)["csrf"]
    return status


# --- 28: what is not known is refused


@pytest.mark.parametrize("path", ["/audit?q=x", "/events?since=2026-01-01T00:00:00Z", "/users?agents=a", "/apps?Q=x", "/agents?limit=5",
                                  "/agents/default/apps/cat/logs?tial=5", "/agents/default/apps/cat/metrics?from=x", "/session?x",
                                  "/agents/default/apps/cat/logs?stream=stdin", "/apps?state=runing", "/apps?limit=1&limit=2",
                                  "/agents/default/apps/cat/mailbox?full=yes", "/openapi.json?format=yaml"])
def test_unknown_parameters_and_values_are_400_and_say_what_there_is(up, path):
    status, reply = up.panel.ask("GET", path)
    assert status == 400, reply
    assert "allowed" in reply["detail"] or "once" in reply["detail"]


@pytest.mark.parametrize("path, body", [
    ("/users", {"name": "x", "password": PASSWORD, "role": "viewer", "agents": ["a"]}),
    ("/session", {"username": "x", "password": "y", "remember": True}),
    ("/agents/default/apps/cat/start", {"wait": False}), ("/agents/default/apps/cat/stdin", {"data": "x", "eof": True}),
    ("/apps/actions", {"verb": "stop", "apps": [], "force": True}), ("/agents/default/apps/cat/messages", {"payload": 1, "priority": 5}),
    ("/agents/default/events", {"type": "x", "to": "y"}), ("/agents/default/apps/cat/scale", {"count": 1, "by": 1})])
def test_unknown_members_are_400_and_nothing_is_done(up, path, body):
    status, reply = up.panel.ask("POST", path, body)
    assert status == 400 and "allowed" in reply["detail"], reply
    assert [name for name in body if f'"{name}"' in reply["detail"]]
    assert up.state("cat") == "running"


def test_an_address_that_is_none_is_404(up):
    for path in ("/metrics", "/metric", "/apps", "/v1/apps", "/agents/default"):
        status, headers, text = up.panel.raw("GET", path)
        assert status == 404 and json.loads(text)["status"] == 404, path
    for path in ("/", "/agents", "/apps/default/cat", "/agents/default/traffic", "/login?next=%2Fx"):
        assert up.panel.raw("GET", path)[0] == 200, path


# --- 8: input


def test_input_that_is_not_taken_is_not_204(up):
    chunk, taken, sent = "x" * 65536, 0, 0
    refused = None
    for _ in range(60):
        status, reply = up.panel.ask("POST", "/agents/default/apps/deaf/stdin", {"data": chunk})
        sent += len(chunk)
        if status == 204:
            taken += len(chunk)
            continue
        assert status == 429 and "does not read" in reply["detail"], reply
        refused = refused or reply
        taken += reply["taken"]
    assert refused and 1 << 20 <= taken <= (1 << 20) + (1 << 18) < sent
    status, reply = up.panel.ask("POST", "/agents/default/apps/deaf/stdin", {"data": "one more"})
    assert (status, reply["taken"]) == (429, 0)
    status, reply = up.panel.ask("POST", "/agents/default/apps/web.1/stdin", {"data": "x"})
    assert (status, reply["taken"]) == (409, 0)
    audited = json.dumps(up.panel.ask("GET", "/audit")[1])
    assert "0 of 8 bytes" in audited and "65536 of 65536 bytes" in audited


def test_all_input_that_was_taken_arrives(up):
    lines = [f"line {number} " + "y" * 1000 for number in range(2000)]
    data, at = ("\n".join(lines) + "\n").encode(), 0
    deadline = time.monotonic() + 60
    while at < len(data) and time.monotonic() < deadline:
        status, reply = up.panel.ask("POST", "/agents/default/apps/cat/stdin", {"data": data[at:at + 60000].decode()})
        assert status in (204, 429), reply
        at += len(data[at:at + 60000]) if status == 204 else reply["taken"]
    assert at == len(data)
    wait_for(lambda: up.panel.ask("GET", "/agents/default/apps/cat/logs?tail=1")[1]["lines"][-1]["text"] == lines[-1], "the last line")
    assert [text.decode() for _, text in up.log_lines("cat") if text.startswith(b"line ")] == lines


def test_connect_waits_for_the_reader_and_says_what_was_not_taken(up):
    slow = up.berth("connect", "slow", stdin=b"z" * 3_000_000, timeout=60)
    assert slow.code == 0, slow.err
    wait_for(lambda: sum(int(text) for _, text in up.log_lines("slow")) == 3_000_000, "all of it is read")
    up.berth("stop", "deaf", check=0)
    up.berth("start", "deaf", check=0)
    with concurrent.futures.ThreadPoolExecutor(1) as pool:
        deaf = pool.submit(up.berth, "connect", "deaf", stdin=b"z" * 3_000_000, timeout=60)
        wait_for(lambda: up.panel.ask("POST", "/agents/default/apps/deaf/stdin", {"data": "x" * 65536})[0] == 429, "it is full")
        up.berth("stop", "deaf", check=0)
        result = deaf.result()
    assert result.code == 1 and "bytes of the input were taken" in result.err and "has ended" in result.err, result.err
    up.berth("start", "deaf", check=0)


# --- 7: whole numbers


def test_whole_numbers_are_what_was_sent(up):
    path = "/agents/default/apps/web.1"
    assert up.panel.ask("POST", path + "/messages", {"payload": {"n": 9007199254740993, "m": [2**64 - 1, -2**63, 2**53]}})[0] == 200
    shown = up.panel.ask("GET", path + "/mailbox")[1]["messages"][0]["payload"]
    assert shown == {"n": {"int": "9007199254740993"}, "m": [{"int": str(2**64 - 1)}, {"int": str(-2**63)}, 2**53]}
    polled = json.loads(up.berth("poll", "web.1", "--json", check=0).out)
    assert "9007199254740993" in json.dumps(polled)
    for number in ("12345678901234567890123", "-9223372036854775809"):
        raw = up.panel.raw("POST", "/api/v1" + path + "/messages", f'{{"payload":{number}}}',
                           {"Cookie": up.panel.cookie, "X-CSRF-Token": up.panel.csrf, "Content-Type": "application/json"})
        assert raw[0] == 400 and "64 bits" in raw[2]
        told = up.berth("notify", "--parse", "web.1", "--", number)
        assert told.code != 0 and "64 bits" in told.err, (told.out, told.err)
    up.panel.ask("DELETE", path + "/mailbox")
    for kind, text in (("json", '{"app": {"id": "big", "command": "true", "nice": 12345678901234567890123}}'),
                       ("yaml", "app:\n  id: big\n  command: 'true'\n  nice: 12345678901234567890123\n"),
                       ("toml", '[app]\nid = "big"\ncommand = "true"\nnice = 12345678901234567890123\n')):
        assert up.berth("load", up.write(f"big.{kind}", text)).code != 0, kind


# --- 26: secrets


def everything_of(panel, app):
    base = f"/agents/default/apps/{app}"
    paths = ["/apps", "/apps?q=" + SECRET, base, base + "/explain", base + "/crashes", base + "/check", base + "/metrics", "/events", "/agents"]
    return {path: json.dumps(panel.ask("GET", path)[1]) for path in paths}


def test_viewers_and_operators_see_no_secrets_and_admins_do(up):
    up.berth("start", "secretive")
    wait_for(lambda: up.state("secretive") == "failed", "its end")
    for role in ("viewer", "operator"):
        panel = user(up, "a-" + role, role)
        for path, text in everything_of(panel, "secretive").items():
            assert SECRET not in text, (role, path)
        status, detail = panel.ask("GET", "/agents/default/apps/secretive")
        env = detail["spec"]["app"]["env"]
        assert status == 200 and env["PORT"] == "8080" and "postgres://ann:" in env["DATABASE_URL"] and "@db/x" in env["DATABASE_URL"]
        assert panel.ask("GET", "/apps?q=" + SECRET)[1]["apps"] == []  # nor can they be guessed by searching
        assert SECRET not in json.dumps(panel.ask("POST", "/agents/default/apps/secretive/start")[1])
    detail = up.panel.ask("GET", "/agents/default/apps/secretive")[1]
    assert detail["spec"]["app"]["env"]["API_TOKEN"] == SECRET and SECRET in detail["command"]


# --- 1: selectors


def test_a_word_that_is_an_id_means_that_app_in_the_api_too(up):
    def act(**body):
        return up.panel.ask("POST", "/apps/actions", body)

    status, reply = act(verb="start", selector=["web.1"])
    assert status == 200 and [r["app"] for r in reply["results"]] == ["default/web.1"]
    assert up.state("web-1") == "stopped"
    assert [r["app"] for r in act(verb="stop", selector=["default/web.1"])[1]["results"]] == ["default/web.1"]
    assert len(act(verb="start", selector=["web.*"])[1]["results"]) == 3
    reply = act(verb="stop", selector=["web.*", "nobody"])[1]
    assert len(reply["results"]) == 3 and reply["unmatched"] == ["nobody"]
    assert act(verb="stop", selector=["("])[0] == 400
    assert act(verb="stop", selector=["web.1"], apps=["default/web.1"])[0] == 400
    assert act(verb="stop")[0] == 400
    status, reply = act(verb="clean", selector=["web.*"])
    assert status == 409 and all(f"default/{app}" in reply["detail"] for app in ("web.1", "web-1", "web11")) and "confirm" in reply["detail"]
    assert act(verb="clean", selector=["web.*"], confirm="yes")[0] == 400
    assert len([a for a in up.panel.ask("GET", "/apps")[1]["apps"] if a["id"].startswith("web")]) == 3
    assert act(verb="clean", selector=["web.1"])[0] == 200  # one that is named needs no word more
    wait_for(lambda: not [a for a in up.panel.ask("GET", "/apps")[1]["apps"] if a["id"] == "web.1"], "it is gone")
    status, reply = act(verb="clean", selector=["web.*"], confirm=True)
    assert status == 200 and all(r["ok"] for r in reply["results"]) and len(reply["results"]) == 2
    wait_for(lambda: not [a for a in up.panel.ask("GET", "/apps")[1]["apps"] if a["id"].startswith("web")], "they are gone")


# --- 25: roles


def test_a_role_that_is_taken_away_while_its_user_logs_in_is_gone(up):
    user(up, "climber", "admin")
    for _ in range(12):
        up.panel.ask("PATCH", "/users/climber", {"role": "admin"})
        panel = Panel(f"http://{up.panel.host}")
        with concurrent.futures.ThreadPoolExecutor(2) as pool:
            entering = pool.submit(log_in, panel, "climber", PASSWORD)
            demoting = pool.submit(up.panel.ask, "PATCH", "/users/climber", {"role": "viewer"})
            status = entering.result()
            assert demoting.result()[0] == 204
        assert up.panel.ask("GET", "/users")[1]["users"][1]["role"] == "viewer"
        if status == 200 and panel.ask("GET", "/session")[0] == 200:
            assert panel.ask("GET", "/session")[1]["user"]["role"] == "viewer"
            assert panel.ask("GET", "/users")[0] == 403


def test_no_session_with_the_old_password_outlives_its_change(up):
    user(up, "changer", "viewer")
    old = PASSWORD
    for number in range(12):
        new = f"a new password {number}"
        panel = Panel(f"http://{up.panel.host}")
        with concurrent.futures.ThreadPoolExecutor(2) as pool:
            entering = pool.submit(log_in, panel, "changer", old)
            changing = pool.submit(up.panel.ask, "PATCH", "/users/changer", {"password": new})
            status = entering.result()
            assert changing.result()[0] == 204
        assert status in (200, 401)
        assert panel.ask("GET", "/session")[0] == 401
        old = new


# --- 30: figures


def test_idle_apps_have_figures_and_an_hour_has_fine_ones(up):
    for _ in range(20):
        up.berth("list", check=0)  # its samples must not be kept from the panel

    def known():
        figures = {a["id"]: a["rss_bytes"] for a in up.panel.ask("GET", "/apps")[1]["apps"]}
        return figures["deaf"] and figures["cat"]
    wait_for(known, "the memory of idle apps", 30)
    for back in (3595, 3600, 3601, 3660):
        since = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(time.time() - back))
        times = wait_for(lambda: (m := up.panel.ask("GET", f"/agents/default/apps/cat/metrics?since={urllib.parse.quote(since)}")[1]["time"]) and m,
                         f"figures of {back} s", 30)
        assert len(times) >= 1, back


def test_a_stopped_agent_is_stopped_not_silent(up):
    up.berth("agent", "run", "--name", "brief", "--detach", check=0)

    def state():
        return {a["name"]: a for a in up.panel.ask("GET", "/agents")[1]["agents"]}.get("brief", {"state": ""})

    wait_for(lambda: state()["state"] == "connected", "it is connected")
    up.berth("--agent", "brief", "agent", "stop", check=0)
    wait_for(lambda: state()["state"] == "stopped", "it is said to be stopped", 20)
    assert "berth agent run --name brief" in state()["error"]
    up.berth("agent", "run", "--name", "brief", "--detach", check=0)
    wait_for(lambda: state()["state"] == "connected", "it is back", 20)
    up.berth("--agent", "brief", "agent", "stop", check=0)


# --- the description


def test_answers_are_what_the_description_says(up):
    api, asked = Description(up.panel.ask("GET", "/openapi.json")[1]), set()

    def ask(method, path, body=None, query="", **parts):
        status, reply = up.panel.ask(method, path.format(**parts) + query, body)
        assert status in (200, 202), (path, status, reply)
        schema = api.schema_of("/api/v1" + path, method)
        problems = api.problems(schema, reply)
        assert problems == [], f"{method} {path}"
        asked.add((method.lower(), "/api/v1" + path))
        return reply

    apps = "/agents/{agent}/apps/{id}"
    cat, failed = {"agent": "default", "id": "cat"}, {"agent": "default", "id": "secretive"}
    up.berth("start", "secretive")
    wait_for(lambda: up.state("secretive") == "failed", "its end")
    assert set(ask("POST", apps + "/{verb}", verb="restart", **cat)) == {"app", "message", "note"}
    operation = ask("POST", apps + "/{verb}", {"timeout": 0}, verb="restart", **cat)["operation"]
    ask("GET", "/operations/{id}", id=operation)
    wait_for(lambda: ask("GET", "/operations/{id}", id=operation)["state"] == "done", "it is done")
    results = ask("POST", "/apps/actions", {"verb": "start", "apps": ["default/cat", "no/app"], "if_needed": True})["results"]
    assert [result["ok"] for result in results] == [True, False]
    assert ask("POST", apps + "/messages", {"payload": {"n": [1, None, "x"]}}, **cat)["known"]
    ask("POST", "/agents/{agent}/events", {"type": "x", "payload": 1}, agent="default")
    assert "default" in [agent["name"] for agent in ask("GET", "/agents")["agents"]]
    ask("GET", "/agents/{agent}", agent="default")
    assert len(ask("GET", "/apps")["apps"]) >= 2
    assert ask("GET", apps, **cat)["mailbox"]["waiting"] == 1
    details = ask("GET", apps, **failed)
    assert details["spec"]["app"] and details["history"] and details["runs"]
    assert ask("GET", apps + "/explain", **failed)["state"] == "failed"
    crashes = ask("GET", apps + "/crashes", **failed)
    assert crashes["groups"] and "lines" in crashes["crashes"][0]["bundle"]
    assert ask("GET", apps + "/metrics", **cat)["time"]
    ask("GET", apps + "/check", **failed)
    up.panel.ask("POST", "/agents/default/apps/cat/stdin", {"data": "a line\n"})
    wait_for(lambda: ask("GET", apps + "/logs", query="?tail=1", **cat)["lines"], "a line")
    assert ask("GET", apps + "/mailbox", **cat)["messages"]
    assert ask("GET", "/agents/{agent}/mailboxes", agent="default")["mailboxes"]
    assert ask("GET", "/agents/{agent}/trace", agent="default")["entries"]
    assert ask("POST", apps + "/mailbox/resend", **cat)["resent"] == 0
    assert ask("DELETE", apps + "/mailbox", **cat)["removed"] == 1
    for path in ("/session", "/events", "/users", "/audit"):
        ask("GET", path)
    gets = {("get", path) for path, methods in api.document["paths"].items() if "get" in methods and api.schema_of(path, "get")}
    assert gets <= asked
