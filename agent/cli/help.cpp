#include <algorithm>

#include "agent/cli/commands.h"
#include "shared/base/text.h"

namespace berth::cli {

using command::Command;
using command::Option;

namespace {

std::string option_text(const Option& option) {
    std::string text = option.letter.empty() ? "    " : std::string(option.letter) + ", ";
    text += option.name;
    text += option.value.empty() ? "" : " " + std::string(option.value);
    return text;
}

std::string options_help(const std::vector<Option>& options, std::size_t width) {
    std::vector<std::vector<std::string>> rows;
    for (const Option& option : options) {
        rows.push_back({"  " + option_text(option), std::string(option.help)});
    }
    return table(rows, {width, {}, {}, true});
}

std::string overview(std::size_t width) {
    std::string text =
        "berth runs the programs of your projects and shows them in one web panel.\n"
        "\n"
        "usage: berth COMMAND [ARGUMENTS]\n";
    std::vector<std::string_view> groups;
    for (const Command& command : command::commands()) {
        if (std::find(groups.begin(), groups.end(), command.group) == groups.end()) {
            groups.push_back(command.group);
        }
    }
    std::vector<std::vector<std::string>> rows;
    for (const std::string_view group : groups) {
        rows.push_back({""});
        rows.push_back({std::string(group) + ":"});
        for (const Command& command : command::commands()) {
            if (command.group == group) {
                const std::string words =
                    command.arguments.empty() ? "" : " " + std::string(command.arguments);
                rows.push_back(
                    {"  " + std::string(command.name) + words, std::string(command.summary)});
            }
        }
    }
    text += table(rows, {width, {}, {}, true});
    text += "\nFor all commands:\n" + options_help(command::global_options(), width);
    text +=
        "\nPATTERN is a regular expression (RE2) that must match a whole id; apps of other\n"
        "agents are AGENT/PATTERN. `berth help COMMAND` tells more of one command.\n";
    return text;
}

std::string command_help(const Command& command, std::size_t width) {
    std::string text = "berth " + std::string(command.name) + ": " + std::string(command.summary) +
                       "\n\nusage: berth " + std::string(command.name);
    text += command.options.empty() ? "" : " [OPTIONS]";
    text += command.arguments.empty() ? "" : " " + std::string(command.arguments);
    text += "\n";
    if (!command.options.empty()) {
        text += "\n" + options_help(command.options, width);
    }
    text += "\nFor all commands:\n" + options_help(command::global_options(), width);
    text +=
        "\nExit code: 0 done, 1 at least one target failed, 2 usage, 3 nothing matched,\n"
        "4 not reachable, 5 not allowed.\n";
    return text;
}

// "agent": the commands that begin with this word. Empty: there are none.
std::string family_help(const std::string& word, std::size_t width) {
    std::vector<std::vector<std::string>> rows;
    for (const Command& command : command::commands()) {
        if (command.name.starts_with(word + " ")) {
            const std::string words =
                command.arguments.empty() ? "" : " " + std::string(command.arguments);
            rows.push_back(
                {"  berth " + std::string(command.name) + words, std::string(command.summary)});
        }
    }
    return rows.empty() ? ""
                        : "berth " + word + " is followed by one of:\n\n" +
                              table(rows, {width, {}, {}, true}) + "\n`berth help " + word +
                              " COMMAND` tells more of one.\n";
}

// Text for roff: a leading full stop or quote would be a request, a hyphen a typographic one.
std::string roff(std::string_view text) {
    std::string safe;
    for (const char c : text) {
        if (c == '\\') {
            safe += "\\e";
        } else if (c == '-') {
            safe += "\\-";
        } else {
            safe += c;
        }
    }
    return !safe.empty() && (safe.front() == '.' || safe.front() == '\'') ? "\\&" + safe : safe;
}

std::string roff_options(const std::vector<Option>& options) {
    std::string text;
    for (const Option& option : options) {
        text += ".TP\n.B " + roff(option.letter.empty() ? "" : std::string(option.letter) + ", ") +
                roff(option.name) +
                (option.value.empty() ? "" : " \\fI" + roff(option.value) + "\\fP") + "\n" +
                roff(option.help) + "\n";
    }
    return text;
}

}  // namespace

// man(7)
int run_man(Session& /*session*/) {
    std::string text =
        ".TH BERTH 1 \"\" \"Berth " BERTH_VERSION
        "\"\n.SH NAME\nberth \\- runs the programs of your projects\n"
        ".SH SYNOPSIS\n.B berth\n\\fICOMMAND\\fP [\\fIARGUMENTS\\fP]\n.SH COMMANDS\n";
    for (const Command& command : command::commands()) {
        text += ".SS berth " + roff(command.name) +
                (command.arguments.empty() ? "" : " " + roff(command.arguments)) + "\n" +
                roff(command.summary) + "\n" + roff_options(command.options);
    }
    text += ".SH OPTIONS OF ALL COMMANDS\n" + roff_options(command::global_options());
    text +=
        ".SH EXIT STATUS\n0 done, 1 at least one target failed, 2 usage, 3 nothing matched, 4 not "
        "reachable, "
        "5 not allowed.\n.SH FILES\n.TP\n.I $BERTH_HOME\n/var/lib/berth for root, "
        "~/.local/share/berth for others\n";
    print(text);
    return kDone;
}

int run_help(Session& session) {
    std::string name;
    for (const std::string& word : session.arguments.words) {
        name += (name.empty() ? "" : " ") + word;
    }
    if (name.empty()) {
        print(overview(session.style.width));
        return kDone;
    }
    if (const Command* const command = command::find(name)) {
        print(command_help(*command, session.style.width));
        return kDone;
    }
    if (const std::string family = family_help(name, session.style.width); !family.empty()) {
        print(family);
        return kDone;
    }
    std::vector<std::string_view> known;
    for (const Command& command : command::commands()) {
        known.push_back(command.name);
    }
    const std::string_view near = nearest(name, known);
    return report({ErrorCode::InvalidArgument,
                   "there is no command \"" + name + "\"" +
                       (near.empty() ? "" : ", did you mean \"" + std::string(near) + "\"?"),
                   0});
}

}  // namespace berth::cli
