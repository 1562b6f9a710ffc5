#include "agent/cli/completion.h"

#include <algorithm>
#include <set>

#include "agent/cli/commands.h"
#include "shared/command/table.h"
#include "shared/os/file.h"

namespace berth::cli {

using command::Command;
using command::Option;
using wire::Value;

namespace {

using Words = std::vector<std::string>;

constexpr Duration kPatience = std::chrono::seconds(1);  // somebody waits at a prompt

constexpr std::string_view kBash = R"sh(_berth() {
    local IFS=$'\n' word=${COMP_WORDS[COMP_CWORD]} found
    found=$("${COMP_WORDS[0]}" __complete "${COMP_WORDS[@]:1:COMP_CWORD}" 2>/dev/null)
    if [ "$found" = :files ]; then
        compopt -o filenames 2>/dev/null
        COMPREPLY=($(compgen -f -- "$word"))
    else
        COMPREPLY=($(compgen -W "$found" -- "$word"))
    fi
}
complete -F _berth berth
)sh";

constexpr std::string_view kZsh = R"sh(#compdef berth
_berth() {
    local -a found
    found=("${(@f)$("${words[1]}" __complete "${(@)words[2,CURRENT]}" 2>/dev/null)}")
    if [[ "$found" == :files ]]; then
        _files
    else
        compadd -a found
    fi
}
if [ "$funcstack[1]" = "_berth" ]; then
    _berth "$@"
else
    compdef _berth berth
fi
)sh";

constexpr std::string_view kFish = R"sh(function __berth_complete
    set -l words (commandline -opc)
    set -l found ($words[1] __complete $words[2..-1] (commandline -ct) 2>/dev/null)
    if test "$found" = :files
        __fish_complete_path (commandline -ct)
    else
        printf '%s\n' $found
    end
end
complete -c berth -f -a "(__berth_complete)"
)sh";

// What the value of an option may be.
Words values_of(const Command* command, const Option& option) {
    const std::string name(option.name);
    if (name == "--agent" ||
        (name == "--name" && command != nullptr && command->name == "agent run")) {
        return {kAgentsComplete};
    }
    if (name == "--role") {
        return {"admin", "operator", "viewer"};
    }
    if (name == "--stream") {
        return {"stdout", "stderr"};
    }
    return option.value == "DIR" ? Words{kFilesComplete} : Words();
}

// The words that commands begin with, or the second ones after `first`.
Words command_words(std::string_view first) {
    std::set<std::string> words;
    for (const Command& command : command::commands()) {
        const std::size_t blank = command.name.find(' ');
        if (first.empty()) {
            words.emplace(command.name.substr(0, blank));
        } else if (blank != std::string_view::npos && command.name.substr(0, blank) == first) {
            words.emplace(command.name.substr(blank + 1));
        }
    }
    return {words.begin(), words.end()};
}

Words option_names(const Command* command) {
    Words words;
    for (const Option& option : options_of(command)) {
        words.emplace_back(option.name);
    }
    return words;
}

// What the argument number `at` may be, by how the table calls it.
Words arguments_of(const Command& command, const Words& given) {
    const std::string_view first = command.arguments.substr(0, command.arguments.find(' '));
    if (command.max_arguments <= given.size()) {
        return {};
    }
    if (command.name == "help") {
        return command_words(given.empty() ? "" : given.front());
    }
    if (first == "SHELL") {
        return {"bash", "zsh", "fish"};
    }
    if (first == "PATH...") {
        return {kFilesComplete};
    }
    const bool only_first = command.arguments.find("...") == std::string_view::npos;
    const bool ids = first.find("PATTERN") != std::string_view::npos ||
                     first.find("ID") != std::string_view::npos;
    return ids && (!only_first || given.empty()) ? Words{kIdsComplete} : Words();
}

// The agents below the home, and what else the controller there shows.
Words agent_names(const Session& session) {
    const auto folders = os::list_folder(session.home + "/agents");
    Words names = folders ? *folders : Words();
    for (const std::string& name : session.remote_agents()) {
        names.push_back(name);
    }
    return names;
}

