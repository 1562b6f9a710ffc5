"""Messages, requests and events between apps of two agents, over a controller; one of them over TCP with CURVE."""

import asyncio
import os
import pathlib
import signal
import sqlite3
import sys

import msgpack
import pytest
import zmq

from acrosslib import Pair
from berthlib import alive, wait_for
from relaylib import Refused, pack


@pytest.fixture(scope="module")
def pair(tmp_path_factory):
    it = Pair(tmp_path_factory.mktemp("across"))
    it.begin()
    yield it
    it.destroy()


@pytest.fixture
def names(request):
    """Ids that no other test uses."""
    stem = request.node.name.replace("test_", "")[:40].strip("_[")
    return stem + ".a", stem + ".b"


def numbers(wire, count, **args):
    got = []
    while len(got) < count:
        messages = wire.poll(wait_ms=10_000, auto_ack=True, **args)
        assert messages, f"only {len(got)} of {count}"
        got += messages
    return got


def test_there_and_back(pair, names):
    a, b = pair.near.wire(names[0]), pair.far.wire(names[1])
    told = a.do("notify", {"x": [1, None]}, "two", to=f"house/{names[1]}")
    assert len(told["ids"]) == 2 and told["agent"] == "connected" and told["known"] is None
    first, second = numbers(b, 2)
    assert first[0]["from"] == f"default/{names[0]}" and first[0]["attempt"] == 1
    assert (first[1], second[1]) == ({"x": [1, None]}, "two")
    wait_for(lambda: a.do("notify", 3, to=f"house/{names[1]}")["known"] is True, "what the other side tells")
    b.do("notify", "back", to=first[0]["from"])
    assert [(m["from"], p) for m, p in numbers(a, 1)] == [(f"house/{names[1]}", "back")]


def test_the_traces_of_both_agents_tell_it(pair, names):
    a, b = pair.near.wire(names[0]), pair.far.wire(names[1])
    a.do("notify", "seen", to=f"house/{names[1]}")
    numbers(b, 1)

    def traced(home, app):
        entries = home.berth("--agent", home.agent, "trace", app, "--json", check=0).json()
        return [(e["from"], e["to"], e["outcome"]) for e in entries]

    wait_for(lambda: traced(pair.near.home, names[0]) == [(names[0], f"house/{names[1]}", "sent")], "what the sender's says")
    assert traced(pair.far.home, names[1]) == [(f"default/{names[0]}", names[1], "acknowledged")]


def test_order_and_size(pair, names):
    a, b = pair.near.wire(names[0]), pair.far.wire(names[1])
    big = os.urandom(20 << 20)
    asked = [a.send("notify", n, to=f"house/{names[1]}", durable=n % 3 != 0) for n in range(3000)]
    asked.append(a.send("notify", big, to=f"house/{names[1]}"))
    asked += [a.send("notify", n, to=f"house/{names[1]}") for n in range(3000, 3100)]
    assert all(a.answer(n).code == 0 for n in asked)
    got = [p for _, p in numbers(b, 3101)]
    assert got[3000] == big and got[:3000] + got[3001:] == list(range(3100))


def test_an_app_that_is_not_installed_yet(pair, names):
    a = pair.near.wire(names[0])
    a.do("notify", "early", to=f"house/{names[1]}")
    wait_for(lambda: a.do("notify", "more", to=f"house/{names[1]}")["known"] is False, "what the other side tells")
    assert numbers(pair.far.wire(names[1]), 1)[0][1] == "early"


def test_the_own_agents_name_is_no_detour(pair, names):
    a, b = pair.near.wire(names[0]), pair.near.wire(names[1])
    assert "agent" not in a.do("notify", "x", to=f"default/{names[1]}")
    assert [(m["from"], p) for m, p in b.poll()] == [(names[0], "x")]


