"""Clients over forks, pools, threads and other processes, in each language: every `notify` that was answered
is in the mailbox, once."""

import collections
import os
import pathlib
import shutil
import subprocess
import sys

import pytest

from relaylib import Apps

AGENT = pathlib.Path(__file__).resolve().parents[2] / "agent"
NODE = AGENT / "sdk/node"

# Says one line for each notify that was answered.
PYTHON = '''
import asyncio, concurrent.futures, multiprocessing, os, sys, threading
import berth_ipc

def said(payload):
    os.write(1, (payload + "\\n").encode())

ipc = berth_ipc.connect(timeout=20)

def send(name, client=None):
    for number in range(10):
        payload = f"{name}.{number}"
        assert (client or ipc).notify("b", payload).ids
        said(payload)

def child(work):
    pid = os.fork()
    if pid == 0:
        code = 1
        try:
            work()
            code = 0
        finally:
            os._exit(code)
    return pid

def reap(pids):
    assert all(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 0 for pid in pids)

def fork():
    send("parent")
    pids = [child(lambda n=n: send(f"child{n}")) for n in range(3)]
    send("parent again")
    reap(pids)

def fork_first():
    reap([child(lambda n=n: send(f"child{n}")) for n in range(3)])
    send("parent")

def grandchildren():
    send("parent")
    def middle():
        send("child")
        reap([child(lambda: send("grandchild"))])
        send("child again")
    reap([child(middle)])
    send("parent again")

def fork_while_threads_call():
    threads = [threading.Thread(target=send, args=(f"thread{n}",)) for n in range(4)]
    for thread in threads:
        thread.start()
    pids = [child(lambda n=n: send(f"child{n}")) for n in range(4)]
    for thread in threads:
        thread.join()
    reap(pids)

def fork_while_listening():
    """The parent goes on listening; a child does not, until it says so."""
    got, all_there = [], threading.Event()
    def on_message(message):
        got.append((os.getpid(), message.payload))
        if len(got) == 20:
            all_there.set()
    ipc.listen(on_message)
    ipc.notify("a", "to myself")
    pids = [child(lambda n=n: (send(f"child{n}"), [ipc.notify("a", m) for m in range(6)])) for n in range(3)]
    reap(pids)
    ipc.notify("a", "last")
    assert all_there.wait(20), got
    assert {pid for pid, _ in got} == {os.getpid()}
    send("parent")

def fork_in_a_handler():
    done = threading.Event()
    pids = []
    def on_message(message):
        pids.append(child(lambda: send("child of a handler")))
        done.set()
    ipc.listen(on_message)
    ipc.notify("a", "go")
    assert done.wait(20)
    reap(pids)
    ipc.close()
    with berth_ipc.connect(timeout=20) as after:
        assert after.poll() == [], "the handler's acknowledgement was sent"

def pool(kind="fork"):
    if kind == "fork":
        send("parent")
    with multiprocessing.get_context(kind).Pool(4) as workers:
        workers.map(send, [f"task{n}" for n in range(12)], 1)
    send("parent after")

def spawn():
    pool("spawn")

def executor():
    send("parent")
    context = multiprocessing.get_context("fork")
    with concurrent.futures.ProcessPoolExecutor(3, mp_context=context) as workers:
        list(workers.map(send, [f"task{n}" for n in range(9)]))

def threads():
    with concurrent.futures.ThreadPoolExecutor(8) as workers:
        list(workers.map(send, [f"task{n}" for n in range(16)]))

def pickled():
    try:
        multiprocessing.get_context("spawn").Process(target=send, args=("x", ipc)).start()
    except TypeError as error:
        assert "connect()" in str(error)
        send("parent")

async def asend(client, name):
    for number in range(10):
        payload = f"{name}.{number}"
        assert (await client.notify("b", payload)).ids
        said(payload)

def asynchronous():
    async def main():
        client = berth_ipc.AsyncClient(timeout=20, subscribe=True)
        await asend(client, "parent")
        pids = [child(lambda n=n: in_child(client, n)) for n in range(3)]
        await asyncio.gather(*[asend(client, f"parent{n}") for n in range(3)])
        await asyncio.get_running_loop().run_in_executor(None, reap, pids)
        await asend(client, "parent again")
        await client.close()
    def in_child(client, n):
        asyncio.events._set_running_loop(None)  # the parent's, which fork has left here
        async def work():
            await asyncio.gather(*[asend(client, f"child{n}.{m}") for m in range(3)])
            await client.close()
        asyncio.run(work())
    asyncio.run(main())

def async_threads():
    def work(n):
        async def main():
            async with berth_ipc.AsyncClient(timeout=20) as client:
                await asend(client, f"thread{n}")
        asyncio.run(main())
    with concurrent.futures.ThreadPoolExecutor(4) as workers:
        list(workers.map(work, range(8)))

if __name__ == "__main__":
    globals()[sys.argv[1]]()
'''

