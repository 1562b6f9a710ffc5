#include <algorithm>

#include "agent/cli/commands.h"

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

std::string options_help(const std::vector<Option>& options) {
    std::vector<std::vector<std::string>> rows;
    for (const Option& option : options) {
        rows.push_back({"  " + option_text(option), std::string(option.help)});
    }
    return table(rows);
}

std::string overview() {
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
    text += table(rows);
    text += "\nFor all commands:\n" + options_help(command::global_options());
    text +=
        "\nPATTERN is a regular expression (RE2) that must match a whole id; apps of other agents "
        "below the\n"
        "home are AGENT/PATTERN. `berth help COMMAND` tells more of one command.\n";
    return text;
}

std::string command_help(const Command& command) {
    std::string text = "berth " + std::string(command.name) + ": " + std::string(command.summary) +
                       "\n\nusage: berth " + std::string(command.name);
    text += command.options.empty() ? "" : " [OPTIONS]";
    text += command.arguments.empty() ? "" : " " + std::string(command.arguments);
    text += "\n";
    if (!command.options.empty()) {
        text += "\n" + options_help(command.options);
    }
    text += "\nFor all commands:\n" + options_help(command::global_options());
    text +=
        "\nExit code: 0 done, 1 at least one target failed, 2 usage, 3 nothing matched, 4 not "
        "reachable,\n"
        "5 not allowed.\n";
    return text;
}

std::string first_words() {
    std::string words;
    std::string last;
    for (const Command& command : command::commands()) {
        const std::string word(command.name.substr(0, command.name.find(' ')));
        if (word != last) {
            words += (words.empty() ? "" : " ") + word;
        }
        last = word;
    }
    return words;
}

constexpr std::string_view kBash = R"sh(_berth() {
    local word=${COMP_WORDS[COMP_CWORD]}
    if [ "$COMP_CWORD" -eq 1 ]; then
        COMPREPLY=($(compgen -W "@WORDS@" -- "$word"))
    elif [ "${COMP_WORDS[1]}" = load ]; then
        COMPREPLY=($(compgen -f -- "$word"))
    else
        COMPREPLY=($(compgen -W "$(berth list 2>/dev/null | tail -n +2 | cut -d' ' -f1)" -- "$word"))
    fi
}
complete -o filenames -F _berth berth
)sh";

constexpr std::string_view kZsh = R"sh(#compdef berth
_berth() {
    if (( CURRENT == 2 )); then
        compadd @WORDS@
    elif [[ $words[2] == load ]]; then
        _files
    else
        compadd $(berth list 2>/dev/null | tail -n +2 | cut -d' ' -f1)
    fi
}
_berth "$@"
)sh";

constexpr std::string_view kFish = R"sh(complete -c berth -f -n __fish_use_subcommand -a "@WORDS@"
complete -c berth -f -n "not __fish_use_subcommand; and not __fish_seen_subcommand_from load" \
    -a "(berth list 2>/dev/null | tail -n +2 | cut -d' ' -f1)"
complete -c berth -n "__fish_seen_subcommand_from load" -F
)sh";

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
        print(overview());
        return kDone;
    }
    const Command* const command = command::find(name);
    if (command == nullptr) {
        return report({ErrorCode::InvalidArgument, "there is no command \"" + name + "\"", 0});
    }
    print(command_help(*command));
    return kDone;
}

int run_completion(Session& session) {
    const std::string& shell = session.arguments.words.front();
    std::string script(shell == "bash"   ? kBash
                       : shell == "zsh"  ? kZsh
                       : shell == "fish" ? kFish
                                         : "");
    if (script.empty()) {
        return report(
            {ErrorCode::InvalidArgument, "\"" + shell + "\" is none of bash, zsh, fish", 0});
    }
    const std::size_t at = script.find("@WORDS@");
    script.replace(at, 7, first_words());
    print(script);
    return kDone;
}

}  // namespace berth::cli