def test_dedupe(pair, names):
    a, b = pair.near.wire(names[0]), pair.far.wire(names[1])
    first = a.do("notify", "once", to=f"house/{names[1]}", dedupe="k")
    again = a.do("notify", "once", to=f"house/{names[1]}", dedupe="k")
    assert again["ids"] == first["ids"] and again["repeated"]
    a.do("notify", "end", to=f"house/{names[1]}")
    assert [p for _, p in numbers(b, 2)] == ["once", "end"]


def test_requests(pair, names):
    a, b = pair.near.wire(names[0]), pair.far.wire(names[1])
    asked = a.send("request", {"q": 1}, to=f"house/{names[1]}")
    meta, payload = numbers(b, 1)[0]
    assert payload == {"q": 1} and meta["from"] == f"default/{names[0]}"
    other = pair.far.wire(names[1] + "2")
    assert other.ask("respond", "forged", to=meta["from"], correlation=meta["correlation"]).code == 404
    assert b.ask("respond", "no", to="default/else", correlation=meta["correlation"]).code == 404
    b.do("respond", {"a": 2}, to=meta["from"], correlation=meta["correlation"])
    answer = a.answer(asked)
    assert answer.code == 0 and answer.payload == [{"a": 2}]
    assert b.ask("respond", "late", correlation=meta["correlation"]).code == 404
    assert a.ask("request", 1, to=f"house/{names[1]}", timeout_ms=200).code == 504
    assert a.ask("request", 1, to=f"house/{names[0]}.nobody").code == 404
    assert a.ask("request", 1, to="nowhere/x").code == 404


def test_events(pair, names):
    a, near = pair.near.wire(names[0]), pair.near.wire(names[1])
    secret = pair.far.secret(names[1])
    wires = []
    for agent in ("*", "default", ["x", "default"], "another", None):
        wire = pair.far.stranger()
        wire.do("hello", app=names[1], secret=secret, subscribe=True, **({"agent": agent} if agent else {}))
        wires.append(wire)
    near.do("hello", app=names[1], secret=pair.near.secret(names[1]), subscribe=True)

    def heard():
        number = a.do("raise", {"p": 1}, type="go")["seq"]
        return wires[0].receive(0.2) and number
    wait_for(heard, "that somebody listens is known")
    seq = a.do("raise", {"p": 2}, type="last")["seq"]
    for wire in wires[:3]:
        event = wire.push("event")
        while event.meta["type"] != "last":
            event = wire.push("event")
        assert event.payload == [{"p": 2}] and event.meta["seq"] == seq
        assert (event.meta["from"], event.meta["agent"]) == (f"default/{names[0]}", "default")
    asked = [a.send("raise", n, type="many") for n in range(5000)]  # far more than a socket's queue holds frames
    assert [wires[0].push("event").payload for _ in range(5000)] == [[n] for n in range(5000)]
    assert all(a.answer(n).code == 0 for n in asked)
    for wire in wires[1:3]:
        for _ in range(5000):
            wire.push("event")
    own = pair.far.wire(names[0])
    own.do("raise", type="own")
    for wire in wires:  # its own agent's come as ever, and of the others nothing has come before
        event = wire.push("event")
        assert (event.meta["type"], event.meta["from"], event.meta["agent"]) == ("own", names[0], "house")
    assert near.push("event").meta["from"] == names[0]
    assert pair.far.stranger().ask("hello", app=names[1], secret=secret, agent=5).code == 400


def test_waits_while_the_controller_is_away(pair, names):
    a, b = pair.near.wire(names[0]), pair.far.wire(names[1])
    pid = pair.controller_pid
    os.kill(pid, signal.SIGSTOP)
    try:
        wait_for(lambda: a.do("notify", "x", to="house/void", durable=False)["agent"] == "away", "it is missed")
        for n in range(50):
            assert a.do("notify", n, to=f"house/{names[1]}")["agent"] == "away"
        assert b.poll(wait_ms=100) == []
        box = pair.outbox(pair.up, "house")
        assert box["count"] >= 50 and box["state"] == "away" and box["oldest"]
        text = pair.up.berth("outbox", check=0).out
        assert "house" in text and "away" in text
        said = pair.up.berth("notify", "house/void", "x", "--ttl", "1s", check=0)
        assert "waits for house/void; the way to house is interrupted" in said.out
    finally:
        os.kill(pid, signal.SIGCONT)
    assert [p for _, p in numbers(b, 50)] == list(range(50))
    wait_for(lambda: pair.outbox(pair.up, "house")["count"] == 0, "the outbox is empty")


