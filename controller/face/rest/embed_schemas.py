#!/usr/bin/env python3
"""Makes a C++ source that embeds schemas.json, after a look that it is JSON.

usage: embed_schemas.py schemas.json OUTPUT.cpp
"""
import json
import pathlib
import sys


def main() -> None:
    source, output = (pathlib.Path(argument) for argument in sys.argv[1:])
    text = source.read_text().strip()
    json.loads(text)
    # A literal has a bound, several beside each other have none.
    lines = ' "\\n"\n'.join(f'    R"json({line})json"' for line in text.splitlines())
    output.write_text(
        "// Made by controller/face/rest/embed_schemas.py.\n"
        '#include "controller/face/rest/schemas.h"\n\n'
        "namespace berth::rest {\n\n"
        "static constexpr std::string_view kSchemas =\n" + lines + ";\n\n"
        "std::string_view embedded_schemas() {\n"
        "    return kSchemas;\n"
        "}\n\n"
        "}  // namespace berth::rest\n"
    )


main()
