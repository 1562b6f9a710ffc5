#include "shared/match/patterns.h"

#include <re2/re2.h>

#include <memory>
#include <set>

namespace berth::match {

namespace {

constexpr std::int64_t kMaxMemory = 4 << 20;

Result<std::shared_ptr<re2::RE2>> compile(const std::string& expression) {
    re2::RE2::Options options;
    options.set_log_errors(false);
    options.set_max_mem(kMaxMemory);
    auto compiled = std::make_shared<re2::RE2>(expression, options);
    if (!compiled->ok()) {
        return fail(ErrorCode::InvalidArgument,
                    "\"" + expression + "\" is no regular expression: " + compiled->error());
    }
    return compiled;
}

}  // namespace

Result<Matches> match_ids(const std::vector<std::string>& patterns,
                          const std::vector<std::string>& ids) {
    Matches matches;
    std::set<std::string> chosen;
    for (const std::string& pattern : patterns) {
        BERTH_TRY(const auto expression, compile(pattern));
        bool any = false;
        for (const std::string& id : ids) {
            if (re2::RE2::FullMatch(id, *expression)) {
                chosen.insert(id);
                any = true;
            }
        }
        if (!any) {
            matches.unmatched.push_back(pattern);
        }
    }
    for (const std::string& id : ids) {
        if (chosen.count(id) != 0) {
            matches.ids.push_back(id);
        }
    }
    return matches;
}

Result<std::function<bool(std::string_view)>> line_filter(const std::string& expression) {
    BERTH_TRY(auto compiled, compile(expression));
    return std::function<bool(std::string_view)>(
        [compiled = std::move(compiled)](std::string_view line) {
            return re2::RE2::PartialMatch(re2::StringPiece(line.data(), line.size()), *compiled);
        });
}

}  // namespace berth::match
