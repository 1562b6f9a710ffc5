#pragma once

#include <string_view>
#include <vector>

#include "shared/base/flags.h"

namespace berth::command {

using Option = Flag;

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
