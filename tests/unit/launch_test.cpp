#include "agent/backend/native/launch.h"

#include <stdlib.h>
#include <unistd.h>

#include <algorithm>
#include <string>
#include <utility>
#include <vector>

#include <catch2/catch.hpp>

#include "agent/backend/native/keeper_client.h"
#include "agent/backend/native/native_backend.h"
#include "shared/loop/event_loop.h"
#include "tests/unit/temp_folder.h"

using namespace berth;          // NOLINT(google-build-using-namespace): tests read better
using namespace berth::native;  // NOLINT(google-build-using-namespace)
using berth::test::TempFolder;

namespace {

using Entries = std::vector<std::pair<std::string, std::string>>;

bool has(const std::vector<std::string>& environment, const std::string& entry) {
    return std::find(environment.begin(), environment.end(), entry) != environment.end();
}

bool names(const std::vector<std::string>& environment, const std::string& name) {
    return std::any_of(environment.begin(), environment.end(), [&name](const std::string& entry) {
        return entry.rfind(name + "=", 0) == 0;
    });
}

}  // namespace

TEST_CASE("env files are read line by line") {
    const auto entries = parse_env_file("f",
                                        "# a comment\n"
                                        "\n"
                                        "A=1\r\n"
                                        "  B = two words \n"
                                        "export C=x=y\n"
                                        "D=\"quoted # text\"\n"
                                        "E='it'\n"
                                        "F=\n"
                                        "A=again");
    REQUIRE(entries);
    CHECK(*entries == Entries{{"A", "1"},
                              {"B", "two words"},
                              {"C", "x=y"},
                              {"D", "quoted # text"},
                              {"E", "it"},
                              {"F", ""},
                              {"A", "again"}});
    CHECK(parse_env_file("f", "").value().empty());
    CHECK(parse_env_file("/x/.env", "A=1\nnonsense\n").error().message ==
          "/x/.env:2: NAME=VALUE is expected");
    CHECK_FALSE(parse_env_file("f", "=1"));
}

TEST_CASE("an env file follows its grammar") {
    const auto read = [](std::string_view text) { return parse_env_file("f", text).value(); };
    const auto fault = [](std::string_view text) {
        return parse_env_file("f", text).error().message;
    };
    CHECK(read("\xEF\xBB\xBF"
               "A=1\nB=2") == Entries{{"A", "1"}, {"B", "2"}});
    CHECK(read("A=1 # one\nB=a#b\nC='x' # c\nD=#\n\t# E=1\n") ==
          Entries{{"A", "1"}, {"B", "a#b"}, {"C", "x"}, {"D", ""}});
    CHECK(read("A=\"say \\\"hi\\\" \\\\ \\n \\t \\$X \\d\"") ==
          Entries{{"A", "say \"hi\" \\ \n \t $X \\d"}});
    CHECK(read("A='\\n $X \"q\" # no comment'") == Entries{{"A", "\\n $X \"q\" # no comment"}});
    CHECK(read("A=\"one\ntwo\"\nB='x\ny'\nC=3") ==
          Entries{{"A", "one\ntwo"}, {"B", "x\ny"}, {"C", "3"}});
    CHECK(read("A=\"one\r\ntwo\"\r\nexport\tB='2'\r\n\r\n# c\r\nC=\r\nD=x\r") ==
          Entries{{"A", "one\ntwo"}, {"B", "2"}, {"C", ""}, {"D", "x"}});
    CHECK(read("A=$HOME ${X} `ls`\nB=\"$X\"") == Entries{{"A", "$HOME ${X} `ls`"}, {"B", "$X"}});
    CHECK(fault("A=1\n2B=1").starts_with("f:2: \"2B\" is not the name of a variable"));
    CHECK(fault("A-B=1").starts_with("f:1: \"A-B\""));
    CHECK(fault("export A B=1").starts_with("f:1: \"A B\""));
    CHECK(fault("A=\"x\" y").starts_with("f:1: text behind the closing quote"));
    CHECK(fault("A='x'#y").starts_with("f:1: text behind the closing quote"));
    CHECK(fault("A=1\nB=\"x\ny\nz").starts_with("f:2: the quote \" is not closed"));
    CHECK(fault("A='").starts_with("f:1: the quote ' is not closed"));
    for (const std::string_view text : {std::string_view("A=x\0y", 5),
                                        std::string_view("A='\0'", 5),
                                        std::string_view("\0A=1", 4),
                                        std::string_view("# \0", 3)}) {
        CHECK(fault(text).starts_with("f:1: "));
    }
}

TEST_CASE("PORT in a Procfile's .env is where its ports begin") {
    const TempFolder home;
    home.write(".env", "PORT=7000\n");
    AppSpec spec;
    spec.id = "x-web";
    spec.argv = {"web"};
    spec.descriptor = DescriptorKind::Procfile;
    spec.env_file = ".env";
    spec.env = {{"PORT", "5100"}};
    const LaunchContext context{"lab", home.path()};
    CHECK(has(plan_launch(context, {spec, home.path(), {}, 1})->environment, "PORT=7100"));
    home.write(".env", "A=1\n");
    CHECK(has(plan_launch(context, {spec, home.path(), {}, 1})->environment, "PORT=5100"));
}

