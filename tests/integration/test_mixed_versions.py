"""One version older and one newer together: agents, controllers and command lines of each with those of the other."""

import base64
import http.client
import json
import os
import subprocess

import pytest
import zmq.utils.z85

from acrosslib import Pair
from berthlib import BIN, Home, alive, wait_for
from oldlib import old_bin
from test_across import numbers

CAT = '[app]\nid = "{0}"\ncommand = "cat"\n'
SLEEP = '[app]\nid = "{0}"\ncommand = "sleep 1000"\n'
VERSIONS = ("old", "new")


@pytest.fixture(scope="session")
def bins():
    return {"old": old_bin(), "new": BIN}


def other(version):
    return VERSIONS[1 - VERSIONS.index(version)]


class Live:
    """The WebSocket of a panel: unmasked text frames come in, a small masked one goes out."""

    def __init__(self, panel):
        self.connection = http.client.HTTPConnection(panel.host, timeout=20)
        self.connection.connect()
        self.connection.sock.sendall((
            f"GET /api/v1/live HTTP/1.1\r\nHost: {panel.host}\r\nOrigin: http://{panel.host}\r\nCookie: {panel.cookie}\r\n"
            "Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n"
            f"Sec-WebSocket-Key: {base64.b64encode(b'0' * 16).decode()}\r\n\r\n").encode())
        self.stream = self.connection.sock.makefile("rb")
        assert b" 101 " in self.stream.readline()
        while self.stream.readline().strip():
            pass

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.stream.close()
        self.connection.close()

    def say(self, message):
        data = json.dumps(message).encode()
        assert len(data) < 126
        self.connection.sock.sendall(b"\x81" + bytes([0x80 | len(data)]) + b"\0\0\0\0" + data)

    def frame(self):
        first, length = self.stream.read(2)
        if length >= 126:
            length = int.from_bytes(self.stream.read(2 if length == 126 else 8), "big")
        data = self.stream.read(length)
        return json.loads(data) if first & 15 == 1 else {"type": f"opcode {first & 15}"}

    def until(self, kind, wanted=lambda _: True):
        """The next frame of this type that is wanted."""
        while True:
            frame = self.frame()
            assert frame["type"] not in ("bye", "error", "opcode 8"), frame
            if frame["type"] == kind and wanted(frame):
                return frame


def follow_one_more_line(home, app, folder, say):
    """`berth logs -f` shows what is there, and then what say() makes the app write."""
    with subprocess.Popen([str(folder / "berth"), "logs", "-f", "-n", "5", app], env=home.env, stdout=subprocess.PIPE, text=True) as follower:
        try:
            assert follower.stdout.readline() == "first\n"
            say("second\n")
            assert follower.stdout.readline() == "second\n"
        finally:
            follower.kill()


# --- agents of one version, the controller of the other


@pytest.fixture(scope="module", params=VERSIONS)
def pair(request, tmp_path_factory, bins):
    """Near: a controller and an agent of one version. Far: an agent of the other, over TCP with CURVE."""
    it = Pair(tmp_path_factory.mktemp(request.param), bins[request.param], bins[other(request.param)])
    it.begin()
    installed(it, "quiet", SLEEP, start=False)
    yield it
    it.destroy()


@pytest.fixture(params=VERSIONS)
def berth(request, pair, bins):
    """The command line of each version, at the controller's home."""
    def run(*words, **more):
        return pair.up.berth(*words, folder=bins[request.param], **more)
    run.folder, run.version = bins[request.param], request.param
    return run


def installed(pair, name, text, start=True, instance=""):
    """The address of an app of the far agent that nobody else uses."""
    pair.house.load(f"{name}.toml", text.format(name))
    path = f"/agents/house/apps/{name}"
    wanted = ("house", name + instance)
    wait_for(lambda: wanted in [(a["agent"], a["id"]) for a in pair.up.panel.ask("GET", "/apps")[1]["apps"]], "the controller knows it", 20)
    if start:
        status, reply = pair.up.panel.ask("POST", path + "/start")
        assert status == 200, reply
    return path


