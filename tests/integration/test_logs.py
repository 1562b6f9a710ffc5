"""Logs of real apps: complete over rotation, compression and deletion, bounded, and read by every tool."""

import os
import subprocess

import pytest

from berthlib import BIN, wait_for

LINES = 60_000


def names(home, app):
    return sorted(os.listdir(home.agent_home / "logs" / app))


def load_writer(home, lines, log):
    home.load("writer.toml", f"""
[app]
id = "writer"
command = "seq -f 'line %.0f' {lines}"
type = "oneshot"
[log]
{log}
""")
    home.berth("start", "writer", "--no-wait", check=0)
    wait_for(lambda: home.state("writer") == "exited", "the writer is done", 60)


def test_old_files_are_compressed_and_read_as_before(home):
    load_writer(home, LINES, 'max_size = "512KiB"\nkeep = 50')
    wait_for(lambda: [n for n in names(home, "writer") if n.endswith(".log")] == names(home, "writer")[-2:-1],
             "all rotated files but the newest are compressed")
    packed = [n for n in names(home, "writer") if n.endswith(".log.gz")]
    assert len(packed) >= 4
    expected = [f"line {n}" for n in range(1, LINES + 1)]
    assert [text.decode() for _, text in home.log_lines("writer")] == expected
    # Ordinary tools read them.
    folder = home.agent_home / "logs" / "writer"
    text = subprocess.run(["zcat", *(folder / n for n in packed)], capture_output=True, check=True).stdout
    parts = [line.split(b" ", 3)[2:] for line in text.splitlines()]
    text = b"".join(part + (b"\n" if tag == b"F" else b"") for tag, part in parts).decode()
    assert "\n".join(expected).startswith(text) and text.count("\n") > LINES / 2
    # And so does Berth: all of it, the end of it, a pattern, a time.
    assert home.berth("logs", "--since", "1h", "writer", check=0).out.splitlines() == expected
    assert home.berth("logs", "-n", "15000", "writer", check=0).out.splitlines() == expected[-15000:]
    found = home.berth("logs", "-n", "100", "--grep", "line 1234", "writer", check=0).out.splitlines()
    assert found == [line for line in expected if "line 1234" in line]
    assert home.berth("logs", "--stream", "stderr", "writer", check=0).out == ""


def test_an_app_keeps_within_its_total(home):
    load_writer(home, LINES, 'max_size = "256KiB"\nkeep = 50\nmax_total = "1MiB"')
    folder = home.agent_home / "logs" / "writer"
    assert sum((folder / n).stat().st_size for n in names(home, "writer")) <= 1 << 20
    assert home.berth("logs", "-n", "1", "writer", check=0).out == f"line {LINES}\n"


def test_an_agent_keeps_within_its_total(empty_home):
    home = empty_home
    home.agent_home.mkdir(parents=True)
    (home.agent_home / "agent.toml").write_text('[log]\nmax_total = "1MiB"\n')
    home.up()
    load_writer(home, LINES * 20, 'max_size = "2MiB"\nkeep = 50')

    def total():
        sizes = []
        for name in names(home, "writer"):
            try:
                sizes.append((home.agent_home / "logs" / "writer" / name).stat().st_size)
            except FileNotFoundError:
                pass
        return sum(sizes)
    current = (home.agent_home / "logs" / "writer" / "current").stat().st_size
    wait_for(lambda: total() <= max(1 << 20, current), "the oldest are deleted")
    assert home.berth("logs", "-n", "1", "writer", check=0).out == f"line {LINES * 20}\n"


