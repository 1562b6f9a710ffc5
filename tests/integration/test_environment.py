"""What apps do and do not get of the shell that brought their agent up."""

import fcntl
import os
import pathlib
import resource
import signal
import subprocess
import tempfile

import pytest

from berthlib import BIN, may, wait_for

SHOW = '''[app]
id = "{id}"
shell = true
command = """
env > env; umask > umask; ulimit -c > core; nice > nice; grep -E '^Sig(Blk|Ign)' /proc/self/status > signals
ls -l /proc/$$/fd > fds; pwd > cwd; touch done; exec sleep 1000
"""
{more}
'''


def show(home, name="show", more="", kind="berth.toml", text=None, where=None):
    folder = where or home.path / "src" / name
    folder.mkdir(parents=True, exist_ok=True)
    folder.chmod(0o777)
    (folder / kind).write_text(text or SHOW.format(id=name, more=more))
    home.berth("load", folder, check=0)
    home.berth("start", name, check=0)
    wait_for((folder / "done").exists, "it has shown what it has")
    return {p.name: p.read_text() for p in folder.iterdir() if p.is_file()}


def variables(shown):
    return dict(line.split("=", 1) for line in shown["env"].splitlines() if "=" in line)


def test_a_shells_secrets_do_not_reach_apps(empty_home):
    empty_home.env["MY_ROOT_TOKEN"] = "hush"
    empty_home.env["LANG"] = "C.UTF-8"
    empty_home.up()
    got = variables(show(empty_home))
    assert "MY_ROOT_TOKEN" not in got
    known = {"PATH", "HOME", "USER", "LOGNAME", "LANG", "TZ", "PWD", "SHLVL", "_", "OLDPWD", "PYTHONPATH", "PYTHONUNBUFFERED"}
    assert {n for n in got if not n.startswith("BERTH_")} <= known
    assert got["LANG"] == "C.UTF-8"
    assert variables(show(empty_home, "one", "inherit_env = ['MY_ROOT_TOKEN']"))["MY_ROOT_TOKEN"] == "hush"
    assert variables(show(empty_home, "all", "inherit_env = true"))["MY_ROOT_TOKEN"] == "hush"
    checked = empty_home.berth("check", "show", check=0)
    assert "MY_ROOT_TOKEN" in checked.err
    assert "MY_ROOT_TOKEN" not in empty_home.berth("check", "one", check=0).err


@pytest.mark.skipif(not may("setuid", "setgid", "chown"), reason="needs a root that may become others")
def test_nor_those_of_another_user(empty_home):
    empty_home.env["MY_ROOT_TOKEN"] = "hush"
    empty_home.up()
    with tempfile.TemporaryDirectory(dir="/tmp") as folder:
        got = variables(show(empty_home, "other", "user = 'nobody'", where=pathlib.Path(folder)))
        empty_home.berth("stop", "other", check=0)
    assert "MY_ROOT_TOKEN" not in got and got["USER"] == "nobody"


def test_the_home_may_say_otherwise(empty_home):
    empty_home.env["MY_ROOT_TOKEN"] = "hush"
    empty_home.agent_home.mkdir(parents=True)
    (empty_home.agent_home / "agent.toml").write_text('[apps]\ninherit_env = ["MY_ROOT_TOKEN"]\n')
    empty_home.up()
    assert variables(show(empty_home))["MY_ROOT_TOKEN"] == "hush"
    assert "MY_ROOT_TOKEN" not in variables(show(empty_home, "no", "inherit_env = false"))


def test_pytainer_and_procfile_apps_inherit(empty_home):
    empty_home.env["MY_ROOT_TOKEN"] = "hush"
    empty_home.up()
    script = ("import os\nopen('env', 'w').write('\\n'.join(f'{k}={v}' for k, v in os.environ.items()))\n"
              "open('done', 'w')\nimport time; time.sleep(1000)\n")
    folder = empty_home.path / "src" / "py"
    folder.mkdir(parents=True)
    (folder / "init.py").write_text(script)
    got = variables(show(empty_home, "py", kind="pytainer.toml", text='[app]\nident = "py"\nlauncher = "init.py"\n'))
    assert got["MY_ROOT_TOKEN"] == "hush"


@pytest.mark.parametrize("way", [["up", "--detach", "--listen", "127.0.0.1:0"], ["agent", "run", "--detach"]])
def test_nothing_else_of_the_shell_passes(empty_home, way):
    lock = empty_home.path.parent / "lock"
    with open(lock, "w", encoding="utf-8") as file, open("/etc/passwd", "rb") as other:
        fcntl.flock(file, fcntl.LOCK_EX)

        def as_a_shell():
            os.umask(0o077)
            os.nice(5)
            signal.signal(signal.SIGUSR1, signal.SIG_IGN)
            signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGUSR2])
            resource.setrlimit(resource.RLIMIT_CORE, (resource.getrlimit(resource.RLIMIT_CORE)[1],) * 2)

        subprocess.run([str(BIN / "berth"), *way], env=empty_home.env, check=True, capture_output=True, preexec_fn=as_a_shell,
                       pass_fds=[file.fileno(), other.fileno()], cwd=empty_home.path.parent, stdin=subprocess.DEVNULL)
        fcntl.flock(file, fcntl.LOCK_UN)
    with open(lock, "w", encoding="utf-8") as file:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)  # nobody holds it any more
    for which in ("keeper", "agent"):
        pid = empty_home.pid_of(which)
        links = [os.readlink(f"/proc/{pid}/fd/{fd}") for fd in os.listdir(f"/proc/{pid}/fd")]
        assert str(lock) not in links and "/etc/passwd" not in links, links
        assert os.readlink(f"/proc/{pid}/cwd") == "/"
    shown = show(empty_home)
    assert "passwd" not in shown["fds"] and str(lock) not in shown["fds"]
    assert shown["umask"].strip() == "0022" and shown["core"].strip() == "0"
    assert [line.split()[1].strip("0") for line in shown["signals"].splitlines()] == ["", ""], shown["signals"]
    if may("sys_nice"):
        assert shown["nice"].strip() == "0"
    empty_home.berth("down")
