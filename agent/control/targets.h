#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "agent/apps/apps.h"
#include "shared/base/result.h"

namespace berth::control {

// How the words of a command name apps.
enum class Naming : std::uint8_t {
    IdsFirst,  // a word that is an id, or that of one with instances, means that and nothing else
    Expressions,  // every word is an expression, as in SPMI's guide
};

struct Targets {
    std::vector<std::string> ids;         // each once, in the order of the apps
    std::vector<std::string> unmatched;   // words that mean none
    std::vector<std::string> by_pattern;  // of `ids`, those that no word names as it is
};

// The apps that WORDS mean. A word that is an app's id means that app; one that is the id of an app
// with instances all of those; any other is an RE2 expression that matches whole ids. No word: all
// apps. Error: an expression does not compile.
Result<Targets> match_apps(const apps::Apps& apps,
                           const std::vector<std::string>& words,
                           Naming naming = Naming::IdsFirst);

}  // namespace berth::control
