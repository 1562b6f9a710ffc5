#include "agent/control/targets.h"

#include <algorithm>
#include <set>

namespace berth::control {

Result<match::Matches> match_apps(const registry::Registry& registry,
                                  const std::vector<std::string>& patterns) {
    std::vector<std::string> ids;
    for (const auto& [id, app] : registry.apps()) {
        ids.push_back(id);
    }
    if (patterns.empty()) {
        return match::Matches{std::move(ids), {}};
    }
    BERTH_TRY(match::Matches matches, match::match_ids(patterns, ids));
    std::set<std::string> chosen(matches.ids.begin(), matches.ids.end());
    std::erase_if(matches.unmatched, [&](const std::string& pattern) {
        const auto instances = registry.instances_of(pattern);
        chosen.insert(instances.begin(), instances.end());
        return !instances.empty();
    });
    std::erase_if(ids, [&chosen](const std::string& id) { return chosen.count(id) == 0; });
    matches.ids = std::move(ids);
    return matches;
}

}  // namespace berth::control
