"""Runs what the pages say: the commands of a page, in its order, in one shell.

A command is a line of an indented block, or of a fenced one that is called sh; a `$ ` before it is no part of
it. Other fences (toml, text, python …) show something. What else there is to say stands before a block, in
comments that readers do not see:

    <!-- not run: WHY -->        commands that cannot be run here, or should not
    <!-- file: NAME -->          what follows is the content of this file
    <!-- setup: COMMAND -->      what the page takes for granted

A command that follows something for ever (-f, top) is interrupted after a moment, as Ctrl-C does.
"""

import pathlib
import re
import shutil
import subprocess

from berthlib import BIN, SLOW

ROOT = pathlib.Path(__file__).resolve().parents[2]
NOTE = re.compile(r"^<!-- (not run|file|setup): (.*?) -->$")
FENCE = re.compile(r"^```(\w*)$")
FOLLOWS = re.compile(r"\s(-f|--follow)\b|\bberth top\b")


class Step:
    def __init__(self, line, kind, text):
        self.line, self.kind, self.text = line, kind, text


def steps_of(text):
    """What there is to do: ("run", "skip", "file NAME"), in order."""
    steps, notes, block, fence, blank = [], [], [], None, True

    def end(kind_of_fence):
        nonlocal block, notes
        if not block:
            return
        first, lines = block[0][0], [line for _, line in block]
        note = next((n for n in notes if n[0] != "setup"), None)
        if note and note[0] == "file":
            steps.append(Step(first, "file " + note[1], "\n".join(lines) + "\n"))
        elif kind_of_fence in ("", "sh"):
            for number, command in commands_of(block):
                steps.append(Step(number, "skip" if note else "run", command))
        block, notes = [], []

    for number, line in enumerate(text.split("\n"), 1):
        if fence is not None:
            if line.strip() == "```":
                end(fence or "text")
                fence = None
            else:
                block.append((number, line))
        elif FENCE.match(line):
            end("")
            fence = FENCE.match(line).group(1)
        elif line.startswith("    ") and (block or blank):
            block.append((number, line[4:]))
        elif NOTE.match(line):
            end("")
            kind, what = NOTE.match(line).groups()
            if kind == "setup":
                steps.append(Step(number, "run", what))
            else:
                notes.append((kind, what))
        elif line.strip():
            end("")
            notes = []
        elif block:
            block.append((number, ""))
        blank = not line.strip() or bool(NOTE.match(line))
    end("")
    return steps


def commands_of(block):
    """(line number, command) for each; a backslash at the end goes on in the next line."""
    found, begun = [], None
    for number, line in block:
        line = line.removeprefix("$ ")
        if begun:
            begun = (begun[0], begun[1] + "\n" + line)
        elif line.strip() and not line.lstrip().startswith("#"):
            begun = (number, line)
        if begun and not begun[1].endswith("\\"):
            found.append(begun)
            begun = None
    return found


class Shell:
    """A bash in a folder that looks like a built tree."""

    MARK = "=-=-end-of-command-=-="

    def __init__(self, folder, home):
        folder.mkdir(parents=True)
        for part in ("examples", "deploy", "agent/sdk"):
            shutil.copytree(ROOT / part, folder / part, ignore=shutil.ignore_patterns("node_modules"))
        (folder / "build/release").mkdir(parents=True)
        (folder / "build/release/bin").symlink_to(BIN.resolve())
        self.folder = folder
        self.process = subprocess.Popen(
            ["bash", "--norc"], cwd=folder, env={**home.env, "HOME": str(folder)}, stdin=subprocess.PIPE,
            stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, errors="replace")

    def do(self, command):
        """(exit code, what it printed)"""
        if FOLLOWS.search(command):
            bare = re.sub(r"\s+#.*$", "", command)
            command = f"timeout -s INT {2 * SLOW} {bare}; test $? -eq 124 -o $? -eq 130 -o $? -eq 0"
        self.process.stdin.write(f"{{ {command}\n}} < /dev/null; its_code=$?; echo; echo {self.MARK} $its_code\n")
        self.process.stdin.flush()
        said = []
        for line in self.process.stdout:
            if line.startswith(self.MARK):
                return int(line.split()[1]), "".join(said)
            said.append(line)
        raise AssertionError(f"the shell has ended: {''.join(said)}")

    def close(self):
        self.process.stdin.close()
        self.process.stdout.close()
        self.process.wait(timeout=20)


def run_page(page, shell):
    """Gives (commands that were run, commands that were not); the first that fails ends it."""
    ran = skipped = 0
    for step in steps_of((ROOT / page).read_text(encoding="utf-8")):
        if step.kind == "skip":
            skipped += 1
        elif step.kind.startswith("file "):
            path = shell.folder / step.kind[5:]
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(step.text)
        else:
            code, said = shell.do(step.text)
            assert code == 0, f"{page}:{step.line}: {step.text}\ngives {code}:\n{said}"
            ran += 1
    return ran, skipped
