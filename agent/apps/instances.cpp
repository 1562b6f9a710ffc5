#include "shared/config/instances.h"

#include <algorithm>
#include <functional>

#include "agent/backend/native/preflight.h"
#include "agent/apps/registry.h"
#include "shared/base/text.h"
#include "shared/config/descriptor.h"
#include "shared/config/spec_diff.h"
#include "shared/json/spec_json.h"

namespace berth::apps {

// The part of the Registry that knows how descriptors become apps: instances, requirements, and
// whether a run still is what its descriptor says.

using supervisor::Event;
using supervisor::Input;

namespace {

// FNV-1a (Fowler, Noll, Vo), 64 bits: tells texts apart, no more.
std::string fnv1a(std::string_view text) {
    std::uint64_t hash = 0xCBF29CE484222325ULL;
    for (const char c : text) {
        hash = (hash ^ static_cast<unsigned char>(c)) * 0x100000001B3ULL;
    }
    return std::to_string(hash);
}

// Changes when a restart would change anything: what only matters at the end of a run is in it
// too, which costs a hint too many.
std::string digest_of(const AppSpec& spec) {
    json::JsonWriter writer;
    json::write_spec(writer, spec, json::Secrets::Shown);
    std::string text = writer.take();
    for (const ConfigVariable& variable : spec.config) {
        text += variable.value;  // secrets are masked in the JSON
    }
    return fnv1a(text);
}

}  // namespace

std::vector<AppSpec> Registry::expand(const std::vector<AppSpec>& apps) const {
    return config::expand_instances(apps,
                                    [this](const std::string& id) { return store_.scale(id); });
}

void Registry::register_spec(App& app, std::shared_ptr<const AppSpec> spec) {
    app.digest = digest_of(*spec);
    schedules_->set(app.row.id, spec->schedule);
    app.machine.set_spec(std::move(spec));
}

std::vector<std::string> Registry::instances_of(const std::string& base) const {
    std::vector<std::string> ids;
    for (const auto& [id, app] : apps_) {
        if (!base.empty() && app->machine.spec().instance_of == base) {
            ids.push_back(id);
        }
    }
    return ids;
}

std::vector<std::string> Registry::obstacles(const std::string& id) const {
    const App* const app = find(id);
    return app != nullptr ? obstacles(*app, app->machine.spec()) : std::vector<std::string>();
}

std::vector<std::string> Registry::obstacles(const App& app, const AppSpec& spec) const {
    std::vector<std::string> texts;
    if (app.machine.occupied()) {
        return texts;  // what runs holds its own port
    }
    native::LaunchRequest request{spec, app.row.folder, app.row.environment, 0};
    for (const native::Obstacle& obstacle : native::preflight(launch_, request).obstacles) {
        texts.push_back(obstacle.text);
    }
    return texts;
}

Registry::Checked Registry::check(const std::string& id) const {
    Checked checked;
    const App* const app = find(id);
    if (app == nullptr) {
        return checked;
    }
    config::Descriptor now = config::read_descriptor(app->row.descriptor);
    if (!now.problems.empty()) {
        checked.obstacles = std::move(now.problems);
        return checked;
    }
    checked.notes = std::move(now.warnings);
    now.apps = expand(now.apps);
    const auto spec = std::find_if(
        now.apps.begin(), now.apps.end(), [&id](const AppSpec& one) { return one.id == id; });
    if (spec == now.apps.end()) {
        checked.obstacles.push_back(app->row.descriptor + " does not declare \"" + id +
                                    "\" any more");
        return checked;
    }
    checked.obstacles = obstacles(*app, *spec);
    const auto withheld = native::withheld_variables(
        launch_, {*spec, app->row.folder, app->row.environment, 0});
    if (!withheld.empty()) {
        checked.notes.push_back("of the agent's environment it does not get " +
                                join(withheld, ", ") +
                                "; app.inherit_env names what it needs of that");
    }
    for (const std::string& need : unknown_needs(*spec)) {
        checked.obstacles.push_back("it requires \"" + need + "\", and no app is called that");
    }
    if (const auto keys = config::changed_keys(app->machine.spec(), *spec); !keys.empty()) {
        checked.notes.push_back("its descriptor was changed (" + join(keys, ", ") +
                                ") and is not read yet; this looked at the new one");
    }
    return checked;
}

Result<std::vector<std::string>> Registry::scale(const std::string& base,
                                                 std::uint32_t count,
                                                 const Actor& actor) {
    const std::vector<std::string> present = instances_of(base);
    if (present.empty()) {
        return fail(
            find(base) != nullptr ? ErrorCode::WrongState : ErrorCode::NotFound,
            find(base) != nullptr
                ? "\"" + base + "\" declares no instances: app.instances = 1 makes it scalable"
                : "no app with instances has the id \"" + base + "\"");
    }
    if (count < 1 || count > 1000) {
        return fail(ErrorCode::InvalidArgument, "the number of instances is 1 to 1000");
    }
    const App& model = *find(present.front());
    const bool wanted = std::any_of(present.begin(), present.end(), [this](const auto& id) {
        return find(id)->machine.desired() == Desired::Running;
    });
    const auto parsed = config::parse_descriptor(model.row.descriptor, model.row.text);
    store_.set_scale(base, count);
    std::vector<std::string> changed;
    for (AppSpec& spec : expand(parsed.apps)) {
        const std::string id = spec.id;
        if (spec.instance_of != base || find(id) != nullptr) {
            surplus_.erase(id);
            continue;
        }
        store::AppRow row = model.row;
        row.id = id;
        row.memory = {};
        row.started_with.clear();
        row.memory.since = loop_.now().wall;
        row.memory.reason = "added" + (actor.text.empty() ? "" : " by " + actor.text);
        App& app = add(std::move(row), std::move(spec));
        store_.save_app(app.row);
        mark(app);
        note(app);
        changed.push_back(id);
        if (wanted) {
            (void)start(id, actor);  // a refusal is its state then
        }
    }
    for (const std::string& id : present) {
        if (find(id)->machine.spec().instance > count) {
            surplus_.insert(id);
            changed.push_back(id);
            (void)stop(id, actor);  // one that is down is dropped as it is
        }
    }
    return changed;
}

// Instances that were scaled away are forgotten, with their logs, once nothing of them runs.
void Registry::drop_surplus() {
    for (auto entry = surplus_.begin(); entry != surplus_.end();) {
        const std::string id = *entry;
        const App* const app = find(id);
        const bool down = app == nullptr || !app->machine.occupied();
        entry = down ? surplus_.erase(entry) : std::next(entry);
        if (app != nullptr && down) {
            (void)clean(id, {"scaling"});
        }
    }
}

Result<void> Registry::check_cycles(const std::map<std::string, AppSpec>& added) const {
    // Depth first; an id that is met again while it is being visited closes a cycle.
    const auto members = [&](const std::string& need) -> std::vector<std::string> {
        std::vector<std::string> ids = instances_of(need);
        for (const auto& [id, spec] : added) {
            if (spec.instance_of == need) {
                ids.push_back(id);
            }
        }
        return ids.empty() ? std::vector<std::string>{need} : ids;
    };
    std::map<std::string, int> mark;
    std::vector<std::string> path;
    std::function<std::string(const std::string&)> visit =
        [&](const std::string& id) -> std::string {
        if (mark[id] == 2) {
            return {};
        }
        path.push_back(id);
        if (mark[id] == 1) {
            std::string cycle;
            for (auto at = std::find(path.begin(), path.end(), id); at != path.end(); ++at) {
                cycle += (cycle.empty() ? "" : " requires ") + *at;
            }
            return cycle;
        }
        mark[id] = 1;
        const auto fresh = added.find(id);
        const App* const known = find(id);
        const AppSpec* const spec = fresh != added.end() ? &fresh->second
                                    : known != nullptr   ? &known->machine.spec()
                                                         : nullptr;
        for (const Requirement& need :
             spec != nullptr ? spec->requires_apps : std::vector<Requirement>()) {
            for (const std::string& one : members(need.id)) {
                if (std::string cycle = visit(one); !cycle.empty()) {
                    return cycle;
                }
            }
        }
        path.pop_back();
        mark[id] = 2;
        return {};
    };
    for (const auto& [id, spec] : added) {
        if (const std::string cycle = visit(id); !cycle.empty()) {
            return fail(ErrorCode::InvalidArgument, "a cycle of requirements: " + cycle);
        }
    }
    return {};
}

}  // namespace berth::apps