def test_waits_while_the_receivers_agent_is_down(pair, names):
    a = pair.near.wire(names[0])
    pair.far.secret(names[1])
    pair.house.berth("--agent", "house", "agent", "stop", check=0)
    wait_for(lambda: a.do("notify", "x", to="house/void", durable=False, ttl_ms=1)["agent"] == "away", "it is missed")
    a.do("notify", "stale", to=f"house/{names[1]}", ttl_ms=1)
    for n in range(10):
        a.do("notify", n, to=f"house/{names[1]}")
    old = pair.up.kill("agent")  # what waits is on the disk
    wait_for(lambda: not alive(old), "its end")
    pair.house.up()
    assert [p for _, p in numbers(pair.far.wire(names[1]), 10)] == list(range(10))
    pair.joined()


def test_a_full_mailbox_holds_up_its_own_stream_alone(pair, names):
    pair.house.configure("max_messages = 5")
    pair.house.kill("agent")
    pair.joined()
    a, b, c = pair.near.wire(names[0]), pair.far.wire(names[1]), pair.far.wire(names[1] + "2")
    for n in range(20):
        a.do("notify", n, to=f"house/{names[1]}")
    a.do("notify", "past it", to=f"house/{names[1]}2")
    assert numbers(c, 1)[0][1] == "past it"
    wait_for(lambda: "is full" in pair.outbox(pair.up, "house")["error"], "it says why")
    assert [p for _, p in numbers(b, 20, max=3)] == list(range(20))
    pair.house.configure("")
    pair.house.kill("agent")
    pair.joined()


def test_without_a_word_about_it_an_app_speaks_to_its_own_agent_alone(pair, names):
    pair.near.install(names[0], "")
    a = pair.near.wire(names[0])
    refused = a.ask("notify", 1, to=f"house/{names[1]}")
    assert refused.code == 403 and 'may_notify = ["house/.*"]' in refused.info["error"]
    assert a.ask("request", 1, to=f"house/{names[1]}").code == 403
    a.do("notify", 1, to=names[1])
    pair.near.install(names[1] + "2", '[ipc]\nmay_notify = ["house/.*"]\n')
    b = pair.near.wire(names[1] + "2")
    b.do("notify", 1, to=f"house/{names[1]}")
    assert b.ask("notify", 1, to=f"shop/{names[1]}").code == 403


def test_rights(pair, names):
    pair.near.install(names[0], '[ipc]\nmay_notify = ["house/only.*", "x"]\n')
    a = pair.near.wire(names[0])
    assert a.ask("notify", 1, to=f"house/{names[1]}").code == 403
    assert a.ask("request", 1, to=f"house/{names[1]}").code == 403
    a.do("notify", 1, to="house/only.this")
    pair.house.configure('accept = ["shop.*"]\nshare_events = false')
    pair.house.kill("agent")
    pair.joined()
    free = pair.near.wire(names[0] + "2")
    free.do("notify", 1, to="house/only.this")
    wait_for(lambda: (box := pair.outbox(pair.up, "house"))["refused"] >= 1 and not box["count"], "it is refused")
    assert "does not accept" in pair.outbox(pair.up, "house")["error"]
    free.do("hello", app=names[0] + "2", secret=pair.near.secret(names[0] + "2"), subscribe=True, agent="*")
    with pytest.raises(Refused, match="403"):
        free.do("request", 1, to="house/only.this")
    pair.far.wire(names[1]).do("raise", type="kept to itself")
    pair.far.wire(names[1]).do("notify", "but messages go out", to=f"default/{names[0]}2")
    assert free.push("message").payload == ["but messages go out"] and not [p for p in free.pushes if p.kind == "event"]
    pair.house.configure("")
    pair.house.kill("agent")
    pair.joined()


