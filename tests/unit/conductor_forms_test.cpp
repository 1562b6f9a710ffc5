#include <filesystem>

#include <catch2/catch.hpp>

#include "tests/unit/apps_world.h"

// Stories of apps whose descriptor declares them in another form than before: one plain "web", or
// so many instances of it. There is one form at a time, and nothing runs twice.

using namespace berth;        // NOLINT(google-build-using-namespace): tests read better
using namespace berth::test;  // NOLINT(google-build-using-namespace)
using backend::RunName;
using Catch::Matchers::Contains;
using std::chrono::seconds;

namespace {

using Texts = std::vector<std::string>;

// Writes another descriptor over that of `id`, from which nothing is read yet.
void rewrite(World& world, const std::string& id, const std::string& rest = "") {
    world.home.write(id + ".toml",
                     "[app]\nid = \"" + id + "\"\ncommand = \"/bin/" + id + "\"\n" + rest);
}

Texts ids(const World& world) {
    return world.apps->table().ids();
}

}  // namespace

TEST_CASE("a plain app that is loaded with instances gives way to them, and they start after it") {
    World world;
    world.load("web");
    world.run("web");
    world.backend.starts.clear();
    CHECK(world.load("web", "instances = 2\n").empty());
    CHECK(world.state("web") == AppState::Stopping);
    CHECK(world.backend.starts.empty());  // not before it has gone
    world.end("web");
    CHECK(ids(world) == Texts{"web.1", "web.2"});
    CHECK(world.backend.starts == std::vector<RunName>{{"web.1", 1}, {"web.2", 1}});
}

TEST_CASE("instances that are read again as a plain app give way to it") {
    World world;
    world.load("web", "instances = 2\n");
    world.run("web.1");
    world.run("web.2");
    world.backend.starts.clear();
    rewrite(world, "web");
    world.look_at_descriptor("web.1");
    CHECK_THAT(world.status("web.1").descriptor_note,
               Contains("declares web in its place and is not read yet: berth reload web.1"));
    CHECK(world.reload("web.1").value() == "replaced by web");
    CHECK(world.reload("web.2").value() == "replaced by web");
    CHECK(world.backend.starts.empty());
    world.end("web.1");
    CHECK(world.backend.starts.empty());
    world.end("web.2");
    CHECK(ids(world) == Texts{"web"});
    CHECK(world.backend.starts == std::vector<RunName>{{"web", 1}});
    CHECK(world.store->apps().load()->size() == 1);
}

TEST_CASE("a form that is down is forgotten at once, and what replaces it is not started") {
    World world;
    world.load("web");
    CHECK(world.load("web", "instances = 2\n").empty());
    CHECK(ids(world) == Texts{"web.1", "web.2"});
    CHECK(world.backend.starts.empty());
    rewrite(world, "web");
    CHECK(world.reload("web.1").value() == "replaced by web");
    CHECK(ids(world) == Texts{"web"});
    CHECK(world.reload("web").value() == "nothing has changed");
}

TEST_CASE("a plain app is there again when its descriptor was changed back while it stopped") {
    World world;
    world.load("web");
    world.run("web");
    world.load("web", "instances = 2\n");
    CHECK(world.state("web") == AppState::Stopping);
    CHECK(world.load("web").empty());
    world.end("web");
    world.turn();
    CHECK(ids(world) == Texts{"web"});
    CHECK(world.backend.starts.back() == RunName{"web", 2});
}

TEST_CASE("more instances in the descriptor start beside the others, and fewer end") {
    World world;
    world.load("web", "instances = 2\n");
    world.run("web.1");
    world.run("web.2");
    rewrite(world, "web", "instances = 3\n");
    CHECK_THAT(world.reload("web.1").value(), Contains("new: web.3"));
    CHECK(world.backend.starts.back() == RunName{"web.3", 1});
    world.exec("web.3");
    rewrite(world, "web", "instances = 1\n");
    CHECK_THAT(world.reload("web.1").value(), Contains("stopped and forgotten: web.2, web.3"));
    world.end("web.2");
    world.end("web.3");
    CHECK(ids(world) == Texts{"web.1"});
    CHECK(world.state("web.1") == AppState::Running);
}

TEST_CASE("the agent after one that was killed goes on with the change of a form") {
    World world;
    world.load("web");
    world.run("web");
    world.backend.starts.clear();
    world.load("web", "instances = 2\n");
    world.restart_agent();
    CHECK(world.state("web") == AppState::Stopping);
    world.end("web");
    CHECK(ids(world) == Texts{"web.1", "web.2"});
    CHECK(world.backend.starts == std::vector<RunName>{{"web.1", 1}, {"web.2", 1}});
}

TEST_CASE("an instance that was scaled away is forgotten also by the agent after this one") {
    World world;
    world.load("web", "instances = 2\n");
    world.run("web.1");
    world.run("web.2");
    REQUIRE(world.apps->catalog().scale("web", 1, {"ann"}));
    world.turn();
    world.restart_agent();
    CHECK(world.state("web.2") == AppState::Stopping);
    world.end("web.2");
    CHECK(ids(world) == Texts{"web.1"});
}

TEST_CASE("a scan leaves an app in repos/ in its form until it is read again") {
    World world;
    std::filesystem::create_directories(world.home / "repos/web");
    const std::string plain = "[app]\nid = \"web\"\ncommand = \"/bin/web\"\n";
    world.home.write("repos/web/berth.toml", plain);
    world.scan();
    REQUIRE(ids(world) == Texts{"web"});
    world.run("web");
    world.home.write("repos/web/berth.toml", plain + "instances = 2\n");
    CHECK(world.scan().found.empty());
    CHECK(ids(world) == Texts{"web"});
    world.restart_agent();
    CHECK(ids(world) == Texts{"web"});
    CHECK(world.state("web") == AppState::Running);
    CHECK(world.reload("web").value() == "replaced by web.1, web.2");
    world.end("web");
    CHECK(ids(world) == Texts{"web.1", "web.2"});
}

TEST_CASE("another file cannot add a form of an app that is registered already") {
    World world;
    world.load("web");
    world.home.write("other.toml", "[app]\nid = \"web\"\ncommand = \"/bin/web\"\ninstances = 2\n");
    apps::LoadRequest request;
    request.paths = {world.home / "other.toml"};
    request.cwd = world.home.path();
    const auto loaded = world.load(request);
    REQUIRE(loaded.problems.size() == 2);
    CHECK_THAT(loaded.problems[0], Contains("\"web\" is already registered, from"));
    CHECK(ids(world) == Texts{"web"});
    request.paths = {world.home / "web.toml", world.home / "other.toml"};
    CHECK_THAT(world.load(request).problems.at(0), Contains("id \"web\" is also that of"));
}
