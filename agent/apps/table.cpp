#include "agent/apps/table.h"

#include <algorithm>
#include <utility>

namespace berth::apps {

const App* Table::find(const std::string& id) const {
    const auto found = apps_.find(id);
    return found != apps_.end() ? found->second.get() : nullptr;
}

App* Table::find(const std::string& id) {
    const auto found = apps_.find(id);
    return found != apps_.end() ? found->second.get() : nullptr;
}

Result<App*> Table::require(const std::string& id) {
    App* const app = find(id);
    if (app == nullptr) {
        return fail(ErrorCode::NotFound, "no app has the id \"" + id + "\"");
    }
    return app;
}

App& Table::insert(std::unique_ptr<App> app) {
    App& inserted = *app;
    apps_[inserted.id()] = std::move(app);
    return inserted;
}

bool Table::any_occupied() const {
    return std::any_of(apps_.begin(), apps_.end(), [](const auto& entry) {
        return entry.second->machine.occupied();
    });
}

const supervisor::Machine* Table::machine(const std::string& id) const {
    const App* const app = find(id);
    return app != nullptr ? &app->machine : nullptr;
}

std::vector<std::string> Table::instances_of(const std::string& base) const {
    std::vector<std::string> ids;
    for (const auto& [id, app] : apps_) {
        if (!base.empty() && app->spec().instance_of == base) {
            ids.push_back(id);
        }
    }
    return ids;
}

std::vector<std::string> Table::ids() const {
    std::vector<std::string> ids;
    ids.reserve(apps_.size());
    for (const auto& [id, app] : apps_) {
        ids.push_back(id);
    }
    return ids;
}

}  // namespace berth::apps
