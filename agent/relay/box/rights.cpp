#include "agent/relay/box/rights.h"

#include <re2/re2.h>
#include <re2/set.h>

namespace berth::relay {

struct Rights::Rule {
    std::unique_ptr<RE2::Set> patterns;  // null: nothing is allowed
};

Rights::Rights() = default;
Rights::~Rights() = default;

void Rights::set(const std::string& app,
                 Kind kind,
                 const std::optional<std::vector<std::string>>& patterns) {
    if (!patterns) {
        rules_.erase({kind, app});
        return;
    }
    auto rule = std::make_unique<Rule>();
    if (!patterns->empty()) {
        RE2::Options options;
        options.set_log_errors(false);
        rule->patterns = std::make_unique<RE2::Set>(options, RE2::ANCHOR_BOTH);
        for (const std::string& pattern : *patterns) {
            (void)rule->patterns->Add(pattern, nullptr);  // a bad one adds nothing
        }
        if (!rule->patterns->Compile()) {
            rule->patterns.reset();
        }
    }
    rules_[{kind, app}] = std::move(rule);
}

void Rights::remove(const std::string& app) {
    rules_.erase({Kind::Control, app});
    rules_.erase({Kind::Notify, app});
}

bool Rights::allowed(std::string_view app, Kind kind, std::string_view target) const {
    if (rules_.empty()) {
        return true;
    }
    const auto found = rules_.find(std::pair(kind, std::string(app)));
    if (found == rules_.end()) {
        return true;
    }
    const RE2::Set* const patterns = found->second->patterns.get();
    return patterns != nullptr && patterns->Match({target.data(), target.size()}, nullptr);
}

}  // namespace berth::relay
