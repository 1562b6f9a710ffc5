"""Readiness, health, dependencies, hooks, instances, schedules, obstacles, crashes: with real apps."""

import contextlib
import json
import os
import pathlib
import signal
import socket
import sqlite3
import time

import pytest

from berthlib import alive, wait_for


def free_port():
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


def explain(home, app):
    return home.berth("explain", app, "--json", check=0).json()


def events(home, app):
    return [json.loads(line) for line in home.berth("events", "-n", "1000", "--json", check=0).out.splitlines()
            if json.loads(line)["app"] == app]


def has_ipv6():
    try:
        socket.create_server(("::1", 0), family=socket.AF_INET6).close()
    except OSError:
        return False
    return True


def python(home, name, code):
    return f"/usr/bin/python3 -u {home.write(name, code)}"


SIX = "time.sleep(0.3); s = socket.create_server(('::1', PORT), family=socket.AF_INET6)"
ANSWERS = """
while True:
    c, _ = s.accept()
    c.recv(9999)
    for part in PARTS:
        c.sendall(part)
        time.sleep(0.02)
    c.close()"""
INTERIM = "[b'HTTP/1.1 103 Early Hints\\r\\nLink: </x>\\r\\n\\r', b'\\nHTTP/1.1 100 Contin', b'ue\\r\\n\\r\\nHTTP/1.1 204 No Content\\r\\n\\r\\n']"
READY_CASES = {
    "tcp, IPv6 alone": (SIX, 'tcp = ":PORT"'),
    "tcp at localhost, IPv6 alone": (SIX, 'tcp = "localhost:PORT"'),
    "http at localhost, IPv6 alone, interim answers": (SIX + ANSWERS.replace("PARTS", INTERIM), 'http = "http://localhost:PORT/"'),
    "http, interim answers": (SIX.replace("'::1'", "'127.0.0.1'").replace(", family=socket.AF_INET6", "") +
                              ANSWERS.replace("PARTS", INTERIM), 'http = "http://127.0.0.1:PORT/"'),
    "log": ("print('starting'); time.sleep(0.3); print('listening on 1', flush=True)", 'log = "listening on \\\\d"'),
    "tcp": ("time.sleep(0.3); s = socket.create_server(('127.0.0.1', PORT))", 'tcp = ":PORT"'),
    "http": ("time.sleep(0.3); import http.server as h; h.HTTPServer(('127.0.0.1', PORT), "
             "h.SimpleHTTPRequestHandler).serve_forever()", 'http = "http://127.0.0.1:PORT/"'),
    "exec": ("time.sleep(0.3); open(sys.argv[0] + '.up', 'w')", 'exec = "test -e SCRIPT.up"'),
    "notify": ("s = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM); time.sleep(0.3); "
               "s.sendto(b'READY=1\\nSTATUS=all is well', '\\0' + os.environ['NOTIFY_SOCKET'][1:])", "notify = true"),
}


@pytest.mark.parametrize("kind", READY_CASES)
def test_start_waits_until_the_app_is_ready(home, kind):
    if "IPv6" in kind and not has_ipv6():
        pytest.skip("there is no IPv6 on this machine")
    port = str(free_port())
    code, check = READY_CASES[kind]
    script = home.write("app.py", "import os, socket, sys, time\n" + code.replace("PORT", port) + "\ntime.sleep(1000)\n")
    check = check.replace("PORT", port).replace("SCRIPT", str(script))
    home.load("app.toml", f'[app]\nid = "app"\ncommand = "/usr/bin/python3 -u {script}"\n[ready]\n{check}\n')
    home.berth("start", "app", "--no-wait", check=0)
    wait_for(lambda: home.state("app") in ("starting", "running"), "begun")
    home.berth("stop", "app", check=0)
    for leftover in script.parent.glob("*.up"):
        leftover.unlink()
    began = time.monotonic()
    home.berth("start", "app", check=0)
    assert time.monotonic() - began > 0.25
    assert home.state("app") == "running"
    if kind == "notify":
        wait_for(lambda: home.app("app")["said"] == "all is well", "what it says")


