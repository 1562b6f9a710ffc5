#include "shared/base/flags.h"

#include <algorithm>

#include "shared/base/text.h"

namespace berth {

namespace {

tl::unexpected<Error> usage(const std::string& what) {
    return fail(ErrorCode::InvalidArgument, what);
}

std::string unknown(const std::string& name, std::span<const Flag> known) {
    std::vector<std::string_view> names;
    for (const Flag& flag : known) {
        if (!flag.help.empty()) {
            names.push_back(flag.name);
        }
    }
    const std::string_view near = nearest(name, names);
    return "there is no option \"" + name + "\"" +
           (near.empty() ? std::string() : ", did you mean \"" + std::string(near) + "\"?");
}

// "--lines, -n N"
std::string shown(const Flag& flag) {
    std::string text(flag.name);
    if (!flag.letter.empty()) {
        text += ", " + std::string(flag.letter);
    }
    return flag.value.empty() ? text : text + " " + std::string(flag.value);
}

}  // namespace

Result<CommandLine> CommandLine::parse(std::span<const std::string> arguments,
                                       std::span<const Flag> known) {
    CommandLine line;
    bool only_words = false;
    for (std::size_t i = 0; i < arguments.size(); ++i) {
        const std::string& word = arguments[i];
        if (only_words || word.size() < 2 || word.front() != '-') {
            line.words_.push_back(word);
            continue;
        }
        if (word == "--") {
            only_words = true;
            continue;
        }
        const std::size_t equals = word.rfind("--", 0) == 0 ? word.find('=') : std::string::npos;
        const std::string name = word.substr(0, equals);
        const Flag* const flag = find_flag(known, name);
        if (flag == nullptr) {
            return usage(unknown(name, known));
        }
        std::string value;
        if (flag->value.empty()) {
            if (equals != std::string::npos) {
                return usage(std::string(flag->name) + " takes no value");
            }
        } else if (equals != std::string::npos) {
            value = word.substr(equals + 1);
        } else if (++i == arguments.size()) {
            return usage(std::string(flag->name) + " needs a value: " + std::string(flag->value));
        } else {
            value = arguments[i];
        }
        line.set(flag->name, value);
    }
    return line;
}

bool CommandLine::has(std::string_view name) const {
    return std::any_of(
        given_.begin(), given_.end(), [&](const auto& one) { return one.first == name; });
}

std::string CommandLine::get(std::string_view name, std::string_view fallback) const {
    const auto found = std::find_if(
        given_.rbegin(), given_.rend(), [&](const auto& one) { return one.first == name; });
    return found != given_.rend() ? found->second : std::string(fallback);
}

std::vector<std::string> CommandLine::all(std::string_view name) const {
    std::vector<std::string> values;
    for (const auto& [given, value] : given_) {
        if (given == name) {
            values.push_back(value);
        }
    }
    return values;
}

Result<void> CommandLine::refuse_words() const {
    return words_.empty() ? Result<void>() : usage("unknown argument \"" + words_.front() + "\"");
}

Result<std::string> CommandLine::required(std::string_view name) const {
    std::string value = get(name);
    return value.empty() ? Result<std::string>(usage(std::string(name) + " is missing")) : value;
}

Result<int> CommandLine::number(std::string_view name, int fallback) const {
    if (!has(name)) {
        return fallback;
    }
    const std::string text = get(name);
    const auto value = parse_integer<int>(text);
    if (!value || *value < 0) {
        return usage(std::string(name) + " takes a whole number, not \"" + text + "\"");
    }
    return *value;
}

std::vector<std::string> arguments_of(int argc, char** argv) {
    return {argv + std::min(argc, 1), argv + argc};
}

const Flag* find_flag(std::span<const Flag> known, std::string_view name) {
    const auto found = std::find_if(known.begin(), known.end(), [&](const Flag& flag) {
        return flag.name == name || (!flag.letter.empty() && flag.letter == name);
    });
    return found != known.end() ? &*found : nullptr;
}

std::string flags_help(std::span<const Flag> flags) {
    std::size_t width = 0;
    for (const Flag& flag : flags) {
        width = std::max(width, flag.help.empty() ? 0 : shown(flag).size());
    }
    std::string text;
    for (const Flag& flag : flags) {
        if (!flag.help.empty()) {
            std::string name = shown(flag);
            name.resize(width, ' ');
            text += "  " + name + "  " + std::string(flag.help) + "\n";
        }
    }
    return text;
}

}  // namespace berth
