"""The Python client, in each of its ways: with its own transport and codec, with msgpack, through pyzmq."""

import asyncio
import importlib.util
import json
import os
import pathlib
import socket
import subprocess
import sys
import threading
import time

import pytest

from berthlib import alive, wait_for
from relaylib import Apps

SDK = pathlib.Path(__file__).resolve().parents[2] / "agent/sdk/python"


def load(way):
    """The module, as it is where pyzmq and msgpack are (not) there."""
    os.environ["BERTH_IPC_TRANSPORT"] = "pyzmq" if way == "pyzmq" else ""
    spec = importlib.util.spec_from_file_location(f"berth_ipc_{way}", SDK / "berth_ipc.py")
    module = importlib.util.module_from_spec(spec)
    if way == "bare":
        sys.modules["msgpack"] = None  # import fails
    try:
        spec.loader.exec_module(module)
    finally:
        if way == "bare":
            del sys.modules["msgpack"]
    return module


class Clients:
    def __init__(self, home, way):
        self.home, self.apps, self.module, self.open = home, Apps(home), load(way), []
        for name in ("a", "b"):
            self.apps.install(name)

    def connect(self, name, **more):
        client = self.module.connect(name, self.apps.secret(name), self.apps.endpoint, **more)
        self.open.append(client)
        return client

    def kill_agent(self):
        old = self.home.kill("agent")
        wait_for(lambda: not alive(old), "its end")

    def close(self):
        for client in self.open:
            client.close()
        os.environ.pop("BERTH_IPC_TRANSPORT", None)


@pytest.fixture(params=["bare", "msgpack", "pyzmq"])
def clients(home, request):
    it = Clients(home, request.param)
    yield it
    it.close()


def test_messages_requests_events_and_apps(clients):
    a, b = clients.connect("a"), clients.connect("b")
    values = ["text", 1, -5, 2**63, 1.5, None, True, b"bytes", [1, [2]], {"k": {"n": [None]}}, "é" * 300, {1: 2}]
    sent = a.notify("b", *values)
    assert sent.known and len(sent.ids) == len(values)
    assert a.notify("nobody", 1).known is False
    got = b.poll()
    assert [m.payload for m in got] == values and {m.sender for m in got} == {"a"} and {m.attempt for m in got} == {1}
    b.ack(got[:-1])
    got[-1].ack()
    assert b.poll() == [] and b.clear() == 0
    a.notify("b", "k", dedupe="key")
    a.notify("b", "k", dedupe="key")
    assert [m.payload for m in b.poll(auto_ack=True)] == ["k"]
    answers = [a.submit("b", i, durable=False) for i in range(3000)]
    assert all(len(answer().ids) == 1 for answer in answers)
    assert b.clear() == 3000

    seen, events, calls = [], [], []

    def on_message(message):
        calls.append(threading.current_thread())
        if message.correlation:
            message.respond([message.payload, b.ping()])  # a handler may call
        elif message.payload == "bad":
            raise RuntimeError("the handler's own fault")
        else:
            seen.append(message.payload)
    b.listen(on_message, events.append)
    assert a.request("b", 20, timeout=5) == [20, None]
    a.notify("b", "bad")
    for number in range(100):
        a.notify("b", number)
    wait_for(lambda: seen == list(range(100)), "all are pushed, in order")
    assert threading.current_thread() not in calls and len(set(calls)) == 1
    assert a.raise_event("made", {"x": 1}) == 1
    wait_for(lambda: events, "the event")
    assert events[0][:3] == ("made", "a", {"x": 1})
    with pytest.raises(clients.module.IpcError) as refused:
        a.request("nobody", 1)
    assert refused.value.code == 404
    assert a.start("b") in ("starting", "running") and a.is_running("b") and not a.is_available("zz")
    with pytest.raises(clients.module.IpcError) as refused:
        a.start("b")
    assert refused.value.code == 409
    assert a.stop("b") in ("stopping", "stopped")
    assert {app["id"] for app in a.list()} == {"a", "b"} and a.status("zz") is None and a.config() == {}


