#include "controller/service/selector.h"

#include <set>

#include "shared/match/patterns.h"

namespace berth::service {

namespace {

// Whether `word` is the name of this app, or of the app that it is an instance of.
bool names(const std::string& word, const AppStatus& app) {
    return word == app.id || word == fleet::app_key(app.agent, app.id) ||
           (!app.instance_of.empty() &&
            (word == app.instance_of || word == fleet::app_key(app.agent, app.instance_of)));
}

// The keys of the apps that `word` names as they are.
std::set<std::string> named_by(const fleet::FleetView& view, const std::string& word) {
    std::set<std::string> named;
    for (const auto& [key, app] : view.apps) {
        if (names(word, app->status)) {
            named.insert(key);
        }
    }
    return named;
}

Result<std::set<std::string>> matched_by(const fleet::FleetView& view, const std::string& word) {
    std::vector<std::string> keys;
    std::vector<std::string> ids;
    for (const auto& [key, app] : view.apps) {
        keys.push_back(key);
        ids.push_back(app->status.id);
    }
    BERTH_TRY(const match::Matches by_key, match::match_ids({word}, keys));
    BERTH_TRY(const match::Matches by_id, match::match_ids({word}, ids));
    std::set<std::string> matched(by_key.ids.begin(), by_key.ids.end());
    const std::set<std::string> found(by_id.ids.begin(), by_id.ids.end());
    for (const auto& [key, app] : view.apps) {
        if (found.count(app->status.id) != 0) {
            matched.insert(key);
        }
    }
    return matched;
}

}  // namespace

Result<Selected> select_apps(const fleet::FleetView& view, const std::vector<std::string>& words) {
    Selected selected;
    std::set<std::string> named;
    std::set<std::string> matched;
    for (const std::string& word : words) {
        const auto exact = named_by(view, word);
        if (!exact.empty()) {
            named.insert(exact.begin(), exact.end());
            continue;
        }
        BERTH_TRY(const auto more, matched_by(view, word));
        if (more.empty()) {
            selected.unmatched.push_back(word);
        }
        matched.insert(more.begin(), more.end());
    }
    for (const auto& [key, app] : view.apps) {
        if (named.count(key) != 0) {
            selected.apps.push_back(key);
        } else if (matched.count(key) != 0) {
            selected.apps.push_back(key);
            ++selected.by_expression;
        }
    }
    return selected;
}

}  // namespace berth::service
