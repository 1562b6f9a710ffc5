"""An app that runs as another user: what is its own is within its reach, and nothing else of the home."""

import json
import os
import pwd
import shutil
import tempfile

import pytest
from berthlib import Home, may, wait_for

pytestmark = pytest.mark.skipif(not may("setuid", "setgid", "chown"), reason="only root, and not every root, can start apps as another user")

SCRIPT = """
import json, os, pathlib
import berth_ipc

client = berth_ipc.connect()
client.notify("peer", {"from": os.getuid()})
own = pathlib.Path(os.environ["BERTH_HOME_DIR"])
(own / "file").write_text("mine")
home = own.parents[1]
closed = {}
for name in ("agent.db", "relay.db", "metrics.db", "keys/agent.key", "secrets/peer", "logs/app/current", "run/keeper.records",
             "run/control.sock", "tmp/peer_config.json", "data/peer"):
    try:
        mode = os.R_OK | os.W_OK if name.endswith(".sock") else os.R_OK
        closed[name] = not os.access(home / name, mode)
    except OSError:
        closed[name] = True
for folder in (home.parents[1], home.parent, home, home / "run", home / "secrets", home / "data", home / "tmp"):
    try:
        os.listdir(folder)
        closed[str(folder)] = False
    except PermissionError:
        closed[str(folder)] = True
config = json.loads(pathlib.Path(os.environ["BERTH_CONFIG_FILE"]).read_text())
print("RESULT " + json.dumps({"uid": os.getuid(), "closed": closed, "config": config}), flush=True)
"""


@pytest.fixture
def open_tmp():
    """A folder that other users can pass, as /var/lib is; pytest's own is closed to them."""
    path = tempfile.mkdtemp(prefix="berth-user-")
    os.chmod(path, 0o711)
    yield path
    shutil.rmtree(path, ignore_errors=True)


def test_it_reaches_what_is_its_own_and_nothing_else(open_tmp):
    nobody = pwd.getpwnam("nobody")
    home = Home(os.path.join(open_tmp, "home"))
    home.up()
    try:
        script = home.write("script.py", SCRIPT).rename(os.path.join(open_tmp, "script.py"))
        home.load("peer.toml", '[app]\nid = "peer"\ncommand = "true"\nautostart = false\n')
        home.berth("token", "app", "peer", check=0)
        home.load("app.toml", f'[app]\nid = "app"\nuser = "nobody"\ncwd = "/"\ncommand = "python3 {script}"\n'
                              '[restart]\npolicy = "never"\n')
        home.berth("start", "app", "--no-wait", check=0)
        wait_for(lambda: home.state("app") in ("exited", "failed"), "its end")
        out = home.berth("logs", "app", check=0).out
        assert home.state("app") == "exited", out
        result = json.loads(out.split("RESULT ")[1])
        assert result["uid"] == nobody.pw_uid
        assert [name for name, shut in result["closed"].items() if not shut] == []
        assert (home.agent_home / "data/app/file").read_text() == "mine"
        polled = home.berth("poll", "peer", "--json", check=0).out
        assert str(nobody.pw_uid) in polled and '"app"' in polled, polled
        for name in ("agent.db", "agent.db-wal", "relay.db", "relay.db-wal", "metrics.db"):
            assert (home.agent_home / name).stat().st_mode & 0o077 == 0, name
    finally:
        home.destroy()
