#include "agent/apps/load_plan.h"

#include <unistd.h>

#include <algorithm>
#include <utility>

#include "shared/os/file.h"

namespace berth::apps {

namespace {

void append(std::vector<std::string>& to, const std::vector<std::string>& from) {
    to.insert(to.end(), from.begin(), from.end());
}

// Why this one cannot be loaded from `file`; "" when it can.
std::string clash(const Table& table,
                  const LoadPlan& plan,
                  const LoadRequest& request,
                  const std::string& file,
                  const AppSpec& spec) {
    if (const auto twice = plan.apps.find(spec.id); twice != plan.apps.end()) {
        return file + ": id \"" + spec.id + "\" is also that of " + twice->second.file;
    }
    const std::string base = spec.instance_of.empty() ? spec.id : spec.instance_of;
    if (const auto twice = plan.files.find(base);
        twice != plan.files.end() && twice->second != file) {
        return file + ": id \"" + base + "\" is also that of " + twice->second;
    }
    std::vector<std::string> forms = table.instances_of(base);
    forms.push_back(base);
    for (const std::string& form : forms) {
        const App* const other = table.find(form);
        if (other != nullptr && other->registration.descriptor != file && !request.fresh) {
            return registered_elsewhere(file, *other);
        }
    }
    const App* const known = table.find(spec.id);
    if (known != nullptr && request.fresh) {
        return "Manageable with ID \"" + spec.id + "\" is already registered";
    }
    return known != nullptr && known->registration.descriptor != file
               ? registered_elsewhere(file, *known)
               : std::string();
}

void warn_of_unknown_needs(const Table& table, LoadPlan& plan) {
    const supervisor::Needs needs(table, WallTime());
    for (const auto& [id, app] : plan.apps) {
        for (const std::string& need : needs.unknown(app.spec)) {
            const bool comes =
                std::any_of(plan.apps.begin(), plan.apps.end(), [&need](const auto& other) {
                    return other.first == need || other.second.spec.instance_of == need;
                });
            if (!comes) {
                plan.warnings.push_back(app.file + ": \"" + id + "\" requires \"" + need +
                                        "\", and no app is called that");
            }
        }
    }
}

}  // namespace

std::string registered_elsewhere(const std::string& file, const App& known) {
    return file + ": \"" + known.id() + "\" is already registered, from " +
           known.registration.descriptor;
}

std::vector<DescriptorFile> read_for_load(const std::vector<std::string>& paths) {
    std::vector<DescriptorFile> files;
    for (const std::string& path : paths) {
        DescriptorFile& read = files.emplace_back();
        const auto file = config::find_descriptor(path);
        if (!file) {
            read.descriptor.problems.push_back(file.error().message);
            continue;
        }
        read.file = *file;
        read.stamp = os::stamp_of(*file);
        read.descriptor = config::read_descriptor(*file);
        if (const auto who = os::changed_by_others(*file); who && ::geteuid() == 0) {
            read.warnings.push_back(*file + ": " + *who + ", who so decides what root runs here");
        }
        const std::string setup = file->substr(0, file->rfind('/') + 1) + "setup.pytainer";
        for (const AppSpec& spec : read.descriptor.apps) {
            if (spec.descriptor == DescriptorKind::PyTainer && os::exists(setup)) {
                read.warnings.push_back(setup + ": is not acted on yet: do by hand what it says");
            }
            if (spec.backend == BackendType::Screen) {
                read.warnings.push_back(
                    *file + ": \"" + spec.id +
                    "\" asks for the backend screen; it runs on the native one");
            }
        }
    }
    return files;
}

LoadPlan plan_load(const Table& table,
                   const std::vector<DescriptorFile>& files,
                   const LoadRequest& request,
                   const config::ScaledTo& scaled) {
    LoadPlan plan;
    std::map<std::string, AppSpec> specs;
    for (const DescriptorFile& read : files) {
        append(plan.problems, read.descriptor.problems);
        append(plan.warnings, read.descriptor.warnings);
        append(plan.warnings, read.warnings);
        for (AppSpec& spec : config::expand_instances(read.descriptor.apps, scaled)) {
            const std::string problem = clash(table, plan, request, read.file, spec);
            if (!problem.empty()) {
                plan.problems.push_back(problem);
                continue;
            }
            const std::string id = spec.id;
            plan.files.emplace(spec.instance_of.empty() ? id : spec.instance_of, read.file);
            specs[id] = spec;
            plan.apps[id] = {read.file, read.descriptor.text, std::move(spec), read.stamp};
        }
    }
    if (auto cycles = supervisor::Needs(table, WallTime()).check_cycles(specs); !cycles) {
        plan.problems.push_back(cycles.error().message);
    }
    if (plan.problems.empty()) {
        warn_of_unknown_needs(table, plan);
    }
    return plan;
}

std::optional<AppSpec> declared(const config::Descriptor& descriptor,
                                const std::string& id,
                                const config::ScaledTo& scaled) {
    for (AppSpec& spec : config::expand_instances(descriptor.apps, scaled)) {
        if (spec.id == id) {
            return std::move(spec);
        }
    }
    return std::nullopt;
}

}  // namespace berth::apps
