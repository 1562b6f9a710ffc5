"""`berth connect` in a real terminal: the window's size, what the terminal is left like, and the end of the app."""

import os
import signal

import pytest

from berthlib import alive, wait_for
from ptylib import Terminal

SIZES = """import os, signal, sys, time
def say(*_):
    size = os.get_terminal_size(0)
    print(f"size {size.lines}x{size.columns}", flush=True)
signal.signal(signal.SIGWINCH, say)
print("begun", flush=True)
while True:
    line = sys.stdin.readline()
    if line.strip() == "size":
        say()
    if line.strip() == "end":
        sys.exit(3)
"""
DRAWS = r"printf '\033[?1049h\033[?1000h\033[?1006h\033[?2004h\033[?25l\033=\033[31mdrawn'; sleep 1000"
UNDONE = (b"\x1b[?1049l", b"\x1b[?1000l", b"\x1b[?1006l", b"\x1b[?2004l", b"\x1b[?25h", b"\x1b>", b"\x1b[0m")


def load(home, name, argv, more=""):
    words = ", ".join(f"'''{word}'''" for word in argv)
    home.load(f"{name}.toml", f'[app]\nid = "{name}"\nargv = [{words}]\n{more}')
    home.berth("start", name, check=0)


@pytest.fixture
def sized(home):
    (home.path / "sizes.py").write_text(SIZES)
    load(home, "sized", ["python3", home.path / "sizes.py"], 'tty = true\n[restart]\npolicy = "never"\n')
    return home


def test_the_windows_size_reaches_the_app_at_once_and_when_it_changes(sized):
    with Terminal(sized, "connect", "sized", rows=33, columns=101) as terminal:
        terminal.until("connected to sized")
        terminal.until("size 33x101")
        terminal.resize(20, 60)
        terminal.until("size 20x60")
        terminal.resize(50, 132)
        terminal.until("size 50x132")
        terminal.type(b"\x10\x11")
        assert terminal.end() == 0
        assert terminal.modes() == terminal.before


def test_a_new_connection_brings_its_own_size(sized):
    for rows, columns in ((30, 90), (40, 100)):
        with Terminal(sized, "connect", "sized", rows=rows, columns=columns) as terminal:
            terminal.until(f"size {rows}x{columns}")
            terminal.type(b"\x10\x11")
            assert terminal.end() == 0


def leave(terminal, home, how):
    if how == "keys":
        terminal.type(b"\x10\x11")
    elif how == "the app is stopped":
        home.berth("stop", "drawn", check=0)
    elif how == "the agent is gone":
        home.berth("agent", "stop", "--keep-apps", check=0)
    else:
        os.kill(terminal.pid, signal.Signals[how])


@pytest.mark.parametrize("how", ["keys", "the app is stopped", "SIGTERM", "SIGHUP", "the agent is gone"])
def test_the_terminal_is_put_right(home, how):
    load(home, "drawn", ["sh", "-c", DRAWS], "tty = true\n")
    with Terminal(home, "connect", "drawn") as terminal:
        terminal.until("drawn")
        terminal.until("connected to drawn")
        wait_for(lambda: terminal.look(0) and terminal.modes() != terminal.before, "it is raw")
        terminal.seen = b""
        leave(terminal, home, how)
        code = terminal.end(30)
        assert code == (-signal.Signals[how] if how.startswith("SIG") else 4 if "agent" in how else 0)
        for sequence in UNDONE:
            assert sequence in terminal.seen, (sequence, terminal.seen)
        assert terminal.seen.index(b"\x1b[?1000l") < terminal.seen.index(b"\x1b[?1049l")
        assert terminal.modes() == terminal.before


def test_a_terminal_that_nobody_changed_gets_no_sequences(sized):
    with Terminal(sized, "connect", "sized") as terminal:
        terminal.until("connected to")
        terminal.type("size\n")
        terminal.until("size 24x80")
        terminal.seen = b""
        terminal.type(b"\x10\x11")
        assert terminal.end() == 0
        assert b"\x1b" not in terminal.seen, terminal.seen


@pytest.mark.parametrize("tty", ["true", "false"])
def test_the_apps_end_is_said_at_once_after_its_last_words(home, tty):
    load(home, "asks", ["sh", "-c", "echo begun; read word; echo last words of $word; exit 3"],
         f'tty = {tty}\n[restart]\npolicy = "never"\n')
    with Terminal(home, "connect", "asks") as terminal:
        terminal.until("connected to asks")
        terminal.type("xyz\n")
        assert terminal.end(5) == 0
        text = terminal.text()
        assert text.count("last words of xyz") == 1, text
        assert text.index("last words of xyz") < text.index("asks is failed: exited 3"), text
        assert terminal.modes() == terminal.before


def test_one_that_is_started_again_stays_connected(home):
    load(home, "again", ["sh", "-c", "echo begun $$; read word; echo got $word; exit 3"], '[restart]\ndelay = "10ms"\n')
    with Terminal(home, "connect", "again") as terminal:
        terminal.until("connected to again")
        first = home.app("again")["pid"]
        terminal.type("one\n")
        terminal.until("again is backoff: exited 3")
        wait_for(lambda: not alive(first) and home.state("again") == "running", "the next run")
        terminal.type("two\n")
        terminal.until("got two")
        terminal.type(b"\x10\x11")
        assert terminal.end() == 0


def test_ctrl_c_ends_the_command_and_not_the_app(home):
    load(home, "lines", ["sh", "-c", "echo begun; sleep 1000"])
    with Terminal(home, "connect", "lines") as terminal:
        terminal.until("connected to lines")
        wait_for(lambda: terminal.look(0) and terminal.modes() != terminal.before, "it is ready")
        terminal.type(b"\x03")
        assert terminal.end() == -signal.SIGINT
        assert terminal.modes() == terminal.before
    assert home.state("lines") == "running"


def test_a_log_is_followed_over_the_end_of_its_agent(home):
    count = "n=0; while :; do echo line $n; n=$((n+1)); sleep 0.05; done"
    load(home, "counts", ["sh", "-c", count])
    with Terminal(home, "logs", "-f", "-n", "0", "counts") as terminal:
        terminal.until("line ")
        for _ in range(2):
            home.kill("agent")
            seen = len(terminal.seen)
            terminal.until(lambda seen_now, seen=seen: seen_now.count(b"\n", seen) > 20)
        numbers = [int(line.split()[1]) for line in terminal.text().split("\n")[1:-1] if line.startswith("line ")]
        assert numbers == list(range(numbers[0], numbers[0] + len(numbers))), "none is missing, none there twice"