def test_giving_up_what_waits(pair):
    pair.near.wire("giver").do("notify", "x", to="nowhere/b")
    said = pair.up.berth("notify", "nowhere/c", "x", check=0)
    assert "no controller knows an agent nowhere" in said.out
    assert pair.outbox(pair.up, "nowhere")["state"] == "unknown" and pair.outbox(pair.up, "nowhere")["count"] == 2
    assert "gave up 2" in pair.up.berth("outbox", "--drop", "nowhere", check=0).out
    assert pair.up.berth("outbox", "--drop", "nowhere").code == 3
    with sqlite3.connect(f"file:{pair.up.agent_home}/relay.db?mode=ro", uri=True) as db:
        wait_for(lambda: db.execute("SELECT count(*) FROM outbox WHERE agent = 'nowhere'").fetchone()[0] == 0, "it is gone")


# --- those who pretend


class Fake:
    """An agent of the controller's own machine that says what it likes."""

    def __init__(self, pair, name):
        folder = pair.up.path / "agents" / name / "run"
        folder.mkdir(parents=True)
        self.socket = zmq.Context.instance().socket(zmq.ROUTER)
        self.socket.linger = 0
        self.socket.bind(f"ipc://{folder}/control.sock")
        self.route, self.frames = None, []

    def send(self, kind, peer, body):
        self.socket.send_multipart([self.route, b"M\x01" + bytes([kind]) + pack(0) + pack(peer) + body])

    def turn(self):
        """Takes in one frame; says welcome to a hello."""
        if not self.socket.poll(50):
            return False
        route, frame = self.socket.recv_multipart()
        if frame[:2] == b"M\x01":
            if frame[2] == 1:
                self.route = route
                self.send(2, "", pack(7))
            rest = msgpack.Unpacker(raw=False, unicode_errors="surrogateescape", strict_map_key=False)
            rest.feed(frame[3:])
            self.frames.append((frame[2], list(rest)))
        return True

    def until(self, wanted, what):
        def look():
            self.turn()
            return next((f for f in self.frames if wanted(f)), None)
        return wait_for(look, what)


def test_nobody_speaks_for_another_agent(pair, names):
    fake = Fake(pair, "evil")
    try:
        fake.until(lambda _: fake.route, "the controller says hello")
        near, far = pair.near.wire(names[0]), pair.far.wire(names[1])
        origin = pack("epoch") + pack(9)

        def parcel(app, number=1):
            return pack([0, 1, number, 0, app, names[1], 1, 0, True, 0, pack("hi")])
        # Names of other agents in what it sends: malformed, for the frame's peer is who has sent it.
        fake.send(8, "house", origin + parcel("default/near"))
        fake.send(8, "house", origin + parcel("", 2) + b"\xc1")
        fake.send(8, "house", origin + parcel("near", 5))
        assert [m["from"] for m, _ in numbers(far, 1)] == ["evil/near"]
        verdict = fake.until(lambda f: f[0] == 9, "its verdict")
        assert verdict[1][1] == "house" and verdict[1][-1][:3] == [1, 5, 0]
        # A verdict on what waits for another agent takes nothing away.
        near.do("notify", "kept", to="evil/x")
        pair.house.berth("--agent", "house", "agent", "stop", check=0)
        wait_for(lambda: near.do("notify", 0, to="house/void", durable=False, ttl_ms=1)["agent"] == "away", "it is missed")
        mine = near.do("notify", "mine", to=f"house/{names[1]}")["ids"][0]
        got = fake.until(lambda f: f[0] == 8, "the parcel for itself")
        assert got[1][1] == "default"
        ours = got[1][2:4]  # epoch and life
        for lane in range(1, 60):
            fake.send(9, "default", b"".join(map(pack, ours)) + pack([lane, mine, 0, True, ""]))
        fake.send(9, "default", b"".join(map(pack, ours)) + pack([*got[1][4][1:3], 0, True, ""]))
        wait_for(lambda: pair.outbox(pair.up, "evil")["count"] == 0, "it may take what is its own")
        assert pair.outbox(pair.up, "house")["count"] >= 1
        pair.house.up()
        assert [p for _, p in numbers(pair.far.wire(names[1]), 1)] == ["mine"]
    finally:
        fake.socket.close()


