#!/usr/bin/env python3
"""Makes a C++ source of the commonest passwords, of john-data's list, in small letters and sorted.

usage: embed_passwords.py password.lst OUTPUT.cpp
"""
import pathlib
import sys


def quoted(text: str) -> str:
    """A C++ literal; octal escapes end after three digits, whatever follows."""
    return '"' + "".join(c if 32 <= ord(c) < 127 and c not in '"\\?' else f"\\{ord(c):03o}" for c in text) + '"'


def main() -> None:
    source, output = (pathlib.Path(argument) for argument in sys.argv[1:])
    lines = source.read_text(encoding="latin-1").splitlines()
    words = {"".join(chr(ord(c) + 32) if "A" <= c <= "Z" else c for c in line) for line in lines if not line.startswith("#!comment")}
    words.discard("")
    if len(words) < 3000:
        sys.exit(f"{source}: {len(words)} passwords are too few to be the list of john-data")
    rows = "".join(f"    {quoted(word)},\n" for word in sorted(words, key=lambda word: word.encode("latin-1")))
    output.write_text(
        "// Made by controller/access/embed_passwords.py.\n"
        '#include "controller/access/common_passwords.h"\n\n'
        "#include <algorithm>\n\n"
        "namespace berth::access {\n\n"
        "static constexpr std::string_view kCommon[] = {\n" + rows + "};\n\n"
        "bool is_common_password(std::string_view lowered) {\n"
        "    return std::binary_search(std::begin(kCommon), std::end(kCommon), lowered);\n"
        "}\n\n"
        "}  // namespace berth::access\n")


main()
