#include <string>
#include <vector>

#include "shared/base/text.h"
#include "shared/config/schemas.h"

namespace berth::config {

namespace {

// What a manifest says of how to start the app.
struct Launch {
    std::string launcher = "init.py";  // as pyTainer
    std::string language;
    bool has_language = false;
    std::vector<std::string> args;
    bool standalone = true;
};

// Texts that are only shown may be numbers: `version = 1.0` is not worth a refusal.
struct Shown {
    Parsed<std::string> operator()(const TreeNode& node) const {
        if (node.kind == NodeKind::Whole || node.kind == NodeKind::Float) {
            return node.text;
        }
        return Text{}(node);
    }
};

struct SupportedVersion {
    Parsed<std::string> operator()(const TreeNode& node) const {
        TreeNode text = node;
        if (node.kind == NodeKind::Whole || node.kind == NodeKind::Float) {
            text.kind = NodeKind::String;
        }
        Parsed<std::string> version = Version{}(text);
        if (version && version_after(*version, kPyTainerVersion)) {
            return tl::unexpected("is newer than " + std::string(kPyTainerVersion) +
                                  ", the last version of pyTainer that is understood");
        }
        return version;
    }
};

// Arguments and languages: words, or "" for none.
struct WordsOrNone {
    Parsed<std::vector<std::string>> operator()(const TreeNode& node) const {
        if (node.kind != NodeKind::String) {
            return tl::unexpected<std::string>("is not a string");
        }
        auto words = split_words(node.text);
        if (!words) {
            return tl::unexpected("cannot be split into words: " + words.error().message);
        }
        return *std::move(words);
    }
};

bool is_python(std::string_view program) {
    return program.substr(program.rfind('/') + 1).starts_with("python");
}

// The command line that pyTainer would use, with the python of today.
std::vector<std::string> argv_of(const Launch& launch, std::vector<std::string> language) {
    if (!launch.has_language && launch.launcher.ends_with(".py")) {
        language = {"python3"};
    }
    std::vector<std::string> argv;
    if (!launch.standalone) {
        argv = {launch.launcher};
    } else if (language.empty()) {
        argv = {"./" + launch.launcher};
    } else {
        if (language.front() == "python") {
            language.front() = "python3";
        }
        if (is_python(language.front())) {
            language.insert(language.begin() + 1, "-u");
        }
        argv = std::move(language);
        argv.push_back(launch.launcher);
    }
    argv.insert(argv.end(), launch.args.begin(), launch.args.end());
    return argv;
}

void read_app(TableReader& app, AppSpec& spec) {
    Launch launch;
    std::vector<std::string> language;
    app.read("ident", spec.id, Id{});
    app.need("ident", kIdRule);
    app.read("name", spec.name, Shown{});
    app.read("version", spec.info.version, Shown{});
    app.read("launcher", launch.launcher, InnerPath{});
    app.read("language", language, WordsOrNone{});
    launch.has_language = app.has("language");
    app.read("args", launch.args, WordsOrNone{});
    app.read("standalone", launch.standalone, Flag{});

    std::vector<std::string> required;
    app.read_list("requires", required, Text{});
    if (!required.empty()) {
        app.warning("requires", "has no effect, in pyTainer neither");
    }
    spec.module = !launch.standalone;
    spec.argv = argv_of(launch, std::move(language));
    spec.command = join_words(spec.argv);
}

}  // namespace

AppSpec read_pytainer(const TreeNode& tree, Report& report) {
    AppSpec spec;
    spec.descriptor = DescriptorKind::PyTainer;
    spec.autostart = false;
    spec.restart.policy = RestartPolicy::Never;
    TableReader root(report, tree, "");
    root.need("app", "a table with ident");
    root.read_table("app", [&](TableReader& table) { read_app(table, spec); });
    root.read_table("requirements", [&](TableReader& table) {
        table.read_list("modules", spec.required_python, Package{});
        if (!spec.required_python.empty()) {
            table.warning("modules", "is read and not acted on yet: install them by hand");
        }
        table.read("pytainerversion", spec.required_pytainer, SupportedVersion{});
    });
    root.read_table("info", [&](TableReader& table) {
        table.read("author", spec.info.author, Shown{});
        table.read("website", spec.info.website, Shown{});
    });
    read_config(root, spec.config, ConfigStyle::Loose);
    root.finish();
    return spec;
}

}  // namespace berth::config
