#pragma once

#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "shared/base/result.h"
#include "shared/command/table.h"

namespace berth::cli {

// A parsed command line.
struct Arguments {
    const command::Command* command = nullptr;
    std::map<std::string, std::string> options;  // by long name; "" for a switch
    std::vector<std::string> words;

    [[nodiscard]] bool has(const std::string& option) const { return options.count(option) != 0; }

    [[nodiscard]] std::string get(const std::string& option,
                                  const std::string& fallback = {}) const {
        const auto found = options.find(option);
        return found != options.end() ? found->second : fallback;
    }
};

// Options may stand anywhere; what follows `--` is no option. Error (exit code 2): an unknown
// command or option, with the nearest known one, a missing value, too many or too few words.
Result<Arguments> parse_arguments(const std::vector<std::string>& words);

// Among the options of every command and those of `command`, when it is given; null: there is none.
const command::Option* find_option(const command::Command* command, std::string_view name);

// Whether the word is an option of any command that takes the next word as its value.
bool takes_value(std::string_view word);

}  // namespace berth::cli
