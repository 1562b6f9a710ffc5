"""contracts/ipc on the wire: every verb, every code, every promise."""

import os
import pathlib
import signal
import stat
import time

import pytest

from berthlib import alive, wait_for
from relaylib import Apps, pack, unpack


@pytest.fixture
def apps(home):
    it = Apps(home)
    for name in ("a", "b", "c"):
        it.install(name)
    yield it
    it.close()


# --- who speaks ----------------------------------------------------------------------------------


def test_hello_comes_first(apps):
    wire = apps.stranger()
    for verb in ("ping", "version", "list", "notify", "poll", "ack", "clear", "request", "respond", "raise",
                 "start", "stop", "restart", "is_running", "is_available", "status", "config", "nonsense"):
        answer = wire.ask(verb)
        assert answer.code == 401, verb
        assert answer.info["error"]
    answer = wire.ask("hello", app="a", secret=apps.secret("a"))
    assert answer.code == 0
    assert answer.info == {"agent": "default", "version": wire.do("version")["version"], "redeliver_ms": 30_000}
    assert wire.ask("ping").code == 0


def test_a_secret_is_private_and_its_own(apps):
    file = apps.home.agent_home / "secrets" / "a"
    secret = apps.secret("a")
    assert stat.S_IMODE(os.stat(file).st_mode) == 0o600
    assert stat.S_IMODE(os.stat(file.parent).st_mode) == 0o700
    assert len(secret) == 64 and secret != apps.secret("b")


def is_stranger(wire):
    """Whether what is said now comes from nobody; what was on its way when the connection was cut gets no answer."""
    try:
        return wire.answer(wire.send("poll"), 2).code == 401
    except TimeoutError:
        return False


def test_who_is_connected_with_a_secret_that_is_revoked_is_cut_off(apps):
    file = apps.home.agent_home / "secrets" / "revoked"
    other = apps.wire("b")
    wire = apps.wire("revoked", subscribe=True)
    assert wire.ask("poll").code == 0
    first = file.read_text()
    file.write_text(first)  # the same again revokes nothing
    assert wire.ask("poll").code == 0
    file.unlink()
    wait_for(lambda: is_stranger(wire), "it is cut off")
    second = apps.secret("revoked")
    assert second != first.strip()
    assert wire.ask("hello", app="revoked", secret=first.strip()).code == 401
    assert wire.ask("hello", app="revoked", secret=second).code == 0
    file.with_name("revoked.new").write_text("0" * 64)
    file.with_name("revoked.new").rename(file)
    wait_for(lambda: is_stranger(wire), "a secret that is replaced is gone too")
    assert other.ask("poll").code == 0


@pytest.mark.parametrize("wrong", ["", "x", "0" * 64, "\0" * 64], ids=["none", "short", "zeros", "nuls"])
def test_a_wrong_secret_is_refused(apps, wrong):
    apps.secret("a")
    wire = apps.stranger()
    assert wire.ask("hello", app="a", secret=wrong).code == 401
    assert wire.ask("poll").code == 401
    assert wire.ask("hello", app="a", secret=apps.secret("b")).code == 401
    assert wire.ask("hello", app="nobody", secret=wrong or "y").code == 401
    assert wire.ask("hello", app="../agent", secret="x").code == 400
    assert wire.ask("hello", app="a").code == 400
    assert wire.ask("hello", app=5, secret="x").code == 401  # no hello that could be read


def test_one_connection_is_one_app(apps):
    wire = apps.wire("a")
    assert wire.ask("hello", app="b", secret=apps.secret("b")).code == 409
    assert wire.ask("hello", app="a", secret=apps.secret("a")).code == 0
    apps.wire("b").do("notify", "for b", to="b")
    assert wire.poll() == []


def test_nobody_reads_acknowledges_clears_or_speaks_for_another(apps):
    a, b, c = apps.wire("a"), apps.wire("b"), apps.wire("c")
    ids = a.do("notify", "secret", to="b")["ids"]
    assert c.poll() == []
    assert c.poll(app="b", to="b") == []  # arguments of others say nothing
    assert c.ask("ack", ids=ids).code == 0
    assert c.poll(ack=ids, auto_ack=True) == []
    assert c.do("clear") == {"removed": 0}
    # Who sends is what hello has proved, whatever a message claims.
    answer = c.ask("notify", {"from": "a"}, to="b", **{"from": "a", "app": "a"})
    assert answer.code == 0
    got = b.poll()
    assert [(m["from"], p) for m, p in got] == [("a", "secret"), ("c", {"from": "a"})]
    assert got[0][0]["id"] == ids[0]