def test_a_follower_sees_every_line_once_over_rotation_and_compression(home):
    home.load("lines.toml", f"""
[app]
id = "lines"
command = "{BIN}/line_app 20000"
[log]
max_size = "256KiB"
keep = 200
""")
    home.berth("start", "lines", check=0)
    with subprocess.Popen([str(BIN / "berth"), "logs", "-f", "-n", "100000", "--stream", "stdout", "lines"],
                          env=home.env, stdout=subprocess.PIPE, text=True) as follower:
        wait_for(lambda: any(n.endswith(".gz") for n in names(home, "lines")), "a file is compressed")
        count = len(names(home, "lines"))
        wait_for(lambda: len(names(home, "lines")) > count + 3, "more are rotated")
        home.berth("stop", "lines", check=0)
        seen = []
        for line in follower.stdout:
            seen.append(line.rstrip("\n"))
            if seen[-1].startswith("last "):
                break
        follower.terminate()
    last = int(seen[-1].split()[1])
    assert seen[:-1] == [f"line {n}" for n in range(last - len(seen) + 2, last + 1)]
    assert [t.decode() for s, t in home.log_lines("lines") if s == "stdout"] == \
        [f"line {n}" for n in range(1, last + 1)] + [f"last {last}"]


COUNTER = '''[app]
id = "count"
command = "python3 -u -c 'import itertools, time\\nfor i in itertools.count():\\n    print(i)\\n    time.sleep(0.02)'"
[log]
max_size = "{size}"
keep = 1000
'''


def numbers_of(*texts):
    """The numbers in CRI lines, the keeper's remarks left out."""
    lines = [line for text in texts for line in text.splitlines()]
    return [int(line.split(" ", 3)[3]) for line in lines if "[berth]" not in line and line.split(" ", 3)[3].isdigit()]


@pytest.mark.parametrize("how", ["rm", "mv", "folder", "logs"])
def test_a_log_that_is_taken_away_is_opened_anew(home, how):
    home.load("count.toml", COUNTER.format(size="1MiB"))
    home.berth("start", "count", check=0)
    logs = home.agent_home / "logs"
    current = logs / "count" / "current"
    moved = home.path / "moved"
    wait_for(lambda: current.exists() and len(current.read_text().splitlines()) > 20, "some lines")
    before = numbers_of(current.read_text())
    if how == "rm":
        current.unlink()
    elif how == "mv":
        current.rename(moved)
    else:
        (logs / "count" if how == "folder" else logs).rename(moved)
    wait_for(lambda: current.exists() and len(numbers_of(current.read_text())) > 20, "it goes on", deadline=5)
    now = current.read_text()
    numbers = numbers_of(now)
    assert numbers == list(range(numbers[0], numbers[0] + len(numbers)))
    assert numbers[0] <= before[-1] + 2 if how == "rm" else True, "what was written to a removed file is saved"
    if how == "mv":
        assert numbers_of(moved.read_text())[-1] == numbers[0] - 1, "nothing is lost between the two"
    said = "was removed" if how == "rm" else "was moved away"
    assert f"[berth] its log {said}" in now
    assert said in home.berth("list").err
    assert said in home.berth("explain", "count").out
    assert said in home.berth("doctor").out
    home.berth("restart", "count", check=0)
    assert said not in home.berth("list").err, "that was the run before"


def test_a_log_that_is_taken_away_again_and_again_keeps_its_limits(home):
    home.load("count.toml", COUNTER.format(size="4KiB"))
    home.berth("start", "count", check=0)
    folder = home.agent_home / "logs" / "count"
    for _ in range(5):
        wait_for(lambda: (folder / "current").exists(), "there again")
        (folder / "current").unlink()
        wait_for(lambda: (folder / "current").exists() and (folder / "current").stat().st_size > 1000, "it goes on")
    wait_for(lambda: len(list(folder.glob("*.log*"))) > 2, "it is rotated")
    assert all(file.stat().st_size <= 5000 for file in folder.iterdir())
    assert (home.agent_home / "agent.log").stat().st_size < 20_000


def test_a_silent_app_whose_log_was_removed_loses_nothing(home):
    home.load("a.toml", '[app]\nid = "a"\ncommand = "cat"\n')
    home.berth("start", "a", check=0)
    home.berth("connect", "a", stdin=b"one\n", check=0)
    wait_for(lambda: home.berth("logs", "a").out == "one\n", "the first line")
    (home.agent_home / "logs" / "a" / "current").unlink()
    home.berth("connect", "a", stdin=b"two\n", check=0)
    wait_for(lambda: "two\n" in home.berth("logs", "a").out, "the second line", deadline=3)
