"""Whole numbers beyond 2^53 go through every way of messages as they are, or are refused; none is rounded."""

import json
import os
import pathlib
import shutil
import subprocess
import sys

import pytest

from relaylib import Apps
from test_controller import Up

AGENT = pathlib.Path(__file__).resolve().parents[2] / "agent"
NODE = AGENT / "sdk/node"
NUMBERS = [2 ** 53 + 1, -(2 ** 53) - 1, 2 ** 63 - 1, -(2 ** 63), 2 ** 63, 2 ** 64 - 1, 12345678901234567]
TOO_LARGE = ["12345678901234567890123", str(2 ** 64), str(-(2 ** 63) - 1)]


@pytest.fixture(scope="module")
def up(tmp_path_factory):
    it = Up(tmp_path_factory.mktemp("numbers") / "home")
    it.begin()
    it.relay = Apps(it)
    for name in ("a", "b"):
        it.relay.install(name)
    yield it
    it.relay.close()
    it.berth("down", timeout=120)
    it.destroy()


def test_the_command_line(up):
    b = up.relay.wire("b")
    for number in NUMBERS:
        for text in (str(number), f'{{"deep": [{number}]}}'):
            up.berth("notify", "b", "--parse", "--", text, check=0)
            value = json.loads(text)
            assert json.loads(up.berth("poll", "b", "--peek", "--json", check=0).out)[0]["payload"] == value
            assert str(number) in up.berth("messages", "b", check=0).out
            assert [p for _, p in b.poll(auto_ack=True)] == [value]
    for text in TOO_LARGE:
        for words in (("notify", "b"), ("raise", "x")):
            refused = up.berth(*words, "--parse", "--", f"[{text}]")
            assert refused.code == 2 and "64 bits" in refused.err, refused
    assert b.poll() == []


def test_the_api(up):
    b = up.relay.wire("b", subscribe=True)
    for number in NUMBERS:
        status, _ = up.panel.ask("POST", "/agents/default/apps/b/messages", {"payload": [number]})
        assert status == 200
        shown = up.panel.ask("GET", "/agents/default/apps/b/mailbox")[1]["messages"]
        push = b.push()
        assert push.payload == [[number]] and str(number) in json.dumps(shown[-1]["payload"])
        b.do("ack", ids=[push.meta["id"]])
        up.panel.ask("POST", "/agents/default/events", {"type": "n", "payload": number})
        assert b.push("event").payload == [number]
    b.close()
    for text in TOO_LARGE:
        assert up.panel.ask("POST", "/agents/default/apps/b/messages", {"payload": int(text)})[0] == 400


def test_config_variables(up):
    up.relay.install("conf", f'[config.n]\ntype = "int"\nvalue = {2 ** 53 + 1}\n')
    conf = up.relay.wire("conf")
    assert conf.do("config")["variables"] == {"n": 2 ** 53 + 1}


ECHO = {
    "python": ('import berth_ipc\nipc = berth_ipc.connect(timeout=20)\n'
               'for m in ipc.poll(wait=20): ipc.notify("a", m.payload); m.ack()\n'),
    "node": ('const { connect } = require("berth-ipc");\nconst ipc = connect({ timeoutMs: 20_000 });\n'
             '(async () => { for (const m of await ipc.poll({ waitMs: 20_000 })) { await ipc.notify("a", m.payload); await m.ack(); } '
             'for (const bad of [2n ** 64n, -(2n ** 63n) - 1n]) { '
             'let refused = false; try { await ipc.notify("a", [bad]); } catch (e) { refused = e instanceof RangeError; } '
             'if (!refused) process.exit(5); } ipc.close(); })();\n'),
    "cpp": ('#include <berth/ipc.hpp>\nusing namespace berth::ipc;\nint main() { Client ipc; std::vector<std::uint64_t> done;\n'
            'for (const Message& m : ipc.poll(std::chrono::seconds(20))) { const std::string t = text(m.payload);\n'
            'ipc.notify("a", t[0] == \'-\' ? pack(std::stoll(t)) : pack(std::stoull(t))); done.push_back(m.id); } ipc.ack(done); }\n'),
}


@pytest.mark.parametrize("way", list(ECHO))
def test_each_library_gives_back_what_it_got(up, tmp_path, way):
    """Each is handed the numbers, and sends them back by its own codec."""
    a = up.relay.wire("a")
    a.do("notify", *NUMBERS, to="b")
    source = tmp_path / {"python": "echo.py", "node": "echo.js", "cpp": "echo.cpp"}[way]
    source.write_text(ECHO[way])
    if way == "cpp":
        if not shutil.which("c++"):
            pytest.skip("no compiler here")
        subprocess.run(["c++", "-std=c++17", "-Wall", "-Wextra", "-Werror", f"-I{AGENT / 'sdk/cpp'}", source, "-o", tmp_path / "echo"],
                       check=True, timeout=200)
    if way == "node":
        if not shutil.which("node"):
            pytest.skip("there is no Node.js")
        (tmp_path / "node_modules").mkdir()
        (tmp_path / "node_modules/berth-ipc").symlink_to(NODE)
    command = {"python": [sys.executable, source], "node": ["node", source], "cpp": [tmp_path / "echo"]}[way]
    up.relay.secret("b")
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False, env={
        **os.environ, "BERTH_APP": "b", "BERTH_IPC": up.relay.endpoint, "PYTHONPATH": str(AGENT / "sdk/python"),
        "BERTH_IPC_SECRET_FILE": str(up.agent_home / "secrets/b")})
    assert done.returncode == 0, done.stderr
    assert [p for _, p in a.poll(auto_ack=True)] == NUMBERS