def test_a_respond_of_somebody_else_is_not_taken(apps):
    a, b, c = apps.wire("a"), apps.wire("b", subscribe=True), apps.wire("c")
    asked = a.send("request", "?", to="b", timeout_ms=5000)
    meta = b.push().meta
    assert c.ask("respond", "forged", to="a", correlation=meta["correlation"]).code == 404
    assert b.ask("respond", "wrong asker", to="c", correlation=meta["correlation"]).code == 404
    assert b.ask("respond", "right", to="a", correlation=meta["correlation"]).code == 0
    assert a.answer(asked).payload == ["right"]


# --- notify and poll -----------------------------------------------------------------------------


def test_messages_come_in_order_with_what_is_known_of_them(apps):
    a, b = apps.wire("a"), apps.wire("b")
    before = time.time() * 1000
    info = a.do("notify", "one", 2, {"three": [3, None, True, 1.5, b"x"]}, to="b")
    assert len(info["ids"]) == 3 and info["ids"] == sorted(set(info["ids"])) and info["known"] is True
    got = b.poll()
    assert [p for _, p in got] == ["one", 2, {"three": [3, None, True, 1.5, b"x"]}]
    assert [m["id"] for m, _ in got] == info["ids"]
    for meta, _ in got:
        assert meta["from"] == "a" and meta["attempt"] == 1
        assert before - 5000 < meta["time_ms"] < time.time() * 1000 + 5000
    assert b.poll() == []
    b.do("ack", ids=info["ids"])


def test_payload_bytes_are_not_touched(apps):
    a, b = apps.wire("a"), apps.wire("b")
    raw = bytes(range(256)) * 5  # no msgpack at all
    a.send_raw(pack([1, 77, "notify", {"to": "b"}]), raw)
    assert a.answer(77).code == 0
    b.socket.send_multipart([pack([1, 78, "poll", {}])])
    frames = b.socket.recv_multipart()
    assert frames[1] == raw


def test_poll_takes_at_most_max(apps):
    a, b = apps.wire("a"), apps.wire("b")
    a.do("notify", *range(10), to="b")
    assert [p for _, p in b.poll(max=3)] == [0, 1, 2]
    assert [p for _, p in b.poll(max=100)] == list(range(3, 10))
    assert b.poll(max=0) == []


def test_a_thousand_are_one_poll(apps):
    a, b = apps.wire("a"), apps.wire("b")
    a.do("notify", *range(2500), to="b", durable=False)
    assert [len(b.poll()) for _ in range(4)] == [1000, 1000, 500, 0]


def test_poll_waits_for_the_first_message(apps):
    a, b = apps.wire("a"), apps.wire("b")
    waiting = b.send("poll", wait_ms=10_000)
    assert not b.receive(0.2)
    a.do("notify", "at last", to="b")
    answer = b.answer(waiting, timeout=5)
    assert answer.payload == ["at last"]
    began = time.monotonic()
    assert b.poll(wait_ms=300) == []
    assert 0.25 < time.monotonic() - began < 5


def test_auto_ack_drains(apps):
    a, b = apps.wire("a"), apps.wire("b")
    a.do("notify", "x", to="b")
    assert [p for _, p in b.poll(auto_ack=True)] == ["x"]
    b.close()
    assert apps.wire("b").poll() == []


def test_ack_in_a_poll(apps):
    a, b = apps.wire("a"), apps.wire("b")
    a.do("notify", "x", "y", to="b")
    ids = [m["id"] for m, _ in b.poll()]
    assert b.poll(ack=ids[:1]) == []
    b.close()
    again = apps.wire("b").poll(wait_ms=10_000)  # until the other connection has gone
    assert [(p, m["attempt"]) for m, p in again] == [("y", 2)]


