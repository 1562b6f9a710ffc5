#!/usr/bin/env python3
"""The runner of clang-tidy asks about what it does not know, and remembers only what was good."""

import contextlib
import importlib.machinery
import importlib.util
import io
import json
import pathlib
import tempfile
import unittest

LOADER = importlib.machinery.SourceFileLoader("tidy", str(pathlib.Path(__file__).with_name("tidy")))
SPEC = importlib.util.spec_from_loader("tidy", LOADER)
tidy = importlib.util.module_from_spec(SPEC)
LOADER.exec_module(tidy)

# Stands for clang-tidy: finds fault with a file in which the word "fault" is.
PROGRAM = """#!/bin/sh
[ "$1" = --version ] && { echo 1; exit; }
if grep -H fault "$2"; then exit 1; fi
"""


class Tidy(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.root = pathlib.Path(folder.name).resolve()
        (self.root / "build").mkdir()
        program = self.root / "program"
        program.write_text(PROGRAM)
        program.chmod(0o755)
        (self.root / ".clang-tidy").write_text("Checks: a\n")
        for name, value in (("ROOT", self.root), ("CACHE", self.root / "cache"),
                            ("PROGRAM", str(program)), ("COMPILER", "c++")):
            self.addCleanup(setattr, tidy, name, getattr(tidy, name))
            setattr(tidy, name, value)

    def write(self, **files):
        for name, text in files.items():
            (self.root / f"{name}.cpp").write_text(text)
        entries = [{"directory": str(self.root), "file": str(path),
                    "command": f"/usr/bin/c++ -DX=1 -Wlogical-op -Werror -std=c++20 -o x.o -c {path}"}
                   for path in self.root.glob("*.cpp")]
        (self.root / "build/compile_commands.json").write_text(json.dumps(entries))

    def run_tidy(self, budget=1000.0):
        run = tidy.Tidy(tidy.commands(self.root / "build"), budget)
        with contextlib.redirect_stdout(io.StringIO()) as said:
            code = run.run(sorted(run.units))
        return code, run.known, run.asked, run.left, said.getvalue()

    def test_arguments(self):
        self.write(a="int a;\n")
        self.assertEqual({"a.cpp": (str(self.root), ["-DX=1", "-std=c++20"])},
                         tidy.commands(self.root / "build"))

    def test_good_is_remembered(self):
        self.write(a="int a;\n", b="int b;\n")
        self.assertEqual((0, 0, 2, 0), self.run_tidy()[:4])
        self.assertEqual((0, 2, 0, 0), self.run_tidy()[:4])

    def test_what_changed_is_looked_at_again(self):
        self.write(a="int a;\n")
        self.run_tidy()
        for text in ("int changed;\n", "int changed;  // NOLINT\n"):
            self.write(a=text)
            self.assertEqual((0, 0, 1, 0), self.run_tidy()[:4], text)
        (self.root / ".clang-tidy").write_text("Checks: b\n")
        self.assertEqual((0, 0, 1, 0), self.run_tidy()[:4])
        (self.root / "h.h").write_text("int h;\n")
        self.write(a='#include "h.h"\n')
        self.run_tidy()
        (self.root / "h.h").write_text("int other;\n")
        self.assertEqual((0, 0, 1, 0), self.run_tidy()[:4])

    def test_bad_is_told_each_time(self):
        self.write(a="int fault;\n")
        for _ in range(2):
            code, known, asked, _, said = self.run_tidy()
            self.assertEqual((1, 0, 1), (code, known, asked))
            self.assertIn("a.cpp:int fault;", said)

    def test_budget(self):
        self.write(a="int a;\n", b="int fault;\n")
        code, known, asked, left, said = self.run_tidy(budget=-1.0)
        self.assertEqual((0, 0, 0, 2), (code, known, asked, left))
        self.assertIn("2 left for want of time", said)


if __name__ == "__main__":
    unittest.main()
