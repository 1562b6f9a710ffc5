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