def test_what_is_not_acknowledged_comes_again_to_the_next_connection(apps):
    a, b = apps.wire("a"), apps.wire("b")
    a.do("notify", "x", "y", to="b")
    assert [m["attempt"] for m, _ in b.poll()] == [1, 1]
    for attempt in (2, 3):
        b.close()
        b = apps.wire("b")
        got = wait_for(b.poll, "offered again at once")
        assert [(m["attempt"], p) for m, p in got] == [(attempt, "x"), (attempt, "y")]
    b.do("ack", ids=[m["id"] for m, _ in got])
    b.close()
    assert apps.wire("b").poll() == []


def test_acknowledging_twice_or_nonsense_is_harmless(apps):
    a, b = apps.wire("a"), apps.wire("b")
    a.do("notify", "x", to="b")
    ids = [m["id"] for m, _ in b.poll()]
    for _ in range(2):
        assert b.ask("ack", ids=ids + [0, 2**63, 2**64 - 1]).code == 0


def test_clear(apps):
    a, b = apps.wire("a"), apps.wire("b")
    a.do("notify", 1, 2, 3, to="b")
    b.poll(max=1)
    assert b.do("clear") == {"removed": 3}
    assert b.poll() == []
    assert b.do("clear") == {"removed": 0}


def test_ttl(apps):
    a, b = apps.wire("a"), apps.wire("b")
    a.do("notify", "short", to="b", ttl_ms=50)
    a.do("notify", "long", to="b", ttl_ms=60_000)
    deadline = time.monotonic() + 0.2
    wait_for(lambda: time.monotonic() > deadline, "it is worthless now")
    assert [p for _, p in b.poll()] == ["long"]


@pytest.mark.parametrize("durable", [True, False])
def test_dedupe(apps, durable):
    a, b, c = apps.wire("a"), apps.wire("b"), apps.wire("c")
    first = a.do("notify", "x", "y", to="b", dedupe="k1", durable=durable)
    again = a.do("notify", "x", "y", to="b", dedupe="k1", durable=durable)
    assert again["ids"] == first["ids"] and again["repeated"] is True and "repeated" not in first
    c.do("notify", "of c", to="b", dedupe="k1", durable=durable)      # another sender's key
    a.do("notify", "to c", to="c", dedupe="k1", durable=durable)      # another receiver's
    a.do("notify", "number", to="b", dedupe=17, durable=durable)
    a.do("notify", "number", to="b", dedupe=17, durable=durable)
    assert [p for _, p in b.poll(auto_ack=True)] == ["x", "y", "of c", "number"]
    assert a.do("notify", "x", "y", to="b", dedupe="k1", durable=durable)["repeated"]  # after the ack, too
    assert b.poll() == []


def test_a_message_to_who_is_not_installed_is_kept(apps):
    a = apps.wire("a")
    assert a.do("notify", "early", to="later")["known"] is False
    apps.install("later")
    later = apps.wire("later")
    assert [p for _, p in later.poll()] == ["early"]
    assert a.do("notify", "x", to="later")["known"] is True


def test_to_with_the_agents_name(apps):
    a, b = apps.wire("a"), apps.wire("b")
    a.do("notify", "x", to="default/b")
    assert [p for _, p in b.poll()] == ["x"]
    assert a.ask("notify", "x", to="elsewhere/b").code == 403  # its descriptor has no word about other agents
    apps.install("far", '[ipc]\nmay_notify = ["elsewhere/.*"]\n')
    waits = apps.wire("far").do("notify", "x", to="elsewhere/b")  # no controller is there to say more
    assert len(waits["ids"]) == 1 and waits["known"] is None and waits["agent"] == "away"
    for bad in ("", "/", "default/", "a b", "x" * 65, "a/b/c", "../b", "\0"):
        assert a.ask("notify", "x", to=bad).code == 400, bad


def test_pipelined_requests_are_all_answered(apps):
    a, b = apps.wire("a"), apps.wire("b")
    numbers = [a.send("notify", i, to="b", durable=i % 3 != 0) for i in range(3000)]
    for number in numbers:
        assert a.answer(number).code == 0
    got = []
    while len(got) < 3000:
        got += b.poll(auto_ack=True)
    assert [p for _, p in got] == list(range(3000))  # durable and volatile ones keep their order


