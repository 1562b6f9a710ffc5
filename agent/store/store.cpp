#include "agent/store/store.h"

#include <string_view>
#include <utility>

#include "agent/store/schema.h"

namespace berth::store {

Result<std::unique_ptr<Store>> Store::open(const std::string& file) {
    db::Options options;
    options.file = file;
    BERTH_TRY(auto database, db::Database::open(options, agent_schema()));
    return std::unique_ptr<Store>(new Store(std::move(database)));
}

namespace {

// What has moved: the home of one agent, or with it the home that those of all agents are in.
std::pair<std::string, std::string> moved(const std::string& before, const std::string& now) {
    const std::size_t agents = now.rfind("/agents/");
    if (agents != std::string::npos) {
        const std::string_view below = std::string_view(now).substr(agents);
        if (before.size() > below.size() && std::string_view(before).ends_with(below)) {
            return {before.substr(0, before.size() - below.size()), now.substr(0, agents)};
        }
    }
    return {before, now};
}

}  // namespace

void Store::settle_in(const std::string& home) {
    constexpr const char* kKey = "home";
    const std::string before = settings_.value(kKey);
    if (before == home) {
        return;
    }
    if (!before.empty()) {
        const auto [from, to] = moved(before, home);
        apps_.move_paths(from, to);
    }
    settings_.set_value(kKey, home);
}

}  // namespace berth::store
