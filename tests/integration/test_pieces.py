"""A line that an app writes in pieces is one line, for everybody who reads its log."""

import json
import subprocess
import sys

import pytest
from berthlib import BIN, wait_for
from test_controller import Up

# Writes to fd N what a line "N TEXT" of its input says, piece by piece; "exit N" ends it.
PUPPET = r"""
import os, sys
while True:
    word, _, text = sys.stdin.readline().rstrip("\n").partition(" ")
    if word == "exit" or word == "":
        os._exit(int(text or 0))
    os.write(int(word), text.encode().decode("unicode_escape").encode("latin-1"))
"""


def puppet(home, name="p", more="", start=True):
    script = home.write("puppet.py", PUPPET)
    home.load(f"{name}.toml", f'[app]\nid = "{name}"\ncommand = "{sys.executable} {script}"\n'
                              f'[restart]\npolicy = "never"\n{more}')
    if start:
        home.berth("start", name, check=0)


def say(home, text, fd=1, name="p"):
    """Has the app write, and waits until that is in its log: the next piece is a record of its own."""
    count = records(home, name)
    home.berth("connect", name, stdin=f"{fd} {text}\n".encode(), check=0)
    wait_for(lambda: records(home, name) > count, f"{text!r} is in the log")


def records(home, name="p"):
    folder = home.agent_home / "logs" / name
    return sum(len((folder / n.name).read_bytes().splitlines()) for n in folder.iterdir() if n.suffix != ".gz") \
        if folder.exists() else 0


def json_lines(home, *words):
    return [(line["stream"], line["text"], line["partial"])
            for line in map(json.loads, home.berth("logs", "--json", *words, check=0).out.splitlines())]


@pytest.mark.parametrize("pieces, pattern", [
    (["listening on ", "8080\\n"], "listening on 8080$"),
    (["listening on ", "8080\\r\\n"], "^listening on 8080$"),
    (["listening on 8080\\r", "\\n"], "^listening on 8080$"),
    (["ready", "> "], "^ready> $"),  # a prompt has no newline
])
def test_a_ready_line_in_pieces_is_found(home, pieces, pattern):
    puppet(home, more=f"[ready]\nlog = '{pattern}'\n", start=False)
    home.berth("start", "--no-wait", "p", check=0)
    wait_for(lambda: home.app("p")["pid"], "it runs")
    say(home, pieces[0])
    say(home, "something else\\n", fd=2)
    assert home.state("p") == "starting"
    say(home, pieces[1])
    wait_for(lambda: home.state("p") == "running", "it is ready")


@pytest.mark.parametrize("which", ["agent", "keeper"])
def test_a_ready_line_in_pieces_is_found_over_rotations_and_a_restart_of_ours(home, which):
    puppet(home, more="[ready]\nlog = '^listening on 8080$'\ntimeout = '5m'\n[log]\nmax_size = '64KiB'\nkeep = 9\n",
           start=False)
    home.berth("start", "--no-wait", "p", check=0)
    wait_for(lambda: home.app("p")["pid"], "it runs")
    say(home, "listening ")
    for n in range(40):
        say(home, "x" * 3000 + "\\n", fd=2)
    assert len(list((home.agent_home / "logs" / "p").iterdir())) > 1
    say(home, "on ")
    before, app = home.kill(which), home.app("p")["pid"]
    wait_for(lambda: home.pid_of(which) not in (None, before) and home.berth("list").code == 0, f"the {which} is back")
    assert (home.state("p"), home.app("p")["pid"]) == ("starting", app)
    say(home, "8080\\n")
    wait_for(lambda: home.state("p") == "running", "it is ready")
    assert home.berth("logs", "--grep", "^listening on 8080$", "p", check=0).out == "listening on 8080\n"


def test_the_line_of_a_run_does_not_go_on_with_that_of_the_one_before(home):
    puppet(home, more="[ready]\nlog = '^up$'\n", start=False)
    home.berth("start", "--no-wait", "p", check=0)
    wait_for(lambda: home.app("p")["pid"], "it runs")
    say(home, "half a line")
    home.berth("stop", "p", check=0)
    home.berth("start", "--no-wait", "p", check=0)
    wait_for(lambda: home.app("p")["pid"], "it runs again")
    say(home, "up\\n")
    wait_for(lambda: home.state("p") == "running", "it is ready")
    assert home.berth("logs", "p", check=0).out == "half a line\nup\n"
    assert json_lines(home, "p") == [("stdout", "half a line", False), ("stdout", "up", False)]


def test_every_line_that_is_written_in_pieces_is_found(home):
    code = "import os\nfor n in range(300):\n    os.write(2, b'number ')\n    os.write(1, b'.')\n" \
           "    os.write(2, b'%d' % n)\n    os.write(2, b' of 300\\n')\nos.write(1, b'\\nlast\\n')\n"
    script = home.write("cerr.py", code)
    home.load("c.toml", f'[app]\nid = "c"\ncommand = "{sys.executable} {script}"\nkind = "oneshot"\n')
    home.berth("start", "c", check=0)
    wait_for(lambda: "last" in home.berth("logs", "-n", "1000", "c").out, "all is written")
    expected = [f"number {n} of 300" for n in range(300)]
    found = home.berth("logs", "-n", "1000", "--grep", "^number [0-9]+ of 300$", "c", check=0)
    assert found.out.splitlines() == expected
    assert home.berth("logs", "-n", "1000", "--stream", "stderr", "c", check=0).out.splitlines() == expected
    lines = home.berth("logs", "-n", "1000", "c", check=0).out.splitlines()
    assert [line for line in lines if line.startswith("number")] == expected
    assert sorted(set(lines) - set(expected)) == ["." * 300, "last"]
    seen = json_lines(home, "-n", "1000", "c")
    assert [text for stream, text, _ in seen if stream == "stderr"] == expected
    assert not any(partial for _, _, partial in seen)


