#include <unistd.h>

#include <set>

#include "shared/json/json_value.h"
#include "shared/json/spec_json.h"
#include "tests/unit/descriptor_files.h"

using berth::AppSpec;
using namespace berth::config;  // NOLINT(google-build-using-namespace): tests read better
namespace fs = std::filesystem;

TEST_CASE("each broken descriptor gives exactly its messages") {
    std::set<std::string> formats;
    int count = 0;
    for (const auto& entry : fs::directory_iterator("descriptors/broken")) {
        if (entry.path().extension() == ".expected") {
            continue;
        }
        const std::string name = entry.path().filename().string();
        INFO(name);
        const Descriptor descriptor = parse_descriptor(name, contents(entry.path()));
        CHECK_FALSE(descriptor.problems.empty());
        CHECK(descriptor.apps.empty());
        CHECK(remarks(descriptor) == contents(entry.path().string() + ".expected"));
        formats.insert(entry.path().extension().string());
        ++count;
    }
    CHECK(count >= 90);
    CHECK(formats == std::set<std::string>{".toml", ".yaml", ".yml", ".json"});
}

TEST_CASE("berth.toml with only id and command has the defaults") {
    AppSpec expected;
    expected.id = "web";
    expected.command = "sleep 1";
    expected.argv = {"sleep", "1"};
    CHECK(berth_app("") == expected);
}

TEST_CASE("berth.toml with every key of the contract is read") {
    const Descriptor descriptor = good("berth-all.toml");
    for (const std::string& warning : descriptor.warnings) {
        INFO(warning);
        CHECK(warning.find("not acted on yet") != std::string::npos);
    }
    const AppSpec& spec = descriptor.apps.front();
    CHECK(spec.id == "web");
    CHECK(spec.name == "Web server");
    CHECK(spec.argv == Words{"python3", "-m", "http.server", "8000"});
    CHECK(spec.env == std::map<std::string, std::string>{{"LANG", "C.UTF-8"}});
    CHECK(spec.env_file == ".env");
    CHECK(spec.umask == 022U);
    CHECK(spec.requires_apps == std::vector<berth::Requirement>{{"db", std::nullopt}});
    berth::RestartSpec restart;
    restart.unknown = berth::UnknownEnd::Success;
    CHECK(spec.restart == restart);
    CHECK(spec.stop == berth::StopSpec{});
    CHECK(spec.ready.log == "listening on .*");
    CHECK(spec.health.http == "http://127.0.0.1:8000/health");
    CHECK(spec.limits.memory_bytes == 512ULL << 20U);
    CHECK(spec.limits.cpus == 1.5);
    CHECK(spec.limits.pids == 100U);
    CHECK(spec.limits.nofile == 4096U);
    CHECK(spec.limits.core_bytes == 0U);
    CHECK(spec.log == berth::LogSpec{});
    CHECK(spec.schedule.cron == "*/5 * * * *");
    CHECK(spec.setup_steps.size() == 2);
    CHECK(spec.required_commands == Words{"python3"});
    CHECK(spec.required_berth == "1.0");
    CHECK(spec.info.version == "1.0");
    REQUIRE(spec.config.size() == 4);
    CHECK(spec.config[0].name == "greeting");
    CHECK(spec.config[1].type == berth::ConfigType::Secret);
    CHECK(spec.config[2].max == "5");
    CHECK(spec.config[3].value == "red");
}

TEST_CASE("commands become argument vectors") {
    CHECK(app("berth.toml", "[app]\nid=\"a\"\ncommand=\"sh -c 'a  b' \\\"$x\\\"\"").argv ==
          Words{"sh", "-c", "a  b", "$x"});
    const AppSpec shell = app("berth.toml", "[app]\nid=\"a\"\nshell=true\ncommand=\"a | b\"");
    CHECK(shell.argv == Words{"/bin/sh", "-c", "a | b"});
    CHECK(shell.command == "a | b");
    const AppSpec argv =
        app("berth.toml", "[app]\nid=\"a\"\nargv=[\"echo\", \"a b\", \"\", \"it's\"]");
    CHECK(argv.argv == Words{"echo", "a b", "", "it's"});
    CHECK(argv.command == "echo 'a b' '' 'it'\\''s'");
}