# --- push ----------------------------------------------------------------------------------------


def test_subscribed_messages_are_pushed(apps):
    a, b = apps.wire("a"), apps.wire("b", subscribe=True)
    a.do("notify", "x", to="b")
    push = b.push()
    assert push.payload == ["x"] and push.meta["from"] == "a" and push.meta["attempt"] == 1
    b.do("ack", ids=[push.meta["id"]])


def test_what_waited_is_pushed_when_the_receiver_subscribes(apps):
    apps.wire("a").do("notify", 1, 2, 3, to="b")
    b = apps.wire("b", subscribe=True)
    assert [b.push().payload[0] for _ in range(3)] == [1, 2, 3]


def test_the_window_is_a_thousand(apps):
    a, b = apps.wire("a"), apps.wire("b", subscribe=True)
    a.do("notify", *range(1500), to="b", durable=False)
    first = [b.push() for _ in range(1000)]
    assert [p.payload[0] for p in first] == list(range(1000))
    assert not b.receive(0.3)
    b.do("ack", ids=[p.meta["id"] for p in first[:400]])
    assert [b.push().payload[0] for _ in range(400)] == list(range(1000, 1400))
    assert not b.receive(0.3)


def test_a_pushed_message_comes_again_after_30_seconds(apps):
    a, b = apps.wire("a"), apps.wire("b", subscribe=True)
    a.do("notify", "x", to="b")
    assert b.push().meta["attempt"] == 1
    began = time.monotonic()
    again = b.push(timeout=40)
    assert again.meta["attempt"] == 2 and again.payload == ["x"]
    assert 28 < time.monotonic() - began < 36


def test_who_does_not_read_costs_others_nothing(apps):
    a, b, c = apps.wire("a"), apps.wire("b", subscribe=True), apps.wire("c")
    big = "x" * 100_000
    for _ in range(300):
        a.do("notify", big, to="b", durable=False)  # b does not read: 30 MB
    slowest = 0
    for i in range(200):
        began = time.monotonic()
        c.do("notify", i, to="c", durable=False)
        assert c.poll(auto_ack=True)[0][1] == i
        slowest = max(slowest, time.monotonic() - began)
    assert slowest < 0.25
    assert [len(b.push().payload[0]) for _ in range(300)] == [100_000] * 300


# --- requests, events ----------------------------------------------------------------------------


def test_request_and_respond(apps):
    a, b = apps.wire("a"), apps.wire("b")
    asked = a.send("request", {"n": 20}, to="b", timeout_ms=5000)
    (meta, payload), = wait_for(b.poll, "the request")
    assert payload == {"n": 20} and meta["from"] == "a" and meta["correlation"] > 0
    assert b.ask("respond", {"n": 21}, to="a", correlation=meta["correlation"]).code == 0
    answer = a.answer(asked)
    assert answer.code == 0 and answer.payload == [{"n": 21}]
    assert b.ask("respond", "twice", to="a", correlation=meta["correlation"]).code == 404
    assert b.poll() == []  # answering has acknowledged it


def test_a_request_times_out_and_leaves_nothing(apps):
    a, b = apps.wire("a"), apps.wire("b")
    answer = a.ask("request", "?", to="b", timeout_ms=100)
    assert answer.code == 504
    assert b.poll() == []
    assert a.ask("request", "?", to="nobody", timeout_ms=100).code == 404


def test_events_reach_every_other_subscribed_app(apps):
    a, b, c = apps.wire("a", subscribe=True), apps.wire("b", subscribe=True), apps.wire("c")
    seq = a.do("raise", {"x": 1}, type="made")["seq"]
    push = b.push("event")
    assert push.payload == [{"x": 1}]
    assert (push.meta["type"], push.meta["from"], push.meta["seq"]) == ("made", "a", seq)
    assert b.ask("raise", type="bare").code == 0
    bare = a.push("event")
    assert bare.payload == [] and bare.meta["seq"] == seq + 1
    assert not a.receive(0.2) and not c.receive(0)  # not to oneself, not to who has not subscribed


# --- apps ----------------------------------------------------------------------------------------


