"""One table of outcomes for all libraries: what a call gives when the agent is away, refuses, is late, or the
client is closed; and that it ends in its own time."""

import contextlib
import json
import os
import pathlib
import shutil
import signal
import subprocess
import sys

import pytest

from berthlib import wait_for
from relaylib import Apps

AGENT = pathlib.Path(__file__).resolve().parents[2] / "agent"
NODE = AGENT / "sdk/node"

# Each driver reads a call a line, {"call", "timeout" or "wait" in s}, and says a line {"code", "value", "took"}.
PYTHON = '''
import asyncio, json, sys, threading, time
import berth_ipc

def outcome(call):
    began = time.monotonic()
    try:
        code, value = 0, call()
    except berth_ipc.IpcError as error:
        code, value = error.code, str(error)
        assert isinstance(error, berth_ipc.Disconnected) == (code == 503), error
        assert isinstance(error, berth_ipc.Timeout) == (code == 504), error
    print(json.dumps({"code": code, "value": value, "took": time.monotonic() - began}), flush=True)

client = None

def closing(ipc):
    threading.Timer(0.3, ipc.close).start()
    ipc.poll(wait=20)

calls = {
    "ping": lambda ipc, ask: ipc.ping(timeout=ask["timeout"]),
    "notify": lambda ipc, ask: len(ipc.notify("b", 1, timeout=ask["timeout"]).ids),
    "request": lambda ipc, ask: ipc.request("b", 1, timeout=ask["timeout"]),
    "poll": lambda ipc, ask: len(ipc.poll(wait=ask["wait"])),
    "closing": lambda ipc, ask: closing(ipc),
}
for line in sys.stdin:
    ask = json.loads(line)
    if ask["call"] == "close":
        outcome(lambda: client.close())
        continue
    if client is None:
        client = berth_ipc.connect(timeout=20)
    outcome(lambda: calls[ask["call"]](client, ask))
'''

ASYNCIO = '''
import asyncio, json, sys, time
import berth_ipc

async def outcome(call):
    began = time.monotonic()
    try:
        code, value = 0, await call
    except berth_ipc.IpcError as error:
        code, value = error.code, str(error)
        assert isinstance(error, berth_ipc.Disconnected) == (code == 503), error
        assert isinstance(error, berth_ipc.Timeout) == (code == 504), error
    print(json.dumps({"code": code, "value": value, "took": time.monotonic() - began}), flush=True)

async def notify(ipc, ask):
    return len((await ipc.notify("b", 1, timeout=ask["timeout"])).ids)

async def poll(ipc, ask):
    return len(await ipc.poll(wait=ask["wait"]))

async def closing(ipc, ask):
    async def close():
        await asyncio.sleep(0.3)
        await ipc.close()
    task = asyncio.ensure_future(close())
    try:
        await ipc.poll(wait=20)
    finally:
        await task

calls = {
    "ping": lambda ipc, ask: ipc.ping(timeout=ask["timeout"]),
    "notify": notify,
    "request": lambda ipc, ask: ipc.request("b", 1, timeout=ask["timeout"]),
    "poll": poll, "closing": closing,
    "close": lambda ipc, ask: ipc.close(),
}

async def main():
    client = None
    loop = asyncio.get_running_loop()
    while line := await loop.run_in_executor(None, sys.stdin.readline):
        ask = json.loads(line)
        if client is None:
            client = berth_ipc.AsyncClient(timeout=20)
        await outcome(calls[ask["call"]](client, ask))
asyncio.run(main())
'''

JS = '''
const { createInterface } = require("node:readline");
const { connect, Disconnected, IpcError, Timeout } = require("berth-ipc");

let ipc = null;
const ms = (seconds) => seconds * 1000;
const calls = {
    ping: ({ timeout }) => ipc.ping({ timeoutMs: ms(timeout) }),
    notify: async ({ timeout }) => (await ipc.notify("b", 1, { timeoutMs: ms(timeout) })).ids.length,
    request: ({ timeout }) => ipc.request("b", 1, { timeoutMs: ms(timeout) }),
    poll: async ({ wait }) => (await ipc.poll({ waitMs: ms(wait) })).length,
    closing: () => {
        setTimeout(() => ipc.close(), 300);
        return ipc.poll({ waitMs: 20_000 });
    },
    close: async () => ipc.close(),
};
(async () => {
    for await (const line of createInterface({ input: process.stdin })) {
        const ask = JSON.parse(line);
        ipc ??= connect({ timeoutMs: 20_000 });
        const began = performance.now();
        let [code, value] = [0, null];
        try {
            value = (await calls[ask.call](ask)) ?? null;
        } catch (error) {
            if (!(error instanceof IpcError) || (error instanceof Disconnected) !== (error.code === 503) ||
                (error instanceof Timeout) !== (error.code === 504)) throw error;
            [code, value] = [error.code, error.message];
        }
        console.log(JSON.stringify({ code, value, took: (performance.now() - began) / 1000 }));
    }
})();
'''