TEST_CASE("a launch has the environment of its sources, in their order") {
    const TempFolder home;
    home.write("app.env", "FROM_FILE=1\nBOTH=file\n");
    AppSpec spec;
    spec.id = "web";
    spec.argv = {"web", "--port"};
    spec.cwd = "sub/../src";
    spec.env_file = "app.env";
    spec.env = {{"BOTH", "descriptor"}};
    spec.limits.nofile = 64;
    const LaunchContext context{"lab", home.path()};
    const LaunchRequest request{
        spec,
        home.path(),
        {"SHELL_SAYS=1", "BERTH_SECRET=x", "NOTIFY_SOCKET=/run/x", "no equals", "=x"},
        4};
    const auto start = plan_launch(context, request);
    REQUIRE(start);
    CHECK(start->run == keeperlink::RunName{"web", 4});
    CHECK(start->argv == spec.argv);
    CHECK(start->cwd == home / "src");
    CHECK(has(start->environment, "FROM_FILE=1"));
    CHECK(has(start->environment, "BOTH=descriptor"));
    CHECK(has(start->environment, "SHELL_SAYS=1"));
    CHECK(has(start->environment, "BERTH_APP=web"));
    CHECK(has(start->environment, "BERTH_AGENT=lab"));
    CHECK(has(start->environment, "PYTHONUNBUFFERED=1"));
    CHECK(names(start->environment, "PATH"));
    CHECK_FALSE(names(start->environment, "BERTH_SECRET"));
    CHECK_FALSE(names(start->environment, "NOTIFY_SOCKET"));
    CHECK_FALSE(names(start->environment, ""));
    CHECK_FALSE(names(start->environment, "TERM"));
    REQUIRE(start->limits.size() == 1);
    CHECK(start->limits[0].value == 64);
    CHECK_FALSE(std::filesystem::is_directory(home / "data/web"));  // a plan changes nothing
}

TEST_CASE("what a launch lacks is said before anything runs") {
    const TempFolder home;
    AppSpec spec;
    spec.id = "web";
    spec.argv = {"web"};
    const LaunchContext context{"lab", home.path()};
    spec.env_file = "missing.env";
    CHECK(plan_launch(context, {spec, home.path(), {}, 1}).error().message.find("env_file: ") == 0);
    spec.descriptor = DescriptorKind::Procfile;
    CHECK(plan_launch(context, {spec, home.path(), {}, 1}));
    spec.env_file.clear();
    spec.user = "no-such-user-here";
    CHECK(plan_launch(context, {spec, home.path(), {}, 1}).error().message ==
          "user \"no-such-user-here\" does not exist");
    spec.user.clear();
    spec.group = "no-such-group-here";
    CHECK(plan_launch(context, {spec, home.path(), {}, 1}).error().message ==
          "group \"no-such-group-here\" does not exist");
}

TEST_CASE("an app finds the relay, and a module app gets its host") {
    const TempFolder home;
    LaunchContext context{"lab", home.path()};
    context.python_path = "/sdk";
    context.ipc = [](const AppSpec& spec) {
        return LaunchContext::Variables{{"BERTH_IPC", "ipc://relay"}, {"BERTH_X", spec.id}};
    };
    AppSpec spec;
    spec.id = "web";
    spec.argv = {"web.py", "word"};
    spec.env = {{"PYTHONPATH", "/own"}};
    auto start = plan_launch(context, {spec, home.path(), {"PATH=/bin"}, 1});
    REQUIRE(start);
    CHECK(has(start->environment, "BERTH_IPC=ipc://relay"));
    CHECK(has(start->environment, "BERTH_X=web"));
    CHECK(has(start->environment, "PYTHONPATH=/own:/sdk"));
    CHECK(start->argv == std::vector<std::string>{"web.py", "word"});

    spec.module = true;
    spec.env.clear();
    start = plan_launch(context, {spec, home.path(), {"PATH=/bin"}, 1});
    REQUIRE(start);
    CHECK(has(start->environment, "PYTHONPATH=/sdk"));
    CHECK(start->argv ==
          std::vector<std::string>{"python3", "-u", "/sdk/berth_module_host.py", "web.py", "word"});

    std::string prepared;
    context.ipc_files = [&prepared](const AppSpec& of) -> berth::Result<std::vector<std::string>> {
        prepared = of.id;
        return berth::fail(berth::ErrorCode::Io, "no secret");
    };
    start = plan_launch(context, {spec, home.path(), {}, 1});
    REQUIRE(start);
    CHECK(prepared.empty());  // a plan changes nothing
    CHECK_FALSE(prepare_launch(context, spec, *start));
    CHECK(prepared == "web");
}

TEST_CASE("what asks for slurm is refused, and not run here instead") {
    TempFolder folder;
    const auto loop = loop::EventLoop::create().value();
    KeeperClient keeper(*loop, {}, {});
    LaunchContext context;
    context.agent = "lab";
    context.home = folder.path();
    NativeBackend native(*loop, keeper, context);
    AppSpec spec;
    spec.id = "job";
    spec.argv = {"/bin/true"};
    spec.backend = BackendType::Slurm;
    const std::vector<std::string> environment;
    for (const auto effort : {backend::Effort::Thorough, backend::Effort::Quick}) {
        const auto refusal = native.start({spec, folder.path(), environment, 1}, effort);
        REQUIRE(refusal);
        CHECK(refusal->problem == "this version has no slurm backend");
        CHECK(refusal->hopeless);
    }
}
