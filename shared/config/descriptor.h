#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "shared/base/result.h"
#include "shared/model/app_spec.h"

namespace berth::config {

// What reading one descriptor found. `problems` and `warnings` read "line:column: …" prefixed with
// the file: `web/berth.toml:3:11: restart.policy: "sometimes" is none of never, on-failure,
// always`.
struct Descriptor {
    std::vector<AppSpec> apps;  // one, or one per line of a Procfile; empty when there are problems
    std::vector<std::string> problems;  // all of them, not only the first
    std::vector<std::string> warnings;  // unknown keys, with the nearest known one
    std::string text;                   // as it was read; of read_descriptor() alone
};

// Parses and validates `text`, which stands in `file` (its name decides the format: berth.toml,
// pytainer.toml, Procfile, else *.toml *.yaml *.yml *.json; a *.toml with [app] and `launcher` is
// pytainer's, with [app] Berth's, with [task] SPMI's). No I/O. Never throws.
Descriptor parse_descriptor(const std::string& file, std::string_view text);

// Whether a folder with a file of this name holds an app.
bool is_descriptor_name(std::string_view name);

// The descriptor file that `path` means: itself when it is a file, else the first of berth.toml,
// pytainer.toml, Procfile in it. Error: what is missing.
Result<std::string> find_descriptor(const std::string& path);

// Reads at most 1 MiB and parses. Errors (no such file, too large, is a folder) are problems too.
Descriptor read_descriptor(const std::string& file);

}  // namespace berth::config
