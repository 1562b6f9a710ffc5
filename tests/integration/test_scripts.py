"""What a deploy script is told: ids, outcomes, waiting, needs, changed descriptors, output (contracts/cli.md)."""

import json
import os
import pathlib
import pty
import select
import signal
import subprocess
import time

import pytest

from berthlib import BIN, SLOW, wait_for

SLEEPER = '[app]\nid = "{id}"\ncommand = "sleep 1000"\n'


def load(home, name, more="", app=""):
    """An app that sleeps, unless `app` has a command."""
    command = "" if "command" in app else 'command = "sleep 1000"\n'
    home.load(f"{name}.toml", f'[app]\nid = "{name}"\n{command}{app}\n{more}')


def shell(line, more=""):
    return f"shell = true\ncommand = '''{line}'''\n{more}"


def begin(home, *words, **options):
    return subprocess.Popen([str(BIN / "berth"), *map(str, words)], env=home.env, stdout=subprocess.PIPE,
                            stderr=subprocess.PIPE, text=True, **options)


def on_terminal(home, *words, typed=b"", timeout=20):
    """Runs berth with a terminal as its three streams; gives what is shown, and the exit code."""
    pid, master = pty.fork()
    if pid == 0:
        os.execve(BIN / "berth", ["berth", *words], {**home.env, "TERM": "xterm"})
    shown = b""
    end = time.monotonic() + timeout * SLOW
    os.write(master, typed)
    while time.monotonic() < end:
        if select.select([master], [], [], 0.2)[0]:
            try:
                got = os.read(master, 65536)
            except OSError:
                break
            if not got:
                break
            shown += got
    os.close(master)
    return shown, os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])


# --- a word that is an id

def test_a_word_that_is_an_id_means_that_app(home):
    for name in ("web.1", "web-1", "web11"):
        load(home, name)
    home.berth("start", "web.1", "web-1", "web11", check=0)
    assert home.berth("stop", "web.1", check=0).out == "web.1: stopped\n"
    assert {n: a["state"] for n, a in home.apps().items()} == {"web.1": "stopped", "web-1": "running", "web11": "running"}
    assert home.berth("explain", "web.1", check=0).out.startswith("stopped by")
    assert [a["id"] for a in home.berth("list", "web.1", "--json", check=0).json()] == ["web.1"]
    assert [a["id"] for a in home.berth("status", "web.1", "--json", check=0).json()] == ["web.1"]
    assert "web-1" not in home.berth("check", "web.1", check=0).out
    assert home.berth("is-active", "web.1").code == 1
    home.berth("clean", "web.1", check=0)
    assert sorted(home.apps()) == ["web-1", "web11"]
    assert home.berth("stop", "web.1", check=0).out.count("stopped") == 2, "now it is an expression"


def test_the_agent_before_an_id_changes_nothing(home):
    for name in ("a.1", "a-1"):
        load(home, name)
    assert home.berth("start", "default/a.1", check=0).out == "a.1: started\n"
    assert home.state("a-1") == "stopped"


def test_the_plain_id_means_its_instances(home):
    load(home, "w", app="instances = 2")
    load(home, "w-1")
    assert home.berth("start", "w", check=0).out == "w.1: started\nw.2: started\n"
    assert home.state("w-1") == "stopped"


def test_clean_by_an_expression_asks(home):
    for name in ("x1", "x2", "keep"):
        load(home, name)
    refused = home.berth("clean", "x.")
    assert refused.code == 2 and "--yes" in refused.err and "x1" in refused.err
    assert len(home.apps()) == 3
    shown, code = on_terminal(home, "clean", "x.", typed=b"n\n")
    assert code == 1 and b"x1" in shown and len(home.apps()) == 3
    home.berth("clean", "x1", "x2", check=0)  # named: nothing to ask
    load(home, "y1")
    load(home, "y2")
    shown, code = on_terminal(home, "clean", "y.", typed=b"y\n")
    assert code == 0 and list(home.apps()) == ["keep"]
    load(home, "z1")
    load(home, "z2")
    home.berth("clean", "--yes", "z.", check=0)
    assert list(home.apps()) == ["keep"]