def test_both_run_what_they_should(pair):
    def program(home, which):
        pid = home.pid_of(which) if which != "controller" else pair.controller_pid
        return os.path.realpath(f"/proc/{pid}/exe")

    for home in (pair.up, pair.house):
        for which in ("agent", "keeper"):
            assert program(home, which) == os.path.realpath(home.folder / f"berth-{which}")
    assert program(pair.up, "controller") == os.path.realpath(pair.up.folder / "berth-controller")
    assert os.path.realpath(pair.up.folder) != os.path.realpath(pair.house.folder)


def test_list(pair, berth):
    agents = {a["name"]: a for a in pair.up.panel.ask("GET", "/agents")[1]["agents"]}
    assert agents["house"]["state"] == "connected" and not agents["house"].get("error"), agents
    app = next(a for a in pair.up.panel.ask("GET", "/apps")[1]["apps"] if a["agent"] == "house" and a["id"] == "quiet")
    assert app["state"] == "stopped" and not app["stale"]
    status, shown = pair.up.panel.ask("GET", "/agents/house/apps/quiet")
    assert status == 200 and "sleep 1000" in json.dumps(shown["spec"])
    assert "house/quiet" in berth("list", check=0).out
    listed = berth("list", "--agent", "house", "--json", check=0).json()
    assert [(a["agent"], a["state"]) for a in listed if a["id"] == "quiet"] == [("house", "stopped")]
    assert "quiet" in berth("status", "house/quiet", check=0).out


def test_act_through_the_api(pair):
    path = installed(pair, "acted", SLEEP, start=False)
    ask = pair.up.panel.ask
    status, reply = ask("POST", path + "/start")
    assert status == 200 and reply["app"]["state"] == "running"
    assert ask("POST", path + "/start")[0] == 409
    status, again = ask("POST", path + "/restart")
    assert status == 200 and again["app"]["state"] == "running" and again["app"]["pid"] != reply["app"]["pid"]
    status, reply = ask("POST", path + "/stop")
    assert status == 200 and reply["app"]["state"] == "stopped" and reply["app"]["exit_code"] == -15
    assert ask("POST", path + "/stop")[0] == 409
    status, reply = ask("POST", "/apps/actions", {"verb": "restart", "apps": ["house/acted", "house/nobody"]})
    assert status == 200 and {r["app"]: r["ok"] for r in reply["results"]} == {"house/acted": True, "house/nobody": False}
    assert pair.house.state("acted") == "running"


def test_act_through_the_command_line(pair, berth):
    name = f"typed-{berth.version}"
    installed(pair, name, SLEEP, start=False)
    berth("start", f"house/{name}", check=0)
    pid = pair.house.app(name)["pid"]
    berth("restart", f"house/{name}", check=0)
    assert pair.house.state(name) == "running" and pair.house.app(name)["pid"] != pid
    berth("is-active", f"house/{name}", check=0)
    berth("stop", f"house/{name}", check=0)
    assert pair.house.state(name) == "stopped"
    assert berth("stop", f"house/{name}").code == pair.house.berth("stop", "--agent", "house", name).code
    refused = berth("start", "house/nobody")
    assert refused.code not in (0, 70) and "nobody" in refused.err, refused.err


def test_an_outcome_that_is_a_failure(pair, berth):
    name = f"dies-{berth.version}"
    path = installed(pair, name, '[app]\nid = "{0}"\nshell = true\ncommand = "echo ouch >&2; exit 9"\n[restart]\npolicy = "never"\n', start=False)
    berth("start", f"house/{name}")  # it may have been seen running
    wait_for(lambda: pair.house.state(name) == "failed", "its end")
    why = pair.up.panel.ask("GET", path + "/explain")[1]
    assert why["cause"].startswith("exited 9") and why["lines"] == ["ouch"], why
    said = berth("explain", f"house/{name}", check=0).out
    assert "exited 9" in said and "ouch" in said
    crashes = pair.up.panel.ask("GET", path + "/crashes?limit=1")[1]
    assert crashes["groups"][0]["count"] == 1 and crashes["crashes"][0]["bundle"]["lines"][0]["text"] == "ouch"
    assert berth("crashes", f"house/{name}", check=0).out
    assert "failed" in berth("events", "--agent", "house", "-n", "50", check=0).out


