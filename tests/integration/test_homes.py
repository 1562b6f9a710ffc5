"""What a home is: copies, moves, the runtime folder, and homes of the layout before. At random: homes.py."""

import fcntl
import os
import pathlib
import shutil
import signal
import subprocess
import tempfile

import berthlib
import pytest
from berthlib import alive, wait_for

SLEEP = '[app]\nid = "{id}"\nargv = ["sleep", "1000"]\n[restart]\npolicy = "always"\n'


def run_folder(home):
    return pathlib.Path(os.path.realpath(home.agent_home / "run"))


def held(folder):
    fd = os.open(folder, os.O_RDONLY)
    try:
        fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        return False
    except BlockingIOError:
        return True
    finally:
        os.close(fd)


@pytest.fixture
def copies():
    made = []

    def copy(home, target):
        subprocess.run(["cp", "-a", home.path, target], check=True)
        made.append(berthlib.Home(target))
        return made[-1]

    yield copy
    for one in made:
        one.destroy()


def start(home, app):
    home.load(f"{app}.toml", SLEEP.format(id=app))
    home.berth("start", app, check=0)
    return home.app(app)["pid"]


def test_what_lives_is_not_in_the_home(home):
    start(home, "a")
    assert run_folder(home).parent == pathlib.Path("/run/berth")
    assert {"agent.pid", "app.sock", "control.sock", "io", "keeper.pid", "keeper.records"} <= set(os.listdir(run_folder(home)))
    inside = [path for path in home.agent_home.rglob("*") if path.is_socket() or path.is_fifo() or path.suffix == ".pid"]
    assert not inside
    folder = run_folder(home)
    home.down()
    wait_for(lambda: not folder.exists(), "nothing lives, and the folder goes")
    assert not (home.agent_home / "run").is_symlink()


def test_a_copy_starts_nothing_and_ends_nothing(home, tmp_path, copies):
    pid = start(home, "a")
    copy = copies(home, tmp_path / "copy")
    copy.up()
    said = copy.berth("list", "--json", check=0)
    assert f"is a copy of {home.agent_home}, which lives" in said.err and "--as-copy" in said.err
    app = copy.app("a")
    assert app["state"] == "stopped" and app["pid"] is None and "is a copy" in app["reason"]
    assert "is no copy" in copy.berth("doctor").out
    copy.berth("start", "a", check=0)
    other = copy.app("a")["pid"]
    assert other != pid
    copy.berth("restart", "a", check=0)
    copy.down()
    assert home.app("a")["pid"] == pid and alive(pid) and home.processes_of("a") == [pid]


def test_a_copy_becomes_a_home_of_its_own(home, tmp_path, copies):
    pid = start(home, "a")
    copy = copies(home, tmp_path / "copy")
    copy.up()
    copy.berth("start", "a", check=0)
    other = copy.app("a")["pid"]
    key = (home.agent_home / "keys/agent.pub").read_text()
    assert copy.berth("home", "--as-copy", check=0).out == "agents/default is a home of its own now\n"
    assert copy.app("a")["pid"] == other, "its apps run on"
    assert (copy.agent_home / "keys/agent.pub").read_text() != key == (home.agent_home / "keys/agent.pub").read_text()
    said = copy.berth("list", check=0)
    assert said.err == ""
    again = copy.berth("home", "--as-copy")
    assert again.code == 1 and "is no copy" in again.err
    assert home.app("a")["pid"] == pid


def test_a_copy_takes_over_when_the_other_has_ended(home, tmp_path, copies):
    start(home, "a")
    key = (home.agent_home / "keys/agent.pub").read_text()
    copy = copies(home, tmp_path / "copy")
    copy.up()
    home.down()
    copy.berth("home", "--takes-over", check=0)
    wait_for(lambda: copy.state("a") == "running", "what ran there is wanted here")
    assert (copy.agent_home / "keys/agent.pub").read_text() == key


