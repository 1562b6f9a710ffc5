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

// The ids that `descriptor` declares for the app that it calls `base`; empty: it has none of that
// name.
std::vector<std::string> forms_of(const config::Descriptor& descriptor,
                                  const std::string& base,
                                  const config::ScaledTo& scaled) {
    std::vector<std::string> ids;
    for (const AppSpec& spec : config::expand_instances(descriptor.apps, scaled)) {
        if (base_of(spec) == base) {
            ids.push_back(spec.id);
        }
    }
    return ids;
}

// "FILE declares web.1, web.2 in its place and is not read yet: berth reload web"
std::string declared_otherwise(const std::string& file,
                               const std::string& id,
                               const std::vector<std::string>& forms) {
    return forms.empty() ? not_declared(file, id)
                         : file + " declares " + join(forms, ", ") +
                               " in its place and is not read yet: berth reload " + id;
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
          {[this](const std::string& file) { file_changed(file); }, [this] { scan(log_found); }}),
      succession_(parts.table, parts.ledger, parts.conductor) {}

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
        const bool as_found = spec.has_value();
        if (!as_found && parsed.problems.empty()) {
            spec = registered_before(row, parsed);
        }
        if (!spec) {
            row.memory.state = State::Failed;
            row.memory.reason = parsed.problems.empty() ? not_declared(row.descriptor, row.id)
                                                        : parsed.problems.front();
            spec = broken_spec(row.id);
        } else if (row.installed && as_found) {
            row.text = std::move(parsed.text);
        }
        (void)add(std::move(row), std::move(*spec));
    }
    succession_.recall();
    (void)os::make_folders(repos_);
    log_found(register_found(find_in_repos(repos_)));
    for (const auto& [id, app] : parts_.table.all()) {
        watch_.watch_file(app->registration.descriptor);
    }
    return {};
}

