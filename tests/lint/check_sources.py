#!/usr/bin/env python3
"""Checks the C++ sources: layers, include cycles, forbidden calls.

The rules are those of the architecture: base <- time, model <- os, log, wire, config, command
<- loop, bus <- agent/*, controller/* <- app. Prints each breach as FILE:LINE: what, exit code 1.
"""

import pathlib
import re
import sys

SOURCE_FOLDERS = ["shared", "agent", "controller", "tests"]

# A module may include itself, those named here, and everything those may include.
LAYERS = {
    "shared/base": [],
    "shared/time": ["shared/base"],
    "shared/model": ["shared/base", "shared/time"],
    "shared/json": ["shared/base", "shared/model"],
    "shared/command": ["shared/base"],
    "shared/log": ["shared/base", "shared/time"],
    "shared/os": ["shared/base", "shared/time"],
    "shared/wire": ["shared/base", "shared/time", "shared/model"],
    "shared/cron": ["shared/base", "shared/time"],
    "shared/config": ["shared/base", "shared/model", "shared/os", "shared/json", "shared/cron"],
    "shared/loop": ["shared/base", "shared/time", "shared/os", "shared/log"],
    "shared/keeperlink": ["shared/base", "shared/os", "shared/loop"],
    "shared/bus": ["shared/base", "shared/os", "shared/loop", "shared/log"],
    "agent/supervisor": ["shared/base", "shared/time", "shared/model"],
    "agent/keeper": ["shared/base", "shared/time", "shared/os", "shared/loop",
                     "shared/keeperlink", "shared/log"],
}

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
STRINGS_AND_COMMENTS = re.compile(
    r'R"(?P<tag>\w*)\(.*?\)(?P=tag)"|"(?:\\.|[^"\\\n])*"|\'(?:\\.|[^\'\\\n])+\'|//[^\n]*|/\*.*?\*/',
    re.DOTALL)


def blanked(text):
    """The code with strings and comments blanked out, line numbers kept."""
    return STRINGS_AND_COMMENTS.sub(lambda m: re.sub(r"[^\n]", " ", m.group()), text)


def module_of(path):
    return "/".join(path.split("/")[:2])


def allowed_below(module, seen=None):
    seen = set() if seen is None else seen
    for below in LAYERS.get(module, []):
        if below not in seen:
            seen.add(below)
            allowed_below(below, seen)
    return seen


def layer_breach(path, included):
    """Why `path` may not include `included`; None when it may."""
    who, what = module_of(path), module_of(included)
    top, below = path.split("/")[0], included.split("/")[0]
    if who == what or top == "tests":
        return None
    if top == "shared" and below != "shared":
        return "shared includes nothing of agent or controller"
    if {top, below} == {"agent", "controller"}:
        return "agent and controller never include each other"
    if below == "tests":
        return "only tests include tests"
    if who in LAYERS and what not in allowed_below(who):
        return f"{who} is not above {what}"
    return None


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


def check_file(root, path, graph):
    text = (root / path).read_text(encoding="utf-8")
    lines = text.splitlines()
    if path.endswith(".h") and not text.startswith("#pragma once\n"):
        yield f"{path}:1: #pragma once is not the first line"
    includes = graph.setdefault(path, [])
    for number, line in enumerate(lines, 1):
        found = INCLUDE.match(line)
        if not found:
            continue
        included = found.group(1)
        if not (root / included).is_file():
            if included.split("/")[0] in SOURCE_FOLDERS or "/" not in included:
                yield f"{path}:{number}: \"{included}\" is not a file below the root"
            continue
        includes.append(included)
        breach = layer_breach(path, included)
        if breach:
            yield f"{path}:{number}: includes {included}: {breach}"
    for number, line in enumerate(blanked(text).splitlines(), 1):
        for pattern, why, but in FORBIDDEN:
            if pattern.search(line) and not path.startswith(but or "\0"):
                yield f"{path}:{number}: {line.strip()}: {why}"


def check(root):
    graph = {}
    problems = []
    for folder in SOURCE_FOLDERS:
        for file in sorted((root / folder).rglob("*")):
            path = file.relative_to(root).as_posix()
            if file.suffix in (".h", ".cpp") and "node_modules" not in path:
                problems.extend(check_file(root, path, graph))
    cycle = find_cycle(graph)
    if cycle:
        problems.append("a cycle of includes: " + " -> ".join(cycle))
    return graph, problems


def main():
    root = pathlib.Path(sys.argv[1]).resolve()
    graph, problems = check(root)
    print("\n".join(problems) if problems else f"{len(graph)} files are as they should be")
    return 1 if problems or not graph else 0


if __name__ == "__main__":
    sys.exit(main())