def test_start_stop_restart_and_asking(apps):
    a = apps.wire("a")
    assert a.do("is_running", app="b") == {"found": True, "state": "stopped", "running": False}
    assert a.do("is_available", app="b")["found"] is True
    assert a.do("is_available", app="zz")["found"] is False
    assert a.do("start", app="b")["found"] is True
    wait_for(lambda: a.do("is_running", app="b")["running"], "it runs")
    assert a.ask("start", app="b").code == 409
    first = apps.home.app("b")["pid"]
    assert a.do("status", app="b")["app"]["pid"] == first
    assert a.ask("restart", app="b").code == 0
    wait_for(lambda: a.do("status", app="b")["app"]["pid"] not in (None, first), "another one runs")
    assert a.ask("stop", app="b").code == 0
    wait_for(lambda: a.do("status", app="b")["state"] == "stopped", "it is stopped")
    for verb in ("start", "stop", "restart"):
        answer = a.ask(verb, app="zz")
        assert answer.code == 404 and answer.info["found"] is False
    status = a.do("status", app="zz")
    assert status["found"] is False and "app" not in status
    assert {app["id"] for app in a.do("list")["apps"]} == {"a", "b", "c"}
    assert "a" in apps.home.berth("events").out


def test_rights_in_the_descriptor(apps):
    apps.install("narrow", '[ipc]\nmay_control = ["b", "c.*"]\nmay_notify = ["b"]\n')
    apps.install("none", "[ipc]\nmay_control = []\nmay_notify = []\n")
    narrow, none = apps.wire("narrow"), apps.wire("none")
    assert narrow.ask("start", app="b").code == 0
    assert narrow.ask("start", app="c").code == 0
    assert narrow.ask("start", app="a").code == 403
    assert narrow.ask("notify", "x", to="b").code == 0
    assert narrow.ask("notify", "x", to="bb").code == 403
    assert narrow.ask("request", "x", to="a").code == 403
    for verb, args in (("start", {"app": "b"}), ("stop", {"app": "b"}), ("restart", {"app": "none"})):
        assert none.ask(verb, **args).code == 403
    assert none.ask("notify", "x", to="none").code == 403
    assert none.do("is_running", app="b")["found"] is True


def test_config(apps):
    apps.install("conf", '[config.word]\ntype = "string"\nvalue = "Hello"\n[config.n]\ntype = "int"\nvalue = 7\n'
                         '[config.f]\ntype = "float"\nvalue = 2.5\n[config.yes]\ntype = "bool"\nvalue = true\n')
    assert apps.wire("conf").do("config") == {"variables": {"word": "Hello", "n": 7, "f": 2.5, "yes": True}}
    assert apps.wire("a").do("config") == {"variables": {}}


# --- limits --------------------------------------------------------------------------------------


def test_a_mailbox_is_bounded(apps):
    a, b = apps.wire("a"), apps.wire("b")
    for _ in range(10):
        a.do("notify", *["x"] * 10_000, to="b", durable=False)
    assert a.ask("notify", "one more", to="b", durable=False).code == 429
    assert a.ask("notify", "one more", to="b").code == 429
    assert a.ask("notify", "another's", to="c").code == 0
    b.poll(max=1, auto_ack=True)
    assert a.ask("notify", "there is room again", to="b", durable=False).code == 0
    assert b.do("clear")["removed"] == 100_000


def test_a_mailbox_is_bounded_in_bytes(apps):
    a = apps.wire("a")
    blob = b"x" * (60 << 20)
    for _ in range(4):
        a.do("notify", blob, to="b", durable=False)
    assert a.ask("notify", blob, to="b", durable=False).code == 429
    apps.wire("b").do("clear")


def test_too_large_is_413_and_the_connection_goes_on(apps):
    a = apps.wire("a")
    assert a.ask("notify", b"x" * ((64 << 20) + 1), to="b", durable=False).code == 413
    assert a.ask("notify", *["x"] * 10_001, to="b", durable=False).code == 413
    assert a.ask("ping").code == 0
    biggest = b"x" * ((64 << 20) - 5)  # with its msgpack head exactly 64 MiB
    assert a.ask("notify", biggest, to="b", durable=False).code == 0
    apps.wire("b").do("clear")


