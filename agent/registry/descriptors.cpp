#include <algorithm>

#include "agent/registry/registry.h"
#include "shared/log/log.h"
#include "shared/os/file.h"
#include "shared/os/process.h"

namespace berth::registry {

// The part of the Registry that knows descriptors: which apps there are.

using supervisor::State;

Result<void> Registry::restore() {
    BERTH_TRY(log_watch_, logs::LogWatch::create(loop_));
    BERTH_TRY(schedules_,
              Schedules::create(loop_,
                                store_,
                                {[this](const std::string& id, WallTime due) { on_due(id, due); },
                                 [this](const std::string& id, std::size_t count, WallTime last) {
                                     on_missed(id, count, last);
                                 }}));
    if (auto opened = store::MetricsStore::open(launch_.home + "/metrics.db")) {
        figures_store_ = std::move(*opened);
        figures_ = MetricsHistory(figures_store_.get());
    } else {
        log::warning("the figures of this week are not kept", {{"why", opened.error().message}});
    }
    arm_history();
    const auto boot = os::boot_id();
    boot_id_ = boot ? *boot : std::string();
    BERTH_TRY(std::vector<store::AppRow> rows, store_.load_apps());
    for (store::AppRow& row : rows) {
        std::string text = row.text;
        if (row.installed) {
            const auto present = os::read_file(row.descriptor, 1U << 20U);
            if (!present) {
                store_.remove_app(row.id);  // its folder was taken away
                continue;
            }
            text = *present;
        }
        config::Descriptor parsed = config::parse_descriptor(row.descriptor, text);
        parsed.apps = expand(parsed.apps);
        const auto found = std::find_if(parsed.apps.begin(),
                                        parsed.apps.end(),
                                        [&row](const AppSpec& spec) { return spec.id == row.id; });
        if (found == parsed.apps.end()) {
            AppSpec broken;
            broken.id = row.id;
            broken.argv = {"/bin/false"};
            broken.autostart = false;
            row.memory.state = State::Failed;
            row.memory.reason = parsed.problems.empty()
                                    ? row.descriptor + " does not declare it any more"
                                    : parsed.problems.front();
            add(std::move(row), std::move(broken));
            continue;
        }
        row.text = std::move(text);
        add(std::move(row), std::move(*found));
    }
    for (const std::string& id : scan()) {
        log::info("found an app", {{"app", id}});
    }
    return {};
}

App& Registry::add(store::AppRow row, AppSpec spec) {
    const std::string id = row.id;
    auto app = std::make_unique<App>(std::move(row), supervisor::Machine(std::move(spec)));
    App& added = *app;
    apps_[id] = std::move(app);
    register_spec(added, added.machine.shared_spec());
    added.machine.recall(added.row.memory, loop_.now());
    arm(added);
    recall_crash(added);
    expectant_.insert(id);  // what was waiting waits on
    return added;
}

std::vector<std::string> Registry::scan() {
    std::vector<std::string> found;
    const std::string repos = launch_.home + "/repos";
    const auto names = os::list_folder(repos);
    for (const std::string& name : names ? *names : std::vector<std::string>()) {
        const auto file = config::find_descriptor(repos + "/" + name);
        if (!file) {
            continue;
        }
        config::Descriptor parsed = config::read_descriptor(*file);
        for (const std::string& problem : parsed.problems) {
            log::warning("a descriptor is broken", {{"problem", problem}});
        }
        const auto text = os::read_file(*file, 1U << 20U);
        for (AppSpec& spec : expand(parsed.apps)) {
            if (find(spec.id) != nullptr || !text) {
                continue;
            }
            store::AppRow row;
            row.id = spec.id;
            row.descriptor = *file;
            row.text = *text;
            row.folder = repos + "/" + name;
            row.installed = true;
            row.memory.since = loop_.now().wall;
            row.memory.reason = "never started";
            App& app = add(std::move(row), std::move(spec));
            store_.save_app(app.row);
            changed_.insert(app.row.id);
            found.push_back(app.row.id);
        }
    }
    return found;
}

LoadOutcome Registry::load(const LoadRequest& request, const Actor& actor) {
    struct Found {
        std::string file;
        std::string text;
        AppSpec spec;
    };

    LoadOutcome outcome;
    std::map<std::string, Found> found;
    std::map<std::string, AppSpec> specs;
    for (const std::string& path : request.paths) {
        const auto file = config::find_descriptor(path);
        if (!file) {
            outcome.problems.push_back(file.error().message);
            continue;
        }
        config::Descriptor parsed = config::read_descriptor(*file);
        outcome.problems.insert(
            outcome.problems.end(), parsed.problems.begin(), parsed.problems.end());
        outcome.warnings.insert(
            outcome.warnings.end(), parsed.warnings.begin(), parsed.warnings.end());
        const auto text = os::read_file(*file, 1U << 20U);
        parsed.apps = expand(parsed.apps);
        for (const AppSpec& spec : parsed.apps) {
            if (spec.backend == BackendType::Screen) {
                outcome.warnings.push_back(
                    *file + ": \"" + spec.id +
                    "\" asks for the backend screen; it runs on the native one");
            }
        }
        for (const AppSpec& spec : parsed.apps) {
            const App* const known = find(spec.id);
            if (found.count(spec.id) != 0) {
                outcome.problems.push_back(*file + ": id \"" + spec.id + "\" is also that of " +
                                           found[spec.id].file);
            } else if (known != nullptr && request.fresh) {
                outcome.problems.push_back("Manageable with ID \"" + spec.id +
                                           "\" is already registered");
            } else if (known != nullptr && known->row.descriptor != *file) {
                outcome.problems.push_back(*file + ": \"" + spec.id +
                                           "\" is already registered, from " +
                                           known->row.descriptor);
            } else {
                specs[spec.id] = spec;
                found[spec.id] = {*file, text ? *text : std::string(), spec};
            }
        }
    }
    if (auto cycles = check_cycles(specs); !cycles) {
        outcome.problems.push_back(cycles.error().message);
    }
    if (!outcome.problems.empty()) {
        return outcome;
    }
    for (auto& [id, entry] : found) {
        outcome.ids.push_back(id);
        if (find(id) != nullptr) {
            (void)reload(id, actor);  // parsed a moment ago
            continue;
        }
        store::AppRow row;
        row.id = id;
        row.descriptor = entry.file;
        row.text = std::move(entry.text);
        const bool spmi = entry.spec.descriptor == DescriptorKind::Spmi;
        row.folder = spmi ? request.cwd : entry.file.substr(0, entry.file.rfind('/'));
        row.environment = spmi ? request.environment : std::vector<std::string>();
        row.memory.since = loop_.now().wall;
        row.memory.reason =
            "loaded" + (actor.text.empty() ? "" : " by " + actor.text) + ", never started";
        App& app = add(std::move(row), std::move(entry.spec));
        store_.save_app(app.row);
        note(app);
        changed_.insert(id);
    }
    return outcome;
}

Result<std::string> Registry::reload(const std::string& id, const Actor& actor) {
    BERTH_TRY(App * app, require(id));
    config::Descriptor parsed = config::read_descriptor(app->row.descriptor);
    if (!parsed.problems.empty()) {
        return fail(ErrorCode::InvalidArgument, parsed.problems.front());
    }
    parsed.apps = expand(parsed.apps);
    const auto found = std::find_if(parsed.apps.begin(),
                                    parsed.apps.end(),
                                    [&id](const AppSpec& spec) { return spec.id == id; });
    if (found == parsed.apps.end()) {
        return fail(ErrorCode::NotFound,
                    app->row.descriptor + " does not declare \"" + id + "\" any more");
    }
    BERTH_CHECK(check_cycles({{id, *found}}));
    const bool same = *found == app->machine.spec();
    const bool active = is_active(supervisor::public_state(app->machine.state()));
    if (auto text = os::read_file(app->row.descriptor, 1U << 20U)) {
        app->row.text = std::move(*text);
    }
    register_spec(*app, std::make_shared<const AppSpec>(std::move(*found)));
    app->row.memory = app->machine.memory();
    store_.save_app(app->row);
    changed_.insert(id);
    (void)actor;
    if (same) {
        return std::string("nothing has changed");
    }
    return std::string(active ? "changed; holds from the next start on: berth restart " + id
                              : "changed");
}

}  // namespace berth::registry