Words ids_of(Session& session, std::string_view typed) {
    const std::size_t slash = typed.find('/');
    const std::string agent =
        slash == std::string_view::npos ? session.agent : std::string(typed.substr(0, slash));
    const auto client = session.client(agent);
    const auto info = client ? (*client)->ask("list", Value::Map{}, kPatience)
                             : Result<Value>(fail(client.error()));
    Words ids;
    for (const Value& app : info ? (*info)["apps"].as_array() : Value::Array()) {
        ids.push_back((slash == std::string_view::npos ? "" : agent + "/") + app["id"].as_string());
    }
    for (const std::string& name : agent_names(session)) {
        if (slash == std::string_view::npos && name != session.agent) {
            ids.push_back(name + "/");
        }
    }
    return ids;
}

}  // namespace

std::vector<std::string> options_before(const std::vector<std::string>& words) {
    std::vector<std::string> kept;
    for (std::size_t i = 0; i + 1 < words.size(); ++i) {
        const std::string& word = words[i];
        const bool whom = word == "--home" || word == "--agent";
        if (whom && i + 2 < words.size()) {
            kept.push_back(word);
            kept.push_back(words[++i]);
        } else if (word.starts_with("--home=") || word.starts_with("--agent=")) {
            kept.push_back(word);
        }
    }
    return kept;
}

std::vector<std::string> completions(const std::vector<std::string>& words) {
    const std::string typed = words.empty() ? std::string() : words.back();
    Words plain;
    std::string awaits;  // the option whose value is typed
    bool only_words = false;
    for (std::size_t i = 0; i + 1 < words.size(); ++i) {
        const std::string& word = words[i];
        if (only_words || word.empty() || word.front() != '-') {
            plain.push_back(word);
        } else if (word == "--") {
            only_words = true;
        } else if (takes_value(word) && word.find('=') == std::string::npos) {
            awaits = i + 2 == words.size() ? word : "";
            ++i;
        }
    }
    const Command* command = nullptr;
    std::size_t used = 0;
    if (plain.size() > 1 && (command = command::find(plain[0] + " " + plain[1])) != nullptr) {
        used = 2;
    } else if (!plain.empty() && (command = command::find(plain[0])) != nullptr) {
        used = 1;
    }
    if (!awaits.empty()) {
        const std::vector<Option> options = options_of(command);
        const Option* const option = find_flag(options, awaits);
        return option != nullptr ? values_of(command, *option) : Words();
    }
    if (!only_words && typed.starts_with("-")) {
        return option_names(command);
    }
    if (plain.empty()) {
        return command_words("");
    }
    if (command == nullptr) {
        return plain.size() == 1 ? command_words(plain[0]) : Words();
    }
    plain.erase(plain.begin(), plain.begin() + static_cast<std::ptrdiff_t>(used));
    return arguments_of(*command, plain);
}

int complete(Session& session, const std::vector<std::string>& words) {
    const std::string typed = words.empty() ? std::string() : words.back();
    Words found;
    for (std::string& word : completions(words)) {
        Words more = word == kAgentsComplete ? agent_names(session)
                     : word == kIdsComplete  ? ids_of(session, typed)
                                             : Words{std::move(word)};
        found.insert(found.end(), more.begin(), more.end());
    }
    for (const std::string& word : found) {
        if (word == kFilesComplete || word.starts_with(typed)) {
            print(word + "\n");
        }
    }
    return kDone;
}

int run_completion(Session& session) {
    const std::string& shell = session.arguments.words.front();
    const std::string_view script = shell == "bash"   ? kBash
                                    : shell == "zsh"  ? kZsh
                                    : shell == "fish" ? kFish
                                                      : "";
    if (script.empty()) {
        return report(
            {ErrorCode::InvalidArgument, "\"" + shell + "\" is none of bash, zsh, fish", 0});
    }
    print(script);
    return kDone;
}

}  // namespace berth::cli