CPP = r'''
#include <berth/ipc.hpp>
#include <cstdio>
#include <iostream>
#include <memory>

using namespace berth::ipc;
using Seconds = std::chrono::duration<double>;

int main() {
    std::unique_ptr<Client> ipc;
    std::string call;
    double time = 0;
    while (std::cin >> call >> time) {
        const Duration limit = std::chrono::duration_cast<Duration>(Seconds(time));
        const auto began = std::chrono::steady_clock::now();
        int code = 0;
        long value = -1;
        std::string why;
        try {
            if (!ipc) {
                Client::Options options;
                options.timeout = std::chrono::seconds(20);
                options.subscribe = call.rfind("next_", 0) == 0;
                ipc = std::make_unique<Client>(options);
            }
            if (call == "ping") {
                ipc->set_timeout(limit);
                ipc->ping();
            } else if (call == "notify") {
                ipc->set_timeout(limit);
                value = static_cast<long>(ipc->notify("b", pack(1)).ids.size());
            } else if (call == "request") {
                (void)ipc->request("b", pack(1), limit);
            } else if (call == "poll") {
                value = static_cast<long>(ipc->poll(limit).size());
            } else if (call == "next_message") {
                value = ipc->next_message(limit) ? 1 : 0;
            } else if (call == "next_event") {
                value = ipc->next_event(limit) ? 1 : 0;
            }
            ipc->set_timeout(std::chrono::seconds(20));
        } catch (const Error& error) {
            code = error.code();
            why = error.what();
            for (char& c : why) {
                c = c == '"' ? '_' : c;
            }
        }
        const Seconds took = std::chrono::steady_clock::now() - began;
        std::printf("{\"code\": %d, \"value\": %s, \"took\": %f}\n", code,
                    value >= 0 ? std::to_string(value).c_str() : ("\"" + why + "\"").c_str(), took.count());
        std::fflush(stdout);
    }
}
'''


@pytest.fixture(scope="module")
def programs(tmp_path_factory):
    folder = tmp_path_factory.mktemp("outcomes")
    (folder / "sync_driver.py").write_text(PYTHON)
    (folder / "async_driver.py").write_text(ASYNCIO)
    (folder / "node.js").write_text(JS)
    (folder / "cpp.cpp").write_text(CPP)
    (folder / "node_modules").mkdir()
    (folder / "node_modules/berth-ipc").symlink_to(NODE)
    return folder


class Driver:
    """A client in a process of its own."""

    def __init__(self, folder, way, environment):
        self.way = way
        if way == "cpp":
            if not shutil.which("c++"):
                pytest.skip("no compiler here")
            if not (folder / "cpp").exists():
                subprocess.run(["c++", "-std=c++17", "-Wall", "-Wextra", "-Werror", f"-I{AGENT / 'sdk/cpp'}",
                                str(folder / "cpp.cpp"), "-o", str(folder / "cpp")], check=True, timeout=200)
        if way == "node" and not shutil.which("node"):
            pytest.skip("there is no Node.js")
        if way == "pyzmq":
            environment = {**environment, "BERTH_IPC_TRANSPORT": "pyzmq"}
        command = {"cpp": [str(folder / "cpp")], "node": ["node", str(folder / "node.js")],
                   "asyncio": [sys.executable, str(folder / "async_driver.py")]}.get(way, [sys.executable, str(folder / "sync_driver.py")])
        self.process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=environment)

    def ask(self, call, seconds=0.0):
        if self.way == "cpp":
            line = f"{call} {seconds}"
        else:
            line = json.dumps({"call": call, "timeout": seconds, "wait": seconds})
        self.process.stdin.write(line + "\n")
        self.process.stdin.flush()
        return json.loads(self.process.stdout.readline())

    def gives(self, call, seconds, code, at_least=0.0, at_most=None):
        got = self.ask(call, seconds)
        limit = seconds + 2.9 if at_most is None else at_most  # the relay's own answer may take two seconds
        assert got["code"] == code, (call, got)
        assert at_least - 0.05 <= got["took"] <= limit, (call, got)
        return got["value"]

    def close(self):
        self.process.stdin.close()
        self.process.kill()
        self.process.wait()
        self.process.stdout.close()


ways = pytest.mark.parametrize("way", ["python", "pyzmq", "asyncio", "node", "cpp"])


@pytest.fixture
def client(home, programs, way):
    apps = Apps(home)
    for name in ("a", "b"):
        apps.install(name)
    apps.secret("b")
    environment = {**os.environ, "BERTH_APP": "a", "BERTH_IPC": apps.endpoint, "PYTHONPATH": str(AGENT / "sdk/python"),
                   "BERTH_IPC_SECRET_FILE": str(home.agent_home / "secrets/a")}
    apps.secret("a")
    driver = Driver(programs, way, environment)
    driver.apps, driver.programs, driver.environment = apps, programs, environment
    yield driver
    driver.close()
    apps.close()


