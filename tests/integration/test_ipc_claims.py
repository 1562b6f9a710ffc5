"""How long a receiver keeps what it was given: acknowledged as its handlers return, kept while they run, offered
again after that, and a dead letter in the end. On the wire, and with each library."""

import collections
import json
import os
import pathlib
import shutil
import signal
import sqlite3
import subprocess
import sys
import time

import pytest

from berthlib import alive, wait_for
from relaylib import Apps

AGENT = pathlib.Path(__file__).resolve().parents[2] / "agent"
NODE = AGENT / "sdk/node"
SHORT = '[ipc]\nredeliver_after = "600ms"\n'


@pytest.fixture
def apps(home):
    it = Apps(home)
    it.install("a")
    yield it
    it.close()


def environment(apps, name, **more):
    apps.secret(name)
    return {**os.environ, "BERTH_APP": name, "BERTH_IPC": apps.endpoint, "PYTHONPATH": str(AGENT / "sdk/python"),
            "BERTH_IPC_SECRET_FILE": str(apps.home.agent_home / "secrets" / name), **more}


def pause(seconds):
    until = time.monotonic() + seconds
    wait_for(lambda: time.monotonic() > until, "time passes")


def dead(apps, name):
    return json.loads(apps.home.berth("messages", name, "--dead", "--json").out)["messages"]


# --- on the wire ---------------------------------------------------------------------------------


def test_the_descriptor_says_when_it_is_offered_again(apps):
    apps.install("b", SHORT)
    assert apps.stranger().do("hello", app="b", secret=apps.secret("b"))["redeliver_ms"] == 600
    assert apps.stranger().do("hello", app="a", secret=apps.secret("a"))["redeliver_ms"] == 30_000
    apps.wire("a").do("notify", "x", to="b")
    b = apps.wire("b")
    ((first, _),) = b.poll()
    began = time.monotonic()
    ((again, _),) = b.poll(wait_ms=5000)
    assert 0.4 < time.monotonic() - began < 4
    assert (again["id"], again["attempt"]) == (first["id"], 2)
    apps.install("b", '[ipc]\nredeliver_after = "100s"\n')
    apps.home.berth("reload", "b", check=0)
    wait_for(lambda: apps.stranger().do("hello", app="b", secret=apps.secret("b"))["redeliver_ms"] == 100_000, "it counts")


def test_working_keeps_the_claim_and_release_gives_it_up(apps):
    apps.install("b", SHORT)
    ids = apps.wire("a").do("notify", 1, 2, 3, to="b")["ids"]
    b, other = apps.wire("b"), apps.wire("b")
    assert len(b.poll()) == 3
    for _ in range(4):
        assert b.do("working", ids=ids[:1])["kept"] == 1
        pause(0.3)
    assert other.do("working", ids=ids[:1])["kept"] == 1  # the app says it, over whatever connection
    got = other.poll(wait_ms=5000)
    assert [(m["id"], m["attempt"]) for m, _ in got] == [(ids[1], 2), (ids[2], 2)]
    assert b.do("release", ids=ids[:1])["released"] == 1
    assert [(m["id"], m["attempt"]) for m, _ in other.poll()] == [(ids[0], 2)]
    assert other.do("release", ids=ids[:1], unseen=True)["released"] == 1
    assert [m["attempt"] for m, _ in other.poll()] == [2]  # that was no attempt
    assert b.do("working", ids=[10**6, 0])["kept"] == 0
    assert b.ask("working", "x", ids=ids).code == 400 and b.ask("release", "x", ids=ids).code == 400
    mine = apps.wire("a")
    assert mine.do("release", ids=ids)["released"] == 0 and mine.do("working", ids=ids)["kept"] == 0  # not of a's


def test_events_alone(apps):
    apps.install("b")
    b = apps.stranger()
    b.do("hello", app="b", secret=apps.secret("b"), events=True)
    a = apps.wire("a")
    a.do("notify", "x", to="b")
    a.do("raise", type="made")
    assert b.push("event").meta["type"] == "made"
    assert [p for _, p in b.poll()] == ["x"]
    b.do("hello", app="b", secret=apps.secret("b"), subscribe=True)
    a.do("notify", "y", to="b")
    assert b.push().payload == ["y"]
    b.do("hello", app="b", secret=apps.secret("b"))
    a.do("raise", type="missed")
    a.do("notify", "z", to="b")
    assert not b.receive(0.2)