def test_logs(pair, berth):
    name = f"cat-{berth.version}"
    path = installed(pair, name, CAT)
    ask = pair.up.panel.ask
    assert ask("POST", path + "/stdin", {"data": "first\n"})[0] == 204

    def lines():
        return [line["text"] for line in ask("GET", path + "/logs?tail=5")[1]["lines"]]

    wait_for(lambda: lines() == ["first"], "its line")
    assert berth("logs", "-n", "5", f"house/{name}", check=0).out == "first\n"
    follow_one_more_line(pair.up, f"house/{name}", berth.folder, lambda line: berth("connect", f"house/{name}", stdin=line.encode(), check=0))
    assert lines() == ["first", "second"]
    assert ask("GET", path + "/logs/download")[1].count("\n") == 2


def test_the_live_view(pair):
    path = installed(pair, "lively", CAT)
    ask = pair.up.panel.ask
    wait_for(lambda: "running" in [a["state"] for a in ask("GET", "/apps")[1]["apps"] if a["id"] == "lively"], "that is known")
    with Live(pair.up.panel) as live:
        snapshot = live.until("snapshot")
        assert {a["name"]: a["state"] for a in snapshot["agents"]} == {"default": "connected", "house": "connected"}
        assert ("house", "lively", "running") in [(a["agent"], a["id"], a["state"]) for a in snapshot["apps"]]
        live.say({"type": "follow", "app": "house/lively", "tail": 5})
        assert ask("POST", path + "/stdin", {"data": "seen\n"})[0] == 204
        live.until("log", lambda frame: frame["app"] == "house/lively" and "seen" in [line["text"] for line in frame["lines"]])
        assert ask("POST", path + "/stdin", {"data": "too\n"})[0] == 204
        live.until("log", lambda frame: "too" in [line["text"] for line in frame["lines"]])
        assert ask("POST", path + "/stop")[0] == 200
        delta = live.until("delta", lambda frame: "stopped" in [a["state"] for a in frame["apps"] if a["id"] == "lively"])
        assert delta["seq"] > snapshot["seq"]


def test_messages_both_ways(pair):
    a, b = pair.near.wire("near.mail"), pair.far.wire("far.mail")
    big = os.urandom(3 << 20)
    for one, name, home, two, other_name, other_home in ((a, "near.mail", "default", b, "far.mail", "house"),
                                                         (b, "far.mail", "house", a, "near.mail", "default")):
        told = one.do("notify", {"x": [1, None, 2**63]}, big, "last", to=f"{other_home}/{other_name}")
        assert len(told["ids"]) == 3 and told["agent"] == "connected"
        got = numbers(two, 3)
        assert [payload for _, payload in got] == [{"x": [1, None, 2**63]}, big, "last"]
        assert {meta["from"] for meta, _ in got} == {f"{home}/{name}"}
        # A request and its answer.
        asked = one.send("request", {"q": home}, to=f"{other_home}/{other_name}")
        meta, payload = numbers(two, 1)[0]
        assert payload == {"q": home}
        two.do("respond", {"a": home}, to=meta["from"], correlation=meta["correlation"])
        answer = one.answer(asked)
        assert answer.code == 0 and answer.payload == [{"a": home}]
        # Refusals and what is told of who is there.
        one.do("notify", "x", to=f"{other_home}/{other_name}.missing")
        wait_for(lambda: one.do("notify", "x", to=f"{other_home}/{other_name}.missing")["known"] is False, "what the other side tells")


def test_what_waits_while_the_other_is_away(pair):
    """It is on one's disk while the other starts anew: links are greeted again, nothing is lost or there twice."""
    for apps, name, home, to in ((pair.near, "near.away", pair.house, "house/far.away"), (pair.far, "far.away", pair.up, "default/near.away")):
        pid = home.kill("agent")
        wait_for(lambda pid=pid: not alive(pid), "its end")
        wire = apps.wire(name)
        for n in range(20):
            wire.do("notify", n, to=to)
        home.berth("list", "--agent", home.agent, timeout=60)
        wait_for(lambda home=home: home.pid_of("agent") and alive(home.pid_of("agent")), "its keeper starts it again")
    pair.joined()
    assert [p for _, p in numbers(pair.far.wire("far.away"), 20)] == list(range(20))
    assert [p for _, p in numbers(pair.near.wire("near.away"), 20)] == list(range(20))