def test_spmi_keeps_its_patterns(home):
    for name in ("web.1", "web-1"):
        load(home, name)
    env = {"SPMI_PATH": str(home.path)}
    done = home.berth("start", "web.1", program="spmi", env=env)
    assert done.code == 0 and "Started 2" in done.err


# --- start

def test_start_of_what_dies_at_once_is_a_failure_every_time(home):
    load(home, "die", app=shell("echo the reason; exit 3"))
    for _ in range(10):
        done = home.berth("start", "die")
        assert done.code == 1 and "exited 3" in done.err and "the reason" in done.err, done.err
        home.berth("stop", "die")


def test_start_of_what_ends_well_at_once_says_so(home):
    load(home, "cal", app=shell("echo monday"))
    done = home.berth("start", "cal")
    assert done.code == 0 and "exited 0" in done.out
    assert home.state("cal") == "exited"
    load(home, "codes", app=shell("exit 7"), more="[restart]\nsuccess_codes = [7]")
    assert "exited 7" in home.berth("start", "codes", check=0).out
    assert home.berth("start", "codes", "--json", check=0).json()[0]["exit_code"] == 7
    load(home, "always", app=shell("exit 0"), more='[restart]\npolicy = "always"\ndelay = "1h"')
    assert "exited 0" in home.berth("start", "always", check=0).out


def test_settle_decides_when_a_service_is_ready(home):
    load(home, "late", app=shell("sleep 4; exit 5"), more='[restart]\npolicy = "never"')
    assert home.berth("start", "late").code == 0, "it has lived for 250 ms"
    load(home, "longer", app=shell("sleep 0.6; exit 5"), more='[ready]\nsettle = "5s"\n[restart]\npolicy = "never"')
    done = home.berth("start", "longer")
    assert done.code == 1 and "exited 5" in done.err
    load(home, "at-exec", app=shell("sleep 0.1; exit 5"), more='[ready]\nsettle = 0\n[restart]\npolicy = "never"')
    assert home.berth("start", "at-exec").code == 0


def test_a_oneshot_gives_its_outcome(home):
    load(home, "good", app='type = "oneshot"\n' + shell("sleep 0.5; echo done"))
    load(home, "bad", app='type = "oneshot"\n' + shell("sleep 0.5; echo broken; exit 9"), more='[restart]\npolicy = "never"')
    assert "exited 0" in home.berth("start", "good", check=0).out
    done = home.berth("start", "bad")
    assert done.code == 1 and "exited 9" in done.err and "broken" in done.err
    assert home.berth("restart", "bad").code == 1
    load(home, "long", app='type = "oneshot"\n' + shell("sleep 1000"))
    home.berth("start", "long", "--no-wait", check=0)  # at exec
    assert home.state("long") == "running"


def test_no_wait_says_what_exec_came_to(home):
    load(home, "gone", app='command = "/no/such/program"', more='[restart]\npolicy = "never"')
    assert home.berth("start", "--no-wait", "gone").code == 1
    load(home, "die", app=shell("exit 3"), more='[ready]\nlog = "never"\n[restart]\npolicy = "never"')
    assert home.berth("start", "--no-wait", "die").code == 0, "it did begin"


def test_spmi_start_is_done_at_exec(home):
    load(home, "die", app=shell("exit 3"), more='[restart]\npolicy = "never"')
    for _ in range(5):
        assert home.berth("start", "die", program="spmi", env={"SPMI_PATH": str(home.path)}).code == 0
        wait_for(lambda: home.state("die") == "failed", "it has ended")


def test_idempotent_verbs(home):
    load(home, "a")
    assert home.berth("stop", "a").code == 1
    assert home.berth("stop", "--if-needed", "a", check=0).out == "a: was down already\n"
    assert home.berth("kill", "--if-needed", "a").code == 0
    home.berth("start", "--if-needed", "a", check=0)
    pid = home.app("a")["pid"]
    assert home.berth("start", "a").code == 1
    assert home.berth("start", "--if-needed", "a", check=0).out == "a: was running already\n"
    assert home.app("a")["pid"] == pid
    load(home, "slow", app=shell("sleep 1; echo up; sleep 1000"), more='[ready]\nlog = "up"')
    home.berth("start", "--no-wait", "slow", check=0)
    home.berth("start", "--if-needed", "slow", check=0)  # waits for the start that is under way
    assert home.state("slow") == "running"


