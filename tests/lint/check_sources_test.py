#!/usr/bin/env python3
"""The checker finds what it is there to find."""

import pathlib
import tempfile
import unittest

import check_sources


class CheckSources(unittest.TestCase):
    def problems(self, files):
        with tempfile.TemporaryDirectory() as folder:
            root = pathlib.Path(folder)
            for name, text in files.items():
                (root / name).parent.mkdir(parents=True, exist_ok=True)
                (root / name).write_text(text)
            return "\n".join(check_sources.check(root)[1])

    def test_good(self):
        self.assertEqual(self.problems({
            "shared/base/a.h": "#pragma once\n",
            "agent/keeper/b.cpp": '#include "shared/base/a.h"\n// system(x)\nchar* s = "popen(x)";\nfork();\n',
        }), "")

    def test_layers(self):
        up = {"agent/store/a.h": "#pragma once\n",
              "shared/os/b.cpp": '#include "agent/store/a.h"\n'}
        self.assertIn("shared includes nothing", self.problems(up))
        across = {"controller/http/a.h": "#pragma once\n",
                  "agent/app/b.cpp": '#include "controller/http/a.h"\n'}
        self.assertIn("never include each other", self.problems(across))
        keeper = {"shared/bus/a.h": "#pragma once\n",
                  "agent/keeper/b.cpp": '#include "shared/bus/a.h"\n'}
        self.assertIn("agent/keeper is not above shared/bus", self.problems(keeper))
        self.assertIn("is not a file", self.problems({"agent/app/b.cpp": '#include "b.h"\n'}))

    def test_cycle(self):
        self.assertIn("a cycle of includes", self.problems({
            "agent/app/a.h": '#pragma once\n#include "agent/app/b.h"\n',
            "agent/app/b.h": '#pragma once\n#include "agent/app/a.h"\n'}))

    def test_calls(self):
        for call in ("system(x);", "std::system(x);", "::popen(x, y);", "::usleep(1);", "sleep(1);",
                     "std::this_thread::sleep_for(x);", "::fork();", "#include <regex>"):
            self.assertIn("agent/app/a.cpp:1", self.problems({"agent/app/a.cpp": call + "\n"}), call)
        for call in ("before_sleep(x);", "loop.fork_into(x);", "read_system(x);", "a.system(x);"):
            self.assertEqual("", self.problems({"agent/app/a.cpp": call + "\n"}), call)

    def test_form(self):
        self.assertIn("#pragma once", self.problems({"agent/app/a.h": "int x;\n"}))


if __name__ == "__main__":
    unittest.main()
