"""What `up` and `down` say and do when something cannot begin, or what they were to use has gone."""

import fcntl
import os
import shutil
import signal
import socket
import subprocess
import time

import berthlib
import pytest
from berthlib import alive, wait_for

SLEEP = '[app]\nid = "a"\nargv = ["sleep", "1000"]\n[restart]\npolicy = "always"\n'


@pytest.fixture
def it(tmp_path):
    one = berthlib.Home(tmp_path / "home")
    yield one
    one.berth("down", timeout=100)
    one.destroy()
    subprocess.run(["pkill", "-9", "-f", f"[h]ome {one.path}"], check=False)


def of_berth(home):
    return subprocess.run(["pgrep", "-f", f"[h]ome {home.path}"], capture_output=True, text=True, check=False).stdout.split()


def locked(path):
    with open(path, "r+b") as file:
        try:
            fcntl.lockf(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            return False
        except OSError:
            return True


def up(home, *words, code=0):
    began = time.monotonic()
    said = home.berth("up", "--detach", *words)
    assert said.code == code, (said.out, said.err)
    if code != 0:
        assert time.monotonic() - began < 3 * berthlib.SLOW, "the reason is known at once"
        wait_for(lambda: not of_berth(home), "what it began is ended")
    return said


def test_a_port_that_is_taken_is_named_and_nothing_stays(it):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        said = up(it, "--listen", f"127.0.0.1:{taken.getsockname()[1]}", code=1)
    assert "Address already in use" in said.err and "--listen 127.0.0.1:0" in said.err


def test_where_the_panel_listens_is_remembered(it):
    first = up(it, "--listen", "127.0.0.1:0").out.splitlines()[0]
    it.berth("down", check=0)
    assert up(it).out.splitlines()[0] == first


@pytest.mark.parametrize("name,text,said", [
    ("agent.toml", "x = [", "agent.toml:1:"), ("agent.db", "nonsense" * 1000, "agent.db: file is not a database; `berth doctor --repair`"),
    ("keys/agent.key", "nonsense", "agent.key: is no CURVE secret key; `berth doctor --repair`")])
def test_a_file_that_cannot_be_used_is_named(it, name, text, said):
    up(it, "--listen", "127.0.0.1:0")
    it.berth("down", check=0)
    file = it.agent_home / name
    file.write_text(text)
    file.chmod(0o600)
    assert said in up(it, code=1).err
    if "--repair" not in said:
        return
    found = it.berth("doctor")
    assert str(file) in found.out and "Lost with it" in found.out and file.exists()
    repaired = it.berth("doctor", "--repair")
    assert f"{file} is put aside as {file}.broken-" in repaired.out and "Lost: " in repaired.out
    assert not file.exists() and [one for one in file.parent.iterdir() if one.name.startswith(f"{file.name}.broken-")]
    up(it)


def test_records_that_cannot_be_read_do_not_double_an_app(it):
    up(it, "--listen", "127.0.0.1:0")
    it.load("a.toml", SLEEP)
    it.berth("start", "a", check=0)
    pid = it.app("a")["pid"]
    records = os.path.realpath(it.agent_home / "run/keeper.records")
    subprocess.run(["pkill", "-STOP", "-f", f"[h]ome {it.path}"], check=True)
    subprocess.run(["pkill", "-9", "-f", f"[h]ome {it.path}"], check=True)
    locks = [it.path / "up.lock", it.path / "controller/controller.lock", *it.agent_home.glob("*.lock")]
    wait_for(lambda: not any(map(locked, locks)), "all are dead, to the last descriptor")
    with open(records, "r+b") as file:
        file.write(os.urandom(4096))
    assert "keeper.records: not a keeper's record file" in up(it, code=1).err
    assert f"{records} is put aside" in it.berth("doctor", "--repair").out
    up(it)
    assert it.app("a")["pid"] == pid and it.processes_of("a") == [pid]


def test_down_ends_the_apps_of_an_agent_that_cannot_begin(it):
    up(it, "--listen", "127.0.0.1:0")
    it.load("a.toml", SLEEP)
    it.berth("start", "a", check=0)
    pid = it.app("a")["pid"]
    (it.agent_home / "agent.toml").write_text("x = [")
    it.kill("agent")
    wait_for((it.agent_home / "run/agent.problem").exists, "its reason")
    said = it.berth("list")
    assert said.code == 4 and "agent.toml:1:" in said.err
    it.berth("down", check=0)
    assert not alive(pid)
    wait_for(lambda: not of_berth(it), "nothing stays")
    assert (it.agent_home / "keeper.ends").exists(), "nobody was told yet how it ended"
    (it.agent_home / "agent.toml").unlink()
    up(it)
    assert it.runs("a").get(1) == -15
    assert not (it.agent_home / "keeper.ends").exists()


def test_down_after_the_agent_has_left_its_apps(it):
    up(it, "--listen", "127.0.0.1:0")
    it.load("a.toml", SLEEP)
    it.berth("start", "a", check=0)
    pid = it.app("a")["pid"]
    it.berth("agent", "stop", "--keep-apps", check=0)
    it.berth("down", check=0)
    assert not alive(pid)


def test_down_ends_what_ran_in_a_home_that_was_removed(it):
    up(it, "--listen", "127.0.0.1:0")
    it.load("a.toml", SLEEP)
    it.berth("start", "a", check=0)
    pid = it.app("a")["pid"]
    shutil.rmtree(it.path)
    assert it.berth("down", check=0).out == "down\n"
    assert not alive(pid) and not it.path.exists()
    wait_for(lambda: not of_berth(it), "nothing stays")


def test_down_and_up_on_a_full_disk(tmp_path):
    disk = tmp_path / "disk"
    disk.mkdir()
    if subprocess.run(["mount", "-t", "tmpfs", "-o", "size=6m", "none", disk], check=False).returncode != 0:
        pytest.skip("this machine lets nobody mount")
    it = berthlib.Home(disk / "home")
    try:
        up(it, "--listen", "127.0.0.1:0")
        it.load("a.toml", SLEEP)
        it.berth("start", "a", check=0)
        pid = it.app("a")["pid"]
        fill = disk / "fill"
        with pytest.raises(OSError), open(fill, "wb", buffering=0) as file:
            while True:
                file.write(bytes(1 << 16))
        controller = it.path / "controller/run/controller.pid"
        old = controller.read_text()
        os.kill(int(old), signal.SIGKILL)
        it.kill("agent")
        wait_for(lambda: controller.exists() and controller.read_text() != old, "the next controller")
        wait_for(lambda: it.berth("list").code == 0, "the next agent")
        assert it.app("a")["pid"] == pid
        it.berth("down", check=0)
        assert not alive(pid)
        fill.unlink()
        up(it)
        assert it.runs("a").get(1) == -15, "how it ended was kept"
    finally:
        it.berth("down")
        it.destroy()
        subprocess.run(["umount", "-l", disk], check=False)
