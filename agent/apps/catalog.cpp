#include "agent/apps/catalog.h"

#include <algorithm>
#include <utility>

#include "shared/base/text.h"
#include "shared/config/descriptor.h"
#include "shared/config/spec_diff.h"
#include "shared/json/spec_json.h"
#include "shared/log/log.h"
#include "shared/os/file.h"

namespace berth::apps {

using supervisor::State;

namespace {

constexpr std::uint32_t kMostInstances = 1000;

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

std::string not_declared(const std::string& file, const std::string& id) {
    return file + " does not declare \"" + id + "\" any more";
}

void log_found(const Catalog::Scanned& scanned) {
    for (const std::string& id : scanned.found) {
        log::info("found an app", {{"app", id}});
    }
}

// Stands in for a descriptor that cannot be read: its app is there, failed, and says why.
AppSpec broken_spec(const std::string& id) {
    AppSpec broken;
    broken.id = id;
    broken.argv = {"/bin/false"};
    broken.autostart = false;
    return broken;
}

}  // namespace

Catalog::Catalog(const Parts& parts, const std::string& home)
    : parts_(parts),
      repos_(home + "/repos"),
      logs_(home + "/logs"),
      reader_(parts.loop, parts.pool),
      watch_(
          parts.loop,
          repos_,
          {[this](const std::string& file) { file_changed(file); }, [this] { scan(log_found); }}) {}

std::uint32_t Catalog::scaled_to(const std::string& id) const {
    return parts_.ledger.scale(id);
}

config::ScaledTo Catalog::scales() const {
    return [this](const std::string& id) { return scaled_to(id); };
}

// --- begin

Result<void> Catalog::restore() {
    BERTH_TRY(std::vector<store::AppRow> rows, parts_.ledger.apps());
    for (store::AppRow& row : rows) {
        if (row.installed && !os::exists(row.descriptor)) {
            parts_.ledger.remove(row.id);  // its folder was taken away
            continue;
        }
        config::Descriptor parsed = row.installed
                                        ? config::read_descriptor(row.descriptor)
                                        : config::parse_descriptor(row.descriptor, row.text);
        auto spec = declared(parsed, row.id, scales());
        if (!spec) {
            row.memory.state = State::Failed;
            row.memory.reason = parsed.problems.empty() ? not_declared(row.descriptor, row.id)
                                                        : parsed.problems.front();
            spec = broken_spec(row.id);
        } else if (row.installed) {
            row.text = std::move(parsed.text);
        }
        (void)add(std::move(row), std::move(*spec));
    }
    (void)os::make_folders(repos_);
    log_found(register_found(find_in_repos(repos_)));
    for (const auto& [id, app] : parts_.table.all()) {
        watch_.watch_file(app->registration.descriptor);
    }
    return {};
}

App& Catalog::add(store::AppRow row, AppSpec described) {
    const auto spec = std::make_shared<const AppSpec>(std::move(described));
    store::Registration& registration = row;
    App& app = parts_.table.insert(
        std::make_unique<App>(std::move(registration), supervisor::Machine(spec)));
    app.started_with = std::move(row.started_with);
    app.crash_due = row.crash_due;
    set_spec(app, spec);
    app.machine.recall(row.memory, parts_.loop.now());
    parts_.conductor.admit(app);
    return app;
}

App& Catalog::register_new(store::Registration registration,
                           AppSpec spec,
                           const std::string& reason) {
    store::AppRow row{std::move(registration), {}, 0, {}};
    row.memory.since = parts_.loop.now().wall;
    row.memory.reason = reason;
    App& app = add(std::move(row), std::move(spec));
    parts_.ledger.save(app);
    parts_.conductor.remark(app, reason);
    return app;
}

void Catalog::set_spec(App& app, std::shared_ptr<const AppSpec> spec) {
    app.digest = digest_of(*spec);
    parts_.schedules.set(app.id(), spec->schedule);
    app.machine.set_spec(std::move(spec));
}

// --- descriptors

void Catalog::load(const LoadRequest& request,
                   const Actor& actor,
                   std::function<void(const Loaded& loaded)> done) {
    reader_.read_paths(
        request.paths,
        [this, request, actor, done = std::move(done)](std::vector<DescriptorFile> files) {
            done(apply(plan_load(parts_.table, files, request, scales()), request, actor));
        });
}

Catalog::Loaded Catalog::apply(LoadPlan plan, const LoadRequest& request, const Actor& actor) {
    Loaded loaded;
    loaded.problems = std::move(plan.problems);
    loaded.warnings = std::move(plan.warnings);
    if (!loaded.problems.empty()) {
        return loaded;
    }
    for (auto& [id, planned] : plan.apps) {
        loaded.ids.push_back(id);
        if (App* const known = parts_.table.find(id)) {
            known->descriptor_seen = planned.stamp;
            (void)register_anew(*known, std::move(planned.spec), std::move(planned.text), actor);
            continue;
        }
        const bool spmi = planned.spec.descriptor == DescriptorKind::Spmi;
        const std::string folder = planned.file.substr(0, planned.file.rfind('/'));
        (void)register_new({id,
                            planned.file,
                            std::move(planned.text),
                            spmi ? request.cwd : folder,
                            spmi ? request.environment : std::vector<std::string>(),
                            /*installed=*/false},
                           std::move(planned.spec),
                           "loaded" + actor.by() + ", never started");
    }
    return loaded;
}

void Catalog::reload(const std::string& id,
                     const Actor& actor,
                     std::function<void(const Result<std::string>& changed)> done) {
    const auto app = parts_.table.require(id);
    if (!app) {
        return done(fail(app.error()));
    }
    const std::string file = (*app)->registration.descriptor;
    reader_.read_files({file},
                       [this, id, actor, file, stamp = os::stamp_of(file), done = std::move(done)](
                           DescriptorReader::ByFile read) {
                           done(take_reread(id, std::move(read.at(file)), stamp, actor));
                       });
}

Result<std::string> Catalog::take_reread(const std::string& id,
                                         config::Descriptor parsed,
                                         const std::optional<os::FileStamp>& stamp,
                                         const Actor& actor) {
    BERTH_TRY(App * app, parts_.table.require(id));
    if (!parsed.problems.empty()) {
        return fail(ErrorCode::InvalidArgument, parsed.problems.front());
    }
    auto spec = declared(parsed, id, scales());
    if (!spec) {
        return fail(ErrorCode::NotFound, not_declared(app->registration.descriptor, id));
    }
    BERTH_CHECK(parts_.conductor.needs().check_cycles({{id, *spec}}));
    app->descriptor_seen = stamp;
    return register_anew(*app, std::move(*spec), std::move(parsed.text), actor);
}

std::string Catalog::register_anew(App& app, AppSpec spec, std::string text, const Actor& actor) {
    const std::string& id = app.id();
    const auto keys = config::changed_keys(app.spec(), spec);
    app.registration.text = std::move(text);
    set_spec(app, std::make_shared<const AppSpec>(std::move(spec)));
    app.descriptor_note.clear();
    parts_.ledger.save(app);
    if (keys.empty()) {
        parts_.conductor.shown(id);
        return "nothing has changed";
    }
    const std::string what = join(keys, ", ");
    parts_.conductor.remark(app, "its descriptor was read again" + actor.by() + ": " + what);
    const auto later =
        app.machine.active() ? config::keys_for_restart(keys) : std::vector<std::string>();
    return "changed: " + what +
           (later.empty()
                ? ""
                : "; " + join(later, ", ") + " from the next start on: berth restart " + id);
}

Result<void> Catalog::clean(const std::string& id, const Actor& actor) {
    BERTH_TRY(const App* const app, parts_.table.require(id));
    if (app->machine.occupied()) {
        return fail(ErrorCode::WrongState, "must be inactive");
    }
    BERTH_CHECK(os::remove_tree(log_folder(id)));
    parts_.schedules.remove(id);
    parts_.conductor.dismiss(std::string(id), "cleaned" + actor.by());
    return {};
}

void Catalog::scan(std::function<void(const Scanned& scanned)> done) {
    reader_.read_repos(repos_,
                       [this, done = std::move(done)](const std::vector<DescriptorFile>& files) {
                           done(register_found(files));
                       });
}

Catalog::Scanned Catalog::register_found(const std::vector<DescriptorFile>& files) {
    Scanned scanned;
    for (const DescriptorFile& read : files) {
        const config::Descriptor& parsed = read.descriptor;
        scanned.problems.insert(
            scanned.problems.end(), parsed.problems.begin(), parsed.problems.end());
        for (AppSpec& spec : config::expand_instances(parsed.apps, scales())) {
            const std::string id = spec.id;
            if (const App* const known = parts_.table.find(id)) {
                if (known->registration.descriptor != read.file) {
                    scanned.problems.push_back(registered_elsewhere(read.file, *known));
                }
                continue;
            }
            const std::string folder = read.file.substr(0, read.file.rfind('/'));
            (void)register_new({id, read.file, parsed.text, folder, {}, /*installed=*/true},
                               std::move(spec),
                               "found in repos/, never started");
            scanned.found.push_back(id);
        }
    }
    if (std::exchange(repos_problems_, scanned.problems) != scanned.problems) {
        for (const std::string& problem : scanned.problems) {
            log::warning("a descriptor below repos/ cannot be loaded", {{"problem", problem}});
        }
    }
    watch_.watch_repos(parts_.table);
    return scanned;
}

void Catalog::file_changed(const std::string& file) {
    std::vector<std::string> ids;
    for (const auto& [id, app] : parts_.table.all()) {
        if (app->registration.descriptor == file) {
            ids.push_back(id);
        }
    }
    look_at_descriptors(ids, [] {});
}

void Catalog::look_at_descriptors(const std::vector<std::string>& ids, std::function<void()> done) {
    std::set<std::string> files;
    std::vector<std::string> touched;
    for (const std::string& id : ids) {
        App* const app = parts_.table.find(id);
        if (app == nullptr) {
            continue;
        }
        const std::string& file = app->registration.descriptor;
        const auto stamp = os::stamp_of(file);
        watch_.watch_file(file);
        if (!stamp || stamp != app->descriptor_seen) {
            app->descriptor_seen = stamp;
            files.insert(file);
            touched.push_back(id);
        }
    }
    if (touched.empty()) {
        return done();
    }
    reader_.read_files(
        {files.begin(), files.end()},
        [this, touched, done = std::move(done)](const DescriptorReader::ByFile& read) {
            for (const std::string& id : touched) {
                compare(id, read);
            }
            done();
        });
}

void Catalog::compare(const std::string& id, const DescriptorReader::ByFile& read) {
    App* const app = parts_.table.find(id);
    const auto now = app != nullptr ? read.find(app->registration.descriptor) : read.end();
    if (now == read.end()) {
        return;  // it was removed, or is another's meanwhile
    }
    if (!now->second.problems.empty() && now->second.text.empty()) {
        app->descriptor_seen.reset();  // it was not seen: whoever looks next is to try again
    }
    const std::string before = std::exchange(app->descriptor_note, difference(*app, now->second));
    if (before != app->descriptor_note) {
        parts_.conductor.shown(id);
    }
}

// How its file differs from what is registered; "" when it does not.
std::string Catalog::difference(const App& app, const config::Descriptor& parsed) const {
    const std::string& id = app.id();
    if (!parsed.problems.empty()) {
        return "its descriptor cannot be read any more, what was read before holds: " +
               parsed.problems.front();
    }
    if (parsed.text == app.registration.text) {
        return {};
    }
    const auto now = declared(parsed, id, scales());
    if (!now) {
        return not_declared(app.registration.descriptor, id);
    }
    const auto keys = config::changed_keys(app.spec(), *now);
    if (keys.empty()) {
        return {};
    }
    const bool restart = !config::keys_for_restart(keys).empty() && app.machine.active();
    return "its descriptor was changed (" + join(keys, ", ") + ") and is not read yet: berth " +
           (restart ? "restart --reload " : "reload ") + id;
}

void Catalog::check(const std::vector<std::string>& ids,
                    std::function<void(const std::map<std::string, Checked>& checked)> done) {
    std::set<std::string> files;
    for (const std::string& id : ids) {
        if (const App* const app = parts_.table.find(id)) {
            files.insert(app->registration.descriptor);
        }
    }
    reader_.read_files({files.begin(), files.end()},
                       [this, ids, done = std::move(done)](const DescriptorReader::ByFile& read) {
                           std::map<std::string, Checked> checked;
                           for (const std::string& id : ids) {
                               checked.emplace(id, checked_by(id, read));
                           }
                           done(checked);
                       });
}

Catalog::Checked Catalog::checked_by(const std::string& id,
                                     const DescriptorReader::ByFile& read) const {
    Checked checked;
    const App* const app = parts_.table.find(id);
    const auto found = app != nullptr ? read.find(app->registration.descriptor) : read.end();
    if (found == read.end()) {
        return checked;
    }
    const config::Descriptor& now = found->second;
    if (!now.problems.empty()) {
        checked.obstacles = now.problems;
        return checked;
    }
    checked.notes = now.warnings;
    const auto spec = declared(now, id, scales());
    if (!spec) {
        checked.obstacles.push_back(not_declared(app->registration.descriptor, id));
        return checked;
    }
    checked.obstacles = parts_.conductor.obstacles(*app, *spec);
    for (std::string& remark : parts_.backend.remarks(app->launch(*spec))) {
        checked.notes.push_back(std::move(remark));
    }
    for (const std::string& need : parts_.conductor.needs().unknown(*spec)) {
        checked.obstacles.push_back("it requires \"" + need + "\", and no app is called that");
    }
    if (const auto keys = config::changed_keys(app->spec(), *spec); !keys.empty()) {
        checked.notes.push_back("its descriptor was changed (" + join(keys, ", ") +
                                ") and is not read yet; this looked at the new one");
    }
    return checked;
}

// --- instances

Result<std::vector<std::string>> Catalog::scale(const std::string& base,
                                                std::uint32_t count,
                                                const Actor& actor) {
    Table& table = parts_.table;
    const std::vector<std::string> present = table.instances_of(base);
    if (present.empty()) {
        return table.find(base) != nullptr
                   ? fail(ErrorCode::WrongState,
                          "\"" + base +
                              "\" declares no instances: app.instances = 1 makes it scalable")
                   : fail(ErrorCode::NotFound, "no app with instances has the id \"" + base + "\"");
    }
    if (count < 1 || count > kMostInstances) {
        return fail(ErrorCode::InvalidArgument, "the number of instances is 1 to 1000");
    }
    const bool wanted = std::any_of(present.begin(), present.end(), [&table](const auto& id) {
        return table.find(id)->machine.desired() == Desired::Running;
    });
    const store::Registration model = table.find(present.front())->registration;
    const auto parsed = config::parse_descriptor(model.descriptor, model.text);
    parts_.ledger.set_scale(base, count);
    std::vector<std::string> changed;
    for (AppSpec& spec : config::expand_instances(parsed.apps, scales())) {
        const std::string id = spec.id;
        if (spec.instance_of != base || table.find(id) != nullptr) {
            scaled_away_.erase(id);
            continue;
        }
        store::Registration registration = model;
        registration.id = id;
        (void)register_new(std::move(registration), std::move(spec), "added" + actor.by());
        changed.push_back(id);
        if (wanted) {
            (void)parts_.conductor.start(id, actor);  // a refusal is its state then
        }
    }
    for (const std::string& id : present) {
        if (table.find(id)->spec().instance > count) {
            scaled_away_.insert(id);
            changed.push_back(id);
            (void)parts_.conductor.stop(id, actor);  // one that is down is dropped as it is
        }
    }
    return changed;
}

void Catalog::drop_scaled_away() {
    for (const std::string& id : std::exchange(scaled_away_, {})) {
        const App* const app = parts_.table.find(id);
        if (app != nullptr && app->machine.occupied()) {
            scaled_away_.insert(id);
        } else if (app != nullptr) {
            (void)clean(id, {"scaling"});
        }
    }
}

}  // namespace berth::apps
