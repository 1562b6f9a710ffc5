"""The Node.js client: the scenarios of agent/sdk/node/test, each a process of its own against a real agent."""

import json
import os
import pathlib
import shutil
import subprocess

import pytest

from berthlib import alive, wait_for
from relaylib import Apps

SDK = pathlib.Path(__file__).resolve().parents[2] / "agent/sdk/node"
TSC = SDK.parents[2] / "web/node_modules/.bin/tsc"
pytestmark = pytest.mark.skipif(not shutil.which("node"), reason="there is no Node.js")


@pytest.fixture(scope="module", autouse=True)
def packages():
    if not (SDK / "node_modules/zeromq").is_dir():
        subprocess.run(["npm", "ci", "--no-audit", "--no-fund"], cwd=SDK, check=True, timeout=200)


def kill_agent(home):
    old = home.kill("agent")
    wait_for(lambda: not alive(old), "its end")


@pytest.mark.parametrize("name", ["talk", "listen", "killed", "waiting-poll", "shared", "away", "secret", "iterators",
                                  "events-and-poll", "break", "codec", "idle"])
def test_scenario(home, name):
    apps = Apps(home)
    for app in ("a", "b"):
        apps.install(app)
    secrets = {app: apps.secret(app) for app in ("a", "b")}
    with subprocess.Popen(["node", "test/scenarios.js", name, apps.endpoint, json.dumps(secrets)], cwd=SDK, text=True,
                          stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as node:
        try:
            asked = ""
            for line in node.stdout:
                asked = line.strip()
                if asked == "passed":
                    break
                {"kill": kill_agent, "down": type(home).down}[asked](home)
                node.stdin.write("done\n")
                node.stdin.flush()
            assert node.wait(20) == 0 and asked == "passed", node.stderr.read()  # and it ends by itself
        finally:
            node.kill()


def test_the_readmes_first_example_runs(home, tmp_path):
    apps = Apps(home)
    code = (SDK / "README.md").read_text().split("```js\n", 1)[1].split("```", 1)[0]
    assert len(code.splitlines()) <= 10
    apps.secret("a")
    home.berth("notify", "a", "hello", check=0)
    (tmp_path / "node_modules").mkdir()
    (tmp_path / "node_modules/berth-ipc").symlink_to(SDK)
    (tmp_path / "example.js").write_text(code)
    done = subprocess.run(["node", "example.js"], cwd=tmp_path, capture_output=True, text=True, timeout=60, check=False, env={
        **os.environ, "BERTH_APP": "a", "BERTH_IPC": apps.endpoint,
        "BERTH_IPC_SECRET_FILE": str(home.agent_home / "secrets/a")})
    assert done.returncode == 0 and "hello" in done.stdout, done.stderr


def test_nothing_of_a_registry_is_in_the_lock_file():
    lock = (SDK / "package-lock.json").read_text()
    assert "registry" not in lock and '"resolved"' not in lock


@pytest.mark.skipif(not TSC.exists(), reason="TypeScript comes with the panel, which is not built here")
def test_the_types_are_sound():
    done = subprocess.run([TSC, "--noEmit", "--strict", "--target", "es2022", "--module", "nodenext", "test/types.ts"],
                          cwd=SDK, capture_output=True, text=True, timeout=100, check=False)
    assert done.returncode == 0, done.stdout
