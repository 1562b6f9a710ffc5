#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "shared/base/flags.h"
#include "shared/base/result.h"
#include "shared/command/table.h"

namespace berth::cli {

// A parsed command line.
struct Arguments {
    const command::Command* command = nullptr;
    CommandLine line;
    std::vector<std::string> words;  // without those of the command

    [[nodiscard]] bool has(std::string_view option) const { return line.has(option); }

    [[nodiscard]] std::string get(std::string_view option, std::string_view fallback = {}) const {
        return line.get(option, fallback);
    }
};

// Options may stand anywhere; what follows `--` is no option. Error (exit code 2): an unknown
// command or option, with the nearest known one, a missing value, too many or too few words.
Result<Arguments> parse_arguments(const std::vector<std::string>& words);

// Those of every command, and of `command` when it is given.
std::vector<command::Option> options_of(const command::Command* command);

// Whether the word is an option of any command that takes the next word as its value.
bool takes_value(std::string_view word);

}  // namespace berth::cli