# --- what it requires

def test_a_required_oneshot_is_met_when_it_has_ended_well(home):
    log = home.path / "order"
    load(home, "migrate", app='type = "oneshot"\n' + shell(f"sleep 0.7; echo migrated >> {log}"))
    load(home, "web", app='requires = ["migrate"]\n' + shell(f"echo web >> {log}; sleep 1000"))
    home.berth("start", "web", check=0)
    assert log.read_text().split() == ["migrated", "web"]
    home.berth("restart", "web", check=0)
    assert log.read_text().split() == ["migrated", "web", "web"], "it has ended well already"
    home.kill("agent")
    home.berth("restart", "web", check=0)
    assert log.read_text().split().count("migrated") == 1, "an agent that was killed runs no migration again"
    home.berth("stop", "web", check=0)
    home.down()
    home.up()
    wait_for(lambda: log.read_text().split().count("migrated") == 2, "the home was brought up again")
    home.berth("start", "web", check=0)
    assert log.read_text().split().count("migrated") == 2


def test_a_need_that_failed_for_good_ends_the_waiting(home):
    load(home, "migrate", app='type = "oneshot"\n' + shell("sleep 0.3; exit 4"), more='[restart]\npolicy = "never"')
    load(home, "web", app='requires = ["migrate"]')
    load(home, "top", app='requires = ["web"]')
    began = time.monotonic()
    for name in ("web", "top"):
        done = home.berth("start", name)
        assert done.code == 1 and "exited 4" in home.berth("explain", "web").out, done.err
    assert "migrate is failed: exited 4" in home.berth("start", "web", "--if-needed").err
    assert time.monotonic() - began < 15 * SLOW
    home.load("migrate.toml", '[app]\nid = "migrate"\ntype = "oneshot"\ncommand = "true"\n')
    home.berth("start", "migrate", check=0)
    wait_for(lambda: home.state("top") == "running", "what waited goes on when it is mended")


def test_until_says_how_far(home):
    load(home, "db", app=shell("sleep 4; echo up; sleep 1000"), more='[ready]\nlog = "up"')
    load(home, "early", app='requires = [{ id = "db", until = "started" }]')
    load(home, "ready", app='requires = [{ id = "db", until = "ready" }]')
    home.berth("start", "early", check=0)
    assert home.state("db") == "starting"
    home.berth("start", "ready", check=0)
    assert home.state("db") == "running"
    load(home, "job", app=shell("sleep 0.8; exit 0"), more="[ready]\nsettle = 0")
    load(home, "after", app='requires = [{ id = "job", until = "done" }]')
    home.berth("start", "after", check=0)
    assert home.state("job") == "exited"
    bad = home.write("bad.toml", '[app]\nid = "bad"\ncommand = "true"\nrequires = [{ id = "db", until = "later" }]\n')
    done = home.berth("load", bad)
    assert done.code == 1 and "started, ready, done" in done.err and "bad.toml:4" in done.err


def test_an_unknown_need_is_said_everywhere(home):
    done = home.berth("load", home.write("a.toml", '[app]\nid = "a"\ncommand = "sleep 1000"\nrequires = ["bd"]\n'), check=0)
    assert '"a" requires "bd"' in done.err
    assert home.berth("check", "a").code == 1
    began = time.monotonic()
    done = home.berth("start", "a")
    assert done.code == 1 and "bd is not loaded" in done.err and time.monotonic() - began < 10 * SLOW


# --- waiting