def test_after_its_last_attempt_a_message_is_a_dead_letter(apps):
    apps.install("b", SHORT + "max_attempts = 2\n")
    a, b = apps.wire("a"), apps.wire("b")
    ids = a.do("notify", "poison", "good", "bad", to="b")["ids"]
    assert len(b.poll()) == 3
    ((meta, payload),) = b.poll(wait_ms=5000)  # what has failed is given out alone
    assert (payload, meta["attempt"]) == ("poison", 2)
    b.do("ack", ids=[i for i in ids if i != ids[0]])
    wait_for(lambda: dead(apps, "b"), "it is dead")
    (letter,) = dead(apps, "b")
    assert (letter["id"], letter["payload"], letter["from"], letter["attempt"]) == (ids[0], "poison", "a", 2)
    assert letter["dead"] and not letter["held"]
    assert b.poll() == []
    boxes = {box["app"]: box for box in json.loads(apps.home.berth("messages", "--json").out)}
    assert (boxes["b"]["dead"], boxes["b"]["waiting"]) == (1, 0)
    assert "1 dead letter" in apps.home.berth("status", "b").out
    assert any(entry["outcome"] == "dead" for entry in json.loads(apps.home.berth("trace", "b", "--json").out))
    assert b.do("clear") == {"removed": 0} and dead(apps, "b")  # it does not wait

    # It survives, also its attempts.
    more = a.do("notify", "two", "three", to="b")["ids"]
    b.poll()
    pause(0.1)
    wait_for(lambda: b.poll(), "offered again")  # "two", at its last attempt
    old = apps.home.kill("agent")
    wait_for(lambda: not alive(old), "its end")
    b = apps.wire("b")
    assert [letter["id"] for letter in dead(apps, "b")] == ids[:1]

    # Sent again it is as new, at its old place.
    answer = apps.home.berth("messages", "b", "--resend", str(ids[0]))
    assert answer.code == 0 and "resent 1 message" in answer.out
    assert dead(apps, "b") == []
    assert [m["id"] for m, _ in b.poll(max=1)] == ids[:1]
    b.do("ack", ids=ids[:1] + more)
    assert apps.home.berth("messages", "b", "--resend", str(ids[0])).code != 0
    assert apps.home.berth("messages", "b", "--resend", "nonsense").code != 0


def test_dead_letters_are_removed_and_resent_by_whom_it_concerns(apps):
    apps.install("b", SHORT + "max_attempts = 1\n")
    a, b = apps.wire("a"), apps.wire("b")
    ids = a.do("notify", *range(5), to="b")["ids"] + a.do("notify", "volatile", to="b", durable=False)["ids"]
    assert len(b.poll()) == 6
    b.do("release", ids=ids)
    assert [letter["id"] for letter in dead(apps, "b")] == ids
    assert apps.home.berth("messages", "b", "--remove", str(ids[0]), check=0)
    assert a.do("drop") == {"removed": 0} and a.do("resend") == {"resent": 0}  # not of a's
    assert b.do("drop", ids=[ids[1], ids[1], 10**6]) == {"removed": 1}
    assert b.do("resend", ids=[ids[2]]) == {"resent": 1}
    assert [p for _, p in b.poll(auto_ack=True)] == [2]
    assert apps.home.berth("messages", "b", "--dead", "--clear").code != 0  # nobody to ask
    assert "resent 3 messages" in apps.home.berth("messages", "b", "--resend", "all").out
    assert [p for _, p in b.poll()] == [3, 4, "volatile"]
    b.close()  # its end is a failed attempt
    wait_for(lambda: len(dead(apps, "b")) == 3, "dead again")
    assert "removed 3 messages" in apps.home.berth("messages", "b", "--dead", "--clear", "--yes").out
    old = apps.home.kill("agent")
    wait_for(lambda: not alive(old), "its end")
    assert dead(apps, "b") == [] and apps.wire("b").poll() == []
    # A full mailbox counts them.
    apps.install("c", "[ipc]\nmax_attempts = 1\n")
    a, c = apps.wire("a"), apps.wire("c")
    for _ in range(10):
        a.do("notify", *["x"] * 10_000, to="c", durable=False)
    while got := c.poll():
        c.do("release", ids=[m["id"] for m, _ in got])
    assert a.ask("notify", "one more", to="c").code == 429
    assert c.do("drop")["removed"] == 100_000
    assert a.ask("notify", "one more", to="c").code == 0