CPP = r'''
#include <berth/ipc.hpp>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <csignal>
#include <cstdio>
#include <functional>
#include <thread>

using namespace berth::ipc;

static void send(Client& client, const std::string& name) {
    for (int number = 0; number < 10; ++number) {
        const std::string payload = name + "." + std::to_string(number);
        if (client.notify("b", pack(payload)).ids.size() != 1) {
            _exit(4);
        }
        const std::string line = payload + "\n";
        (void)!::write(1, line.data(), line.size());
    }
}

static bool raw = false;  // forks of which the C library is not told

static pid_t child(const std::function<void()>& work) {
    const auto pid = raw ? static_cast<pid_t>(syscall(SYS_clone, SIGCHLD, 0, 0, 0, 0)) : fork();
    if (pid == 0) {
        try {
            work();
        } catch (const std::exception& error) {
            std::fprintf(stderr, "%s\n", error.what());
            _exit(3);
        }
        _exit(0);
    }
    return pid;
}

static void reap(const std::vector<pid_t>& pids) {
    for (const pid_t pid : pids) {
        int status = 0;
        if (waitpid(pid, &status, 0) != pid || status != 0) {
            std::fprintf(stderr, "a child has failed: %d\n", status);
            _exit(2);
        }
    }
}

int main(int, char** argv) {
    const std::string way = argv[1];
    raw = way == "fork_raw";
    std::vector<pid_t> pids;
    Client::Options options;
    options.timeout = std::chrono::seconds(20);
    options.subscribe = way == "fork_subscribed";
    Client ipc(options);
    if (way == "threads") {
        std::vector<std::thread> threads;
        for (int n = 0; n < 6; ++n) {
            threads.emplace_back([n, &options] {
                Client own(options);
                send(own, "thread" + std::to_string(n));
            });
        }
        for (std::thread& thread : threads) {
            thread.join();
        }
        return 0;
    }
    if (way != "fork_first") {
        send(ipc, "parent");
    }
    const int fd = ipc.fd();
    for (int n = 0; n < 4; ++n) {
        pids.push_back(child([&, n] {
            if (ipc.fd() != -1) {
                throw Error(500, "the parent's socket is not the child's");
            }
            send(ipc, "child" + std::to_string(n));
            if (n == 3) {
                reap({child([&] { send(ipc, "grandchild"); })});
                send(ipc, "child again");
            }
        }));
    }
    send(ipc, "parent again");
    reap(pids);
    send(ipc, "parent at last");
    if (way == "fork_subscribed") {  // what was for the parent was not given to a child
        ipc.notify("a", {std::string_view("\x01"), std::string_view("\x02")});
        reap({child([&] { send(ipc, "late child"); })});
        for (int n = 0; n < 2; ++n) {
            const auto message = ipc.next_message(std::chrono::seconds(10));
            if (!message || message->attempt != 1) {
                return 5;
            }
            ipc.ack({message->id});
        }
        const std::uint64_t waiting = ipc.submit_poll(std::chrono::seconds(5), 10, {});
        ipc.flush();
        reap({child([&] {  // a call that was on its way is the parent's
            try {
                ipc.wait(waiting);
                _exit(6);
            } catch (const Error& error) {
                _exit(error.code() == 503 ? 0 : 7);
            }
        })});
        ipc.notify("a", pack("x"));
        if (Client::messages(ipc.wait(waiting)).size() != 1) {
            return 8;
        }
    }
    return way == "fork_first" || ipc.fd() == fd ? 0 : 9;
}
'''

