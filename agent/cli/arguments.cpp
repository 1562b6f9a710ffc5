#include "agent/cli/arguments.h"

#include "shared/base/text.h"

namespace berth::cli {

namespace {

using command::Command;
using command::Option;

tl::unexpected<Error> usage(const std::string& what) {
    return fail(ErrorCode::InvalidArgument, what);
}

std::string suggestion(std::string_view word, const std::vector<std::string_view>& known) {
    const std::string_view near = nearest(word, known);
    return near.empty() ? std::string() : ", did you mean \"" + std::string(near) + "\"?";
}

// The command that the words begin with, of one word or two; how many words it took.
Result<std::size_t> find_command(const std::vector<std::string>& words, const Command*& command) {
    if (words.empty()) {
        return std::size_t{0};
    }
    if (words.size() > 1) {
        command = command::find(words[0] + " " + words[1]);
        if (command != nullptr) {
            return std::size_t{2};
        }
    }
    command = command::find(words[0]);
    if (command != nullptr) {
        return std::size_t{1};
    }
    std::vector<std::string_view> known;
    std::string second;
    for (const Command& candidate : command::commands()) {
        known.push_back(candidate.name);
        if (candidate.name.substr(0, words[0].size() + 1) == words[0] + " ") {
            second += (second.empty() ? "" : ", ") +
                      std::string(candidate.name.substr(words[0].size() + 1));
        }
    }
    if (!second.empty()) {
        return usage("\"" + words[0] + "\" is followed by one of " + second);
    }
    return usage("there is no command \"" + words[0] + "\"" + suggestion(words[0], known));
}

}  // namespace

std::vector<Option> options_of(const Command* command) {
    std::vector<Option> options;
    if (command != nullptr) {
        options = command->options;
    }
    const auto& everywhere = command::global_options();
    options.insert(options.end(), everywhere.begin(), everywhere.end());
    return options;
}

bool takes_value(std::string_view word) {
    const Option* option = find_flag(command::global_options(), word);
    for (const Command& command : command::commands()) {
        option = option != nullptr ? option : find_flag(command.options, word);
    }
    return option != nullptr && !option->value.empty();
}

Result<Arguments> parse_arguments(const std::vector<std::string>& words) {
    Arguments arguments;
    // The command decides which options there are, so it is looked for first: the words that are
    // neither options nor their values.
    std::vector<std::string> plain;
    for (std::size_t i = 0; i < words.size() && words[i] != "--"; ++i) {
        if (words[i].rfind('-', 0) != 0) {
            plain.push_back(words[i]);
        } else if (takes_value(words[i])) {
            ++i;
        }
    }
    BERTH_TRY(std::size_t skip, find_command(plain, arguments.command));
    BERTH_TRY(arguments.line, CommandLine::parse(words, options_of(arguments.command)));
    const auto& all = arguments.line.words();
    arguments.words.assign(all.begin() + static_cast<std::ptrdiff_t>(skip), all.end());
    const Command* const command = arguments.command;
    if (command == nullptr || arguments.has("--help") || arguments.has("--version")) {
        return arguments;
    }
    if (arguments.words.size() < command->min_arguments ||
        arguments.words.size() > command->max_arguments) {
        return usage("usage: berth " + std::string(command->name) +
                     (command->arguments.empty() ? "" : " " + std::string(command->arguments)));
    }
    return arguments;
}

}  // namespace berth::cli