def test_waiting_follows_the_apps_own_limits(home):
    load(home, "slow", app=shell('trap "sleep 1000 & wait" TERM; echo trapped; while :; do sleep 0.1; done'),
         more='[ready]\nlog = "trapped"\n[stop]\ntimeout = "32s"')
    home.berth("start", "slow", check=0)
    done = home.berth("stop", "slow", timeout=90)
    assert done.code == 0, done.err
    load(home, "never", app=shell("sleep 1000"), more='[ready]\nlog = "never said"\ntimeout = "2s"\n[restart]\npolicy = "never"')
    assert "not ready after 2" in home.berth("start", "never").err
    done = home.berth("start", "never", "--timeout", "200ms")
    assert done.code == 1 and "not done yet" in done.err


def test_ctrl_c_ends_the_waiting_and_nothing_else(home):
    load(home, "slow", app=shell("sleep 2; echo up; sleep 1000"), more='[ready]\nlog = "up"')
    waiting = begin(home, "start", "slow")
    wait_for(lambda: home.state("slow") == "starting", "it is starting")
    waiting.send_signal(signal.SIGINT)
    _, err = waiting.communicate(timeout=20 * SLOW)
    assert waiting.returncode == -signal.SIGINT, "a shell's script ends with it"
    assert "not waiting any more" in err and "slow is starting" in err
    wait_for(lambda: home.state("slow") == "running", "it goes on")


@pytest.mark.parametrize("verb", ["start", "restart", "stop"])
def test_the_truth_when_the_agent_is_killed_meanwhile(home, verb):
    load(home, "a", app=shell('trap "sleep 1; exit 0" TERM; sleep 1; echo up; while :; do sleep 0.05; done'),
         more='[ready]\nlog = "up"')
    for round_ in range(3):
        if verb != "start":
            home.berth("start", "--if-needed", "a", check=0)
        before = home.app("a")["pid"]
        waiting = begin(home, verb, "a")
        time.sleep(0.05 * (round_ * 5 + 1))  # another moment each time
        home.kill("agent")
        began = time.monotonic()
        out, err = waiting.communicate(timeout=60 * SLOW)
        assert time.monotonic() - began < 12 * SLOW
        assert "not known" not in err, err
        state = home.state("a")
        if waiting.returncode == 0:
            assert state == ("stopped" if verb == "stop" else "running"), (out, err)
            assert verb != "restart" or home.app("a")["pid"] != before
        else:
            assert "say it again" in err or "stopped" in err, err
        home.berth("stop", "--if-needed", "a", check=0)


# --- a changed descriptor

def test_a_changed_descriptor_is_not_silent(home):
    path = home.write("web.toml", SLEEPER.format(id="web"))
    home.berth("load", path, check=0)
    home.berth("start", "web", check=0)
    path.write_text(SLEEPER.format(id="web").replace("1000", "999") + '[restart]\ndelay = "2s"\n')
    for words in (["list"], ["status", "web"], ["explain", "web"], ["check", "web"], ["restart", "web"]):
        done = home.berth(*words)
        assert done.code == 0 and "app.command" in done.out + done.err, words
    assert "app.command" in home.app("web")["descriptor_note"]
    assert home.app("web")["command"] == "sleep 1000"
    done = home.berth("reload", "web", check=0)
    assert "app.command" in done.out and "restart.delay" in done.out and "berth restart web" in done.out
    assert not home.app("web")["descriptor_note"]
    path.write_text(SLEEPER.format(id="web").replace("1000", "998"))
    home.berth("restart", "--reload", "web", check=0)
    assert pathlib.Path(f"/proc/{home.app('web')['pid']}/cmdline").read_bytes() == b"sleep\x00998\x00"
    path.write_text("[app")
    done = home.berth("check", "web")
    assert done.code == 1 and "web.toml:1" in done.err
    done = home.berth("restart", "--reload", "web")
    assert done.code == 1 and "web.toml:1" in done.err
    assert home.state("web") == "running"
    path.unlink()
    assert "cannot be read" in home.berth("list").err
    home.berth("stop", "web", check=0)
    home.berth("start", "web", check=0)  # with what was read


