#include <fcntl.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <fstream>

#include <catch2/catch.hpp>

#include "agent/keeper/records.h"
#include "agent/keeper/spawn.h"
#include "shared/os/fd.h"
#include "shared/os/process.h"
#include "tests/os/keeper_bed.h"

using namespace berth::keeperlink;  // NOLINT(google-build-using-namespace): tests read better
using berth::keeper::Record;
using berth::keeper::Records;
using berth::test::helper;
using berth::test::is_gone;
using berth::test::KeeperBed;
using berth::test::TempFolder;

namespace {

std::vector<KeeperBed::Trees> ways() {
    return {KeeperBed::Trees::Cgroup, KeeperBed::Trees::Walk};
}

// A process that is nobody's app, in a session of its own.
class Stranger {
public:
    Stranger() {
        berth::os::HelperSpec spec;
        spec.argv = {helper(), "wait"};
        spec.new_session = true;
        pid = berth::os::start_helper(spec).value();
    }

    ~Stranger() {
        (void)::kill(pid, SIGKILL);
        (void)::waitpid(pid, nullptr, 0);
    }

    Stranger(const Stranger&) = delete;
    Stranger& operator=(const Stranger&) = delete;

    [[nodiscard]] bool alive() const { return !is_gone(pid); }

    pid_t pid = 0;
};

void forge(const std::string& file, pid_t pid, std::uint64_t start_ticks) {
    auto records = Records::open(file, std::string(32, 'a'));
    REQUIRE(records);
    Record* const record = records->take({"x", 1});
    REQUIRE(record != nullptr);
    record->pid = pid;
    record->start_ticks = start_ticks;
    record->phase = static_cast<std::uint8_t>(RunPhase::Running);
    record->log_max_size = 1U << 20U;
}

}  // namespace

TEST_CASE("the next keeper takes over what the killed one left") {
    for (const auto way : ways()) {
        KeeperBed bed(way);
        bed.send(bed.app("x", {"echo", bed.home / "echoed"}));
        const auto started = bed.expect<Started>("x");
        bed.send(Input{{"x", 1}, 1, "before\n"});
        bed.until_logged("x", "before");
        bed.kill_keeper();
        CHECK_FALSE(is_gone(started.pid));
        {
            const berth::os::UniqueFd in(
                ::open((bed.home / "run/io/x.in").c_str(), O_WRONLY | O_NONBLOCK | O_CLOEXEC));
            REQUIRE(berth::os::write_some(in.get(), "while away\n").bytes == 11);
        }
        CHECK(bed.journal("echoed", 2).back() == "while away");
        bed.start_keeper();
        const auto fact = bed.expect<RunFact>("x");
        CHECK(fact.phase == RunPhase::Running);
        CHECK(fact.pid == started.pid);
        CHECK(fact.started_ns == started.wall_ns);
        bed.send(bed.app("x", {"echo"}));  // said again: not started again
        CHECK(bed.expect<RunFact>("x").pid == started.pid);
        bed.send(Input{{"x", 1}, 1, "after\n"});
        bed.until_logged("x", "after");
        CHECK(bed.log("x") == std::vector<std::string>{"before", "while away", "after"});
        bed.send(Input{{"x", 1}, 1, "exit\n"});
        const auto exited = bed.expect<Exited>("x");
        CHECK_FALSE(exited.status_known);  // honest: its parent was killed
        CHECK(exited.tree_gone);
        CHECK(bed.log("x").back() == "exit");
    }
}

TEST_CASE("a tree that was taken over is ended as a whole") {
    for (const auto way : ways()) {
        KeeperBed bed(way);
        bed.send(bed.app("x", {"stubborn-tree", bed.home / "members"}));
        const auto members = bed.members("members", 5);
        bed.kill_keeper();
        bed.start_keeper();
        (void)bed.expect<RunFact>("x");
        bed.send(Signal{{"x", 1}, SIGTERM, SignalScope::Tree});
        CHECK_FALSE(bed.expect<Exited>("x").tree_gone);
        CHECK_FALSE(is_gone(members.at("daemon")));
        bed.send(Signal{{"x", 1}, SIGKILL, SignalScope::Tree});
        (void)bed.expect<TreeGone>("x");
        for (const auto& [name, pid] : members) {
            INFO(name);
            CHECK(is_gone(pid));
        }
    }
}