@pytest.mark.parametrize("kind", ["tcp", "http", "exec", "notify", "log"])
def test_one_that_never_gets_ready_is_ended_and_says_what_was_seen(home, kind):
    port = free_port()
    check = {"tcp": f'tcp = ":{port}"', "http": f'http = "http://localhost:{port}/x"', "exec": 'exec = "echo not yet; false"',
             "notify": "notify = true", "log": 'log = "never"'}[kind]
    seen = {"tcp": "Connection refused", "http": "Connection refused", "exec": "exited 1: not yet",
            "notify": "READY=1", "log": "matches never"}[kind]
    home.load("app.toml", f'[app]\nid = "app"\ncommand = "sleep 1000"\n[ready]\n{check}\ntimeout = "600ms"\n[restart]\npolicy = "never"\n')
    result = home.berth("start", "app")
    assert result.code == 1 and "not ready after 600 ms" in result.err and seen in result.err, result.err
    assert home.state("app") == "failed"


@pytest.mark.parametrize("parts, said", [
    ("[b'HTTP/1.1 100 Continue\\r\\n\\r\\n']", "answered 100"), ("[b'HTTP/1.1 101 Switching Protocols\\r\\n\\r\\n']", "answered 101"),
    ("[b'HTTP/1.1 103 Early Hints\\r\\n\\r\\nHTTP/1.1 503 No\\r\\n\\r\\n']", "answered 503"), ("[b'HTTP/1.1 1']", "not HTTP")])
def test_an_interim_answer_alone_is_no_good_one(home, parts, said):
    port = free_port()
    code = f"import socket, time\ns = socket.create_server(('127.0.0.1', {port}))" + ANSWERS.replace("PARTS", parts)
    home.load("app.toml", f'[app]\nid = "app"\ncommand = "{python(home, "app.py", code)}"\n[ready]\nhttp = "http://127.0.0.1:{port}/"\n'
              'timeout = "1500ms"\n[restart]\npolicy = "never"\n')
    result = home.berth("start", "app")
    assert result.code == 1 and said in result.err, result.err


def test_a_ready_check_is_taken_up_again_by_the_next_agent(home):
    flag = home.path / "flag"
    home.load("app.toml", f'[app]\nid = "app"\ncommand = "sleep 1000"\n[ready]\nexec = "test -e {flag}"\ntimeout = "60s"\n')
    home.berth("start", "app", "--no-wait", check=0)
    wait_for(lambda: home.state("app") == "starting" and home.app("app")["pid"], "starting")
    pid = home.app("app")["pid"]
    home.kill("agent")
    wait_for(lambda: home.berth("list").code == 0 and home.state("app") == "starting", "the next agent")
    flag.write_text("")
    wait_for(lambda: home.state("app") == "running", "ready")
    assert home.app("app")["pid"] == pid


def test_readiness_that_was_notified_while_no_agent_was_there(home):
    code = ("import os, socket, sys, time\nsys.stdin.readline()\ns = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)\n"
            "s.sendto(b'READY=1', '\\0' + os.environ['NOTIFY_SOCKET'][1:])\nopen(sys.argv[0] + '.said', 'w')\ntime.sleep(1000)\n")
    script = home.write("app.py", code)
    home.load("app.toml", f'[app]\nid = "app"\ncommand = "/usr/bin/python3 -u {script}"\n[ready]\nnotify = true\ntimeout = "60s"\n')
    home.berth("start", "app", "--no-wait", check=0)
    wait_for(lambda: home.app("app")["pid"], "its pid")
    keeper = home.pid_of("keeper")
    # Hold the keeper's agents down by stopping each as it comes, until the app has said it.
    agent = home.pid_of("agent")
    os.kill(agent, signal.SIGSTOP)
    home_io = home.agent_home / "run" / "io" / "app.in"
    with open(home_io, "w", encoding="utf-8") as stdin:
        stdin.write("go\n")
    said = pathlib.Path(str(script) + ".said")
    wait_for(said.exists, "it has said READY=1")
    os.kill(agent, signal.SIGKILL)
    wait_for(lambda: home.berth("list").code == 0 and home.state("app") == "running", "the next agent knows")
    assert home.pid_of("keeper") == keeper