def test_a_comment_alone_changes_nothing(home):
    path = home.write("web.toml", SLEEPER.format(id="web"))
    home.berth("load", path, check=0)
    path.write_text("# a remark\n" + SLEEPER.format(id="web"))
    assert home.berth("list").err == ""
    path.write_text(SLEEPER.format(id="web") + 'comment = "new"\n')
    assert "app.comment" in home.berth("list").err
    home.berth("start", "web", check=0)
    done = home.berth("reload", "web", check=0)
    assert "app.comment" in done.out and "restart" not in done.out


def test_folders_below_repos_are_watched(home):
    repos = home.agent_home / "repos"
    (repos / "new").mkdir()
    (repos / "new" / "berth.toml").write_text(SLEEPER.format(id="new"))
    wait_for(lambda: "new" in home.apps(), "found as it came")
    (repos / "bad").mkdir()
    (repos / "bad" / "berth.toml").write_text('[app]\nid = "bad"\ncommmand = 3\n')
    wait_for(lambda: "bad/berth.toml:" in home.berth("list").err, "said by list")
    scanned = home.berth("scan")
    assert scanned.code == 1 and "bad/berth.toml:" in scanned.err
    assert "bad/berth.toml:" in home.berth("doctor").out
    (repos / "twice").mkdir()
    (repos / "twice" / "berth.toml").write_text(SLEEPER.format(id="new"))
    wait_for(lambda: '"new" is already registered' in home.berth("list").err, "doubles are said")
    (repos / "bad" / "berth.toml").write_text(SLEEPER.format(id="bad"))
    (repos / "twice" / "berth.toml").unlink()
    wait_for(lambda: "bad" in home.apps() and home.berth("list").err == "", "mended")
    (repos / "new" / "berth.toml").write_text(SLEEPER.format(id="new") + 'comment = "x"\n')
    assert "app.comment" in home.berth("list").err


# --- reasons

def test_reasons_name_cause_and_actor(home):
    load(home, "a", more='[ready]\nlog = "up"', app=shell("echo up; sleep 1000"))
    home.berth("start", "a", check=0)
    assert home.app("a")["reason"].startswith("started by") and home.app("a")["reason"].endswith(", ready")
    home.berth("restart", "a", check=0)
    reason = home.app("a")["reason"]
    assert reason.startswith("restarted by") and "command line" in reason and "requires" not in reason
    assert "restarted by" in home.berth("events").out
    os.kill(home.app("a")["pid"], signal.SIGKILL)
    wait_for(lambda: home.app("a")["restarts"] == 1 and home.state("a") == "running", "restarted by its policy")
    app = home.app("a")
    assert "restarted after a failure" in app["reason"] and "command line" not in app["reason"]
    explained = home.berth("explain", "a", "--json", check=0).json()
    assert explained["actor"] == ""
    load(home, "b", app='requires = ["a"]')
    home.berth("stop", "a", check=0)
    home.berth("start", "b", check=0)
    assert "what it requires is ready" in home.app("b")["reason"] and "started by" in home.app("b")["reason"]


def test_what_follows_a_stop_is_true(home):
    stubborn = shell('trap "" TERM; echo up; while :; do sleep 0.1; done')
    load(home, "a", app=stubborn, more='[ready]\nlog = "up"\n[stop]\ntimeout = "3s"\n[restart]\npolicy = "never"')
    home.berth("start", "a", check=0)
    home.berth("stop", "a", "--no-wait", check=0)
    assert "stays down" in home.berth("explain", "a").out
    home.berth("stop", "--if-needed", "a", check=0)
    home.berth("start", "a", check=0)
    home.berth("restart", "a", "--no-wait", check=0)
    assert "started again" in home.berth("explain", "a").out


def test_one_clock_face(home):
    load(home, "a")
    load(home, "cron", more='[schedule]\ncron = "0 3 * * *"\ntimezone = "Asia/Tokyo"')
    home.berth("start", "a", check=0)
    zone = {"TZ": "America/New_York"}
    since = home.app("a")["since"]
    there = subprocess.run(["date", "-d", since, "+%F %H:%M"], env={**os.environ, **zone}, capture_output=True, text=True, check=True).stdout.strip()
    assert there in home.berth("explain", "a", env=zone).out
    assert there in home.berth("status", "a", env=zone).out
    assert there in home.berth("events", env=zone).out
    assert " 03:00:00 Asia/Tokyo" in home.berth("explain", "cron", env=zone).out
    assert home.berth("explain", "a", "--json", env=zone).json()["since"].endswith("Z")