def test_events_reach_the_other(pair):
    a, b = pair.near.wire("near.events"), pair.far.wire("far.events")
    for one, speaker, two, name, apps in ((a, "default/near.events", b, "far.events", pair.far),
                                          (b, "house/far.events", a, "near.events", pair.near)):
        two.do("hello", app=name, secret=apps.secret(name), subscribe=True, agent="*")

        def heard(one=one, two=two, speaker=speaker):
            one.do("raise", 5, type="go")
            two.receive(0.2)
            return any(p.kind == "event" and p.meta["type"] == "go" and p.meta["from"] == speaker for p in two.pushes)

        wait_for(heard, f"an event of {speaker}", 20)


def test_a_mailbox_is_looked_at(pair, berth):
    name = f"box-{berth.version}"
    path = installed(pair, name, SLEEP, start=False)
    ask = pair.up.panel.ask
    assert ask("POST", path + "/messages", {"payload": {"n": 2**53 + 1}})[0] == 200
    berth("notify", f"house/{name}", "typed", check=0)
    messages = wait_for(lambda: len(m := ask("GET", path + "/mailbox")[1]["messages"]) == 2 and m, "both are there")
    assert [m["payload"] for m in messages] == [{"n": {"int": str(2**53 + 1)}}, "typed"]
    assert any(box["app"] == name for box in ask("GET", "/agents/house/mailboxes")[1]["mailboxes"])
    assert "typed" in berth("messages", "--agent", "house", name, check=0).out
    assert name in berth("messages", "--agent", "house", check=0).out
    berth("outbox", "--agent", "house", check=0)
    berth("trace", "--agent", "house", check=0)
    assert ask("DELETE", f"{path}/mailbox/{messages[0]['id']}")[0] in (200, 204)
    assert ask("DELETE", path + "/mailbox")[0] in (200, 204)
    assert ask("GET", path + "/mailbox")[1]["messages"] == []


def test_metrics_explain_and_check(pair, berth):
    path = f"/agents/house/apps/measured-{berth.version}"
    installed(pair, f"measured-{berth.version}", SLEEP)
    ask = pair.up.panel.ask
    figures = wait_for(lambda: (m := ask("GET", path + "/metrics")[1])["time"] and m, "figures, as a controller looks")
    assert {len(column) for column in figures.values()} == {len(figures["time"])} and figures["rss_bytes"][-1] >= figures["pss_bytes"][-1] > 0
    assert "running" in ask("GET", path + "/explain")[1]["explanation"]
    assert ask("GET", path + "/check")[1] == {"obstacles": []}
    assert "running" in berth("explain", f"house/measured-{berth.version}", check=0).out
    berth("check", f"house/measured-{berth.version}", check=0)
    assert "agent house at tcp://" in berth("doctor").out
    path = installed(pair, f"many-{berth.version}", SLEEP + "instances = 2\n", start=False, instance=".1")
    assert ask("POST", path + "/scale", {"count": 3})[1] == {"changed": [f"many-{berth.version}.3"]}


def test_what_only_its_own_machine_may_do(pair, berth):
    for words in (["agent", "stop"], ["agent", "authorize", "0" * 64], ["token", "app", "x"], ["agent", "upgrade"]):
        result = berth("--agent", "house", *words)
        assert result.code != 0 and result.err, words
    assert pair.house.berth("list", "--agent", "house").code == 0


def test_an_older_controller_as_a_viewer(pair, bins):
    """It knows nothing of roles, and passes on what it is refused."""
    if pair.house.folder != bins["new"]:
        pytest.skip("an older agent knows no roles")
    path = installed(pair, "watched", SLEEP, start=False)
    key = pair.up.berth("controller", "public-key", check=0).out.strip()
    pair.house.berth("--agent", "house", "agent", "authorize", key, "--role", "viewer", check=0)
    try:
        status, reply = pair.up.panel.ask("POST", path + "/start")
        assert status == 502 and "has not the right" in reply["detail"] and pair.house.state("watched") == "stopped", (status, reply)
        assert pair.up.panel.ask("GET", path + "/explain")[0] == 200
        assert "house/watched" in pair.up.berth("list", check=0).out
    finally:
        pair.house.berth("--agent", "house", "agent", "authorize", key, check=0)
    wait_for(lambda: pair.up.panel.ask("POST", path + "/start")[0] == 200, "it may again", 20)