JS = '''
const { fork } = require("node:child_process");
const cluster = require("node:cluster");
const { writeSync } = require("node:fs");
const { Worker, isMainThread, workerData } = require("node:worker_threads");
const { connect } = require("berth-ipc");

const ipc = connect({ timeoutMs: 20_000 });

async function send(name) {
    for (let number = 0; number < 10; number++) {
        const payload = `${name}.${number}`;
        const { ids } = await ipc.notify("b", payload);
        if (ids.length !== 1) process.exit(4);
        writeSync(1, `${payload}\\n`);
    }
}

const ended = (one) => new Promise((resolve, reject) => one.on("exit", (code) => (code === 0 ? resolve() : reject(new Error(`exit ${code}`)))));

const ways = {
    async child_process() {
        await send("parent");
        const children = [0, 1, 2].map((n) => ended(fork(__filename, ["child", `child${n}`])));
        await Promise.all([send("parent again"), ...children]);
    },
    async cluster() {
        await send("parent");
        cluster.setupPrimary({ exec: __filename, args: ["child"] });
        const workers = [0, 1, 2].map((n) => ended(cluster.fork({ NAME: `worker${n}` })));
        await Promise.all([send("parent again"), ...workers]);
    },
    async worker_threads() {
        await send("parent");
        const workers = [0, 1, 2, 3].map((n) => ended(new Worker(__filename, { workerData: `thread${n}`, argv: ["child"] })));
        await Promise.all([send("parent again"), ...workers]);
    },
    async child() {
        await send(isMainThread ? process.argv[3] ?? process.env.NAME : workerData);
        if (cluster.isWorker) cluster.worker.disconnect();
    },
};

ways[process.argv[2]]().then(() => ipc.close(), (error) => {
    console.error(error);
    process.exit(1);
});
'''


def environment(apps, **more):
    apps.secret("a")
    return {**os.environ, "BERTH_APP": "a", "BERTH_IPC": apps.endpoint,
            "BERTH_IPC_SECRET_FILE": str(apps.home.agent_home / "secrets/a"), **more}


def check(apps, command, **more):
    """Runs it, and compares what it says with what is in the mailbox."""
    for name in ("a", "b"):
        apps.install(name)
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False, env=environment(apps, **more))
    assert done.returncode == 0, done.stdout + done.stderr
    answered = collections.Counter(done.stdout.splitlines())
    assert answered and set(answered.values()) == {1}, answered
    waiting = collections.Counter(payload for _, payload in apps.wire("b").poll())
    assert waiting == answered


@pytest.mark.parametrize("transport", ["", "pyzmq"])
@pytest.mark.parametrize("way", [
    "fork", "fork_first", "grandchildren", "fork_while_threads_call", "fork_while_listening", "fork_in_a_handler", "pool",
    "spawn", "executor", "threads", "pickled", "asynchronous", "async_threads"])
def test_python(home, tmp_path, way, transport):
    if transport and way.startswith("async"):
        pytest.skip("asyncio has one transport")
    (tmp_path / "script.py").write_text(PYTHON)
    check(Apps(home), [sys.executable, str(tmp_path / "script.py"), way], PYTHONPATH=str(AGENT / "sdk/python"),
          BERTH_IPC_TRANSPORT=transport)


@pytest.fixture(scope="module")
def program(tmp_path_factory):
    folder = tmp_path_factory.mktemp("cpp")
    (folder / "main.cpp").write_text(CPP)
    subprocess.run(["c++", "-std=c++17", "-Wall", "-Wextra", "-Werror", "-pthread", f"-I{AGENT / 'sdk/cpp'}",
                    str(folder / "main.cpp"), "-o", str(folder / "main")], check=True, timeout=120)
    return folder / "main"


@pytest.mark.skipif(not shutil.which("c++"), reason="no compiler here")
@pytest.mark.parametrize("way", ["fork", "fork_first", "fork_raw", "fork_subscribed", "threads"])
def test_cpp(home, program, way):
    check(Apps(home), [str(program), way])


@pytest.mark.skipif(not shutil.which("node"), reason="there is no Node.js")
@pytest.mark.parametrize("way", ["child_process", "cluster", "worker_threads"])
def test_node(home, tmp_path, way):
    if not (NODE / "node_modules/zeromq").is_dir():
        subprocess.run(["npm", "ci", "--no-audit", "--no-fund"], cwd=NODE, check=True, timeout=200)
    (tmp_path / "node_modules").mkdir()
    (tmp_path / "node_modules/berth-ipc").symlink_to(NODE)
    (tmp_path / "script.js").write_text(JS)
    check(Apps(home), ["node", str(tmp_path / "script.js"), way])
