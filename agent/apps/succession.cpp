#include "agent/apps/succession.h"

#include <algorithm>
#include <utility>

#include "shared/base/text.h"

namespace berth::apps {

namespace {

constexpr const char* kRetiring = "retiring";  // in the ledger, ids with a blank between
constexpr const char* kHeirs = "heirs";

std::string joined(const std::set<std::string>& ids) {
    return join({ids.begin(), ids.end()}, " ");
}

}  // namespace

std::string base_of(const AppSpec& spec) {
    return spec.instance_of.empty() ? spec.id : spec.instance_of;
}

void Succession::recall() {
    for (const auto& [key, ids] : {std::pair{kRetiring, &retiring_}, {kHeirs, &heirs_}}) {
        const std::string stored = ledger_.meta(key);
        for (const std::string_view id : split(stored, ' ')) {
            if (table_.find(std::string(id)) != nullptr) {
                ids->emplace(id);
            }
        }
    }
}

void Succession::store() {
    ledger_.set_meta(kRetiring, joined(retiring_));
    ledger_.set_meta(kHeirs, joined(heirs_));
}

void Succession::retire(const std::string& id, const Actor& actor) {
    heirs_.erase(id);
    retiring_.insert(id);
    store();
    (void)conductor_.stop(id, actor);  // refused when it is down: then it is forgotten as it is
}

void Succession::keep(const std::string& id) {
    if (retiring_.erase(id) != 0) {
        store();
    }
}

void Succession::inherit(const std::vector<std::string>& ids) {
    heirs_.insert(ids.begin(), ids.end());
    store();
}

bool Succession::has_heirs(const std::string& base) const {
    return std::any_of(heirs_.begin(), heirs_.end(), [&](const std::string& id) {
        const App* const app = std::as_const(table_).find(id);
        return app != nullptr && base_of(app->spec()) == base;
    });
}

bool Succession::any_retires(const std::string& base) const {
    return std::any_of(retiring_.begin(), retiring_.end(), [&](const std::string& id) {
        const App* const app = std::as_const(table_).find(id);
        return app != nullptr && base_of(app->spec()) == base;
    });
}

std::vector<std::string> Succession::take_gone() {
    std::vector<std::string> gone;
    for (const std::string& id : retiring_) {
        const App* const app = std::as_const(table_).find(id);
        if (app == nullptr || !app->machine.occupied()) {
            gone.push_back(id);
        }
    }
    for (const std::string& id : gone) {
        retiring_.erase(id);
    }
    if (!gone.empty()) {
        store();
    }
    return gone;
}

void Succession::start_heirs() {
    std::vector<std::string> due;
    for (const std::string& id : heirs_) {
        const App* const app = std::as_const(table_).find(id);
        const bool down = app == nullptr || app->machine.is_down();
        // Somebody has started it meanwhile.
        const bool started = !down && app->machine.desired() == Desired::Running;
        if (app == nullptr || started || (down && !any_retires(base_of(app->spec())))) {
            due.push_back(id);
        }
    }
    if (due.empty()) {
        return;
    }
    for (const std::string& id : due) {
        heirs_.erase(id);
    }
    store();
    for (const std::string& id : due) {
        if (table_.find(id) != nullptr && table_.find(id)->machine.is_down()) {
            (void)conductor_.start(id, {"its descriptor"});  // a refusal is its state then
        }
    }
}

}  // namespace berth::apps