@pytest.mark.parametrize("header, code", [
    (b"", 400), (b"\xc1", 400), (b"\x94", 400), (pack(5), 400), (pack([]), 400), (pack([1, 5]), 400),
    (pack([1, 0, "ping", {}]), 400), (pack([1, -1, "ping", {}]), 400), (pack([1, "1", "ping", {}]), 400),
    (pack([2, 9, "ping", {}]), 400), (pack([1, 9, "ping"]), 400), (pack([1, 9, "ping", []]), 400),
    (pack([1, 9, 5, {}]), 400), (pack([1, 9, "ping", {1: 2}]), 400), (pack([1, 9, "nonsense", {}]), 404),
    (pack([1, 9, "ping", {}]) + b"\0", 400), (pack([1, 9, "ping", {}, 5]), 400),
    (b"\x94\x01\x09\xa4ping\x82\xa2to\xa1a\xa2to\xa1b", 400),  # twice
    (pack([1, 9, "notify", {"to": 5}]), 400), (pack([1, 9, "notify", {"ttl_ms": "x"}]), 400),
    (pack([1, 9, "ack", {"ids": 5}]), 400), (pack([1, 9, "ack", {"ids": [-1]}]), 400),
    (pack([1, 9, "ack", {"ids": ["x"]}]), 400), (pack([1, 9, "poll", {"ack": [1.5]}]), 400),
    (b"\x94\x01\x09\xa4ping\xdf\xff\xff\xff\xff", 400), (b"\xdd\xff\xff\xff\xff", 400),
    (b"\x94\x01\x09\xa4ping\x81\xa1x" + b"\x91" * 1000 + b"\xc0", 400),
])
def test_malformed_headers_cost_a_400(apps, header, code):
    wire = apps.wire("a")
    wire.send_raw(header)
    assert wire.receive(5)
    (answer,) = wire.answers.values()
    assert answer.code == code and answer.info["error"]
    wire.answers.clear()
    assert wire.ask("ping").code == 0


def test_missing_or_superfluous_parts(apps):
    a = apps.wire("a")
    assert a.ask("notify", to="b").code == 400          # no payload
    assert a.ask("notify", "x").code == 400             # no receiver
    assert a.ask("request", to="b").code == 400
    assert a.ask("request", 1, 2, to="b").code == 400
    assert a.ask("respond", 1).code == 400
    assert a.ask("raise", "x").code == 400
    assert a.ask("raise", 1, 2, type="t").code == 400
    assert a.ask("poll", "x").code == 400
    assert a.ask("start").code == 400
    assert a.ask("ping", unknown={"of": ["a", "newer client"]}).code == 0
    a.send_raw(pack([1, 900, "notify", {"to": "b"}]), b"")
    assert a.answer(900).code == 400                    # an empty payload is no value


# --- promises over ends --------------------------------------------------------------------------


def test_acknowledged_messages_survive_a_kill_of_the_agent(apps):
    a, b = apps.wire("a"), apps.wire("b")
    durable = a.do("notify", 1, 2, 3, to="b", dedupe="k")["ids"]
    a.do("notify", "lost", to="b", durable=False)
    taken = a.do("notify", "taken", to="c")["ids"]
    c = apps.wire("c")
    assert [m["id"] for m, _ in c.poll()] == taken
    c.do("ack", ids=taken)
    old = apps.home.kill("agent")
    wait_for(lambda: not alive(old), "its end")
    b = apps.wire("b")
    got = b.poll()
    assert [(m["id"], m["from"], p) for m, p in got] == [(i, "a", n) for i, n in zip(durable, (1, 2, 3))]
    assert all(m["attempt"] > 1 for m, _ in got)  # they may have been given out before
    assert apps.wire("c").poll() == []
    a = apps.wire("a")
    assert a.do("notify", 1, 2, 3, to="b", dedupe="k")["ids"] == durable
    assert a.do("notify", "new", to="b")["ids"][0] > taken[0]


def test_acknowledged_messages_survive_an_orderly_end(apps):
    apps.wire("a").do("notify", "x", to="b")
    apps.home.down()
    apps.home.up()
    assert [p for _, p in apps.wire("b").poll()] == ["x"]