def test_the_end_of_a_receiver_takes_no_innocent_message_with_it(apps):
    """A poison message ends its receiver each time; the hundred behind it are not dead for that."""
    apps.install("b", "[ipc]\nmax_attempts = 3\n")
    a = apps.wire("a")
    ids = a.do("notify", "poison", *range(100), to="b")["ids"]
    for attempt in (1, 2, 3):
        b = apps.wire("b", subscribe=True)
        assert b.push().meta["attempt"] == attempt
        if attempt > 1:
            assert not b.receive(0.2), "alone"
        b.close()
        wait_for(lambda: not [m for m in json.loads(apps.home.berth("messages", "b", "-n", "200", "--json").out)["messages"]
                              if m["held"]], "it has ended")
    assert [letter["id"] for letter in dead(apps, "b")] == ids[:1]
    left = json.loads(apps.home.berth("messages", "b", "-n", "200", "--json").out)["messages"]
    assert len(left) == 100 and {m["attempt"] for m in left} == {1}
    # Nor does it with one attempt alone, of which a restart would leave nothing.
    apps.install("c", "[ipc]\nmax_attempts = 1\n")
    ids = a.do("notify", *range(10), to="c")["ids"]
    c = apps.wire("c", subscribe=True)
    assert [c.push().payload for _ in range(10)] == [[n] for n in range(10)]
    c.close()
    wait_for(lambda: dead(apps, "c"), "it has ended")
    assert [letter["id"] for letter in dead(apps, "c")] == ids[:1]
    b = apps.wire("b", subscribe=True)
    got = []
    while len(got) < 100:
        push = b.push()
        got += push.payload
        b.do("ack", ids=[push.meta["id"]])
    assert got == list(range(100))


def test_an_old_journal_opens(home):
    """The relay.db of before: a version that knew no dead letters."""
    apps = Apps(home)
    for name in ("a", "b"):
        apps.install(name)
    apps.wire("a").do("notify", "old", to="b")
    apps.close()
    home.down()
    with sqlite3.connect(home.agent_home / "relay.db") as db:
        db.execute("ALTER TABLE message DROP COLUMN failures")
        db.execute("ALTER TABLE message DROP COLUMN dead_ms")
        db.execute("PRAGMA user_version = 2")
    db.close()
    home.up()
    assert [p for _, p in apps.wire("b").poll()] == ["old"]
    apps.close()


@pytest.mark.parametrize("text", ['redeliver_after = "50ms"', 'redeliver_after = "soon"', "max_attempts = -1", 'max_attempts = "x"'])
def test_a_wrong_setting_is_refused(home, text):
    (home.agent_home / "bad.toml").write_text(f'[app]\nid = "bad"\ncommand = "sleep 9"\n[ipc]\n{text}\n')
    answer = home.berth("load", str(home.agent_home / "bad.toml"))
    assert answer.code != 0 and text.split(" ", 1)[0] in answer.out + answer.err


# --- the libraries -------------------------------------------------------------------------------

PYTHON_SYNC = '''
import os, sys, time
import berth_ipc
slow = float(sys.argv[1])
def on_message(message):
    if message.payload == "bad":
        raise RuntimeError("on purpose")
    time.sleep(slow)
    os.write(1, f"{message.payload} {message.attempt}\\n".encode())
ipc = berth_ipc.connect()
ipc.listen(on_message)
time.sleep(1000)
'''

PYTHON_ASYNC = '''
import asyncio, os, sys
import berth_ipc
slow = float(sys.argv[1])
async def main():
    async with berth_ipc.AsyncClient(subscribe=True) as ipc:
        async for message in ipc.messages():
            if message.payload == "bad":
                continue
            await asyncio.sleep(slow)
            os.write(1, f"{message.payload} {message.attempt}\\n".encode())
            await message.ack()
asyncio.run(main())
'''

JS = '''
const { writeSync } = require("node:fs");
const { connect } = require("berth-ipc");
const slow = Number(process.argv[2]) * 1000;
connect().listen(async (message) => {
    if (message.payload === "bad") throw new Error("on purpose");
    await new Promise((resolve) => setTimeout(resolve, slow));
    writeSync(1, `${message.payload} ${message.attempt}\\n`);
});
'''

CPP = r'''
#include <unistd.h>
#include <cstdio>
#include <cstdlib>
#include <string>
#include <berth/ipc.hpp>
#include <berth/module.h>
BERTH_MODULE;
int berth_module_init(berth_app*) { return BERTH_MODULE_SERVE; }
int berth_module_on_message(berth_app* app, const berth_message* message) {
    const std::string text = berth::ipc::text(std::string(static_cast<const char*>(message->payload), message->size));
    if (text == "bad") return 1;
    usleep(static_cast<useconds_t>(1e6 * std::atof(app->argv[1])));
    const std::string line = text + " " + std::to_string(message->attempt) + "\n";
    (void)!write(1, line.data(), line.size());
    return 0;
}
'''


@pytest.fixture(scope="module")
def library(tmp_path_factory):
    """One folder with a receiver in each language."""
    folder = tmp_path_factory.mktemp("receivers")
    (folder / "sync.py").write_text(PYTHON_SYNC)
    (folder / "async.py").write_text(PYTHON_ASYNC)
    (folder / "node.js").write_text(JS)
    (folder / "module.cpp").write_text(CPP)
    (folder / "node_modules").mkdir()
    (folder / "node_modules/berth-ipc").symlink_to(NODE)
    return folder


