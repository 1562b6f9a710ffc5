#pragma once

#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "shared/base/result.h"

namespace berth::native {

using EnvEntries = std::vector<std::pair<std::string, std::string>>;

// The variables of an env file, in its order:
//
//   # a comment, at a line's begin or after a blank
//   NAME=value                 # blanks around the value are no part of it
//   export NAME='literal'      # nothing means anything in it, not a backslash either
//   NAME="a \"quoted\" text"   # \" \\ \n \t \$; any other backslash stands for itself
//   NAME="over
//   several lines"             # single quotes too
//
// Nothing is expanded. A byte order mark and CRs before newlines are read past. Error, with file
// and line: no NAME=, a name that is none, text behind a closing quote, a quote that is not closed,
// NUL.
Result<EnvEntries> parse_env_file(const std::string& file, std::string_view text);

}  // namespace berth::native
