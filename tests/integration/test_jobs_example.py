"""The job queue of examples/jobs, as its README has it: three workers, slow jobs, a kill, and a job that fails."""

import json
import os
import pathlib
import shutil
import subprocess

import pytest

from berthlib import wait_for

ROOT = pathlib.Path(__file__).resolve().parents[2]
WORKERS = {"jobs-python": "worker-python", "jobs-node": "worker-node", "jobs-cpp": "worker-cpp"}
pytestmark = pytest.mark.skipif(not shutil.which("c++") or not shutil.which("npm"), reason="no compiler or no npm here")


def test_jobs_are_done_by_workers_in_three_languages(home, tmp_path):
    folder = tmp_path / "jobs"
    shutil.copytree(ROOT / "examples/jobs", folder)
    subprocess.run(["c++", "-std=c++17", "-Wall", "-Wextra", "-Werror", "-I", ROOT / "agent/sdk/cpp", "worker.cpp", "-o", "worker"],
                   cwd=folder / "worker-cpp", check=True, timeout=200)
    # As a user does it, from a checkout that nobody has prepared.
    shutil.copytree(ROOT / "agent/sdk/node", tmp_path / "sdk", ignore=shutil.ignore_patterns("node_modules"))
    subprocess.run(["npm", "install", "--no-audit", "--no-fund", tmp_path / "sdk"], cwd=folder / "worker-node", check=True,
                   timeout=200, env={**os.environ, "npm_config_offline": "true"})
    for name in ["submit", *WORKERS.values()]:
        home.berth("load", str(folder / name / "berth.toml"), check=0)
    home.berth("start", "jobs-submit", *WORKERS, check=0, timeout=60)

    def said():
        try:
            return {line.decode() for stream, line in home.log_lines("jobs-submit") if stream == "stdout"}
        except FileNotFoundError:
            return set()

    def dead(worker):
        return [m["payload"] for m in json.loads(home.berth("messages", worker, "--dead", "--json").out)["messages"]]

    def submit(line):
        home.berth("connect", "jobs-submit", stdin=line.encode() + b"\n", check=0)

    submit("one")
    submit("two words")
    submit("and 3 more")
    expected = {"jobs-python: one: 3 letters", "jobs-node: two words: 8 letters", "jobs-cpp: and 3 more: 7 letters"}
    wait_for(lambda: said() >= expected, "each has done one")
    for _ in WORKERS:
        submit("fail")
    for worker in WORKERS:
        submit("behind it")
        wait_for(lambda w=worker: dead(w) == ["fail"], f"{worker} has given up")
    expected |= {f"{worker}: behind it: 8 letters" for worker in WORKERS}
    wait_for(lambda: said() >= expected, "what is behind it is done all the same")
    for _ in WORKERS:
        submit("at last")
    for worker in WORKERS:
        home.berth("restart", worker, check=0, timeout=60)
    expected |= {f"{worker}: at last: 6 letters" for worker in WORKERS}
    wait_for(lambda: said() >= expected, "no job was lost")
    assert said() == expected and all(dead(worker) == ["fail"] for worker in WORKERS)