def test_a_client_goes_on_after_the_agent_was_killed(clients):
    a, b = clients.connect("a"), clients.connect("b")
    seen = []
    attempts = []

    def handle(message):
        seen.append(message.payload)
        attempts.append(message.attempt)

    b.listen(handle)
    a.notify("b", "before")
    wait_for(lambda: "before" in seen, "pushed")
    for number in range(3):
        clients.kill_agent()
        assert a.notify("b", number).known
        wait_for(lambda: number in seen, "pushed after the kill")  # pylint: disable=cell-var-from-loop
    # In order; one whose acknowledgement died with the agent comes again, and says so.
    assert list(dict.fromkeys(seen)) == ["before", 0, 1, 2]
    assert all(attempts[i] > 1 for i, payload in enumerate(seen) if payload in seen[:i]), (seen, attempts)
    assert threading.active_count() < 10


def test_a_poll_that_waits_goes_on_after_the_agent_was_killed(clients):
    a, b = clients.connect("a"), clients.connect("b")
    got = []
    waiting = threading.Thread(target=lambda: got.extend(b.poll(wait=30)))
    waiting.start()
    b.ping()  # another thread's call while that one reads
    clients.kill_agent()
    a.notify("b", "x")
    waiting.join(20)
    assert [m.payload for m in got] == ["x"]


def test_many_threads_share_a_client(clients):
    a = clients.connect("a")
    problems = []

    def work(name):
        try:
            for number in range(50):
                assert a.notify("b", [name, number], durable=number % 2 == 0).known
        except BaseException as error:  # pylint: disable=broad-except
            problems.append(error)
    threads = [threading.Thread(target=work, args=(name,)) for name in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert not problems
    got = [m.payload for m in clients.connect("b").poll()]
    for name in range(8):
        assert [n for who, n in got if who == name] == list(range(50))


def test_calls_end_in_time_without_an_agent(clients):
    a = clients.connect("a", timeout=0.4)
    clients.home.down()
    for call in (a.ping, lambda: a.notify("b", 1), lambda: a.poll(wait=0.1), lambda: a.submit("b", 1)()):
        began = time.monotonic()
        with pytest.raises(clients.module.IpcError) as refused:
            call()
        assert refused.value.code in (503, 504) and time.monotonic() - began < 5


def test_a_wrong_secret_is_told_at_once(clients):
    client = clients.module.connect("a", "wrong", clients.apps.endpoint)
    began = time.monotonic()
    with pytest.raises(clients.module.IpcError) as refused:
        client.ping()
    assert refused.value.code == 401 and time.monotonic() - began < 5


def test_asyncio(clients):
    module, apps = clients.module, clients.apps

    async def scenario():
        async with module.AsyncClient("a", apps.secret("a"), apps.endpoint) as a, \
                module.AsyncClient("b", apps.secret("b"), apps.endpoint, subscribe=True) as b:
            await b.ping()
            assert (await a.notify("b", "one", 2)).known
            stream = b.messages()
            for expected in ("one", 2):
                message = await asyncio.wait_for(stream.__anext__(), 10)
                assert message.payload == expected
                await message.ack()

            async def answer():
                message = await stream.__anext__()
                await message.respond(message.payload + 1)
            task = asyncio.ensure_future(answer())
            assert await a.request("b", 41, timeout=5) == 42
            await task
            await a.raise_event("made", [1])
            event = await asyncio.wait_for(b.events().__anext__(), 10)
            assert (event.type, event.payload) == ("made", [1])
            sent = await asyncio.gather(*[a.notify("nobody", n, durable=False) for n in range(500)])
            assert len({s.ids[0] for s in sent}) == 500
            with pytest.raises(module.IpcError) as refused:
                await a.start("zz")
            assert refused.value.code == 404
            clients.kill_agent()
            assert (await a.notify("b", "after")).known
            message = await asyncio.wait_for(stream.__anext__(), 20)
            assert message.payload == "after"
            with pytest.raises(module.Timeout):
                await a.request("b", 1, timeout=0.1)
    asyncio.run(scenario())


def test_an_idle_client_costs_nothing(clients):
    b = clients.connect("b")
    b.listen(lambda message: None)
    b.ping()
    before = time.process_time()
    began = time.monotonic()
    wait_for(lambda: time.monotonic() - began > 1.0, "a second of nothing")
    ours = time.process_time() - before
    assert ours < 0.3  # wait_for itself looks a hundred times


def test_the_codec_says_what_is_wrong():
    module = load("bare")
    assert module._msgpack is None
    for bad in (b"", b"\xc1", b"\x91", b"\xdd\xff\xff\xff\xff", b"\x91" * 5000, b"\xa5abc", b"\xc0\xc0", b"\x81\x80\xc0"):
        with pytest.raises(ValueError):
            module.unpack(bad)
    for bad in (object(), 2**64, -2**63 - 1):
        with pytest.raises((TypeError, OverflowError)):
            module.pack(bad)
    import msgpack  # pylint: disable=import-outside-toplevel  # Debian's, to compare with
    for value in (None, True, 0, 127, 128, 2**32, 2**64 - 1, -1, -33, -2**63, 0.1, "x" * 70000, b"y" * 70000,
                  list(range(70000)), {str(n): n for n in range(70000)}, [[], {}, ""]):
        assert module.pack(value) == msgpack.packb(value, use_bin_type=True)
        assert module.unpack(msgpack.packb(value, use_bin_type=True)) == value


@pytest.mark.skipif(not pathlib.Path("/usr/bin/python3").exists(), reason="Debian's Python is not here")
def test_the_readmes_first_example_runs(home):
    apps = Apps(home)
    text = (SDK / "README.md").read_text()
    code = text.split("```python\n", 1)[1].split("```", 1)[0]
    assert len(code.splitlines()) <= 10
    environment = {"BERTH_APP": "a", "BERTH_IPC": apps.endpoint, "PYTHONPATH": str(SDK),
                   "BERTH_IPC_SECRET_FILE": str(home.agent_home / "secrets/a")}
    apps.secret("a")
    home.berth("notify", "a", "hello", check=0)
    done = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True, timeout=60,
                          check=False)
    assert done.returncode == 0, done.stderr
    assert "hello" in done.stdout


