#!/usr/bin/env python3
"""The checker finds what it is there to find."""

import pathlib
import tempfile
import unittest

import check_sources

TABLE = {
    "rooms": {
        "shared/base": [],
        "shared/os": ["shared/base"],
        "shared/bus": ["shared/os"],
        "agent/keeper": ["shared/os"],
        "agent/keeper/inner": [],
        "agent/app": ["shared/bus"],
        "agent/store": [],
        "controller/http": [],
    },
    "headers": {"zmq": ["shared/bus"]},
}
HEAD = "#pragma once\n"


class CheckSources(unittest.TestCase):
    def problems(self, files, table=TABLE):
        with tempfile.TemporaryDirectory() as folder:
            root = pathlib.Path(folder)
            for name, text in files.items():
                (root / name).parent.mkdir(parents=True, exist_ok=True)
                (root / name).write_text(text)
            return "\n".join(check_sources.check(root, check_sources.Layers(table))[2])

    def table_problems(self, rooms, headers=None):
        with tempfile.TemporaryDirectory() as folder:
            root = pathlib.Path(folder)
            for room in ("shared/base", "shared/os", "agent/app", "controller/http"):
                (root / room).mkdir(parents=True)
            layers = check_sources.Layers({"rooms": rooms, "headers": headers or {}})
            return "\n".join(layers.problems(root))

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
        through = {"shared/base/a.h": HEAD, "agent/app/b.cpp": '#include "shared/base/a.h"\n'}
        self.assertEqual("", self.problems(through))
        tests = {"tests/unit/a.h": HEAD, "agent/app/b.cpp": '#include "tests/unit/a.h"\n'}
        self.assertIn("only tests include tests", self.problems(tests))

    def test_rooms(self):
        unknown = {"agent/attic/a.cpp": "int x;\n"}
        self.assertIn("agent/attic/a.cpp:1: no room", self.problems(unknown))
        folder = {"agent/app/verbs/a.h": HEAD, "agent/app/b.cpp": '#include "agent/app/verbs/a.h"\n'}
        self.assertEqual("", self.problems(folder))
        nested = {"agent/keeper/inner/a.h": HEAD,
                  "agent/keeper/b.cpp": '#include "agent/keeper/inner/a.h"\n'}
        self.assertIn("agent/keeper is not above agent/keeper/inner", self.problems(nested))
        outwards = {"agent/keeper/a.h": HEAD,
                    "agent/keeper/inner/b.cpp": '#include "agent/keeper/a.h"\n'}
        self.assertIn("agent/keeper/inner is not above agent/keeper", self.problems(outwards))

    def test_owners_of_headers(self):
        for header in ("zmq.hpp", "zmq.h"):
            include = f"#include <{header}>\n"
            self.assertEqual("", self.problems({"shared/bus/a.cpp": include}))
            self.assertEqual("", self.problems({"tests/unit/a.cpp": include}))
            self.assertIn(f"agent/app/a.cpp:1: includes <{header}>: only shared/bus",
                          self.problems({"agent/app/a.cpp": include}))

    def test_table(self):
        good = {"shared/base": [], "agent/app": ["shared/base"], "controller/http": []}
        self.assertEqual("", self.table_problems(good, {"zmq": ["agent/app"]}))
        self.assertIn("shared/gone is not a folder", self.table_problems({"shared/gone": []}))
        self.assertIn("is not in the table", self.table_problems({"agent/app": ["shared/base"]}))
        self.assertIn("is not in the table", self.table_problems({}, {"zmq": ["agent/app"]}))
        self.assertIn("shared includes nothing", self.table_problems(
            {"shared/base": ["agent/app"], "agent/app": []}))
        self.assertIn("never include each other", self.table_problems(
            {"controller/http": ["agent/app"], "agent/app": []}))
        self.assertIn("may use each other", self.table_problems(
            {"shared/base": ["shared/os"], "shared/os": ["shared/base"]}))

    def test_one_class_one_source_file(self):
        declared = {"agent/app/a.h": HEAD + "class Wide final : public Base<int> {\n};\n"}

        def wide(first, second):
            return self.problems(declared | {
                "agent/app/a.cpp": "namespace berth::app {\n" + first + "\n}  // namespace berth::app\n",
                "agent/app/b.cpp": "namespace berth::app {\n" + second + "\n}  // namespace berth::app\n"})

        method = "void Wide::one() {\n}\n"
        for other in ("void Wide::two(int x) const {\n}", "Wide::Wide()\n    : x_(1) {\n}",
                      "Wide::~Wide() = default;", "Result<std::vector<Wide::Row>> Wide::rows() {\n}",
                      "bool Wide::operator==(const Wide& other) const {\n}",
                      "std::function<void(int)> Wide::callback() {\n}",
                      "namespace {\nint x;\n}\nint Wide::x() {\n    return 1;\n}"):
            self.assertIn("methods of agent::berth::app::Wide stand in 2 files",
                          wide(method, other), other)
        for other in ("void narrow() {\n    Wide::make();\n}", "int x = Wide::two(1);",
                      "namespace {\nstruct Wide {\n    void two();\n};\nvoid Wide::two() {\n}\n}",
                      "namespace inner {\nvoid Wide::two() {\n}\n}",
                      "// void Wide::two() {", "void text::two() {\n}"):
            self.assertEqual("", wide(method, other), other)
        # A function of a namespace that is named where it is defined is no method.
        self.assertEqual("", wide("void text::one() {\n}", "void text::two() {\n}"))

    def test_report_of_wide_classes(self):
        classes = check_sources.Classes()
        methods = "".join(f"void Wide::m{i}() {{\n}}\n" for i in range(26))
        classes.read("agent/app/a.cpp", "class Wide {\n};\n" + methods)
        self.assertEqual(["agent::Wide: 26 methods in agent/app/a.cpp"], list(classes.report()))

    def test_names_of_test_cases(self):
        for name in ("one; two", "one [two", "one]"):
            for case in (f'TEST_CASE("{name}") {{\n}}\n', f'TEST_CASE("{name}",\n          "[x]") {{\n}}\n',
                         f'TEST_CASE_METHOD(Bed, "{name}") {{\n}}\n', f'TEST_CASE("a " "{name}") {{\n}}\n',
                         f'TEST_CASE(\n    "{name}") {{\n}}\n'):
                self.assertIn("in the name of a test case", self.problems({"tests/unit/a.cpp": case}), case)
        fine = 'TEST_CASE("one, two", "[tag]") {\n    SECTION("three; four");\n}\n'
        self.assertEqual("", self.problems({"tests/unit/a.cpp": fine}))

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