def test_a_stranger_gets_no_mail_in(pair, names):
    keys = zmq.curve_keypair()
    socket = zmq.Context.instance().socket(zmq.DEALER)
    socket.linger = 0
    socket.curve_serverkey = (pair.house.agent_home / "keys" / "agent.pub").read_text().strip().encode()
    socket.curve_publickey, socket.curve_secretkey = keys
    socket.connect(pair.house.endpoint)
    try:
        socket.send(b"M\x01\x01" + pack(0) + pack("") + pack("me") + pack("house"), zmq.NOBLOCK)
        assert not socket.poll(1500)
    finally:
        socket.close()


def test_an_older_database_is_taken_over(tmp_path):
    from berthlib import Home  # pylint: disable=import-outside-toplevel
    home = Home(tmp_path / "home")
    home.agent_home.mkdir(parents=True)
    with sqlite3.connect(home.agent_home / "relay.db") as db:
        db.executescript(pathlib.Path(__file__).with_name("relay_v1.sql").read_text())
    try:
        home.up()
        assert home.berth("poll", "b", check=0).out == "of version 1\n"
        home.berth("notify", "far/b", "x", check=0)
        assert home.berth("outbox", "--json", check=0).json()[0]["count"] == 1
    finally:
        home.down()
        home.destroy()


# --- the client libraries


def test_the_python_clients(pair, names):
    sys.path.insert(0, str(pair.up.agent_home / "ipc"))
    try:
        import berth_ipc  # pylint: disable=import-outside-toplevel,import-error
    finally:
        sys.path.pop(0)
    app, endpoint, secret = names[1], pair.far.endpoint, pair.far.secret(names[1])
    near = berth_ipc.connect(names[0], pair.near.secret(names[0]), pair.near.endpoint)
    events, messages, told = [], [], []

    async def asynchronous():
        async with berth_ipc.AsyncClient(app, secret, endpoint, subscribe=True, agent=["default"]) as client:
            await client.ping()
            told.append(await client.notify(f"default/{names[0]}", "from async"))
            while not [e for e in told if isinstance(e, berth_ipc.Event)]:
                near.raise_event("go", 5)
                try:
                    told.append(await asyncio.wait_for(client.events().__anext__(), 0.3))
                except asyncio.TimeoutError:
                    pass

    with near, berth_ipc.connect(app, secret, endpoint) as far:
        sent = near.notify(f"house/{app}", {"n": 1})
        assert sent.agent == "connected" and sent.known is None
        message = far.poll(wait=10)[0]
        message.ack()
        assert message.sender == f"default/{names[0]}" and message.payload == {"n": 1}
        far.listen(lambda m: m.respond(m.payload * 2) if m.correlation else messages.append(m), events.append, agent="*")
        assert near.request(f"house/{app}", 21, timeout=10) == 42
        near.submit(f"house/{app}", "pipelined")()
        wait_for(lambda: near.raise_event("go", 5) and events, "the thread's client hears events of other agents")
        assert events[0][:3] == ("go", f"default/{names[0]}", 5) and events[0].agent == "default"
        wait_for(lambda: [m.payload for m in messages] == ["pipelined"], "its messages too")
        asyncio.run(asynchronous())
        assert told[0].agent == "connected" and told[-1].agent == "default"
        assert near.poll(wait=10)[0].payload == "from async"