def test_a_restored_backup_goes_on_by_itself(home, tmp_path, copies):
    pid = start(home, "a")
    home.kill_all()
    os.kill(pid, signal.SIGKILL)
    folder = run_folder(home)
    wait_for(lambda: not alive(pid) and not held(folder), "the last thread of them has ended")
    berthlib.reap()
    copy = copies(home, tmp_path / "restored")
    shutil.rmtree(home.path)
    copy.up()
    wait_for(lambda: copy.state("a") == "running", "it is the home now")


def test_home_flags_exclude_each_other(home):
    assert home.berth("home", "--as-copy", "--takes-over").code == 2


def test_an_app_below_the_home_runs_from_the_copy(home, tmp_path, copies):
    folder = home.agent_home / "repos/below"
    folder.mkdir()
    (folder / "berth.toml").write_text(SLEEP.format(id="below"))
    home.berth("load", folder, check=0)
    copy = copies(home, tmp_path / "copy")
    copy.up()
    copy.berth("start", "below", check=0)
    assert os.path.realpath(f"/proc/{copy.app('below')['pid']}/cwd") == str(copy.agent_home / "repos/below")


def test_a_runtime_folder_that_is_removed_is_made_again(home):
    pid = start(home, "a")
    shutil.rmtree(run_folder(home), ignore_errors=True)
    names = {"agent.pid", "app.sock", "control.sock", "home", "io", "keeper.pid", "keeper.records"}
    wait_for(lambda: run_folder(home).exists() and names <= set(os.listdir(run_folder(home))), "the folder")
    assert home.app("a")["pid"] == pid
    home.kill("keeper")
    wait_for(lambda: home.state("a") == "running", "the next keeper finds it")
    assert home.app("a")["pid"] == pid and home.processes_of("a") == [pid]


@pytest.mark.parametrize("name", ["control.sock", "app.sock"])
def test_a_socket_that_is_removed_is_made_again(home, name):
    socket = run_folder(home) / name
    socket.unlink()
    wait_for(socket.is_socket, "the socket")
    assert home.berth("list").code == 0
    home.berth("notify", "somebody", "hello", check=0)


def test_a_log_out_takes_nothing_away(empty_home, tmp_path):
    session = tmp_path / "session"
    session.mkdir()
    empty_home.env["XDG_RUNTIME_DIR"] = str(session)
    empty_home.up()
    try:
        pid = start(empty_home, "a")
        assert session not in run_folder(empty_home).parents
        shutil.rmtree(session)
        del empty_home.env["XDG_RUNTIME_DIR"]  # the next shell has another, or none
        assert empty_home.app("a")["pid"] == pid
    finally:
        empty_home.destroy()


def test_without_records_what_lives_is_taken_over(home):
    home.load("talker.toml", '[app]\nid = "talker"\nargv = ["sh", "-c", "while read -r line; do echo got $line; done"]\n')
    home.berth("start", "talker", check=0)
    pid = home.app("talker")["pid"]
    folder = run_folder(home)
    home.kill_all()
    shutil.rmtree(folder)
    home.up()
    assert home.app("talker")["pid"] == pid and home.state("talker") == "running"
    home.berth("stop", "talker", check=0)
    assert not alive(pid)


def test_a_home_that_is_moved_is_gone_on_with(home, tmp_path):
    pid = start(home, "a")
    os.rename(home.path, tmp_path / "moved")
    moved = berthlib.Home(tmp_path / "moved")
    try:
        wait_for(lambda: moved.berth("list").code == 0, "the agent at the new place")
        assert moved.app("a")["pid"] == pid
        moved.load("b.toml", SLEEP.format(id="b"))
        moved.berth("start", "b", check=0)
        assert not home.path.exists(), "nothing is made at the old place"
        moved.down()
        assert not alive(pid)
    finally:
        moved.destroy()


