#!/usr/bin/env python3
"""Checks the C++ sources: layers, owners of libraries, include cycles, forbidden calls, one class in
one source file, names of test cases.

    check_sources.py ROOT [--report]

Prints each breach as FILE:LINE: what, exit code 1. --report lists the classes with many methods.
Layers and owners stand in deploy/cmake/layers.json, which the configure step reads too.
"""

import collections
import json
import pathlib
import re
import sys

SOURCE_FOLDERS = ["shared", "agent", "controller", "tests"]
TABLE = "deploy/cmake/layers.json"

MANY_METHODS = 25

# CMake, which hands the names to ctest, would cut or join them there: a case that runs nothing and passes.
BAD_IN_TEST_NAMES = ";[]\\"

# Who may fork: the parent of every app, and the module of raw system calls.
MAY_FORK = ("agent/keeper/", "shared/os/", "tests/helpers/")
FORBIDDEN = [
    (re.compile(r"(?<![\w.>])(?:std::|::)?system\s*\("), "system() goes through a shell", ()),
    (re.compile(r"(?<![\w.>])(?:::)?popen\s*\("), "popen() goes through a shell", ()),
    (re.compile(r"\bsleep_(?:for|until)\s*\("), "waits for time instead of an event", ()),
    (re.compile(r"(?<![\w.>])(?:::)?u?sleep\s*\("), "waits for time instead of an event", ()),
    (re.compile(r"(?<![\w.>])(?:::)?v?fork\s*\("), "only the keeper and shared/os fork", MAY_FORK),
    (re.compile(r"#\s*include\s*<regex>"), "<regex> is not used, RE2 is", ()),
    (re.compile(r"^\s*using namespace (?!berth\b|std::(?:string_)?literals|std::\w+_literals)"),
     "using namespace", ()),
]

INCLUDE = re.compile(r'^\s*#\s*include\s*"([^"]+)"')
SYSTEM_INCLUDE = re.compile(r"^\s*#\s*include\s*<([^>]+)>")
TEST_CASE = re.compile(r'\b(?:TEST_CASE|TEST_CASE_METHOD|SCENARIO)\s*\((?:\s*\w+\s*,)?\s*'
                       r'((?:"(?:\\.|[^"\\\n])*"\s*)+)')
CLASS = re.compile(r"\b(?:class|struct)\s+(?:\[\[\w+\]\]\s*)?(\w+)[\w\s:,<>]*\{")
# A definition at namespace level begins in the first column; its first (…) are the parameters.
METHOD = re.compile(r"^(?:[^\s#}(][^(;={]*?[\s*&>])?((?:\w+::)+)(~?\w+|operator[^(]*(?:\(\))?)\s*\(")
NAMESPACE = re.compile(r"^(?:inline\s+)?namespace\b\s*([\w:]*)\s*\{")
STRINGS_AND_COMMENTS = re.compile(
    r'R"(?P<tag>\w*)\(.*?\)(?P=tag)"|"(?:\\.|[^"\\\n])*"|\'(?:\\.|[^\'\\\n])+\'|//[^\n]*|/\*.*?\*/',
    re.DOTALL)


def blanked(text):
    """The code with strings and comments blanked out, line numbers kept."""
    return STRINGS_AND_COMMENTS.sub(lambda m: re.sub(r"[^\n]", " ", m.group()), text)


class Layers:
    """The table: which room may include which, and who owns which header."""

    def __init__(self, table):
        self.rooms = table["rooms"]
        self.headers = table["headers"]
        self.closures = {}

    def problems(self, root):
        """What is wrong with the table itself."""
        for room, uses in self.rooms.items():
            if not (root / room).is_dir():
                yield f"{TABLE}: {room} is not a folder"
            for below in uses:
                if below not in self.rooms:
                    yield f"{TABLE}: {room} may use {below}, which is not in the table"
                elif forbidden_side(room, below):
                    yield f"{TABLE}: {room}, {below}: {forbidden_side(room, below)}"
                elif room in self.below(below):
                    yield f"{TABLE}: {room} and {below} may use each other"
        for header, owners in self.headers.items():
            for room in owners:
                if room not in self.rooms:
                    yield f"{TABLE}: {header} belongs to {room}, which is not in the table"

    def room_of(self, path):
        """The longest room whose folder `path` is in; None without one."""
        parts = path.split("/")[:-1]
        while parts:
            name = "/".join(parts)
            if name in self.rooms:
                return name
            parts.pop()
        return None

    def below(self, room):
        """All that `room` may use."""
        if room not in self.closures:
            self.closures[room] = set()     # ends the walk of a table with a cycle
            found = set()
            for below in self.rooms.get(room, []):
                found |= {below} | self.below(below)
            self.closures[room] = found
        return self.closures[room]

    def breach(self, path, included):
        """Why `path` may not include our file `included`; None when it may."""
        if path.startswith("tests/"):
            return None
        if included.startswith("tests/"):
            return "only tests include tests"
        side = forbidden_side(path, included)
        if side:
            return side
        who, what = self.room_of(path), self.room_of(included)
        if who is None or what is None or who == what:
            return None                     # a room that is missing is told once, for its files
        if what not in self.below(who):
            return f"{who} is not above {what} in {TABLE}"
        return None

    def header_breach(self, path, header):
        """Why `path` may not include the library's `header`; None when it may."""
        if path.startswith("tests/"):
            return None
        for prefix, owners in self.headers.items():
            if header.startswith(prefix) and self.room_of(path) not in owners:
                return f"only {', '.join(owners)} may include it ({TABLE})"
        return None


