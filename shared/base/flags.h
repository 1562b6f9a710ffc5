#pragma once

#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "shared/base/result.h"

// Command lines of all our programs: `--name value`, `--name=value`, `-n value`. A program says
// which flags it knows in a table, from which its help is made too.
namespace berth {

// One flag. `value` names its value in help ("N"), "" for a switch.
struct Flag {
    std::string_view name;    // "--tail"
    std::string_view letter;  // "-n"; "" for none
    std::string_view value;
    std::string_view help;  // "" for what our own programs say to each other: it is not shown
};

// What a command line said.
class CommandLine {
public:
    // Flags may stand anywhere; what follows `--` is none. Error: an unknown flag, with the nearest
    // known one; a value that is missing, or one too many.
    static Result<CommandLine> parse(std::span<const std::string> arguments,
                                     std::span<const Flag> known);

    // What is no flag and no value of one, in order.
    [[nodiscard]] const std::vector<std::string>& words() const { return words_; }

    [[nodiscard]] bool has(std::string_view name) const;

    // The last one counts.
    [[nodiscard]] std::string get(std::string_view name, std::string_view fallback = {}) const;
    [[nodiscard]] std::vector<std::string> all(std::string_view name) const;

    // Error: there is one, where a program takes flags alone.
    [[nodiscard]] Result<void> refuse_words() const;

    // Error: it is not there, or empty.
    [[nodiscard]] Result<std::string> required(std::string_view name) const;

    // As if it had been given last.
    void set(std::string_view name, std::string_view value) { given_.emplace_back(name, value); }

    // `fallback` when it is not there. Error: it is no whole number of 0 or more.
    [[nodiscard]] Result<int> number(std::string_view name, int fallback) const;

private:
    std::vector<std::pair<std::string, std::string>> given_;  // by long name, as they came
    std::vector<std::string> words_;
};

// The words of main().
std::vector<std::string> arguments_of(int argc, char** argv);

// Null: none of this name or letter.
const Flag* find_flag(std::span<const Flag> known, std::string_view name);

// A line for each: "  --name N    help". Those without a help are left out.
std::string flags_help(std::span<const Flag> flags);

}  // namespace berth