def test_an_unhealthy_app_is_restarted_and_says_why(home):
    flag = home.path / "healthy"
    flag.write_text("")
    home.load("app.toml", f'[app]\nid = "app"\ncommand = "sleep 1000"\n[health]\nexec = "test -e {flag} || {{ echo gone; false; }}"\n'
                          'interval = "100ms"\nfailures = 3\n[restart]\ndelay = "50ms"\n')
    home.berth("start", "app", check=0)
    first = home.app("app")["pid"]
    wait_for(lambda: "exited 0" in home.app("app")["check"], "a good check")
    flag.unlink()
    wait_for(lambda: any("unhealthy" in e["text"] and "exited 1: gone, 3 times in a row" in e["text"] for e in events(home, "app")),
             "the unhealthy event")
    flag.write_text("")
    wait_for(lambda: home.state("app") == "running" and home.app("app")["pid"] not in (None, first), "a new run")


def test_the_watchdog_ends_what_gives_no_sign_of_life(home):
    code = ("import os, socket, sys, time\ns = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)\n"
            "assert os.environ['WATCHDOG_USEC'] == '400000'\nto = '\\0' + os.environ['NOTIFY_SOCKET'][1:]\n"
            "s.sendto(b'READY=1', to)\n"
            "for i in range(10):\n    s.sendto(b'WATCHDOG=1', to)\n    time.sleep(0.1)\nprint('silent', flush=True)\ntime.sleep(1000)\n")
    home.load("app.toml", f'[app]\nid = "app"\ncommand = "{python(home, "app.py", code)}"\n[ready]\nnotify = true\n'
                          '[health]\nwatchdog = "400ms"\n[restart]\npolicy = "never"\n')
    home.berth("start", "app", check=0)
    wait_for(lambda: home.state("app") == "failed", "the watchdog")
    assert "no sign of life" in home.app("app")["reason"]
    assert "silent" in home.berth("logs", "app").out


def test_dependants_wait_for_ready_and_stop_first(home):
    order = home.path / "order"
    trap = "trap 'echo -{0} >> {1}; exit 0' TERM; echo +{0} >> {1}; sleep 1000 & wait"
    home.load("db.toml", f'[app]\nid = "db"\nshell = true\ncommand = """{trap.format("db", order)}"""\n[ready]\nexec = "test -e {home.path}/dbup"\n')
    home.load("web.toml", f'[app]\nid = "web"\nshell = true\ncommand = """{trap.format("web", order)}"""\nrequires = ["db"]\n')
    home.berth("start", "web", "--no-wait", check=0)
    wait_for(lambda: home.state("web") == "waiting" and home.state("db") == "starting", "web waits for db")
    why = explain(home, "web")
    assert any(e.startswith("db is starting: test -e") and "exited 1" in e for e in why["evidence"]), why
    (home.path / "dbup").write_text("")
    wait_for(lambda: home.state("web") == "running", "web")
    wait_for(lambda: order.read_text().split() == ["+db", "+web"], "both have begun in order")
    home.down()
    assert order.read_text().split() == ["+db", "+web", "-web", "-db"]


