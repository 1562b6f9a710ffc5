#include "agent/control/targets.h"

#include <set>

#include "shared/match/patterns.h"

namespace berth::control {

Result<Targets> match_apps(const apps::Apps& apps,
                           const std::vector<std::string>& words,
                           Naming naming) {
    std::vector<std::string> ids;
    for (const auto& [id, app] : apps.table().all()) {
        ids.push_back(id);
    }
    if (words.empty()) {
        return Targets{std::move(ids), {}, {}};
    }
    std::set<std::string> named;
    std::vector<std::string> patterns;
    for (const std::string& word : words) {
        const auto instances = apps.table().instances_of(word);
        if (naming == Naming::IdsFirst && apps.find(word) != nullptr) {
            named.insert(word);
        } else if (!instances.empty()) {
            named.insert(instances.begin(), instances.end());
        } else {
            patterns.push_back(word);
        }
    }
    BERTH_TRY(match::Matches matches, match::match_ids(patterns, ids));
    const std::set<std::string> matched(matches.ids.begin(), matches.ids.end());
    Targets targets;
    targets.unmatched = std::move(matches.unmatched);
    for (std::string& id : ids) {
        const bool by_name = named.count(id) != 0;
        if (!by_name && matched.count(id) != 0) {
            targets.by_pattern.push_back(id);
        }
        if (by_name || matched.count(id) != 0) {
            targets.ids.push_back(std::move(id));
        }
    }
    return targets;
}

}  // namespace berth::control
