#include "shared/os/cgroup_limits.h"

#include <unistd.h>

#include <filesystem>
#include <string>
#include <vector>

#include <catch2/catch.hpp>

#include "shared/base/text.h"
#include "shared/os/file.h"
#include "tests/unit/temp_folder.h"

using namespace berth::os;  // NOLINT(google-build-using-namespace): tests read better
using berth::test::TempFolder;
using Words = std::vector<std::string>;

namespace {

const std::string kUs = std::to_string(::getpid());

// A cgroup v2 hierarchy of plain files: a delegated group "unit" with the home's group in it.
struct FakeTree {
    FakeTree() {
        for (const char* name : {"unit", "unit/berth-0123", "unit/berth-0123.keeper"}) {
            std::filesystem::create_directories(root / name);
            for (const char* file :
                 {"cgroup.procs", "cgroup.controllers", "cgroup.subtree_control", "cgroup.type"}) {
                root.write(std::string(name) + "/" + file, "");
            }
        }
        group = root / "unit/berth-0123";
    }

    [[nodiscard]] std::string read(const std::string& file) const {
        return std::string(berth::trim(read_file(root / file).value()));
    }

    TempFolder root;
    std::string group;
};

}  // namespace

TEST_CASE("controllers that are there already are passed on, and nothing else is touched") {
    const FakeTree tree;
    tree.root.write("unit/cgroup.procs", kUs + "\n1\n");
    tree.root.write("unit/cgroup.controllers", "cpuset cpu io memory pids\n");
    tree.root.write("unit/berth-0123/cgroup.controllers", "pids\n");
    CHECK(enable_controllers(tree.group) == Words{"pids"});
    CHECK(tree.read("unit/berth-0123/cgroup.subtree_control") == "+pids");
    CHECK(tree.read("unit/cgroup.subtree_control").empty());  // process 1 is not of Berth
    CHECK(tree.read("unit/berth-0123.keeper/cgroup.procs").empty());
    CHECK(tree.read("unit/cgroup.procs") == kUs + "\n1");
}

TEST_CASE("a group of ours alone is emptied and passes its controllers on") {
    const FakeTree tree;
    tree.root.write("unit/cgroup.procs", kUs + "\n");
    tree.root.write("unit/cgroup.controllers", "memory\n");
    CHECK(enable_controllers(tree.group).empty());  // the fake kernel does not pass them on
    CHECK(tree.read("unit/cgroup.subtree_control") == "+memory");
    CHECK(tree.read("unit/berth-0123.keeper/cgroup.procs") == kUs);
}

TEST_CASE("the root of the hierarchy is left alone") {
    const FakeTree tree;
    std::filesystem::remove(tree.root / "unit/cgroup.type");  // the root has none
    tree.root.write("unit/cgroup.controllers", "memory\n");
    CHECK(enable_controllers(tree.group).empty());
    CHECK(tree.read("unit/cgroup.subtree_control").empty());
}

TEST_CASE("no controllers, no limits") {
    const FakeTree tree;
    CHECK(enable_controllers(tree.group).empty());
    CHECK(enable_controllers(tree.root / "none").empty());
    CHECK(apply_limits(tree.root / "none", {1, 2, 3}, {}));
}

TEST_CASE("limits are written as the kernel reads them, and taken back") {
    const FakeTree tree;
    for (const char* file : {"memory.max", "memory.oom.group", "cpu.max", "pids.max"}) {
        tree.root.write(std::string("unit/berth-0123/") + file, "");
    }
    const Words all = {"memory", "cpu", "pids"};
    REQUIRE(apply_limits(tree.group, {512ULL << 20U, 150, 100}, all));
    CHECK(tree.read("unit/berth-0123/memory.max") == "536870912");
    CHECK(tree.read("unit/berth-0123/memory.oom.group") == "1");
    CHECK(tree.read("unit/berth-0123/cpu.max") == "150000 100000");
    CHECK(tree.read("unit/berth-0123/pids.max") == "100");
    for (const char* file : {"memory.max", "memory.oom.group", "cpu.max", "pids.max"}) {
        tree.root.write(std::string("unit/berth-0123/") + file, "");
    }
    REQUIRE(apply_limits(tree.group, {}, all));
    CHECK(tree.read("unit/berth-0123/memory.max") == "max");
    CHECK(tree.read("unit/berth-0123/cpu.max") == "max 100000");
    CHECK(tree.read("unit/berth-0123/pids.max") == "max");
    std::filesystem::remove(tree.group + "/pids.max");
    CHECK_FALSE(apply_limits(tree.group, {}, all));
}

TEST_CASE("kills by the kernel are read from the group's events") {
    const FakeTree tree;
    CHECK(oom_kills(tree.group) == 0);
    tree.root.write("unit/berth-0123/memory.events",
                    "low 0\nhigh 0\nmax 12\noom 3\noom_kill 2\noom_group_kill 1\n");
    CHECK(oom_kills(tree.group) == 2);
    tree.root.write("unit/berth-0123/memory.events", "oom 3\noom_kill 0\n");
    CHECK(oom_kills(tree.group) == 0);
}

TEST_CASE("the next keeper finds the group that its leaf was made in") {
    CHECK(without_leaf("/user/unit/berth-0123.keeper") == "/user/unit");
    CHECK(without_leaf("/berth-0123.keeper") == "/");
    CHECK(without_leaf("/user/my.keeper") == "/user/my.keeper");
    CHECK(without_leaf("/user/berth-0123") == "/user/berth-0123");
    CHECK(without_leaf("/") == "/");
}