def stands_still(pid):
    """A signal stops the threads of a process one after the other: meanwhile one may still answer."""
    tasks = pathlib.Path(f"/proc/{pid}/task").iterdir()
    return all((task / "stat").read_text().rsplit(")", 1)[1].split()[0] == "T" for task in tasks)


@contextlib.contextmanager
def hung(home):
    """The agent is there and says nothing."""
    pid = home.pid_of("agent")
    os.kill(pid, signal.SIGSTOP)
    wait_for(lambda: stands_still(pid), "each of its threads has stopped")
    try:
        yield
    finally:
        os.kill(pid, signal.SIGCONT)


ALL = ("ping", "notify", "request", "poll")


@ways
def test_away(home, client):
    home.down()
    for call in ALL:
        client.gives(call, 1.2, 503, at_least=1.2, at_most=6)
    home.up()
    assert client.gives("notify", 10, 0) == 1  # nothing is remembered
    home.down()
    for call in ALL:  # connected before
        client.gives(call, 1.2, 503, at_least=1.2, at_most=6)


@ways
def test_late(home, client):
    client.gives("ping", 10, 0)
    with hung(home):
        for call in ALL:
            client.gives(call, 1.2, 504, at_least=1.2)
    client.gives("ping", 10, 0)


@ways
def test_there_and_never_greets(home, client):
    """A listener that accepts and says nothing is as good as away."""
    with hung(home):
        client.gives("ping", 1.2, 503, at_least=1.2, at_most=6)
        client.gives("poll", 1.2, 503, at_least=1.2, at_most=6)
    client.gives("ping", 10, 0)


@ways
def test_closed_while_it_never_greets(home, client):
    if client.way == "cpp":
        pytest.skip("a Client is for one thread, and is closed by its end")
    with hung(home):
        client.gives("closing", 0, 503, at_least=0.3, at_most=6)


@ways
def test_refused_for_good(client):
    secret = client.apps.home.agent_home / "wrong"
    secret.write_text("0" * 64)
    driver = Driver(client.programs, client.way, {**client.environment, "BERTH_IPC_SECRET_FILE": str(secret)})
    try:
        for call in ALL:
            driver.gives(call, 10, 401, at_most=5)
    finally:
        driver.close()


@ways
def test_refused_for_now(home, programs, way):
    """Too many mailboxes (429): tried again, told in the end, and not remembered."""
    apps = Apps(home)
    for name in ("a", "b"):
        apps.install(name)
    operator = apps.wire("b")
    numbers = [operator.send("notify", 1, to=f"x{n}", durable=False) for n in range(9_999)]
    assert [operator.answer(n).code for n in numbers] == [0] * 9_999
    environment = {**os.environ, "BERTH_APP": "a", "BERTH_IPC": apps.endpoint, "PYTHONPATH": str(AGENT / "sdk/python"),
                   "BERTH_IPC_SECRET_FILE": str(home.agent_home / "secrets/a")}
    apps.secret("a")
    client = Driver(programs, way, environment)
    try:
        client.gives("ping", 5, 429, at_least=5, at_most=8)  # time enough for the first refusal
        home.berth("messages", "x0", "--clear", "--yes", check=0)
        client.gives("ping", 20, 0)
    finally:
        client.close()
        apps.close()


@ways
def test_closed(client):
    if client.way == "cpp":
        pytest.skip("a Client is for one thread, and is closed by its end")
    client.gives("ping", 10, 0)
    client.gives("closing", 0, 503, at_least=0.3, at_most=6)
    for call in ALL:
        client.gives(call, 5, 503, at_most=3)
    client.gives("close", 0, 0)


@ways
def test_closed_while_the_agent_is_away(home, client):
    if client.way == "cpp":
        pytest.skip("a Client is for one thread, and is closed by its end")
    home.down()
    client.gives("closing", 0, 503, at_least=0.3, at_most=6)


@ways
def test_nothing_in_time_is_no_error(home, client):
    assert client.gives("poll", 1.2, 0, at_least=1.2) == 0
    assert client.gives("poll", 0, 0) == 0
    assert client.gives("request", 1.2, 504, at_least=1.2)
    home.berth("notify", "a", "x", check=0)
    assert client.gives("poll", 10, 0, at_most=5) == 1


@pytest.mark.parametrize("way", ["cpp"])
@pytest.mark.parametrize("call", ["next_message", "next_event"])
def test_what_is_pushed_is_nothing_in_time(home, client, call):
    """With a healthy agent, with none at all, and in no time."""
    for _ in range(20):
        assert client.gives(call, 0, 0, at_most=2) == 0
    assert client.gives(call, 1.2, 0, at_least=1.2) == 0
    home.down()
    for _ in range(20):
        assert client.gives(call, 0, 0, at_most=2) == 0
    assert client.gives(call, 1.2, 0, at_least=1.2, at_most=6) == 0
    home.up()
    home.berth("notify", "a", "x", check=0)
    if call == "next_message":
        assert client.gives(call, 20, 0) == 1
    else:
        wait_for(lambda: (home.berth("raise", "made"), client.ask(call, 0.1)["value"] == 1)[1], "it hears again")
