#include "tests/unit/descriptor_files.h"

// What is not berth.toml: pyTainer's manifests, SPMI's tasks in their three formats, Procfiles, and
// how a file is told from another.

using berth::AppSpec;
using namespace berth::config;  // NOLINT(google-build-using-namespace): tests read better
namespace fs = std::filesystem;

TEST_CASE("the older pyTainer manifest, as its README prints it, is read") {
    const Descriptor descriptor = good("pytainer-older.toml");
    CHECK(descriptor.warnings.empty());
    const AppSpec& spec = descriptor.apps.front();
    CHECK(spec.id == "unique_ident");
    CHECK(spec.name == "My Appname");
    CHECK(spec.descriptor == berth::DescriptorKind::PyTainer);
    CHECK(spec.argv == Words{"python3", "-u", "my_base_file.py"});
    CHECK(spec.command == "python3 -u my_base_file.py");
    CHECK(spec.info.author == "John Doe");
    CHECK(spec.info.website == "http://example.com");
    CHECK(spec.info.version == "1.0");
    CHECK_FALSE(spec.module);
    CHECK_FALSE(spec.autostart);
    CHECK(spec.restart.policy == berth::RestartPolicy::Never);
    CHECK(spec.cwd == ".");
}

TEST_CASE("the newer pyTainer manifest is read") {
    const Descriptor descriptor = good("pytainer-newer.toml");
    REQUIRE(descriptor.warnings.size() == 1);
    CHECK(descriptor.warnings.front().find("not acted on yet") != std::string::npos);
    const AppSpec& spec = descriptor.apps.front();
    CHECK(spec.argv == Words{"python3", "-u", "init.py", "--every", "5", "two words"});
    CHECK(spec.required_python == Words{"requests"});
    CHECK(spec.required_pytainer == "0.1");
    REQUIRE(spec.config.size() == 3);
    CHECK(spec.config[0].value == "Hello");
    CHECK(spec.config[1].value == "5");
    CHECK(spec.config[2].value == "2.5");
    CHECK(spec.config[2].type == berth::ConfigType::Float);
}

TEST_CASE("pyTainer's launcher and language give the command") {
    struct Row {
        std::string keys;
        Words argv;
    };

    const std::vector<Row> rows = {
        {"launcher = \"init.py\"", {"python3", "-u", "init.py"}},
        {"launcher = \"init.py\"\nlanguage = \"\"", {"./init.py"}},
        {"launcher = \"run.sh\"", {"./run.sh"}},
        {"launcher = \"run.sh\"\nlanguage = \"\"\nargs = \"a b\"", {"./run.sh", "a", "b"}},
        {"launcher = \"x.js\"\nlanguage = \"node\"", {"node", "x.js"}},
        {"launcher = \"x\"\nlanguage = \"python\"", {"python3", "-u", "x"}},
        {"launcher = \"x\"\nlanguage = \"python3.11\"", {"python3.11", "-u", "x"}},
        {"launcher = \"init.py\"\nlanguage = \"python\"\nstandalone = false", {"init.py"}},
        {"launcher = \"a..b.py\"\nversion = 1.0", {"python3", "-u", "a..b.py"}},
    };
    for (const Row& row : rows) {
        INFO(row.keys);
        const AppSpec spec = app("p/pytainer.toml", "[app]\nident = \"p\"\n" + row.keys + "\n");
        CHECK(spec.argv == row.argv);
        CHECK(spec.module == (row.keys.find("standalone = false") != std::string::npos));
    }
    const std::string requirement =
        "[app]\nident=\"p\"\nlauncher=\"x\"\n[requirements]\npytainerversion=";
    for (const std::string version : {"\"1.1.0\"", "\"1.1\"", "\"1.1.0.0\"", "\"\"", "1.0"}) {
        CHECK_NOTHROW(app("pytainer.toml", requirement + version));
    }
    CHECK(parse_descriptor("pytainer.toml", requirement + "\"1.1.0.1\"").apps.empty());
}

TEST_CASE("SPMI's example is the same task in its three formats") {
    const AppSpec toml = good("spmi-cal.toml").apps.front();
    CHECK(toml.id == "cal");
    CHECK(toml.comment == "Prints calendar to stdout.");
    CHECK(toml.command == "cal");
    CHECK(toml.argv == Words{"/bin/sh", "-c", "cal"});
    CHECK(toml.descriptor == berth::DescriptorKind::Spmi);
    CHECK(toml.backend == berth::BackendType::Screen);
    CHECK(toml.stop.signal == 2);
    CHECK(toml.log.mixed);
    CHECK(toml.restart.policy == berth::RestartPolicy::Never);
    CHECK_FALSE(toml.autostart);
    CHECK(good("spmi-cal.yaml").apps.front() == toml);
    CHECK(good("spmi-cal.json").apps.front() == toml);
    CHECK(parse_descriptor("cal.yml", contents("descriptors/good/spmi-cal.yaml")).apps.front() ==
          toml);
}

