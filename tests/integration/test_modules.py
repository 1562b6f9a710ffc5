"""Module apps in C++: built with the installed header, run by Berth, each in a process of its own."""

import pathlib
import shutil
import subprocess

import pytest

from berthlib import BIN, wait_for
from relaylib import Apps

ROOT = pathlib.Path(__file__).resolve().parents[2]
pytestmark = pytest.mark.skipif(not shutil.which("c++"), reason="no C++ compiler here")

# One library for all tests: what it does is the word after its file.
SOURCE = r"""
#include <unistd.h>
#include <cstdio>
#include <cstdlib>
#include <stdexcept>
#include <string>
#include <berth/ipc.hpp>
#include <berth/module.h>
BERTH_MODULE;
static std::string mode;
int berth_module_init(berth_app* app) {
    mode = app->argc > 1 ? app->argv[1] : "";
    std::printf("begun %s %s %s\n", app->id, mode.c_str(), app->config);
    if (mode == "code") return 7;
    if (mode == "throw") throw std::runtime_error("on purpose");
    if (mode == "crash") std::abort();
    if (mode == "exit") std::exit(3);
    if (mode == "loop") for (;;) pause();
    if (mode == "own") { while (app->wait(app, 60000) == 0) {} std::printf("own end\n"); return 0; }
    return BERTH_MODULE_SERVE;
}
int berth_module_on_message(berth_app* app, const berth_message* message) {
    const std::string text = berth::ipc::text(std::string(static_cast<const char*>(message->payload), message->size));
    std::printf("got %s from %s\n", text.c_str(), message->from);
    if (text == "throw") throw std::runtime_error("not this one");
    if (text == "crash") std::abort();
    if (text == "loop") for (;;) pause();
    if (message->correlation != 0) return app->respond(app, message, message->payload, message->size);
    if (text == "pass on") {
        const std::string payload = berth::ipc::pack("passed on");
        std::printf("notify %d\n", app->notify(app, "b", payload.data(), payload.size()));
        std::printf("request %d\n", app->request(app, "nobody", payload.data(), payload.size(), 1000, nullptr, nullptr));
    }
    return 0;
}
void berth_module_on_event(berth_app*, const berth_event* event) { std::printf("event %s from %s\n", event->type, event->from); }
void berth_module_stop(berth_app* app) { std::printf("stop called, stopping %d\n", app->stopping(app)); }
"""


def compile_module(source, output):
    subprocess.run(["c++", "-std=c++17", "-Wall", "-Wextra", "-Werror", "-shared", "-fPIC", "-I", ROOT / "agent/sdk/cpp",
                    "-o", output, source], check=True, timeout=200)


@pytest.fixture(scope="module")
def library(tmp_path_factory):
    folder = tmp_path_factory.mktemp("module")
    (folder / "many.cpp").write_text(SOURCE)
    compile_module(folder / "many.cpp", folder / "many.so")
    return folder / "many.so"


def begin(home, library, mode, extra="", app="m"):
    home.load(f"{app}.toml", f'[app]\nid = "{app}"\nargv = ["{library}", "{mode}"]\nmodule = true\n[stop]\ntimeout = "1s"\n'
              f'[restart]\npolicy = "never"\n{extra}')
    home.berth("start", app, check=0)
    wait_for(lambda: said(home, "begun", app), "its begin")


def said(home, text, app="m"):
    return any(text in line for line in texts(home, app))


def texts(home, app="m"):
    try:
        return [line.decode() for _, line in home.log_lines(app)]
    except FileNotFoundError:
        return []


def test_messages_requests_and_events_reach_it(home, library):
    begin(home, library, "serve")
    apps = Apps(home)
    apps.install("b")
    b = apps.wire("b")
    b.do("notify", "one", "two", "pass on", to="m")
    wait_for(lambda: said(home, "request 404"), "all are handled")
    assert [t for t in texts(home) if t.startswith("got")] == ["got one from b", "got two from b", "got pass on from b"]
    assert said(home, "notify 0") and [p for _, p in b.poll()] == ["passed on"]
    wait_for(lambda: (box := home.app("m")["mailbox"]) and (box["received"], box["waiting"]) == (3, 0), "they are acknowledged")
    assert b.ask("request", "question", to="m", timeout_ms=10_000).payload == ["question"]
    b.do("raise", type="made")
    wait_for(lambda: said(home, "event made from b"), "the event")
    b.do("notify", "throw", to="m")  # comes again later; the app lives
    wait_for(lambda: said(home, "not this one"), "it is told")
    home.kill("agent")
    wait_for(lambda: home.berth("notify", "m", "after").code == 0, "the agent is back")
    wait_for(lambda: said(home, "got after from"), "it has connected again")
    home.berth("stop", "m", check=0)
    assert texts(home)[-1] == "stop called, stopping 1"
    assert home.app("m")["exit_code"] == 0