def forbidden_side(who, what):
    """Why nothing of the side of `who` uses anything of the side of `what`; None when it may."""
    top, below = who.split("/")[0], what.split("/")[0]
    if top == "shared" and below != "shared":
        return "shared includes nothing of agent or controller"
    if {top, below} == {"agent", "controller"}:
        return "agent and controller never include each other"
    return None


def without_template_arguments(line):
    # Those of `operator<=>` go too, which leaves an operator all the same.
    while re.search(r"<[^<>()]*(?:\([^()]*\))?[^<>()]*>", line):
        line = re.sub(r"<[^<>()]*(?:\([^()]*\))?[^<>()]*>", "", line)
    return line


class Classes:
    """Where the methods of each class are defined."""

    def __init__(self):
        self.declared = set()
        self.places = collections.defaultdict(dict)     # qualified class -> file -> first line
        self.methods = collections.defaultdict(set)

    def read(self, path, code):
        self.declared.update(CLASS.findall(code))
        if not path.endswith(".cpp"):
            return
        spaces = []         # of the namespaces that are open: (name, depth outside)
        depth = 0
        for number, line in enumerate(code.splitlines(), 1):
            opened = NAMESPACE.match(line)
            if opened:
                spaces.append((opened.group(1), depth))
            elif depth == len(spaces) and all(name for name, _ in spaces):
                found = METHOD.match(without_template_arguments(line))
                if found:
                    self.add(path, number, [name for name, _ in spaces], found)
            depth += line.count("{") - line.count("}")
            while spaces and depth <= spaces[-1][1]:
                spaces.pop()

    def add(self, path, number, spaces, found):
        name = path.split("/")[0] + "::" + "::".join(spaces + found.group(1).split("::")[:-1])
        self.places[name].setdefault(path, number)
        self.methods[name].add(found.group(2))

    def problems(self):
        for name, places in sorted(self.places.items()):
            short = name.split("::")[-1]
            if len(places) > 1 and short in self.declared:
                path, number = sorted(places.items())[1]
                yield (f"{path}:{number}: methods of {name} stand in {len(places)} files "
                       f"({', '.join(sorted(places))}): one class, one source file")

    def report(self):
        for name, methods in sorted(self.methods.items(), key=lambda item: -len(item[1])):
            if len(methods) > MANY_METHODS and name.split("::")[-1] in self.declared:
                yield f"{name}: {len(methods)} methods in {', '.join(sorted(self.places[name]))}"


def test_name_problems(path, text):
    """Names that ctest would not find again."""
    for found in TEST_CASE.finditer(text):
        name = "".join(re.findall(r'"((?:\\.|[^"\\])*)"', found.group(1)))
        number = text.count("\n", 0, found.start()) + 1
        for sign in BAD_IN_TEST_NAMES:
            if sign in name:
                yield f'{path}:{number}: "{name}": {sign!r} in the name of a test case'


def find_cycle(graph):
    state = {}
    path = []

    def visit(node):
        state[node] = "open"
        path.append(node)
        for following in graph.get(node, []):
            if state.get(following) == "open":
                return path[path.index(following):] + [following]
            if following not in state:
                cycle = visit(following)
                if cycle:
                    return cycle
        path.pop()
        state[node] = "done"
        return None

    for node in sorted(graph):
        if node not in state:
            cycle = visit(node)
            if cycle:
                return cycle
    return None


def check_file(root, path, layers, graph, classes):
    text = (root / path).read_text(encoding="utf-8")
    code = blanked(text)
    if path.endswith(".h") and not text.startswith("#pragma once\n"):
        yield f"{path}:1: #pragma once is not the first line"
    if not path.startswith("tests/") and layers.room_of(path) is None:
        yield f"{path}:1: no room of {TABLE} has this folder"
    includes = graph.setdefault(path, [])
    for number, line in enumerate(text.splitlines(), 1):
        found = SYSTEM_INCLUDE.match(line)
        breach = layers.header_breach(path, found.group(1)) if found else None
        if breach:
            yield f"{path}:{number}: includes <{found.group(1)}>: {breach}"
        found = INCLUDE.match(line)
        if not found:
            continue
        included = found.group(1)
        if not (root / included).is_file():
            if included.split("/")[0] in SOURCE_FOLDERS or "/" not in included:
                yield f"{path}:{number}: \"{included}\" is not a file below the root"
            continue
        includes.append(included)
        breach = layers.breach(path, included)
        if breach:
            yield f"{path}:{number}: includes {included}: {breach}"
    for number, line in enumerate(code.splitlines(), 1):
        for pattern, why, but in FORBIDDEN:
            if pattern.search(line) and not path.startswith(but or "\0"):
                yield f"{path}:{number}: {line.strip()}: {why}"
    yield from test_name_problems(path, text)
    classes.read(path, code)


def check(root, layers):
    """The graph of includes, the classes, and what is wrong."""
    graph = {}
    classes = Classes()
    problems = []
    for folder in SOURCE_FOLDERS:
        for file in sorted((root / folder).rglob("*")):
            path = file.relative_to(root).as_posix()
            if file.suffix in (".h", ".cpp") and "node_modules" not in path:
                problems.extend(check_file(root, path, layers, graph, classes))
    cycle = find_cycle(graph)
    if cycle:
        problems.append("a cycle of includes: " + " -> ".join(cycle))
    problems.extend(classes.problems())
    return graph, classes, problems


def main():
    root = pathlib.Path(sys.argv[1]).resolve()
    layers = Layers(json.loads((root / TABLE).read_text(encoding="utf-8")))
    graph, classes, problems = check(root, layers)
    problems = list(layers.problems(root)) + problems
    if "--report" in sys.argv[2:]:
        print("\n".join(classes.report()))
    print("\n".join(problems) if problems else f"{len(graph)} files are as they should be")
    return 1 if problems or not graph else 0


if __name__ == "__main__":
    sys.exit(main())
