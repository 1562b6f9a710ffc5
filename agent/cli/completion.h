#pragma once

#include <string>
#include <vector>

#include "agent/cli/session.h"

namespace berth::cli {

// How a shell's completion script asks: `berth __complete WORD...`, the last word being the one
// that is typed, perhaps "". A line each of what it may become; the one line ":files" leaves it to
// the shell. The scripts of `berth completion` know nothing themselves, so that they need not be
// made anew with a new Berth.
inline constexpr const char* kComplete = "__complete";

// The --home and --agent among the words before the last: whom to ask for ids.
std::vector<std::string> options_before(const std::vector<std::string>& words);

// Prints what completes the last word.
int complete(Session& session, const std::vector<std::string>& words);

// What may stand there, before any agent was asked: ":files", ":agents" and ":ids" stand for those.
std::vector<std::string> completions(const std::vector<std::string>& words);

inline constexpr const char* kFilesComplete = ":files";
inline constexpr const char* kAgentsComplete = ":agents";
inline constexpr const char* kIdsComplete = ":ids";

}  // namespace berth::cli