# --- the command line of one version, the agent of the other, on one machine


@pytest.fixture(scope="module", params=VERSIONS)
def local(request, tmp_path_factory, bins):
    """A home whose agent is of this version; berth() is of the other one."""
    it = Home(tmp_path_factory.mktemp("local") / "home", folder=bins[request.param])
    it.up()
    it.version, it.folder = request.param, bins[other(request.param)]
    yield it
    it.down()
    it.destroy()


def test_the_command_line_at_a_local_agent(local):
    local.load("one.toml", CAT.format("one"))
    assert local.state("one") == "stopped" and "one" in local.berth("list", check=0).out
    assert local.berth("start", "one", check=0).out == "one: started\n"
    pid = local.app("one")["pid"]
    assert local.berth("restart", "one", check=0).out == "one: restarted\n"
    assert local.app("one")["pid"] != pid
    local.berth("connect", "one", stdin=b"first\n", check=0)
    wait_for(lambda: local.berth("logs", "one", check=0).out == "first\n", "its line")
    follow_one_more_line(local, "one", local.folder, lambda line: local.berth("connect", "one", stdin=line.encode(), check=0))
    assert "running" in local.berth("explain", "one", check=0).out
    assert "one" in local.berth("status", "one", check=0).out
    assert local.berth("notify", "one", "typed", check=0) and "typed" in local.berth("messages", "one", check=0).out
    assert local.berth("poll", "one", check=0).out == "typed\n"
    for words in (["check", "one"], ["history", "one"], ["crashes", "one"], ["events"], ["messages"], ["outbox"], ["trace"], ["reload", "one"],
                  ["scan"], ["token", "app", "one"], ["is-active", "one"]):
        local.berth(*words, check=0)
    doctor = local.berth("doctor")
    assert doctor.code in (0, 1) and doctor.out
    assert local.berth("stop", "one", check=0).out == "one: stopped\n"
    assert local.state("one") == "stopped" and local.app("one")["exit_code"] == -15
    assert local.berth("start", "nobody").code not in (0, 70)
    local.berth("clean", "one", check=0)
    assert local.apps() == {}


def test_peers_are_let_in_and_shown(local):
    key = zmq.utils.z85.decode(zmq.curve_keypair()[0]).hex()
    local.berth("agent", "authorize", key, "--name", "boss", check=0)
    info = json.loads(local.berth("--json", "agent", "peers", check=0).out)
    assert [(peer["key"], peer["name"]) for peer in info["peers"]] == [(key, "boss")]
    assert key in local.berth("agent", "peers", check=0).out
    local.berth("agent", "revoke", key, check=0)
    assert json.loads(local.berth("--json", "agent", "peers", check=0).out)["peers"] == []


def test_a_role_is_kept_or_refused(local, bins):
    """An older agent lets each key do all: what is to be a viewer must not be let in there."""
    new_agent = local.version == "new"
    key = zmq.utils.z85.decode(zmq.curve_keypair()[0]).hex()
    local.berth("agent", "authorize", key, folder=bins["old"], check=0)
    peers = json.loads(local.berth("--json", "agent", "peers", folder=bins["new"], check=0).out)["peers"]
    assert [peer.get("role", "admin") for peer in peers] == ["admin"], "an older command line means what it always meant"
    local.berth("agent", "revoke", key, folder=bins["old"], check=0)
    said = local.berth("agent", "authorize", key, "--role", "viewer", folder=bins["new"])
    peers = json.loads(local.berth("--json", "agent", "peers", folder=bins["new"], check=0).out)["peers"]
    if new_agent:
        assert said.code == 0 and [peer["role"] for peer in peers] == ["viewer"]
        local.berth("agent", "revoke", key, check=0)
    else:
        assert said.code == 1 and "agent is older" in said.err and "berth agent upgrade" in said.err, said.err
        assert peers == []


# --- one version after the other


