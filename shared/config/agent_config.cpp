#include "shared/config/agent_config.h"

#include "shared/config/node.h"
#include "shared/config/table_reader.h"
#include "shared/config/values.h"

namespace berth::config {

namespace {

// tcp://HOST:PORT
struct Endpoint {
    Parsed<std::string> operator()(const TreeNode& node) const {
        const bool fits = node.kind == NodeKind::String && node.text.rfind("tcp://", 0) == 0 &&
                          node.text.rfind(':') > 5 && node.text.rfind(':') + 1 < node.text.size();
        if (!fits) {
            return tl::unexpected<std::string>("is not like tcp://127.0.0.1:6883");
        }
        return node.text;
    }
};

// true, false, or a list.
void read_share(TableReader& table, const TreeNode* node, AgentConfig::Ipc& ipc) {
    if (node->kind != NodeKind::Bool) {
        return table.read_list("share_events", ipc.share_events.emplace(), Regex{});
    }
    bool share = true;
    table.read("share_events", share, Flag{});
    if (!share) {
        ipc.share_events.emplace();
    }
}

}  // namespace

Result<AgentConfig> parse_agent_config(const std::string& file, std::string_view text) {
    Report report(file);
    AgentConfig config;
    const ParsedTree tree = parse_toml(text);
    if (!tree) {
        report.problem(tree.error().at, tree.error().reason);
    } else {
        TableReader root(report, *tree, "");
        root.read_table("agent",
                        [&](TableReader& table) { table.read("name", config.name, Id{}); });
        root.read_table("control", [&](TableReader& table) {
            table.read("listen", config.listen, Endpoint{});
            table.read_list("allow", config.allow, Filled{});
        });
        root.read_table("apps", [&](TableReader& table) {
            table.read("inherit_env", config.inherit_env, InheritRule{});
        });
        root.read_table("log", [&](TableReader& table) {
            table.read("max_total", config.log_max_total, Size{1 << 20});
        });
        root.read_table("ipc", [&](TableReader& table) {
            table.read("listen", config.ipc.listen, Endpoint{});
            table.read_list("allow", config.ipc.allow, Filled{});
            table.read("max_messages", config.ipc.max_messages, Whole{1, 10'000'000});
            table.read("max_bytes", config.ipc.max_bytes, Size{1024});
            table.read("max_store", config.ipc.max_store, Size{1 << 20});
            if (table.has("accept")) {
                table.read_list("accept", config.ipc.accept.emplace(), Regex{});
            }
            if (table.has("share_events")) {
                read_share(table, tree->find("ipc")->find("share_events"), config.ipc);
            }
        });
        root.finish();
    }
    std::string problems;
    for (const std::string& line : report.problems()) {
        problems += (problems.empty() ? "" : "\n") + line;
    }
    if (!problems.empty()) {
        return fail(ErrorCode::InvalidArgument, problems);
    }
    config.warnings = report.warnings();
    return config;
}

}  // namespace berth::config