def test_a_dependant_burns_no_tries_while_what_it_needs_is_away(home):
    home.load("db.toml", '[app]\nid = "db"\ncommand = "sleep 1000"\n[restart]\npolicy = "never"\n')
    home.load("web.toml", '[app]\nid = "web"\nshell = true\ncommand = "read line; exit 1"\nrequires = ["db"]\n'
                          '[restart]\nmax_restarts = 1\ndelay = "10ms"\n')
    home.berth("start", "web", check=0)
    home.berth("stop", "db", check=0)
    home.berth("connect", "web", stdin=b"go\n")
    wait_for(lambda: home.state("web") == "waiting", "held")
    assert "exited 1" in home.app("web")["reason"] and "db is stopped" in "".join(explain(home, "web")["evidence"])
    home.berth("start", "db", check=0)
    wait_for(lambda: home.state("web") == "running", "goes on")


def test_a_cycle_of_requirements_is_refused_by_name(home):
    a = home.write("a.toml", '[app]\nid = "a"\ncommand = "true"\nrequires = ["b"]\n')
    b = home.write("b.toml", '[app]\nid = "b"\ncommand = "true"\nrequires = ["c"]\n')
    c = home.write("c.toml", '[app]\nid = "c"\ncommand = "true"\nrequires = ["a"]\n')
    result = home.berth("load", a, b, c)
    assert result.code == 1 and "a requires b requires c requires a" in result.err
    assert home.apps() == {}


def test_hooks_run_around_every_run_also_over_a_kill_of_the_agent(home):
    home.load("app.toml", '[app]\nid = "app"\nshell = true\ncommand = "echo run; read line; exit 3"\n'
                          '[hooks]\npre_start = "echo pre"\npost_stop = "echo post $BERTH_EXIT_CODE; sleep 0.5; echo done"\n'
                          '[restart]\npolicy = "never"\n')
    home.berth("start", "app", check=0)
    wait_for(lambda: "run" in home.berth("logs", "app").out, "it runs")
    home.berth("connect", "app", stdin=b"x\n")
    wait_for(lambda: "post 3" in home.berth("logs", "app").out, "the hook")
    home.kill("agent")
    wait_for(lambda: home.berth("list").code == 0 and home.state("app") == "failed", "the end")
    assert home.berth("logs", "app").out.split("\n")[:5] == ["pre", "run", "post 3", "done", ""]
    assert home.app("app")["exit_code"] == 3


def test_a_failing_pre_start_is_a_failed_start(home):
    home.load("app.toml", '[app]\nid = "app"\ncommand = "sleep 1000"\n[hooks]\npre_start = "echo no room; exit 4"\n[restart]\npolicy = "never"\n')
    result = home.berth("start", "app")
    assert result.code == 1 and "hooks.pre_start exited 4" in result.err
    assert home.berth("logs", "app").out == "no room\n"


def test_a_stop_command_runs_before_the_signal(home):
    code = "import signal, sys\nsignal.signal(signal.SIGTERM, lambda *_: (print('term'), sys.exit(0)))\nprint('up')\nwhile True: signal.pause()\n"
    home.load("app.toml", f'[app]\nid = "app"\ncommand = "{python(home, "app.py", code)}"\n'
                          f'[stop]\ncommand = "echo asked > {home.path}/asked; sleep 0.3"\n')
    home.berth("start", "app", check=0)
    wait_for(lambda: "up" in home.berth("logs", "app").out, "up")
    began = time.monotonic()
    home.berth("stop", "app", check=0)
    assert time.monotonic() - began > 0.25
    assert (home.path / "asked").read_text() == "asked\n"
    assert home.berth("logs", "app").out == "up\nterm\n"