def test_an_upgrade_in_place_keeps_what_runs_and_waits(tmp_path, bins):
    home = Home(tmp_path / "home", folder=bins["old"])
    try:
        home.up()
        home.load("steady.toml", CAT.format("steady"))
        home.berth("start", "steady", check=0)
        home.berth("connect", "steady", stdin=b"before\n", check=0)
        home.berth("notify", "steady", "kept", check=0)
        home.berth("notify", "far/b", "kept too", check=0)
        key = zmq.utils.z85.decode(zmq.curve_keypair()[0]).hex()
        home.berth("agent", "authorize", key, "--name", "boss", check=0)
        app, keeper, agent = home.app("steady"), home.pid_of("keeper"), home.pid_of("agent")
        home.folder = bins["new"]
        home.berth("agent", "upgrade", check=0)
        assert home.pid_of("keeper") == keeper and home.pid_of("agent") != agent
        for which in ("keeper", "agent"):
            assert os.path.realpath(f"/proc/{home.pid_of(which)}/exe") == os.path.realpath(bins["new"] / f"berth-{which}")
        assert home.app("steady")["pid"] == app["pid"] and home.state("steady") == "running"
        home.berth("connect", "steady", stdin=b"after\n", check=0)
        wait_for(lambda: home.berth("logs", "steady", check=0).out == "before\nafter\n", "the log goes on")
        assert home.berth("poll", "steady", check=0).out == "kept\n"
        assert home.berth("outbox", "--json", check=0).json()[0]["count"] == 1
        peers = json.loads(home.berth("--json", "agent", "peers", check=0).out)["peers"]
        assert [(peer["key"], peer["name"], peer["role"]) for peer in peers] == [(key, "boss", "admin")]
        home.berth("stop", "steady", check=0)
        assert home.app("steady")["exit_code"] == -15
    finally:
        home.down()
        home.destroy()


def test_going_back_lets_nobody_do_more(tmp_path, bins):
    """What runs and waits is kept on the way back too; a key with a role that the older agent does not know is not let in by it."""
    home = Home(tmp_path / "home", folder=bins["new"])
    try:
        home.up()
        home.load("steady.toml", CAT.format("steady"))
        home.berth("start", "steady", check=0)
        home.berth("notify", "steady", "kept", check=0)
        keys = {role: zmq.utils.z85.decode(zmq.curve_keypair()[0]).hex() for role in ("admin", "operator", "viewer")}
        for role, key in keys.items():
            home.berth("agent", "authorize", key, "--name", role, "--role", role, check=0)
        pid = home.app("steady")["pid"]

        def peers():
            return [peer["key"] for peer in json.loads(home.berth("--json", "agent", "peers", check=0).out)["peers"]]

        assert peers() == list(keys.values())
        for folder, expected in ((bins["old"], [keys["admin"]]), (bins["new"], list(keys.values()))):
            home.folder = folder
            home.berth("agent", "upgrade", check=0)
            assert os.path.realpath(f"/proc/{home.pid_of('agent')}/exe") == os.path.realpath(folder / "berth-agent")
            assert peers() == expected
            assert home.app("steady")["pid"] == pid and home.state("steady") == "running"
        shown = json.loads(home.berth("--json", "agent", "peers", check=0).out)["peers"]
        assert {peer["role"]: peer["key"] for peer in shown} == keys
        assert home.berth("poll", "steady", check=0).out == "kept\n"
    finally:
        home.down()
        home.destroy()


def test_a_newer_controller_knows_what_an_older_one_knew(tmp_path, bins):
    pair = Pair(tmp_path, bins["old"], bins["old"])
    try:
        pair.begin()
        pair.up.berth("controller", "add-user", "vic", "--role", "viewer", stdin=b"correct horse battery\n", check=0)
        pair.up.berth("down", check=0, timeout=120)
        pair.up.folder = bins["new"]
        pair.up.berth("up", "--detach", "--listen", "127.0.0.1:0", check=0)
        panel = pair.up.panel
        panel.host = (pair.up.path / "controller/run/address").read_text().strip().split("//")[1].rstrip("/")
        wait_for(lambda: {a["name"]: a["state"] for a in panel.ask("GET", "/agents")[1].get("agents", [])} ==
                 {"default": "connected", "house": "connected"}, "both are connected, and the session holds")
        assert {u["name"]: u["role"] for u in panel.ask("GET", "/users")[1]["users"]} == {"admin": "admin", "vic": "viewer"}
    finally:
        pair.destroy()
