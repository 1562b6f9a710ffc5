"""The C++ client as others get it: installed, found by CMake and by pkg-config, its first example built."""

import os
import pathlib
import shutil
import subprocess

import pytest

from berthlib import BIN
from relaylib import Apps

ROOT = pathlib.Path(__file__).resolve().parents[2]


def run(*command, **more):
    done = subprocess.run([str(c) for c in command], capture_output=True, text=True, timeout=300, check=False, **more)
    assert done.returncode == 0, f"{command}\n{done.stdout}\n{done.stderr}"
    return done.stdout


@pytest.mark.skipif(not shutil.which("cmake") or not shutil.which("pkg-config"), reason="no cmake or pkg-config here")
def test_the_readmes_first_example_builds_and_runs(home, tmp_path):
    prefix, source = tmp_path / "prefix", tmp_path / "source"
    run("cmake", "--install", BIN.parent, "--component", "berth-ipc", "--prefix", prefix)
    source.mkdir()
    example = (ROOT / "agent/sdk/cpp/README.md").read_text().split("```cpp\n", 1)[1].split("```", 1)[0]
    (source / "main.cpp").write_text(example)
    (source / "CMakeLists.txt").write_text(
        "cmake_minimum_required(VERSION 3.20)\nproject(example CXX)\nfind_package(berth-ipc REQUIRED)\n"
        "add_executable(example main.cpp)\ntarget_link_libraries(example berth::ipc)\n")
    run("cmake", "-S", source, "-B", tmp_path / "build", f"-DCMAKE_PREFIX_PATH={prefix}")
    run("cmake", "--build", tmp_path / "build")
    flags = run("pkg-config", "--cflags", "berth-ipc",
                env={**os.environ, "PKG_CONFIG_PATH": str(prefix / "share/pkgconfig")}).split()
    run("c++", "-std=c++17", "-Wall", "-Wextra", "-Werror", *flags, source / "main.cpp", "-o", tmp_path / "by-hand")
    apps = Apps(home)
    apps.secret("a")
    environment = {"BERTH_APP": "a", "BERTH_IPC": apps.endpoint,
                   "BERTH_IPC_SECRET_FILE": str(home.agent_home / "secrets/a")}
    for program in (tmp_path / "build/example", tmp_path / "by-hand"):
        home.berth("notify", "a", "hello", check=0)
        assert run(program, env=environment) == ": hello\n"


TOLD = r'''
#include <berth/ipc.hpp>
#include <cassert>
#include <cstdint>
using namespace berth::ipc;
int main() {
    using std::chrono::seconds;
    // Every plain value packs, and each is shown.
    assert(text(pack(42)) == "42" && text(pack(0)) == "0" && text(pack(true)) == "true" && text(pack(false)) == "false");
    assert(text(pack(-1)) == "-1" && text(pack(1.5)) == "1.5" && text(pack(0.1)) == "0.1" && text(pack(2.5F)) == "2.5");
    assert(text(pack(UINT64_MAX)) == "18446744073709551615" && text(pack(INT64_MIN)) == "-9223372036854775808");
    assert(text(pack(9007199254740993LL)) == "9007199254740993" && text(pack(std::size_t{7})) == "7" && text(pack(short{-200})) == "-200");
    assert(text(pack("a")) == "a" && text(pack('c')) == "c" && text(pack(std::string("s"))) == "s" && text(pack(nullptr)).empty());
    assert(text("\x93\x01\xA1x\x81\xA1k\xC0") == "[1,\"x\",{\"k\":null}]");
    Client sender;
    Client::Options options;
    options.events = true;
    Client told(options);  // of the same app: its own events are not told to it
    assert(!told.next_event(seconds(0)));
    told.ping();
    for (int i = 0; i < 3; ++i) {
        sender.notify("a", pack(i));
    }
    const auto polled = told.poll(seconds(5));
    assert(polled.size() == 3 && polled[2].attempt == 1 && text(polled[2].payload) == "2");
    told.ack({polled[0].id, polled[1].id, polled[2].id});
    options.events = false;
    options.subscribe = true;
    Client both(options);
    both.ping();
    sender.notify("a", pack("pushed"));
    const auto pushed = both.poll(seconds(5));  // what was pushed is given to poll
    assert(pushed.size() == 1 && pushed[0].attempt == 1);
    both.ack({pushed[0].id});
    both.unsubscribe();
    sender.notify("a", pack("not pushed"));
    const auto rest = both.poll(seconds(5));
    assert(rest.size() == 1 && rest[0].attempt == 1 && text(rest[0].payload) == "not pushed");
    assert(both.claim_time() == seconds(30));
}
'''


@pytest.mark.skipif(not shutil.which("c++"), reason="no compiler here")
def test_values_events_and_polls(home, tmp_path):
    (tmp_path / "told.cpp").write_text(TOLD)
    run("c++", "-std=c++17", "-Wall", "-Wextra", "-Wpedantic", "-Wconversion", "-Wshadow", "-Werror", "-I", ROOT / "agent/sdk/cpp",
        tmp_path / "told.cpp", "-o", tmp_path / "told")
    apps = Apps(home)
    apps.secret("a")
    run(tmp_path / "told", env={"BERTH_APP": "a", "BERTH_IPC": apps.endpoint,
                                "BERTH_IPC_SECRET_FILE": str(home.agent_home / "secrets/a")})