def test_instances_and_scale(home):
    home.load("web.toml", '[app]\nid = "web"\nshell = true\ncommand = "echo $BERTH_INSTANCE {instance}; exec sleep 1000"\ninstances = 2\n')
    assert set(home.apps()) == {"web.1", "web.2"}
    home.berth("start", "web", check=0)
    assert home.berth("scale", "web", "4", "--json", check=0).json()["changed"] == ["web.3", "web.4"]
    wait_for(lambda: all(a["state"] == "running" for a in home.apps().values()) and len(home.apps()) == 4, "four run")
    wait_for(lambda: home.berth("logs", "web.3").out == "3 3\n", "its number")
    pids = {i: a["pid"] for i, a in home.apps().items()}
    home.kill("agent")
    wait_for(lambda: home.berth("list").code == 0 and {i: a["pid"] for i, a in home.apps().items()} == pids, "all are there again")
    home.berth("scale", "web", "1", check=0)
    wait_for(lambda: set(home.apps()) == {"web.1"}, "one is left")
    assert home.app("web.1")["pid"] == pids["web.1"]
    assert not any(alive(pids[i]) for i in ("web.2", "web.3", "web.4"))
    assert home.berth("scale", "web", "0").code == 2
    assert home.berth("scale", "nobody", "2").code == 3


def test_all_obstacles_are_said_at_once_and_nothing_is_started(home):
    port = free_port()
    home.load("db.toml", '[app]\nid = "db"\ncommand = "sleep 1000"\n')
    path = home.write("bad.toml", '[app]\nid = "bad"\ncommand = "no-such-command --x"\nuser = "no-such-user"\ncwd = "/no/such/folder"\n'
                                  'requires = ["db"]\n[requirements]\nenv = ["NO_SUCH_VARIABLE"]\ncommands = ["no-such-tool"]\n')
    expected = ['user "no-such-user" does not exist', "/no/such/folder does not exist", '"no-such-command" is not in its PATH',
                "NO_SUCH_VARIABLE", "no-such-tool"]
    loaded = home.berth("load", path, check=0)
    started = home.berth("start", "bad")
    checked = home.berth("check", "bad")
    assert started.code == 1 and checked.code == 1
    for text in expected:
        assert text in loaded.err and text in started.err and text in checked.err, text
    assert home.state("bad") == "failed" and home.state("db") == "stopped"
    script = home.write("script", "#!/no/such/interpreter\n")
    script.chmod(0o755)
    home.load("script.toml", f'[app]\nid = "script"\ncommand = "{script}"\n')
    assert "/no/such/interpreter" in home.berth("start", "script").err
    with socket.create_server(("127.0.0.1", port)):
        home.load("port.toml", f'[app]\nid = "port"\ncommand = "sleep 1000"\n[ready]\ntcp = ":{port}"\n[restart]\npolicy = "never"\n')
        result = home.berth("start", "port")
        assert f"port {port} of its ready check is taken by pid {os.getpid()}" in result.err, result.err


def test_crashes_are_kept_with_their_last_lines_and_grouped(home):
    home.load("app.toml", '[app]\nid = "app"\nshell = true\ncommand = "echo working; echo \\"error: no disk at 0x$$\\" >&2; exit 7"\n'
                          '[restart]\ndelay = "10ms"\nfactor = 1.0\nmax_restarts = 2\n')
    home.berth("start", "app", "--no-wait", check=0)
    wait_for(lambda: home.state("app") == "failed", "gave up")
    crashes = home.berth("crashes", "app", "--last", "5", "--json", check=0).json()
    assert [g["count"] for g in crashes["groups"]] == [3]
    assert "exited 7" in crashes["groups"][0]["signature"] and "no disk at #" in crashes["groups"][0]["signature"]
    assert len(crashes["crashes"]) == 3
    bundle = crashes["crashes"][0]["bundle"]
    assert bundle["exit_code"] == 7
    assert [(line["stream"], line["text"].split(" at ")[0]) for line in bundle["lines"]] == [("stdout", "working"), ("stderr", "error: no disk")]
    history = home.berth("history", "app", "--json", check=0).json()
    assert [run["exit_code"] for run in history] == [7, 7, 7]
    home.berth("start", "app", "--no-wait")
    assert home.berth("crashes", check=0).out.count("app") >= 1


