#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <fstream>

#include <catch2/catch.hpp>

#include "tests/os/keeper_bed.h"

using namespace berth::keeperlink;  // NOLINT(google-build-using-namespace): tests read better
using berth::test::is_gone;
using berth::test::KeeperBed;

namespace {

// Where no cgroup can be made, the keeper says so and walks.
std::vector<KeeperBed::Trees> ways() {
    return {KeeperBed::Trees::Cgroup, KeeperBed::Trees::Walk};
}

void check_way(const KeeperBed& bed, KeeperBed::Trees way) {
    if (way == KeeperBed::Trees::Walk) {
        CHECK(bed.cgroup.empty());
    } else if (bed.cgroup.empty()) {
        WARN("no cgroup can be made here, so trees are walked");
    }
}

std::size_t count_gone(const std::map<std::string, pid_t>& members) {
    std::size_t gone = 0;
    for (const auto& [name, pid] : members) {
        gone += is_gone(pid) ? 1 : 0;
    }
    return gone;
}

}  // namespace

TEST_CASE("a polite stop ends child, session, daemon and the stopped one") {
    for (const auto way : ways()) {
        KeeperBed bed(way);
        check_way(bed, way);
        bed.send(bed.app("x", {"tree", bed.home / "members"}));
        const auto members = bed.members("members", 5);
        bed.send(Signal{{"x", 1}, SIGTERM, SignalScope::Tree});
        const auto exited = bed.expect<Exited>("x");
        CHECK(WTERMSIG(exited.wait_status) == SIGTERM);
        if (!exited.tree_gone) {
            (void)bed.expect<TreeGone>("x");
        }
        CHECK(count_gone(members) == 5);
        CHECK_FALSE(bed.has<TreeGone>("x"));
        CHECK(bed.ask("x").tree_gone);
    }
}

TEST_CASE("those who ignore the stop keep the tree alive until they are killed") {
    for (const auto way : ways()) {
        KeeperBed bed(way);
        bed.send(bed.app("x", {"stubborn-tree", bed.home / "members"}));
        const auto members = bed.members("members", 5);
        bed.send(Signal{{"x", 1}, SIGTERM, SignalScope::Tree});
        const auto exited = bed.expect<Exited>("x");
        CHECK_FALSE(exited.tree_gone);
        bed.until("the end of the polite ones", [&] { return count_gone(members) == 3; });
        CHECK_FALSE(bed.ask("x").tree_gone);
        CHECK_FALSE(bed.has<TreeGone>("x"));
        CHECK_FALSE(is_gone(members.at("child")));
        CHECK_FALSE(is_gone(members.at("daemon")));
        bed.send(Signal{{"x", 1}, SIGKILL, SignalScope::Tree});
        (void)bed.expect<TreeGone>("x");
        CHECK(count_gone(members) == 5);
    }
}

TEST_CASE("a kill ends everything at once") {
    for (const auto way : ways()) {
        KeeperBed bed(way);
        bed.send(bed.app("x", {"stubborn-tree", bed.home / "members"}));
        const auto members = bed.members("members", 5);
        bed.send(Signal{{"x", 1}, SIGKILL, SignalScope::Tree});
        if (!bed.expect<Exited>("x").tree_gone) {
            (void)bed.expect<TreeGone>("x");
        }
        CHECK(count_gone(members) == 5);
    }
}

TEST_CASE("a leader that leaves somebody behind has not ended as a tree") {
    for (const auto way : ways()) {
        KeeperBed bed(way);
        bed.send(bed.app("x", {"leave-child", bed.home / "members"}));
        const auto exited = bed.expect<Exited>("x");
        CHECK(WEXITSTATUS(exited.wait_status) == 7);
        CHECK_FALSE(exited.tree_gone);
        const auto members = bed.members("members", 1);
        bed.send(Forget{{"x", 1}});  // takes effect when it is gone
        CHECK_FALSE(bed.ask("x").tree_gone);
        CHECK_FALSE(is_gone(members.at("child")));
        REQUIRE(::kill(members.at("child"), SIGTERM) == 0);
        (void)bed.expect<TreeGone>("x");
        CHECK(is_gone(members.at("child")));
        bed.send(bed.app("x", {"exit", "4"}));  // forgotten: the generation is free again
        CHECK(WEXITSTATUS(bed.expect<Exited>("x").wait_status) == 4);
    }
}

TEST_CASE("two trees do not touch each other") {
    for (const auto way : ways()) {
        KeeperBed bed(way);
        bed.send(bed.app("a", {"stubborn-tree", bed.home / "a"}));
        bed.send(bed.app("b", {"stubborn-tree", bed.home / "b"}));
        const auto a = bed.members("a", 5);
        const auto b = bed.members("b", 5);
        bed.send(Signal{{"a", 1}, SIGKILL, SignalScope::Tree});
        if (!bed.expect<Exited>("a").tree_gone) {
            (void)bed.expect<TreeGone>("a");
        }
        CHECK(count_gone(a) == 5);
        CHECK(count_gone(b) == 0);
    }
}

TEST_CASE("what an app has put into a group of its own belongs to its tree") {
    // As a Berth that runs as an app of another one does.
    KeeperBed bed(KeeperBed::Trees::Cgroup);
    if (bed.cgroup.empty()) {
        WARN("skipped: no cgroup can be made here");
        return;
    }
    bed.send(bed.app("x", {"stubborn-tree", bed.home / "members"}));
    const auto members = bed.members("members", 5);
    const std::string inner = bed.cgroup + "/x/inner";
    REQUIRE(std::filesystem::create_directory(inner));
    std::ofstream(inner + "/cgroup.procs") << members.at("daemon") << std::flush;
    for (const auto& [name, pid] : members) {
        if (name != "daemon") {
            REQUIRE(::kill(pid, SIGKILL) == 0);
        }
    }
    CHECK_FALSE(bed.expect<Exited>("x").tree_gone);
    bed.until("the end of the others", [&] { return count_gone(members) == 4; });
    CHECK_FALSE(bed.ask("x").tree_gone);
    CHECK_FALSE(is_gone(members.at("daemon")));
    bed.send(Signal{{"x", 1}, SIGKILL, SignalScope::Tree});
    (void)bed.expect<TreeGone>("x");
    CHECK(count_gone(members) == 5);
}

TEST_CASE("the keeper ends when it was told to and nothing is left") {
    KeeperBed bed(KeeperBed::Trees::Cgroup);
    bed.send(bed.app("x", {"stubborn-tree", bed.home / "members"}));
    (void)bed.expect<Started>("x");
    (void)bed.members("members", 5);
    bed.send(Leave{true});
    CHECK(bed.ask("x").phase == RunPhase::Running);
    bed.send(Signal{{"x", 1}, SIGKILL, SignalScope::Tree});
    bed.until("the end of the keeper", [&bed] { return is_gone(bed.keeper); });
}