TEST_CASE("an end while no keeper was there is unknown, a known one stays known") {
    KeeperBed bed(KeeperBed::Trees::Walk);
    bed.send(bed.app("known", {"exit", "5"}));
    bed.send(bed.app("lost", {"wait"}));
    const auto lost = bed.expect<Started>("lost");
    (void)bed.expect<Exited>("known");
    bed.kill_keeper();
    REQUIRE(::kill(lost.pid, SIGKILL) == 0);
    bed.until("its end", [&lost] { return is_gone(lost.pid); });
    bed.start_keeper();
    const auto known = bed.expect<RunFact>("known");
    CHECK(known.phase == RunPhase::Exited);
    CHECK(known.status_known);
    CHECK(WEXITSTATUS(known.wait_status) == 5);
    const auto unknown = bed.expect<RunFact>("lost");
    CHECK(unknown.phase == RunPhase::Exited);
    CHECK_FALSE(unknown.status_known);
    CHECK(unknown.tree_gone);
}

TEST_CASE("a child whose keeper dies at the gate never becomes an app") {
    const TempFolder folder;
    Start start;
    start.run = {"x", 1};
    start.argv = {helper(), "journal-exit", folder / "starts"};
    start.cwd = folder.path();

    const struct rlimit nofile {};

    auto spawned = berth::keeper::spawn_at_gate(start, {}, {"BERTH_RUN=x"}, {nofile});
    REQUIRE(spawned);
    spawned->gate.reset();  // what the kernel does when the keeper is killed
    int status = 0;
    REQUIRE(::waitpid(spawned->pid, &status, 0) == spawned->pid);
    CHECK(WEXITSTATUS(status) == 127);
    CHECK_FALSE(std::filesystem::exists(folder / "starts"));
}

TEST_CASE("a keeper killed at any moment of a start leaves a recorded run or none") {
    KeeperBed bed(KeeperBed::Trees::Walk);
    for (int round = 0; round < 30; ++round) {
        const std::string id = "r" + std::to_string(round);
        const Start start = bed.app(id, {"journal", bed.home / id});
        bed.send(start);
        for (int spin = 0; spin < round * 40'000; ++spin) {
            asm volatile("");  // a growing moment, without any promise of its length
        }
        bed.kill_keeper();
        bed.start_keeper();
        const bool known = bed.has<RunFact>(id);
        const auto fact = known ? bed.expect<RunFact>(id) : RunFact();
        bed.send(start);  // as the agent does
        if (!known || fact.phase == RunPhase::Running) {
            const auto starts = bed.journal(id, 1);
            CHECK(starts.size() == 1);
            if (known) {
                CHECK(starts.front() == std::to_string(fact.pid));
            }
        } else {
            CHECK(fact.phase == RunPhase::Exited);
            CHECK_FALSE(fact.status_known);
            CHECK(bed.journal_now(id).size() <= 1);
            const auto starts = bed.journal_now(id);
            CHECK((starts.empty() || is_gone(std::stoi(starts.front()))));
        }
        bed.send(Signal{{id, 1}, SIGKILL, SignalScope::Tree});
    }
}

TEST_CASE("a stranger that has the pid of a record is never signalled") {
    const Stranger stranger;
    KeeperBed bed(KeeperBed::Trees::Walk);
    bed.kill_keeper();
    const auto stat = berth::os::read_stat(stranger.pid);
    REQUIRE(stat);
    forge(bed.home / "run/keeper.records", stranger.pid, stat->start_ticks + 1);
    bed.start_keeper();
    const auto fact = bed.expect<RunFact>("x");
    CHECK(fact.phase == RunPhase::Exited);
    CHECK_FALSE(fact.status_known);
    CHECK(fact.tree_gone);  // its session was taken for the app's
    for (const SignalScope scope : {SignalScope::Leader, SignalScope::Group, SignalScope::Tree}) {
        bed.send(Signal{{"x", 1}, SIGKILL, scope});
    }
    (void)bed.ask("x");
    CHECK(stranger.alive());
}

TEST_CASE("a record without a process claims nobody") {
    // Written before the fork. Kernel threads, and what comes from outside a container, are in a
    // session that looks like number 0.
    KeeperBed bed(KeeperBed::Trees::Walk);
    bed.kill_keeper();
    forge(bed.home / "run/keeper.records", 0, 0);
    bed.start_keeper();
    const auto fact = bed.expect<RunFact>("x");
    CHECK(fact.phase == RunPhase::Exited);
    CHECK_FALSE(fact.status_known);
    CHECK(fact.tree_gone);
}

