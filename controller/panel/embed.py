#!/usr/bin/env python3
"""Makes a C++ source that embeds the files of a folder, compressed, and the addresses of its pages.

usage: embed.py FOLDER PAGES.json OUTPUT.cpp
"""
import gzip
import hashlib
import json
import pathlib
import sys


def main() -> None:
    folder, pages, output = (pathlib.Path(argument) for argument in sys.argv[1:])
    patterns = "".join(f'        "{pattern}",\n' for pattern in json.loads(pages.read_text()))
    packed = output.parent / (output.stem + ".gz")
    packed.mkdir(parents=True, exist_ok=True)
    blobs, rows = [], []
    for number, path in enumerate(sorted(p for p in folder.rglob("*") if p.is_file())):
        content = path.read_bytes()
        blob = packed / f"{number}.gz"
        blob.write_bytes(gzip.compress(content, 9, mtime=0))
        digest = hashlib.sha256(content).hexdigest()[:32]
        name = "/" + path.relative_to(folder).as_posix()
        # The asm is quoted for C++, its path once more for the assembler.
        blobs.append(
            f'asm(".section .rodata\\n"\n'
            f'    "berth_panel_{number}: .incbin \\"{blob}\\"\\n"\n'
            f'    "berth_panel_{number}_end:\\n"\n'
            f'    ".previous\\n");\n'
            f"extern const char berth_panel_{number}[];\n"
            f"extern const char berth_panel_{number}_end[];\n"
        )
        rows.append(
            f'        {{"{name}", "\\"{digest}\\"", view(berth_panel_{number}, berth_panel_{number}_end)}},\n'
        )
    if not rows:
        sys.exit(f"{folder}: no files")
    output.write_text(
        "// Made by controller/panel/embed.py.\n"
        '#include "controller/panel/assets.h"\n\n'
        'extern "C" {\n' + "".join(blobs) + "}\n\n"
        "namespace berth::panel {\n\n"
        "static std::string_view view(const char* begin, const char* end) {\n"
        "    return {begin, static_cast<std::size_t>(end - begin)};\n"
        "}\n\n"
        "const std::vector<EmbeddedFile>& embedded_files() {\n"
        "    static const std::vector<EmbeddedFile> kFiles = {\n" + "".join(rows) + "    };\n"
        "    return kFiles;\n"
        "}\n\n"
        "const std::vector<std::string_view>& panel_pages() {\n"
        "    static const std::vector<std::string_view> kPages = {\n" + patterns + "    };\n"
        "    return kPages;\n"
        "}\n\n"
        "}  // namespace berth::panel\n"
    )


main()