def test_a_crash_that_the_agent_had_no_time_to_write_down_is_written_down_by_the_next(home):
    home.load("app.toml", '[app]\nid = "app"\nautostart = false\nshell = true\ncommand = "echo last words; exit 7"\n[restart]\npolicy = "never"\n')
    home.berth("start", "app", "--no-wait", check=0)
    wait_for(lambda: home.berth("crashes", "app", "--json", check=0).json()["groups"], "the crash")
    home.down()
    with contextlib.closing(sqlite3.connect(home.agent_home / "agent.db")) as db:
        generation, = db.execute("SELECT generation FROM crash").fetchone()
        db.execute("DELETE FROM crash")
        db.execute("DELETE FROM crash_group")
        db.execute("UPDATE app SET crash_due = ?", (generation,))
        db.commit()
    home.up()
    wait_for(lambda: home.berth("crashes", "app", "--json", check=0).json()["groups"], "the crash, again")
    crash = home.berth("crashes", "app", "--last", "1", "--json", check=0).json()["crashes"][0]
    assert (crash["generation"], crash["bundle"]["exit_code"]) == (generation, 7)
    assert [line["text"] for line in crash["bundle"]["lines"]] == ["last words"]


def test_a_stop_is_no_crash(home):
    home.load("app.toml", '[app]\nid = "app"\ncommand = "sleep 1000"\n')
    home.berth("start", "app", check=0)
    home.berth("restart", "app", check=0)
    home.berth("kill", "app", check=0)
    assert home.berth("crashes", "app", "--json", check=0).json() == {"groups": [], "crashes": []}


def test_a_schedule_starts_its_app_and_can_be_turned_off(home):
    home.load("job.toml", '[app]\nid = "job"\ntype = "oneshot"\ncommand = "date"\n[schedule]\ncron = "* * * * *"\n')
    job = home.app("job")
    assert job["schedule"] == "* * * * *" and job["next_run"] and job["state"] == "stopped"
    assert "starts it at" in explain(home, "job")["next"]
    home.berth("start", "job", check=0)
    wait_for(lambda: home.state("job") == "exited", "run by hand")
    home.berth("stop", "job", check=0)
    assert home.app("job")["next_run"] is None and "schedule is off" in home.app("job")["reason"]
    home.berth("start", "job", check=0)
    assert home.app("job")["next_run"]


def test_what_a_schedule_missed_is_told_not_made_up_for(home):
    home.load("job.toml", '[app]\nid = "job"\ntype = "oneshot"\ncommand = "date"\n[schedule]\ncron = "0 * * * *"\ntimezone = "UTC"\n')
    home.down()
    import sqlite3
    with sqlite3.connect(home.agent_home / "agent.db") as db:
        past = time.time_ns() - 5 * 3600 * 10**9
        assert db.execute("UPDATE meta SET value = ? WHERE key = 'cron/job'", (str(past),)).rowcount == 1
    home.up()
    wait_for(lambda: any("missed" in e["text"] for e in events(home, "job")), "it is told")
    missed = [e["text"] for e in events(home, "job") if "missed" in e["text"]]
    assert len(missed) == 1 and missed[0].split()[0] in ("4", "5")
    assert home.runs("job") == {} or len(home.runs("job")) == 1  # one, when the hour has just begun


def test_a_changed_descriptor_is_seen_also_by_the_next_agent(home):
    home.load("app.toml", '[app]\nid = "app"\ncommand = "sleep 1000"\n')
    home.berth("start", "app", check=0)
    home.write("app.toml", '[app]\nid = "app"\ncommand = "sleep 2000"\n')
    assert not home.app("app")["changed_on_disk"]
    home.berth("reload", "app", check=0)
    assert home.app("app")["changed_on_disk"]
    home.kill("agent")
    wait_for(lambda: home.berth("list").code == 0 and home.app("app")["changed_on_disk"], "known still")
    assert "berth restart app" in "".join(explain(home, "app")["evidence"])
    home.berth("restart", "app", check=0)
    assert not home.app("app")["changed_on_disk"]