COMMANDS = {"python": ["sync.py"], "asyncio": ["async.py"], "node": ["node.js"], "module": ["module.so"]}


class Receiver:
    def __init__(self, apps, folder, way, slow):
        if way == "module":
            if not shutil.which("c++"):
                pytest.skip("no compiler here")
            if not (folder / "module.so").exists():
                subprocess.run(["c++", "-std=c++17", "-shared", "-fPIC", f"-I{AGENT / 'sdk/cpp'}", "-o",
                                str(folder / "module.so"), str(folder / "module.cpp")], check=True, timeout=200)
        if way == "node" and not shutil.which("node"):
            pytest.skip("there is no Node.js")
        from berthlib import BIN  # pylint: disable=import-outside-toplevel
        program = {"node": "node", "module": str(BIN / "berth-module-host")}.get(way, sys.executable)
        self.out = folder / f"out-{way}-{time.monotonic_ns()}"
        with open(self.out, "wb") as out:
            self.process = subprocess.Popen([program, str(folder / COMMANDS[way][0]), str(slow)], stdout=out,
                                            env=environment(apps, "b"), cwd=folder)

    def handled(self):
        return [tuple(line.split()) for line in self.out.read_text().splitlines()]

    def kill(self, how=signal.SIGKILL):
        self.process.send_signal(how)
        self.process.wait(20)


ways = pytest.mark.parametrize("way", list(COMMANDS))


@ways
def test_what_is_handled_does_not_come_again_after_a_kill(apps, library, way):
    apps.install("b")
    apps.wire("a").do("notify", *range(100), to="b")
    first = Receiver(apps, library, way, 0.02)
    try:
        wait_for(lambda: len(first.handled()) >= 40, "forty are handled")
    finally:
        first.kill()
    seen = [payload for payload, _ in first.handled()]
    second = Receiver(apps, library, way, 0)
    try:
        wait_for(lambda: len(set(seen) | {p for p, _ in second.handled()}) == 100, "all are handled")
        again = set(seen) & {payload for payload, _ in second.handled()}
        assert len(again) <= 1, "the one that was at hand alone"
        wait_for(lambda: json.loads(apps.home.berth("messages", "b", "--json").out)["messages"] == [], "all are acknowledged")
    finally:
        second.kill()


@ways
def test_a_slow_handler_is_not_overtaken_by_its_own_message(apps, library, way):
    """Its handler takes twice as long as the claim, and the last of six waits ten times as long."""
    apps.install("b", SHORT + "max_attempts = 2\n")
    receiver = Receiver(apps, library, way, 1.2)
    try:
        apps.wire("a").do("notify", *range(6), to="b")
        wait_for(lambda: len(receiver.handled()) >= 6, "all are handled")
        wait_for(lambda: json.loads(apps.home.berth("messages", "b", "--json").out)["messages"] == [], "all are acknowledged")
        assert receiver.handled() == [(str(n), "1") for n in range(6)]
        assert dead(apps, "b") == []
    finally:
        receiver.kill()


@ways
def test_a_handler_that_fails_gets_it_again_and_then_it_is_dead(apps, library, way):
    apps.install("b", SHORT + "max_attempts = 2\n")
    receiver = Receiver(apps, library, way, 0)
    try:
        apps.wire("a").do("notify", "bad", "good", to="b")
        wait_for(lambda: dead(apps, "b"), "it is dead")
        (letter,) = dead(apps, "b")
        assert (letter["payload"], letter["attempt"]) == ("bad", 2)
        assert collections.Counter(receiver.handled()) == {("good", "1"): 1}
    finally:
        receiver.kill()


@ways
def test_an_orderly_end_gives_back_what_was_not_handled(apps, library, way):
    """Nothing of it has lost an attempt, so no redeployment makes dead letters."""
    if way in ("python", "asyncio", "node"):
        pytest.skip("their end is the app's own close(), see below")
    apps.install("b", "[ipc]\nmax_attempts = 1\n")
    apps.wire("a").do("notify", *range(50), to="b")
    receiver = Receiver(apps, library, way, 0.1)
    wait_for(lambda: len(receiver.handled()) >= 2, "it is at it")
    receiver.kill(signal.SIGTERM)
    assert dead(apps, "b") == []
    left = json.loads(apps.home.berth("messages", "b", "-n", "100", "--json").out)["messages"]
    assert len(left) == 50 - len(receiver.handled()) and {m["attempt"] for m in left} == {0}
