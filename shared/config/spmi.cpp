#include "shared/base/text.h"
#include "shared/config/schemas.h"

namespace berth::config {

namespace {

constexpr int kInterrupt = 2;  // SIGINT: what `spmi stop` sends

enum class WrapperType : std::uint8_t { Default };
constexpr auto kWrapperTypeNames = enum_names<WrapperType>("default");

void read_backend(TableReader& table, AppSpec& spec) {
    table.read("type", spec.backend, OneOf{kBackendTypeNames});
    table.need("type", "native, screen or slurm");
    table.read_list("options", spec.backend_options, Filled{});
    if (!spec.backend_options.empty() && spec.backend != BackendType::Slurm) {
        table.warning("options", "has no effect, only the type \"slurm\" has options");
    }
}

void read_wrapper(TableReader& table, AppSpec& spec) {
    WrapperType type = WrapperType::Default;
    table.read("type", type, OneOf{kWrapperTypeNames});
    table.need("type", "\"default\"");
    table.read("command", spec.command, Filled{});
    table.need("command", "a command for /bin/sh");
    table.read("mixed_stdout", spec.log.mixed, Flag{});
}

void read_task(TableReader& task, AppSpec& spec) {
    task.read("id", spec.id, LooseId{});
    task.need("id", kIdRule);
    task.read("comment", spec.comment, Text{});
    task.read_table("backend", [&](TableReader& table) { read_backend(table, spec); });
    task.need("backend", "a table with type");
    task.read_table("wrapper", [&](TableReader& table) { read_wrapper(table, spec); });
    task.need("wrapper", "a table with type and command");
}

}  // namespace

AppSpec read_spmi(const TreeNode& tree, Report& report) {
    AppSpec spec;
    spec.descriptor = DescriptorKind::Spmi;
    spec.autostart = false;
    spec.restart.policy = RestartPolicy::Never;
    spec.stop.signal = kInterrupt;
    TableReader root(report, tree, "");
    root.read_table("task", [&](TableReader& table) { read_task(table, spec); });
    for (const Entry& entry : tree.entries) {
        if (entry.key != "task") {
            report.problem(entry.key_at,
                           in_quotes(entry.key) +
                               " beside task: a descriptor of a task has the "
                               "one table task and nothing else");
        }
    }
    spec.argv = {"/bin/sh", "-c", spec.command};
    return spec;
}

}  // namespace berth::config