def test_a_home_that_is_named_by_a_link_stays_there(empty_home, tmp_path):
    empty_home.path.mkdir()
    link = tmp_path / "link"
    link.symlink_to(empty_home.path)
    linked, moved = berthlib.Home(link), berthlib.Home(tmp_path / "moved")
    linked.up()
    try:
        pid = start(linked, "a")
        assert run_folder(linked) == run_folder(empty_home)
        assert empty_home.app("a")["pid"] == pid, "by its other name too"
        os.rename(empty_home.path, moved.path)
        wait_for(lambda: moved.berth("list").code == 0, "it is gone on with where it is")
        link.unlink()
        link.symlink_to(moved.path)
        assert linked.app("a")["pid"] == pid
    finally:
        linked.destroy()
        moved.destroy()  # they are told by their paths


def to_old_layout(home):
    """As the version before left it: everything in <home>/run, no identity."""
    run = home.agent_home / "run"
    folder = run_folder(home)
    home.kill_all()
    run.unlink()
    shutil.copytree(folder, run, symlinks=True, ignore=lambda _, names: [n for n in names if n.endswith((".sock", ".lock")) or n in ("io", "home")])
    (run / "io").mkdir()
    shutil.rmtree(folder)
    for name in ("keeper", "agent"):
        (home.agent_home / f"{name}.lock").rename(run / f"{name}.lock")
    (home.agent_home / "home.id").unlink()


def test_a_home_of_the_layout_before_is_moved_over_with_its_apps(home):
    pid = start(home, "a")
    to_old_layout(home)
    home.up()
    assert home.app("a")["pid"] == pid and home.processes_of("a") == [pid]
    assert (home.agent_home / "run").is_symlink() and (home.agent_home / "keeper.lock").is_file()
    home.berth("stop", "a", check=0)
    assert not alive(pid)


def test_a_copy_of_the_layout_before_is_a_copy(home, tmp_path, copies):
    pid = start(home, "a")
    to_old_layout(home)
    copy = copies(home, tmp_path / "copy")
    copy.up()
    assert "is a copy of" in copy.berth("list").err
    copy.down()
    home.up()
    assert home.app("a")["pid"] == pid and home.processes_of("a") == [pid]


def test_another_runtime_folder_is_remembered(empty_home, tmp_path):
    base = pathlib.Path(tempfile.mkdtemp(prefix="berth-rt-"))  # a socket's path has 107 bytes
    empty_home.berth("agent", "run", "--detach", "--runtime-dir", base, check=0)
    try:
        assert run_folder(empty_home).parent == base
        said = empty_home.berth("agent", "run", "--detach", "--runtime-dir", tmp_path / "other")
        assert said.code == 1 and str(base) in said.err and "end it first" in said.err
        empty_home.down()
        empty_home.up()
        assert run_folder(empty_home).parent == base
    finally:
        empty_home.destroy()
        shutil.rmtree(base, ignore_errors=True)


def test_a_runtime_folder_is_an_absolute_path(empty_home):
    said = empty_home.berth("up", "--detach", "--runtime-dir", "")
    assert said.code == 2 and "absolute" in said.err


@pytest.mark.skipif(os.geteuid() != 0, reason="needs another user")
def test_another_users_folder_in_tmp_is_refused(tmp_path):
    """Somebody has made /tmp/berth-UID first."""
    base = pathlib.Path("/tmp/berth-64999")
    if base.exists():
        pytest.skip("somebody uses it")
    base.mkdir(mode=0o777)
    folder = tmp_path / "home"
    folder.mkdir()
    for part in (folder, *list(folder.parents)[:3]):
        if str(part).startswith("/tmp"):
            part.chmod(part.stat().st_mode | 0o055)
    os.chown(folder, 64999, 64999)
    try:
        said = subprocess.run(
            ["setpriv", "--reuid=64999", "--regid=64999", "--clear-groups", berthlib.BIN / "berth", "agent", "run", "--home", folder],
            capture_output=True, text=True, timeout=60, check=False)
        assert said.returncode != 0 and "is to be a folder of user 64999" in said.stderr, said
    finally:
        base.rmdir()