def test_events_and_polls_in_one_client(clients):
    """Who listens for events alone gets no messages pushed, and poll() gets each at its first attempt."""
    a, b = clients.connect("a"), clients.connect("b")
    events = []
    b.listen(on_event=events.append)
    b.ping()
    for number in range(3):
        a.notify("b", number)
        a.raise_event("made")
    wait_for(lambda: len(events) == 3, "all events")
    got = b.poll(wait=5)
    assert [(m.payload, m.attempt) for m in got] == [(0, 1), (1, 1), (2, 1)]
    b.ack(got)
    # Messages too, and then not any more: what comes is for poll() again, at once.
    seen = []
    b.listen(on_message=lambda m: seen.append(m.payload), on_event=events.append)
    a.notify("b", "pushed")
    wait_for(lambda: seen == ["pushed"], "it is pushed")
    b.listen(on_event=events.append)
    waiting = []
    poller = threading.Thread(target=lambda: waiting.extend(b.poll(wait=20)))
    poller.start()
    a.notify("b", "polled")
    poller.join(10)
    assert [(m.payload, m.attempt) for m in waiting] == [("polled", 1)] and seen == ["pushed"]


def test_events_and_polls_in_one_asyncio_client(clients):
    module, apps = clients.module, clients.apps

    async def scenario():
        a = module.AsyncClient("a", apps.secret("a"), apps.endpoint)
        for subscribe in ("events", True):
            async with module.AsyncClient("b", apps.secret("b"), apps.endpoint, subscribe=subscribe) as b:
                await b.ping()
                stream = b.events()
                waiting = asyncio.ensure_future(b.poll(wait=20))
                await asyncio.sleep(0.1)
                for number in range(3):
                    await a.notify("b", number)
                    await a.raise_event("made", number)
                    assert (await asyncio.wait_for(stream.__anext__(), 10)).payload == number
                got = await asyncio.wait_for(waiting, 10)
                while len(got) < 3:
                    got += await b.poll(wait=5)
                assert [(m.payload, m.attempt) for m in got] == [(0, 1), (1, 1), (2, 1)]
                await b.ack(got)
                assert await b.poll() == []
        await a.close()
    asyncio.run(scenario())


async def taken(client, count):
    """So many messages; they may come one after the other."""
    got = []
    while len(got) < count:
        more = await client.poll(wait=10)
        assert more, got
        got += more
    return got


