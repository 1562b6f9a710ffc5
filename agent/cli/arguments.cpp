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

std::vector<std::string_view> option_names(const Command* command) {
    std::vector<std::string_view> names;
    for (const Option& option : command::global_options()) {
        names.push_back(option.name);
    }
    if (command != nullptr) {
        for (const Option& option : command->options) {
            names.push_back(option.name);
        }
    }
    return names;
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

Result<void> take_option(const std::vector<std::string>& words,
                         std::size_t& at,
                         Arguments& arguments) {
    std::string name = words[at];
    std::string value;
    const std::size_t equals = name.rfind("--", 0) == 0 ? name.find('=') : std::string::npos;
    const bool attached = equals != std::string::npos;
    if (attached) {
        value = name.substr(equals + 1);
        name.resize(equals);
    }
    const Option* const option = find_option(arguments.command, name);
    if (option == nullptr) {
        return usage("there is no option \"" + name + "\"" +
                     suggestion(name, option_names(arguments.command)));
    }
    if (option->value.empty()) {
        if (attached) {
            return usage(std::string(option->name) + " takes no value");
        }
    } else if (!attached) {
        if (++at == words.size()) {
            return usage(std::string(option->name) +
                         " needs a value: " + std::string(option->value));
        }
        value = words[at];
    }
    arguments.options[std::string(option->name)] = value;
    return {};
}

}  // namespace

const Option* find_option(const Command* command, std::string_view name) {
    static const std::vector<Option> kNone;
    for (const auto* options :
         {&command::global_options(), command != nullptr ? &command->options : &kNone}) {
        for (const Option& option : *options) {
            if (option.name == name || (!option.letter.empty() && option.letter == name)) {
                return &option;
            }
        }
    }
    return nullptr;
}

bool takes_value(std::string_view word) {
    const Option* option = find_option(nullptr, word);
    for (const Command& command : command::commands()) {
        option = option != nullptr ? option : find_option(&command, word);
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
    bool only_words = false;
    for (std::size_t i = 0; i < words.size(); ++i) {
        const bool is_option = !only_words && words[i].size() > 1 && words[i].front() == '-';
        if (is_option && words[i] == "--") {
            only_words = true;
        } else if (is_option) {
            BERTH_CHECK(take_option(words, i, arguments));
        } else if (skip > 0) {
            --skip;
        } else {
            arguments.words.push_back(words[i]);
        }
    }
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