// One whose file declares it in another form by now, or that is on its way out: what it was
// registered as. Nothing: its file has done with it.
std::optional<AppSpec> Catalog::registered_before(const store::AppRow& row,
                                                  const config::Descriptor& now) const {
    const auto all = [](const std::string& /*base*/) { return kMostInstances; };
    auto spec = declared(config::parse_descriptor(row.descriptor, row.text), row.id, all);
    const bool goes_on = spec && !forms_of(now, base_of(*spec), scales()).empty();
    return goes_on ? spec : std::nullopt;
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
        [this, request, actor, done = std::move(done)](const std::vector<DescriptorFile>& files) {
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
    std::map<std::string, std::set<std::string>> forms;  // by base
    for (const auto& [id, planned] : plan.apps) {
        forms[base_of(planned.spec)].insert(id);
    }
    std::map<std::string, FormsBefore> before;
    for (const auto& [base, ids] : forms) {
        before.emplace(base, forms_before(base));
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
    for (const auto& [base, ids] : forms) {
        const Change change = settle_forms(ids, before.at(base), actor);
        if (!change.gone.empty()) {
            loaded.warnings.push_back(join(change.gone, ", ") + " is no form of \"" + base +
                                      "\" any more: it is stopped and forgotten");
        }
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
    const Rereading asked{id, base_of((*app)->spec()), file, os::stamp_of(file)};
    reader_.read_files({file},
                       [this, asked, actor, done = std::move(done)](DescriptorReader::ByFile read) {
                           done(take_reread(asked, std::move(read.at(asked.file)), actor));
                       });
}

Result<std::string> Catalog::take_reread(const Rereading& asked,
                                         config::Descriptor parsed,
                                         const Actor& actor) {
    App* const app = parts_.table.find(asked.id);
    if (!parsed.problems.empty()) {
        return fail(ErrorCode::InvalidArgument, parsed.problems.front());
    }
    auto spec = declared(parsed, asked.id, scales());
    const std::vector<std::string> forms = forms_of(parsed, asked.base, scales());
    if (!spec && forms.empty()) {
        return fail(ErrorCode::NotFound, not_declared(asked.file, asked.id));
    }
    if (!spec && app == nullptr) {
        return "replaced by " + join(forms, ", ");  // as one of its siblings was read again
    }
    BERTH_CHECK(parts_.table.require(asked.id));
    std::map<std::string, AppSpec> specs;
    for (const std::string& id : forms) {
        specs[id] = *declared(parsed, id, scales());
    }
    BERTH_CHECK(parts_.conductor.needs().check_cycles(specs));
    for (const std::string& id : forms) {
        const App* const other = parts_.table.find(id);
        if (other != nullptr && other->registration.descriptor != asked.file) {
            return fail(ErrorCode::AlreadyExists, registered_elsewhere(asked.file, *other));
        }
    }
    const FormsBefore before = forms_before(asked.base);
    store::Registration model = app->registration;
    model.text = parsed.text;
    std::string said;
    if (spec) {
        app->descriptor_seen = asked.stamp;
        said = register_anew(*app, std::move(*spec), parsed.text, actor);
    }
    for (auto& [id, form] : specs) {
        if (parts_.table.find(id) == nullptr) {
            model.id = id;
            (void)register_new(model, std::move(form), "declared" + actor.by());
        }
    }
    const Change change = settle_forms({forms.begin(), forms.end()}, before, actor);
    if (said.empty()) {
        return "replaced by " + join(forms, ", ");
    }
    return said + (change.came.empty() ? "" : "; new: " + join(change.came, ", ")) +
           (change.gone.empty() ? "" : "; stopped and forgotten: " + join(change.gone, ", "));
}

// --- forms: one plain app, or so many instances of it

Catalog::FormsBefore Catalog::forms_before(const std::string& base) const {
    FormsBefore before;
    before.ids = std::as_const(parts_.table).instances_of(base);
    if (std::as_const(parts_.table).find(base) != nullptr) {
        before.ids.push_back(base);
    }
    before.wanted =
        succession_.has_heirs(base) ||
        std::any_of(before.ids.begin(), before.ids.end(), [this](const auto& id) {
            return std::as_const(parts_.table).find(id)->machine.desired() == Desired::Running;
        });
    return before;
}

// Those of before that are none of `ids` are stopped and forgotten; those of `ids` that are new
// start after that where any of the others was wanted.
Catalog::Change Catalog::settle_forms(const std::set<std::string>& ids,
                                      const FormsBefore& before,
                                      const Actor& actor) {
    Change change;
    for (const std::string& id : before.ids) {
        if (ids.count(id) == 0 && !succession_.retires(id)) {
            succession_.retire(id, actor);
            change.gone.push_back(id);
        }
    }
    std::vector<std::string> heirs;
    for (const std::string& id : ids) {
        const bool is_new = std::find(before.ids.begin(), before.ids.end(), id) == before.ids.end();
        if (is_new) {
            change.came.push_back(id);
        }
        if (is_new || succession_.retires(id)) {
            succession_.keep(id);
            heirs.push_back(id);
        }
    }
    if (before.wanted && !before.ids.empty() && !heirs.empty()) {
        succession_.inherit(heirs);
    }
    return change;
}

void Catalog::start_successors(const std::string& base) {
    std::vector<std::string> ids;
    for (const std::string& id : forms_before(base).ids) {
        if (!succession_.retires(id)) {
            ids.push_back(id);
        }
    }
    succession_.inherit(ids);
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
            if (const App* const known = other_form(spec)) {
                if (known->registration.descriptor != read.file) {
                    scanned.problems.push_back(registered_elsewhere(read.file, *known));
                }
                continue;  // a change of one that is known: it is read when somebody says so
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

// An app of the same base that is registered already; null: there is none.
const App* Catalog::other_form(const AppSpec& spec) const {
    const Table& table = parts_.table;
    if (const App* const plain = table.find(base_of(spec))) {
        return plain;
    }
    const auto instances = table.instances_of(base_of(spec));
    return instances.empty() ? nullptr : table.find(instances.front());
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
        return declared_otherwise(
            app.registration.descriptor, id, forms_of(parsed, base_of(app.spec()), scales()));
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
        checked.obstacles.push_back(declared_otherwise(
            app->registration.descriptor, id, forms_of(now, base_of(app->spec()), scales())));
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
            succession_.keep(id);
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
            changed.push_back(id);
            succession_.retire(id, actor);
        }
    }
    return changed;
}

void Catalog::settle_succession() {
    for (const std::string& id : succession_.take_gone()) {
        if (parts_.table.find(id) != nullptr) {
            (void)clean(id, {"its descriptor or scaling"});
        }
    }
    succession_.start_heirs();
}

}  // namespace berth::apps