def test_who_leaves_messages_gives_back_what_it_held(clients):
    module, apps = clients.module, clients.apps

    async def scenario():
        async with module.AsyncClient("a", apps.secret("a"), apps.endpoint) as a, \
                module.AsyncClient("b", apps.secret("b"), apps.endpoint, subscribe=True) as b:
            await a.notify("b", *range(5))
            async for message in b.messages():
                await message.ack()
                break  # four were pushed too
            async with module.AsyncClient("b", apps.secret("b"), apps.endpoint) as other:
                got = await taken(other, 4)
                assert sorted((m.payload, m.attempt) for m in got) == [(n, 1) for n in range(1, 5)]
                await other.ack(got)
            await a.notify("b", "again")
            async for message in b.messages():
                assert message.payload == "again"
                await message.ack()
                break
        # close() gives back what was pushed and not seen.
        async with module.AsyncClient("a", apps.secret("a"), apps.endpoint) as a:
            b = module.AsyncClient("b", apps.secret("b"), apps.endpoint, subscribe=True)
            await b.ping()
            await a.notify("b", "unseen")
            while not b._pushed.items:
                await asyncio.sleep(0.01)
            await b.close()
        with module.connect("b", apps.secret("b"), apps.endpoint) as last:
            assert [(m.payload, m.attempt) for m in last.poll(wait=10)] == [("unseen", 1)]
    asyncio.run(scenario())


def held(clients, app="b"):
    """How many messages of it are given out."""
    shown = json.loads(clients.home.berth("messages", app, "--json", check=0).out)
    return sum(message["held"] for message in shown["messages"])


class Listener:
    """A client whose handler is at message 0 until it is closed: meanwhile nobody reads what comes."""

    def __init__(self, clients):
        self.client, self.begun, self.go_on = clients.connect("b"), threading.Event(), threading.Event()
        self.client.listen(self.handle)

    def handle(self, _message):
        self.begun.set()
        assert self.go_on.wait(30)

    def close(self):
        """Lets the handler finish when the end has begun."""
        closer = threading.Thread(target=self.client.close)
        closer.start()
        wait_for(lambda: self.client._closed, "it closes")
        self.go_on.set()
        closer.join(10)
        assert not closer.is_alive()


def test_a_closed_listener_gives_back_what_its_handler_has_not_seen(clients):
    a, b = clients.connect("a"), Listener(clients)
    a.notify("b", 0, 1, 2)
    assert b.begun.wait(10)
    a.notify("b", 3, 4)
    wait_for(lambda: held(clients) == 5, "all were given out: the last two are on their way")
    b.close()
    got = clients.connect("b").poll(wait=10)
    if os.environ["BERTH_IPC_TRANSPORT"] == "pyzmq":  # what is said last over it may be lost: then it was an attempt
        assert [m.payload for m in got][-4:] == [1, 2, 3, 4]
    else:
        assert [(m.payload, m.attempt) for m in got] == [(n, 1) for n in range(1, 5)]


def test_what_a_client_said_last_counts_when_it_reads_no_answer(clients):
    if os.environ["BERTH_IPC_TRANSPORT"] == "pyzmq":
        pytest.skip("its socket is not ours")
    a, b = clients.connect("a"), Listener(clients)
    a.notify("b", 0, 1, 2)
    assert b.begun.wait(10)
    b.client._transport.sock.shutdown(socket.SHUT_RD)  # as if it were closed when the relay writes to it
    a.notify("b", 3)
    a.ping()
    b.close()
    got = clients.connect("b").poll(wait=10)
    assert [(m.payload, m.attempt) for m in got] == [(n, 1) for n in range(1, 4)]


def test_asyncio_gives_back_what_is_on_its_way(clients):
    module, apps, a = clients.module, clients.apps, clients.connect("a")

    def send(*payloads, given):
        """In this loop's thread: nothing of it is read meanwhile."""
        a.notify("b", *payloads)
        wait_for(lambda: held(clients) == given, f"{given} are given out")

    async def scenario():
        async with module.AsyncClient("b", apps.secret("b"), apps.endpoint) as other:
            async with module.AsyncClient("b", apps.secret("b"), apps.endpoint, subscribe=True) as b:
                await b.ping()
                send("left", given=1)
                stream = b.messages()
                message = await stream.__anext__()
                send(1, 2, given=3)
                await stream.aclose()
                got = await taken(other, 3)
                assert sorted((str(m.payload), m.attempt) for m in got) == [("1", 1), ("2", 1), ("left", 2)]
                assert message.payload == "left"
                await other.ack(got)
            b = module.AsyncClient("b", apps.secret("b"), apps.endpoint, subscribe=True)
            await b.ping()
            send("closed", given=1)
            await b.close()
            assert [(m.payload, m.attempt) for m in await other.poll(wait=10)] == [("closed", 1)]
    asyncio.run(scenario())