# --- output

@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="no /dev/full")
@pytest.mark.parametrize("words", [["list"], ["status", "a"], ["logs", "a"], ["events"], ["list", "--json"], ["help"],
                                   ["explain", "a"], ["crashes"], ["check", "a"], ["version"], ["man"],
                                   ["completion", "bash"], ["home"], ["doctor"], ["scan"], ["messages"], ["stop", "a"]])
def test_output_that_cannot_be_written_is_an_error(home, words):
    load(home, "a", app=shell("seq 20000; sleep 1000"))
    load(home, "dead", app=shell("exit 3"), more='[restart]\npolicy = "never"')
    home.berth("start", "a", "dead")
    wait_for(lambda: home.berth("crashes").out, "a crash")
    with open("/dev/full", "wb") as full:
        done = subprocess.run([str(BIN / "berth"), *words], env=home.env, stdout=full, stderr=subprocess.PIPE, text=True,
                              check=False, timeout=60)
    assert done.returncode == 1 and "cannot be written" in done.stderr, (done.returncode, done.stderr)


@pytest.mark.parametrize("words", [["logs", "-f", "a"], ["events", "-f"], ["trace", "-f"], ["poll", "a", "--wait", "1h"]])
def test_follow_ends_when_its_reader_has_gone(home, words):
    load(home, "a", app=shell("echo once; sleep 1000"))
    home.berth("start", "a", check=0)
    following = begin(home, *words)
    time.sleep(0.3)
    following.stdout.close()
    wait_for(lambda: following.poll() is not None, f"{words} has ended", deadline=10)


# --- terminals

NASTY = "\x1b]0;title\x07\x1b]52;c;aGk=\x07\x1b[31mred\x1b[0m\x1b[2J\u009b31m\u202egnp"


def test_logs_are_not_the_terminals_toy(home):
    script = home.write("nasty.py", f"import sys, time\nprint({NASTY!r}, flush=True)\ntime.sleep(1000)\n")
    load(home, "a", app=f'command = "python3 {script}"', more='[ready]\nlog = "gnp"')
    home.berth("start", "a", check=0)
    for words in (["logs", "a"], ["status", "a"], ["logs", "a", "--json"], ["status", "a", "--json"]):
        shown, _ = on_terminal(home, *words)
        text = shown.decode()
        assert "\x1b]" not in text and "\x1b[2J" not in text and "\u009b" not in text and "\u202e" not in text, words
        assert "red" in text
    assert b"\x1b[31mred\x1b[0m" in on_terminal(home, "logs", "a")[0], "colours pass"
    assert NASTY.encode() in on_terminal(home, "logs", "--raw", "a")[0]
    piped = subprocess.run([str(BIN / "berth"), "logs", "a"], env=home.env, capture_output=True, check=True).stdout
    assert piped == NASTY.encode() + b"\n", "in a pipe the bytes as they are"


def test_a_comment_of_several_lines_is_one_row(home):
    home.load("a.toml", '[app]\nid = "a"\ncommand = "sleep 1000"\ncomment = "first\\nsecond \\u202E \\u001b[31m"\n')
    assert len(home.berth("list").out.splitlines()) == 2
    assert "first …" in home.berth("list").out
    home.load("b.toml", '[app]\nid = "b"\ncommand = "sleep 1000"\ncomment = "x\\u202Ey\\u001b[31mz"\n')
    for program, words in (("berth", ["list"]), ("berth", ["status", "b"]), ("spmi", ["list"])):
        out = home.berth(*words, program=program, env={"SPMI_PATH": str(home.path)}).out
        assert "\u202e" not in out and "\x1b[31m" not in out, out
    assert json.loads(home.berth("list", "--json").out)[1]["comment"] == "x\u202ey\x1b[31mz"