def test_those_who_wait_are_told_when_the_agent_ends(apps):
    b = apps.wire("b")
    waiting = b.send("poll", wait_ms=60_000)
    b.do("ping")
    apps.home.down()
    assert b.answer(waiting, timeout=10).code == 503


def test_a_full_disk_refuses_and_keeps(home):
    (home.agent_home / "agent.toml").write_text('[ipc]\nmax_store = "1MiB"\n')
    home.down()
    home.up()
    apps = Apps(home)
    for name in ("a", "b"):
        apps.install(name)
    a, b = apps.wire("a"), apps.wire("b")
    stored, code = [], 0
    for number in range(200):
        answer = a.ask("notify", [number, "x" * 20_000], to="b")
        code = answer.code
        if code != 0:
            assert "full" in answer.info["error"]
            break
        stored.append(number)
    assert code == 500 and len(stored) > 10
    assert a.ask("notify", "volatile ones need no disk", to="b", durable=False).code == 0
    got = b.poll()
    assert [p[0] for _, p in got[:-1]] == stored  # nothing that was refused has been seen
    old = home.kill("agent")
    wait_for(lambda: not alive(old), "its end")
    b = apps.wire("b")
    got = b.poll()
    assert [p[0] for _, p in got] == stored
    b.do("ack", ids=[m["id"] for m, _ in got])
    a = apps.wire("a")
    wait_for(lambda: a.ask("notify", "there is room again", to="b").code == 0, "it recovers by itself")


def test_idle_clients_cost_no_cpu(apps):
    wires = [apps.wire(name, subscribe=True) for name in ("a", "b", "c") for _ in range(10)]
    for wire in wires:
        wire.send("poll", wait_ms=60_000)
    wires[0].do("ping")

    def ticks():
        with open(f"/proc/{apps.home.pid_of('agent')}/stat", encoding="utf-8") as file:
            fields = file.read().rsplit(")", 1)[1].split()
        return int(fields[11]) + int(fields[12])
    began, before = time.monotonic(), ticks()
    wait_for(lambda: time.monotonic() - began > 3, "three seconds of nothing")
    assert ticks() - before <= 3  # of 300


def test_a_killed_receiver_gets_the_rest_again(apps, tmp_path):
    """Messages that a receiver held when it was killed come again at once, not after 30 s."""
    a = apps.wire("a")
    a.do("notify", *range(5), to="b")
    secret = apps.secret("b")
    pid = os.fork()
    if pid == 0:
        import zmq  # pylint: disable=import-outside-toplevel  # a context of its own
        socket = zmq.Context().socket(zmq.DEALER)
        socket.connect(apps.endpoint)
        socket.send(pack([1, 1, "hello", {"app": "b", "secret": secret}]))
        socket.recv()
        socket.send(pack([1, 2, "poll", {}]))
        (tmp_path / "got").write_text(str(len(unpack(socket.recv_multipart()[0])[3]["messages"])))
        signal.pause()
    wait_for(lambda: (tmp_path / "got").exists() and (tmp_path / "got").read_text() == "5", "it has them")
    b = apps.wire("b")
    assert b.poll() == []
    waiting = b.send("poll", wait_ms=10_000)
    b.do("ping")
    os.kill(pid, signal.SIGKILL)
    os.waitpid(pid, 0)
    answer = b.answer(waiting, timeout=5)
    assert answer.payload == list(range(5)) and {m["attempt"] for m in answer.info["messages"]} == {2}


def test_memory_is_given_back_after_a_burst(apps):
    def resident():
        status = pathlib.Path(f"/proc/{apps.home.pid_of('agent')}/status").read_text()
        return int(status.split("VmRSS:")[1].split()[0]) >> 10  # MiB
    before = resident()
    a, b = apps.wire("a"), apps.wire("b")
    asked = [a.send("notify", *["x" * 500] * 1000, to="b", durable=False) for _ in range(100)]
    assert all(a.answer(n).code == 0 for n in asked)
    assert resident() > before + 40
    while b.poll(auto_ack=True):
        pass
    wait_for(lambda: resident() < before + 20, "it is as small as before")
