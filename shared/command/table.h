#pragma once

#include <string_view>
#include <vector>

namespace berth::command {

// One flag of a command. `value` names its value in help ("N"), "" for a switch.
struct Option {
    std::string_view name;    // "--tail"
    std::string_view letter;  // "-n"; "" for none
    std::string_view value;
    std::string_view help;
};

// One command of `berth`. Help, man pages, completion and the documentation are made from this
// table.
struct Command {
    std::string_view name;       // "start", or two words: "agent run"
    std::string_view arguments;  // "PATTERN..."
    std::string_view summary;
    std::vector<Option> options;
    std::size_t min_arguments = 0;
    std::size_t max_arguments = 0;
    std::string_view group;
};

inline constexpr std::size_t kAnyNumber = 1'000'000;

const std::vector<Command>& commands();

// Understood by every command.
const std::vector<Option>& global_options();

// Null: there is none of this name.
const Command* find(std::string_view name);

}  // namespace berth::command