TEST_CASE("SPMI tasks may leave out comment and mixed_stdout, and have numbers for ids") {
    const std::string yaml =
        "task: {id: %, backend: {type: slurm, options: [-n1]}, wrapper: {type: default, command: "
        "'a | b'}}";
    for (const std::string id : {"7", "007", "'7'", "\"true\"", "a.b-c_d"}) {
        std::string text = yaml;
        const AppSpec spec = app("t.yaml", text.replace(text.find('%'), 1, id));
        CHECK(id.find(spec.id) != std::string::npos);
        CHECK(spec.backend_options == Words{"-n1"});
        CHECK(spec.log.mixed);
    }
    const Descriptor extra = parse_descriptor(
        "t.json",
        R"({"task":{"id":1,"owner":"me","backend":{"type":"native"},"wrapper":{"type":"default","command":"x"}}})");
    CHECK(extra.apps.size() == 1);
    CHECK(extra.warnings == Words{"t.json:1:17: task.owner: unknown key"});
}

TEST_CASE("YAML scalars follow the core schema, anchors work") {
    const AppSpec spec =
        app("t.yaml",
            "task:\n  id: &name yes\n  comment: *name\n  backend: {type: screen}\n"
            "  wrapper: {type: default, command: !!str 12, mixed_stdout: False}\n");
    CHECK(spec.id == "yes");
    CHECK(spec.comment == "yes");
    CHECK(spec.command == "12");
    CHECK_FALSE(spec.log.mixed);
}

TEST_CASE("each line of a Procfile is an app") {
    const Descriptor descriptor = parse_descriptor(
        "/srv/my shop!/Procfile",
        "# all of it\r\nweb: bundle exec rails -p $PORT\r\n\n worker:  rake jobs:work\n");
    REQUIRE(descriptor.apps.size() == 2);
    const AppSpec& web = descriptor.apps[0];
    CHECK(web.id == "my-shop-web");
    CHECK(web.command == "bundle exec rails -p $PORT");
    CHECK(web.argv == Words{"/bin/sh", "-c", "bundle exec rails -p $PORT"});
    CHECK(web.env.at("PORT") == "5000");
    CHECK(web.env_file == ".env");
    CHECK(web.descriptor == berth::DescriptorKind::Procfile);
    CHECK(descriptor.apps[1].id == "my-shop-worker");
    CHECK(descriptor.apps[1].command == "rake jobs:work");
    CHECK(descriptor.apps[1].env.at("PORT") == "5100");
    CHECK(parse_descriptor("Procfile", "web: x").apps.at(0).id == "web");
}

TEST_CASE("broken lines of a Procfile are all named") {
    const Descriptor descriptor =
        parse_descriptor("d/Procfile", "web: a\nweb: b\nno command\na b: c\nempty:\n../x: y\n");
    CHECK(descriptor.apps.empty());
    CHECK(descriptor.problems == Words{"d/Procfile:2:1: web: occurs in line 1 too",
                                       "d/Procfile:3:1: \"no command\" is not a line NAME: "
                                       "command, with a NAME of letters, digits, _ and -",
                                       "d/Procfile:4:1: \"a b: c\" is not a line NAME: command, "
                                       "with a NAME of letters, digits, _ and -",
                                       "d/Procfile:5:1: empty: the command is missing",
                                       "d/Procfile:6:1: \"../x: y\" is not a line NAME: command, "
                                       "with a NAME of letters, digits, _ and -"});
    CHECK(parse_descriptor("Procfile", "# nothing\n").problems ==
          Words{"Procfile:1:1: no line NAME: command"});
}

TEST_CASE("the name of the file decides the schema, then its tables") {
    CHECK(parse_descriptor("berth.toml", "[app]\nident=\"a\"\nlauncher=\"x\"").problems.size() ==
          2);
    CHECK(parse_descriptor("pytainer.toml", "[app]\nid=\"a\"\ncommand=\"x\"").problems.size() == 1);
    CHECK(app("any.json", R"({"app": {"id": "a", "command": "x"}})").descriptor ==
          berth::DescriptorKind::Berth);
    CHECK(parse_descriptor("x/readme.md", "").problems ==
          Words{"x/readme.md: its name is not berth.toml, pytainer.toml or Procfile and does not "
                "end in .toml, "
                ".yaml, .yml or .json"});
    CHECK(parse_descriptor("berth.toml", "\xEF\xBB\xBF" + berth_with("")).apps.size() == 1);
    CHECK(parse_descriptor("berth.toml", std::string((1U << 20U) + 1, ' ')).problems ==
          Words{"berth.toml: larger than 1 MiB"});
}

TEST_CASE(
    "descriptors cut at any byte, or with any byte changed, are refused or read, never more") {
    for (const std::string name : {"berth-all.toml",
                                   "pytainer-newer.toml",
                                   "spmi-cal.toml",
                                   "spmi-cal.yaml",
                                   "spmi-cal.json"}) {
        const std::string text = contents(fs::path("descriptors/good") / name);
        std::size_t inconsistent = 0;
        for (std::size_t length = 0; length < text.size(); ++length) {
            const Descriptor cut = parse_descriptor(name, text.substr(0, length));
            std::string changed = text;
            changed[length] = static_cast<char>(length * 37U + 11U);
            const Descriptor other = parse_descriptor(name, changed);
            inconsistent += cut.apps.empty() == !cut.problems.empty() ? 0U : 1U;
            inconsistent += other.apps.empty() == !other.problems.empty() ? 0U : 1U;
        }
        INFO(name);
        CHECK(inconsistent == 0);
    }
}
