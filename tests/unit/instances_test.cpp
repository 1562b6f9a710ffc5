#include "shared/config/instances.h"

#include <catch2/catch.hpp>

#include "shared/config/descriptor.h"

using namespace berth;  // NOLINT(google-build-using-namespace): tests read better

namespace {

constexpr const char* kWeb = R"([app]
id = "web"
name = "Web {instance}"
comment = "number {instance} of the servers"
command = "server --port 800{instance} --name 'w {instance}/{instance}'"
env = { PORT = "800{instance}" }
instances = 3
[ready]
tcp = ":800{instance}"
[health]
http = "http://127.0.0.1:800{instance}/health"
watchdog = "5s"
[restart]
success_codes = [0, "SIGTERM"]
[schedule]
timezone = "Europe/Berlin"
)";

std::vector<AppSpec> parsed(const std::string& text) {
    const auto descriptor = config::parse_descriptor("berth.toml", text);
    for (const std::string& problem : descriptor.problems) {
        UNSCOPED_INFO(problem);
    }
    REQUIRE(descriptor.problems.empty());
    return descriptor.apps;
}

}  // namespace

TEST_CASE("instances get a number in their id and wherever {instance} stands") {
    const auto nobody = [](const std::string& /*id*/) { return 0U; };
    const auto apps = config::expand_instances(parsed(kWeb), nobody);
    REQUIRE(apps.size() == 3);
    const AppSpec& second = apps[1];
    CHECK(second.id == "web.2");
    CHECK(second.instance == 2);
    CHECK(second.name == "Web 2");
    CHECK(second.comment == "number 2 of the servers");
    CHECK(second.instance_of == "web");
    CHECK(second.argv == std::vector<std::string>{"server", "--port", "8002", "--name", "w 2/2"});
    CHECK(second.command == "server --port 8002 --name 'w 2/2'");
    CHECK(second.env.at("PORT") == "8002");
    CHECK(second.ready.tcp == ":8002");
    CHECK(second.health.http == "http://127.0.0.1:8002/health");
    CHECK(second.health.watchdog == std::chrono::seconds(5));
    CHECK(second.restart.success_codes == std::vector<int>{0, -15});
    CHECK(second.schedule.timezone == "Europe/Berlin");
}

TEST_CASE("who has scaled an app decides, and an app without instances stays one") {
    const auto five = [](const std::string& id) { return id == "web" ? 5U : 9U; };
    CHECK(config::expand_instances(parsed(kWeb), five).size() == 5);
    const auto plain =
        config::expand_instances(parsed("[app]\nid = \"db\"\ncommand = \"x {instance}\"\n"), five);
    REQUIRE(plain.size() == 1);
    CHECK(plain[0].id == "db");
    CHECK(plain[0].instance == 0);
    CHECK(plain[0].argv.back() == "{instance}");  // means nothing where there are no instances
}