TEST_CASE("values are read in all their spellings") {
    using std::chrono::milliseconds;
    const std::vector<std::pair<std::string, berth::Duration>> durations = {
        {"500ms", milliseconds(500)},
        {"1.5s", milliseconds(1500)},
        {"0.5m", milliseconds(30'000)},
        {"1h", milliseconds(3'600'000)},
        {"2 h", milliseconds(7'200'000)},
        {"0s", milliseconds(0)},
        {"0.1s", milliseconds(100)}};
    for (const auto& [text, length] : durations) {
        INFO(text);
        CHECK(berth_app("[stop]\ntimeout = \"" + text + "\"").stop.timeout == length);
    }
    const std::vector<std::pair<std::string, std::uint64_t>> sizes = {{"\"64KiB\"", 64U << 10U},
                                                                      {"\"10MiB\"", 10U << 20U},
                                                                      {"\"1GiB\"", 1U << 30U},
                                                                      {"\"1.5 KiB\"", 1536},
                                                                      {"4096", 4096},
                                                                      {"\"5000\"", 5000}};
    for (const auto& [text, bytes] : sizes) {
        INFO(text);
        CHECK(berth_app("[log]\nmax_size = " + text).log.max_size_bytes == bytes);
    }
    const std::vector<std::pair<std::string, int>> signals = {
        {"\"SIGINT\"", 2}, {"\"TERM\"", 15}, {"\"9\"", 9}, {"1", 1}};
    for (const auto& [text, number] : signals) {
        CHECK(berth_app("[stop]\nsignal = " + text).stop.signal == number);
    }
    for (const std::string cron :
         {"* * * * *", "0 0 1 JAN sun", "*/15 8-18/2 1,15 * mon-fri", "0 0 * * 7", ""}) {
        CHECK(berth_app("[schedule]\ncron = \"" + cron + "\"").schedule.cron == cron);
    }
    for (const std::string address : {":80", "localhost:80", "127.0.0.1:65535", "[::1]:80", ""}) {
        CHECK(berth_app("[ready]\ntcp = \"" + address + "\"").ready.tcp == address);
    }
    CHECK(berth_app("env = { PORT = 8000 }").env.at("PORT") == "8000");
    CHECK(berth_app("umask = \"7\"").umask == 7U);
}

TEST_CASE("a delay above the default limit raises the limit") {
    const AppSpec spec = berth_app("[restart]\ndelay = \"5m\"");
    CHECK(spec.restart.backoff.max_delay == std::chrono::minutes(5));
}

TEST_CASE("unknown keys are warnings with the nearest known key") {
    const Descriptor descriptor =
        parse_descriptor("web/berth.toml",
                         berth_with("comand = 1\nzzzzzz = 2\n\"a b\" = 3\n[restart]\npolcy = 4\n"));
    CHECK(descriptor.apps.size() == 1);
    CHECK(
        descriptor.warnings ==
        Words{
            "web/berth.toml:4:1: app.comand: unknown key, the nearest known one is \"command\"",
            "web/berth.toml:5:1: app.zzzzzz: unknown key",
            "web/berth.toml:6:1: app.\"a b\": unknown key",
            "web/berth.toml:8:1: restart.polcy: unknown key, the nearest known one is \"policy\""});
}

TEST_CASE("very many remarks are cut") {
    std::string keys;
    for (int i = 0; i < 300; ++i) {
        keys += "zzzzzz" + std::to_string(i) + " = 1\n";
    }
    const Descriptor descriptor = parse_descriptor("berth.toml", berth_with(keys));
    REQUIRE(descriptor.warnings.size() == 201);
    CHECK(descriptor.warnings.back() == "berth.toml: and 100 more");
}

TEST_CASE("garbage is refused in every format") {
    unsigned state = 1;
    const auto random = [&state] { return state = state * 1664525U + 1013904223U; };
    for (const std::string name : {"a.toml", "a.yaml", "a.json", "Procfile"}) {
        for (int round = 0; round < 300; ++round) {
            std::string text;
            for (unsigned i = 0; i < 1 + (random() >> 8U) % 60; ++i) {
                constexpr std::string_view kBytes = "[]{}=:,.'\"#&*!|>-?%@\n\t \\0aZ\xC3\xA9";
                text += kBytes[(random() >> 16U) % kBytes.size()];
            }
            const Descriptor descriptor = parse_descriptor(name, text);
            if (descriptor.apps.empty() == descriptor.problems.empty()) {
                FAIL(name << ": " << text);
            }
        }
    }
}

TEST_CASE("hostile nesting ends in a message") {
    const std::string many(200'000, '[');
    const std::string braces(200'000, '{');
    for (const std::string name : {"a.toml", "a.yaml", "a.json"}) {
        CHECK_FALSE(parse_descriptor(name, many).problems.empty());
        CHECK_FALSE(parse_descriptor(name, braces).problems.empty());
        CHECK_FALSE(parse_descriptor(name, "x = " + many).problems.empty());
        CHECK_FALSE(parse_descriptor(name, "x: " + many).problems.empty());
    }
    std::string dots = "a";
    for (int i = 0; i < 200'000; ++i) {
        dots += ".a";
    }
    CHECK_FALSE(parse_descriptor("a.toml", dots + " = 1").problems.empty());
    CHECK_FALSE(parse_descriptor("a.toml", '[' + dots + ']').problems.empty());
    std::string lines;
    for (int i = 0; i < 300; ++i) {
        lines += std::string(static_cast<std::size_t>(i) * 2, ' ') + "a:\n";
    }
    CHECK_FALSE(parse_descriptor("a.yaml", lines).problems.empty());
}

TEST_CASE("dots and brackets in strings and comments of TOML do not count as nesting") {
    const std::string dots(100, '.');
    const std::string brackets(100, '[');
    const AppSpec spec =
        berth_app("comment = \"\"\"" + brackets + dots + "\"\"\"\nname = '" + brackets + "' # " +
                  brackets + "\nuser = \"a" + std::string(40, '.') + "\\\\\"\n");
    CHECK(spec.comment == brackets + dots);
    CHECK(spec.name == brackets);
}

TEST_CASE("descriptors are found and read from files") {
    const fs::path folder =
        fs::temp_directory_path() / ("berth-descriptor-test-" + std::to_string(::getpid()));
    fs::create_directories(folder / "shop");
    const std::string shop = (folder / "shop").string();
    CHECK(berth::config::find_descriptor(shop).error().message ==
          '"' + shop + "\" has none of berth.toml, pytainer.toml, Procfile in it");
    std::ofstream(shop + "/Procfile") << "web: x\n";
    CHECK(berth::config::find_descriptor(shop).value() == shop + "/Procfile");
    std::ofstream(shop + "/berth.toml") << berth_with("");
    CHECK(berth::config::find_descriptor(shop).value() == shop + "/berth.toml");
    CHECK(berth::config::find_descriptor(shop + "/Procfile").value() == shop + "/Procfile");
    CHECK(berth::config::find_descriptor(shop + "/none").error().code ==
          berth::ErrorCode::NotFound);
    CHECK(berth::config::read_descriptor(shop + "/Procfile").apps.at(0).id == "shop-web");
    CHECK(berth::config::read_descriptor(shop + "/berth.toml").apps.at(0).id == "web");
    CHECK(berth::config::read_descriptor(shop).problems ==
          Words{shop + ": is a folder, not a file"});
    CHECK(berth::config::read_descriptor(shop + "/no").problems ==
          Words{shop + "/no: no such file"});
    CHECK(berth::config::read_descriptor("/dev/zero").problems ==
          Words{"/dev/zero: is not a regular file"});
    std::ofstream(shop + "/big.toml") << std::string((1U << 20U) + 10, '\n');
    CHECK(berth::config::read_descriptor(shop + "/big.toml").problems ==
          Words{shop + "/big.toml: larger than 1 MiB"});
    fs::remove_all(folder);
}

TEST_CASE("a spec is shown as JSON with the names of berth.toml and without secrets") {
    berth::json::JsonWriter writer;
    berth::json::write_spec(
        writer, good("berth-all.toml").apps.front(), berth::json::Secrets::Shown);
    CHECK(writer.text().find("hunter2") == std::string::npos);
    const auto shown = berth::json::parse_json(writer.text()).value();
    CHECK(shown.find("config")->find("password")->get<std::string>("value") == "••••");
    CHECK(shown.find("config")->find("greeting")->get<std::string>("value") == "Hello");
    CHECK(shown.find("app")->get<std::string>("umask") == "022");
    CHECK(shown.find("app")->get<std::string>("type") == "service");
    CHECK(shown.find("restart")->get<std::string>("window") == "10m");
    CHECK(shown.find("stop")->get<std::string>("signal") == "SIGTERM");
    CHECK(shown.find("limits")->get<std::int64_t>("memory") == 512 << 20);
    CHECK(shown.get<std::string>("descriptor") == "berth");
}

TEST_CASE("a masked spec has no secret in any of its texts") {
    AppSpec spec = good("berth-all.toml").apps.front();
    spec.env = {
        {"API_TOKEN", "hunter2"}, {"DATABASE_URL", "mysql://u:hunter2@h/d"}, {"PORT", "80"}};
    spec.argv = {"serve", "--password", "hunter2", "--key=hunter2"};
    for (auto* const text : {&spec.command,
                             &spec.comment,
                             &spec.pre_start,
                             &spec.post_stop,
                             &spec.stop.command,
                             &spec.ready.exec,
                             &spec.health.exec}) {
        *text = "run --password hunter2";
    }
    spec.ready.http = spec.health.http = "http://u:hunter2@127.0.0.1/";
    spec.setup_steps = {"TOKEN=hunter2 make"};
    berth::json::JsonWriter masked;
    berth::json::write_spec(masked, spec, berth::json::Secrets::Masked);
    CHECK(masked.text().find("hunter2") == std::string::npos);
    CHECK(masked.text().find(R"("PORT":"80")") != std::string::npos);
    berth::json::JsonWriter shown;
    berth::json::write_spec(shown, spec, berth::json::Secrets::Shown);
    CHECK(shown.text().find(R"("API_TOKEN":"hunter2")") != std::string::npos);
}

TEST_CASE("what a spec shows can be read again as the same spec") {
    AppSpec spec = good("berth-all.toml").apps.front();
    std::erase_if(spec.config, [](const auto& variable) {
        return variable.type != berth::ConfigType::String &&
               variable.type != berth::ConfigType::Secret;
    });
    std::erase_if(spec.config,
                  [](const auto& variable) { return variable.type == berth::ConfigType::Secret; });
    berth::json::JsonWriter writer;
    berth::json::write_spec(writer, spec, berth::json::Secrets::Shown);
    std::string text = writer.take();
    const std::size_t argv = text.find("\"argv\"");
    text.erase(argv, text.find("\"cwd\"") - argv);
    const std::string extra = ",\"min\":\"\",\"max\":\"\",\"choices\":[]";
    text.erase(text.find(extra), extra.size());
    CHECK(app("again.json", text) == spec);
}
