#include <unistd.h>

#include <algorithm>

#include "agent/apps/registry.h"
#include "shared/base/text.h"
#include "shared/config/spec_diff.h"
#include "shared/log/log.h"
#include "shared/os/file.h"
#include "shared/os/process.h"

namespace berth::apps {

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
    if (auto opened = figures::Store::open(launch_.home + "/metrics.db")) {
        figures_store_ = std::move(*opened);
        figures_ = figures::History(figures_store_.get());
    } else {
        log::warning("the figures of this week are not kept", {{"why", opened.error().message}});
    }
    arm_history();
    const auto boot = os::boot_id();
    boot_id_ = boot ? *boot : std::string();
    const auto brought_up = parse_integer<std::int64_t>(store_.meta("brought_up"));
    brought_up_ = WallTime(Duration(brought_up.value_or(0)));
    BERTH_TRY(std::vector<store::AppRow> rows, store_.load_apps());
    for (store::AppRow& row : rows) {
        if (row.installed && !os::exists(row.descriptor)) {
            store_.remove_app(row.id);  // its folder was taken away
            continue;
        }
        config::Descriptor parsed = row.installed
                                        ? config::read_descriptor(row.descriptor)
                                        : config::parse_descriptor(row.descriptor, row.text);
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
        if (row.installed) {
            row.text = std::move(parsed.text);
        }
        add(std::move(row), std::move(*found));
    }
    if (auto watch = loop::FileWatch::create(loop_)) {
        file_watch_ = std::move(*watch);
    } else {
        log::warning("changes of descriptors are seen only when somebody looks",
                     {{"why", watch.error().message}});
    }
    (void)os::make_folders(launch_.home + "/repos");
    for (const std::string& id : scan().found) {
        log::info("found an app", {{"app", id}});
    }
    for (const auto& [id, app] : apps_) {
        watch_descriptor(*app);
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

Registry::Scanned Registry::scan() {
    Scanned scanned;
    const std::string repos = launch_.home + "/repos";
    const auto names = os::list_folder(repos);
    for (const std::string& name : names ? *names : std::vector<std::string>()) {
        const auto file = config::find_descriptor(repos + "/" + name);
        if (!file) {
            continue;
        }
        config::Descriptor parsed = config::read_descriptor(*file);
        scanned.problems.insert(
            scanned.problems.end(), parsed.problems.begin(), parsed.problems.end());
        for (AppSpec& spec : expand(parsed.apps)) {
            if (const App* const known = find(spec.id)) {
                if (known->row.descriptor != *file) {
                    scanned.problems.push_back(*file + ": \"" + spec.id +
                                               "\" is already registered, from " +
                                               known->row.descriptor);
                }
                continue;
            }
            store::AppRow row;
            row.id = spec.id;
            row.descriptor = *file;
            row.text = parsed.text;
            row.folder = repos + "/" + name;
            row.installed = true;
            row.memory.since = loop_.now().wall;
            row.memory.reason = "found in repos/, never started";
            App& app = add(std::move(row), std::move(spec));
            store_.save_app(app.row);
            note(app);
            changed_.insert(app.row.id);
            scanned.found.push_back(app.row.id);
        }
    }
    if (std::exchange(repos_problems_, scanned.problems) != scanned.problems) {
        for (const std::string& problem : scanned.problems) {
            log::warning("a descriptor below repos/ cannot be loaded", {{"problem", problem}});
        }
    }
    watch_repos();
    return scanned;
}

// New, changed and broken descriptors below repos/ are found as they come. A folder whose app is
// registered is not watched, only the descriptor: what an app does in its folder wakes nobody.
void Registry::watch_repos() {
    if (!file_watch_) {
        return;
    }
    using Kind = loop::FileWatch::Kind;
    const std::string repos = launch_.home + "/repos";
    (void)file_watch_->set(repos, Kind::Folder, [this](std::string_view) { repos_changed(); });
    std::set<std::string> at_home;
    for (const auto& [id, app] : apps_) {
        at_home.insert(app->row.descriptor.substr(0, app->row.descriptor.rfind('/')));
    }
    const auto folders = os::folders_in(repos);
    for (const std::string& name : folders ? *folders : std::vector<std::string>()) {
        const std::string folder = repos + "/" + name;
        if (at_home.count(folder) != 0) {
            file_watch_->remove(folder);
            continue;
        }
        (void)file_watch_->set(folder, Kind::Folder, [this](std::string_view changed) {
            if (config::is_descriptor_name(changed)) {
                repos_changed();
            }
        });
    }
}

void Registry::repos_changed() {
    constexpr Duration kSettle = std::chrono::milliseconds(100);  // a copy of many files is one
    if (!scan_soon_.active()) {
        scan_soon_ = loop_.after(kSettle, [this] {
            scan_soon_.reset();
            for (const std::string& id : scan().found) {
                log::info("found an app", {{"app", id}});
            }
        });
    }
}

void Registry::watch_descriptor(const App& app) {
    if (!file_watch_) {
        return;
    }
    const std::string file = app.row.descriptor;
    (void)file_watch_->set(file, loop::FileWatch::Kind::File, [this, file](std::string_view) {
        std::vector<std::string> ids;
        for (const auto& [id, one] : apps_) {
            if (one->row.descriptor == file) {
                ids.push_back(id);
            }
        }
        look_at_descriptors(ids);
        repos_changed();  // it may have been taken away with its folder
    });
}

void Registry::look_at_descriptors(const std::vector<std::string>& ids) {
    for (const std::string& id : ids) {
        App* const app = find_mutable(id);
        if (app == nullptr) {
            continue;
        }
        const auto stamp = os::stamp_of(app->row.descriptor);
        watch_descriptor(*app);
        if (stamp && stamp == app->descriptor_seen) {
            continue;
        }
        app->descriptor_seen = stamp;
        const std::string before = app->descriptor_note;
        compare_descriptor(*app);
        if (app->descriptor_note != before) {
            changed_.insert(id);
        }
    }
}

void Registry::compare_descriptor(App& app) {
    const std::string& id = app.row.id;
    const std::string& file = app.row.descriptor;
    app.descriptor_note.clear();
    config::Descriptor parsed = config::read_descriptor(file);
    if (!parsed.problems.empty()) {
        app.descriptor_note = "its descriptor cannot be read any more, what was read before holds: " +
                              parsed.problems.front();
        return;
    }
    if (parsed.text == app.row.text) {
        return;
    }
    parsed.apps = expand(parsed.apps);
    const auto now = std::find_if(parsed.apps.begin(),
                                  parsed.apps.end(),
                                  [&id](const AppSpec& spec) { return spec.id == id; });
    if (now == parsed.apps.end()) {
        app.descriptor_note = file + " does not declare \"" + id + "\" any more";
        return;
    }
    const auto keys = config::changed_keys(app.machine.spec(), *now);
    if (!keys.empty()) {
        const bool restart = !config::keys_for_restart(keys).empty() &&
                             is_active(supervisor::public_state(app.machine.state()));
        app.descriptor_note = "its descriptor was changed (" + join(keys, ", ") +
                              ") and is not read yet: berth " +
                              (restart ? "restart --reload " : "reload ") + id;
    }
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
        if (const auto who = os::changed_by_others(*file); who && ::geteuid() == 0) {
            outcome.warnings.push_back(*file + ": " + *who +
                                       ", who so decides what root runs here");
        }
        parsed.apps = expand(parsed.apps);
        const std::string setup = file->substr(0, file->rfind('/') + 1) + "setup.pytainer";
        for (const AppSpec& spec : parsed.apps) {
            if (spec.descriptor == DescriptorKind::PyTainer && os::exists(setup)) {
                outcome.warnings.push_back(setup + ": is not acted on yet: do by hand what it says");
            }
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
                found[spec.id] = {*file, parsed.text, spec};
            }
        }
    }
    if (auto cycles = check_cycles(specs); !cycles) {
        outcome.problems.push_back(cycles.error().message);
    }
    if (!outcome.problems.empty()) {
        return outcome;
    }
    for (const auto& [id, spec] : specs) {
        for (const std::string& need : unknown_needs(spec)) {
            const bool comes = std::any_of(specs.begin(), specs.end(), [&need](const auto& other) {
                return other.first == need || other.second.instance_of == need;
            });
            if (!comes) {
                outcome.warnings.push_back(found[id].file + ": \"" + id + "\" requires \"" + need +
                                           "\", and no app is called that");
            }
        }
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
    const auto keys = config::changed_keys(app->machine.spec(), *found);
    const bool active = is_active(supervisor::public_state(app->machine.state()));
    app->row.text = std::move(parsed.text);
    register_spec(*app, std::make_shared<const AppSpec>(std::move(*found)));
    app->row.memory = app->machine.memory();
    app->descriptor_seen = os::stamp_of(app->row.descriptor);
    app->descriptor_note.clear();
    store_.save_app(app->row);
    changed_.insert(id);
    if (keys.empty()) {
        return std::string("nothing has changed");
    }
    const std::string what = join(keys, ", ");
    record_event(id,
                 supervisor::public_state(app->machine.state()),
                 "its descriptor was read again" +
                     (actor.text.empty() ? "" : " by " + actor.text) + ": " + what);
    const auto later = active ? config::keys_for_restart(keys) : std::vector<std::string>();
    return "changed: " + what +
           (later.empty() ? "" : "; " + join(later, ", ") + " from the next start on: berth restart " +
                                     id);
}

}  // namespace berth::apps
