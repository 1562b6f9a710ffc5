#pragma once

#include <functional>
#include <string>
#include <vector>

#include "shared/base/result.h"

namespace berth::match {

// The ids among `ids` that PATTERNS mean, each once, in the order of `ids`; and the patterns that
// mean none. A pattern is an RE2 expression that must match the whole id. Error: one does not
// compile.
struct Matches {
    std::vector<std::string> ids;
    std::vector<std::string> unmatched;
};

Result<Matches> match_ids(const std::vector<std::string>& patterns,
                          const std::vector<std::string>& ids);

// A test for log lines: RE2, found anywhere in the line. Error: it does not compile.
Result<std::function<bool(std::string_view)>> line_filter(const std::string& expression);

}  // namespace berth::match