def test_a_crash_whose_last_line_comes_in_pieces_is_one_group(home):
    ways = ["fatal: ", "fatal: disk ", ""]
    puppet(home, start=False)
    for count, begin in enumerate(ways, 1):
        home.berth("start", "p", check=0)
        if begin:
            say(home, begin, fd=2)
        say(home, "fatal: disk 7 is full\\r\\n"[len(begin):], fd=2)
        home.berth("connect", "p", stdin=b"exit 3\n", check=0)
        wait_for(lambda n=count: sum(group["count"] for group in home.berth(
            "crashes", "--json", "p", check=0).json()["groups"]) == n, f"crash {count} is kept")
    crashes = home.berth("crashes", "--json", "--last", "9", "p", check=0).json()
    assert len(crashes["crashes"]) == 3
    assert [group["count"] for group in crashes["groups"]] == [3]
    for crash in crashes["crashes"]:
        assert [line["text"] for line in crash["bundle"]["lines"]] == ["fatal: disk 7 is full"]
    explained = home.berth("explain", "p", check=0).out
    assert explained.count("fatal: disk 7 is full") == 3  # its last three lines


def test_a_crash_within_a_line_shows_what_there_is_of_it(home):
    puppet(home)
    say(home, "fatal: ", fd=2)
    say(home, "disk ", fd=2)
    home.berth("connect", "p", stdin=b"exit 3\n", check=0)
    wait_for(lambda: home.berth("crashes", "--json", "p", check=0).json()["crashes"], "the crash is kept")
    crash, = home.berth("crashes", "--json", "p", check=0).json()["crashes"]
    assert [line["text"] for line in crash["bundle"]["lines"]] == ["fatal: disk "]
    assert "fatal: disk" in home.berth("explain", "p", check=0).out


def test_streams_are_not_mixed_and_what_is_unfinished_is_shown(home):
    puppet(home)
    say(home, "Na")
    say(home, "error\\r\\n", fd=2)
    say(home, "me: ")
    say(home, "half", fd=2)
    assert home.berth("logs", "p", check=0).out == "error\r\nName: \nhalf"  # a pipe gets the bytes
    assert home.berth("logs", "-n", "0", "--stream", "stdout", "p", check=0).out == "Name: "
    assert json_lines(home, "p") == [("stderr", "error", False), ("stdout", "Name: ", True), ("stderr", "half", True)]
    assert home.berth("status", "--json", "p", check=0).json()[0]["lines"] == ["error", "Name: ", "half"]
    assert "Name: \nhalf" in home.berth("status", "p", check=0).out
    say(home, "Bob\\n")
    assert json_lines(home, "p") == [("stderr", "error", False), ("stdout", "Name: Bob", False), ("stderr", "half", True)]
    assert home.berth("logs", "p", check=0).out == "error\r\nName: Bob\nhalf"


@pytest.mark.parametrize("options", [[], ["--json"], ["--grep", "."]])
def test_a_follower_gets_whole_lines(home, options):
    puppet(home)
    say(home, "one ")
    with subprocess.Popen([str(BIN / "berth"), "logs", "-f", *options, "p"], env=home.env,
                          stdout=subprocess.PIPE, text=True) as follower:
        try:
            say(home, "first\\n", fd=2)
            text = (lambda: json.loads(follower.stdout.readline())["text"]) if "--json" in options else \
                (lambda: follower.stdout.readline().rstrip("\n"))
            assert text() == "first"
            say(home, "line")
            say(home, "sec", fd=2)
            say(home, "\\n")
            assert text() == "one line"
            say(home, "ond\\n", fd=2)
            assert text() == "second"
        finally:
            follower.kill()


def test_the_api_and_the_download_have_whole_lines(tmp_path):
    home = Up(tmp_path / "home")
    home.begin()
    try:
        puppet(home)
        wait_for(lambda: home.panel.ask("GET", "/agents/default/apps/p")[0] == 200, "the app is known")
        say(home, "Na")
        say(home, "error\\r\\n", fd=2)
        say(home, "me: ")
        path = "/agents/default/apps/p/logs"

        def ask(query):
            answer = home.panel.ask("GET", f"{path}?{query}")[1]
            return [(line["text"], line["partial"]) for line in answer["lines"]], answer["cursor"]

        lines, cursor = ask("tail=5")
        assert lines == [("error", False), ("Name: ", True)]
        assert ask(f"after={cursor}")[0] == []
        say(home, "Bob\\n")
        assert ask(f"after={cursor}")[0] == [("Name: Bob", False)]
        assert ask("tail=5&grep=%5EName:%20Bob$")[0] == [("Name: Bob", False)]
        assert home.panel.ask("GET", path + "/download")[1] == "error\r\nName: Bob\n"
    finally:
        home.berth("down", timeout=120)
        home.destroy()