TEST_CASE("records of another boot are ended runs, whatever lives now") {
    const Stranger stranger;
    KeeperBed bed(KeeperBed::Trees::Walk);
    bed.kill_keeper();
    const auto stat = berth::os::read_stat(stranger.pid);
    REQUIRE(stat);
    const std::string file = bed.home / "run/keeper.records";
    forge(file, stranger.pid, stat->start_ticks);
    {
        std::fstream bytes(file, std::ios::in | std::ios::out | std::ios::binary);
        bytes.seekp(16);
        bytes << "00000000-0000-0000-0000-000000000000";
    }
    bed.start_keeper();
    const auto fact = bed.expect<RunFact>("x");
    CHECK(fact.phase == RunPhase::Exited);
    CHECK_FALSE(fact.status_known);
    CHECK(fact.tree_gone);
    bed.send(Signal{{"x", 1}, SIGKILL, SignalScope::Tree});
    (void)bed.ask("x");
    CHECK(stranger.alive());
}

TEST_CASE("a record file of another version is refused") {
    const TempFolder folder;
    const std::string file = folder / "keeper.records";
    { REQUIRE(Records::open(file, std::string(32, 'a'))); }
    {
        std::fstream bytes(file, std::ios::in | std::ios::out | std::ios::binary);
        bytes.seekp(8);
        bytes << '\x63';
    }
    CHECK_FALSE(Records::open(file, std::string(32, 'a')));
}

TEST_CASE("when its agent has gone the keeper starts the next one, and again") {
    KeeperBed bed(KeeperBed::Trees::Walk);
    bed.send(bed.app("x", {"wait"}));
    const auto started = bed.expect<Started>("x");
    bed.hang_up();
    const auto first = bed.journal("agents", 1).front();
    CHECK(first.find("--keeper-fd 3") != std::string::npos);
    CHECK(first.find("--shutdown") == std::string::npos);
    REQUIRE(::kill(std::stoi(first), SIGKILL) == 0);
    const auto second = bed.journal("agents", 2).back();
    CHECK(std::stoi(second) != std::stoi(first));
    CHECK_FALSE(is_gone(started.pid));
}

TEST_CASE("one keeper a home") {
    KeeperBed bed(KeeperBed::Trees::Walk);
    berth::os::HelperSpec spec;
    spec.argv = {
        berth::os::read_stat(bed.keeper) ? "/proc/" + std::to_string(bed.keeper) + "/exe" : "",
        "--home",
        bed.home.path()};
    spec.output = bed.home / "second.log";
    const pid_t second = berth::os::start_helper(spec).value();
    int status = 0;
    REQUIRE(::waitpid(second, &status, 0) == second);
    CHECK(WEXITSTATUS(status) == 1);
    bed.send(bed.app("x", {"exit", "0"}));  // the first one is as it was
    (void)bed.expect<Exited>("x");
}

TEST_CASE("an end that nobody has stored outlives the next start, and a keeper's death") {
    for (const auto way : ways()) {
        KeeperBed bed(way);
        bed.send(bed.app("x", {"exit", "3"}));
        (void)bed.expect<Exited>("x");
        bed.send(bed.app("x", {"exit", "4"}, 2));  // the agent has not said Forget
        (void)bed.expect<Exited>("x", 2);
        bed.send(bed.app("x", {"wait"}, 3));  // of two that are not stored, the latest is kept
        (void)bed.expect<Started>("x", 3);
        for (int round = 0; round < 2; ++round) {
            bed.kill_keeper();
            bed.heard.clear();
            bed.start_keeper();
            const auto end = bed.expect<RunFact>("x", 2);
            CHECK(end.phase == RunPhase::Exited);
            CHECK((end.status_known && WEXITSTATUS(end.wait_status) == 4));
            CHECK(bed.expect<RunFact>("x", 3).phase == RunPhase::Running);
            CHECK_FALSE(bed.has<RunFact>("x"));
        }
        bed.send(Forget{{"x", 2}});
        CHECK(bed.ask("x", 3).phase == RunPhase::Running);
        bed.kill_keeper();
        bed.heard.clear();
        bed.start_keeper();
        (void)bed.expect<RunFact>("x", 3);
        CHECK_FALSE(bed.has<RunFact>("x"));
        bed.send(Signal{{"x", 3}, SIGKILL, SignalScope::Tree});
        (void)bed.expect<Exited>("x", 3);
    }
}
