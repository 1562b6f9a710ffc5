#include "shared/config/controller_config.h"

#include "shared/base/text.h"
#include "shared/config/node.h"
#include "shared/config/table_reader.h"
#include "shared/config/values.h"

namespace berth::config {

Result<ControllerConfig> parse_controller_config(const std::string& file, std::string_view text) {
    Report report(file);
    ControllerConfig config;
    const ParsedTree tree = parse_toml(text);
    if (!tree) {
        report.problem(tree.error().at, tree.error().reason);
    } else {
        TableReader root(report, *tree, "");
        root.read_table("http", [&](TableReader& table) {
            const TreeNode* const url = tree->find("http")->find("url");
            if (url != nullptr && url->kind != NodeKind::List) {
                table.read("url", config.urls.emplace_back(), Filled{});
            } else {
                table.read_list("url", config.urls, Filled{});
            }
            table.read_list("trusted_proxies", config.trusted_proxies, Filled{});
            table.read("listen", config.listen, Filled{});
            table.read("allow_remote", config.allow_remote, Flag{});
        });
        root.read_table("tls", [&](TableReader& table) {
            table.read("cert", config.tls_certificate, Filled{});
            table.read("key", config.tls_key, Filled{});
            table.read("self_signed", config.tls_self_signed, Flag{});
        });
        root.finish();
    }
    if (report.has_problems()) {
        return fail(ErrorCode::InvalidArgument, join(report.problems(), "\n"));
    }
    config.warnings = report.warnings();
    return config;
}

}  // namespace berth::config