@pytest.mark.parametrize("mode, code, state", [("code", 7, "failed"), ("throw", 1, "failed"), ("crash", -6, "failed"), ("exit", 3, "failed")])
def test_its_end_is_its_own(home, library, mode, code, state):
    begin(home, library, "serve", app="other")
    home.load("m.toml", f'[app]\nid = "m"\nargv = ["{library}", "{mode}"]\nmodule = true\n[restart]\npolicy = "never"\n')
    home.berth("start", "m", "--no-wait")
    wait_for(lambda: home.app("m")["exit_code"] == code, f"exit {code}")
    assert home.state("m") == state and home.state("other") == "running"


def test_a_handler_that_crashes_or_hangs_ends_that_app_alone(home, library):
    begin(home, library, "serve", app="other")
    begin(home, library, "serve")
    home.berth("notify", "m", "crash", check=0)
    wait_for(lambda: home.app("m")["exit_code"] == -6, "its crash")
    home.berth("messages", "m", "--clear", "--yes", check=0)
    home.berth("start", "m", check=0)
    home.berth("notify", "m", "loop", check=0)
    wait_for(lambda: said(home, "got loop"), "it hangs")
    home.berth("stop", "m", check=0)  # after the grace
    assert home.app("m")["exit_code"] == -9 and home.state("other") == "running"


def test_one_that_is_its_own_main_is_told_to_end(home, library):
    begin(home, library, "own")
    home.berth("stop", "m", check=0)
    assert {"own end", "stop called, stopping 1"} <= set(texts(home)) and home.app("m")["exit_code"] == 0


def test_an_endless_loop_is_ended_after_the_grace(home, library):
    begin(home, library, "loop")
    home.berth("stop", "m", check=0)
    assert said(home, "stop called") and home.app("m")["exit_code"] == -9


def test_what_is_no_module_says_why(home, tmp_path):
    (tmp_path / "none.cpp").write_text("int nothing;\n")
    (tmp_path / "old.cpp").write_text('extern "C" { unsigned berth_module_abi = 99; }\n')
    (tmp_path / "text.so").write_text("no library" * 20)
    for name in ("none", "old"):
        compile_module(tmp_path / f"{name}.cpp", tmp_path / f"{name}.so")
    for name, why in (("none", "BERTH_MODULE is missing"), ("old", "is for version 99"), ("text", "invalid ELF header")):
        home.load(f"{name}.toml", f'[app]\nid = "{name}"\nargv = ["{tmp_path}/{name}.so"]\nmodule = true\n[restart]\npolicy = "never"\n')
        home.berth("start", name, "--no-wait")
        wait_for(lambda: said(home, why, name), why)  # pylint: disable=cell-var-from-loop
        wait_for(lambda: home.app(name)["exit_code"] == 78, "its end")  # pylint: disable=cell-var-from-loop
    # One that goes after it was looked at, see test_edges.py.
    gone = subprocess.run([BIN / "berth-module-host", tmp_path / "gone.so"], capture_output=True, text=True, check=False)
    assert gone.returncode == 78 and "No such file" in gone.stderr


def test_the_example_counts(home, tmp_path):
    folder = tmp_path / "counter"
    shutil.copytree(ROOT / "examples/counter", folder)
    compile_module(folder / "counter.cpp", folder / "counter.so")
    home.berth("load", folder, check=0)
    home.berth("start", "counter", check=0)
    home.berth("notify", "counter", "hello", check=0)
    wait_for(lambda: said(home, "1: hello", "counter"), "it has counted")
    home.berth("stop", "counter", check=0)
    assert texts(home, "counter")[-1] == "counted 1"


def test_a_module_in_c_is_one_too(tmp_path):
    if not shutil.which("cc"):
        pytest.skip("no C compiler here")
    (tmp_path / "c.c").write_text("#include <berth/module.h>\nBERTH_MODULE;\nint berth_module_init(berth_app* app) { (void)app; return 5; }\n")
    subprocess.run(["cc", "-std=c99", "-Wall", "-Wextra", "-Wpedantic", "-Werror", "-shared", "-fPIC", "-I", ROOT / "agent/sdk/cpp",
                    "-o", tmp_path / "c.so", tmp_path / "c.c"], check=True, timeout=60)
    assert b"berth_module_abi" in (tmp_path / "c.so").read_bytes()
