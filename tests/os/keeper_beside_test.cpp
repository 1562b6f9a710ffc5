#include <signal.h>
#include <sys/wait.h>

#include <catch2/catch.hpp>

#include "agent/keeper/notify_socket.h"
#include "tests/os/keeper_bed.h"

// What runs before and beside an app: hooks, checks, notifications.

using namespace berth::keeperlink;  // NOLINT(google-build-using-namespace): tests read better
using berth::test::is_gone;
using berth::test::KeeperBed;

namespace {

Start shell(const KeeperBed& bed, const std::string& id, const std::string& line) {
    Start start = bed.app(id, {});
    start.argv = {"/bin/sh", "-c", line};
    return start;
}

Exec beside(const KeeperBed& bed, std::uint64_t token, const std::string& line) {
    Exec exec;
    exec.token = token;
    exec.start = shell(bed, "app", line);
    exec.timeout_ms = 20'000;
    return exec;
}

ExecDone answer(KeeperBed& bed, std::uint64_t token) {
    ExecDone done;
    bed.until("the answer to " + std::to_string(token), [&] {
        for (const Message& message : bed.heard) {
            const auto* const candidate = std::get_if<ExecDone>(&message);
            if (candidate != nullptr && candidate->token == token) {
                done = *candidate;
                return true;
            }
        }
        return false;
    });
    return done;
}

constexpr const char* kSay =
    "import os, socket, sys\n"
    "s = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)\n"
    "name = os.environ['NOTIFY_SOCKET']\n"
    "assert name[0] == '@'\n"
    "s.connect('\\0' + name[1:])\n"
    "s.send(sys.argv[1].encode())\n"
    "taken, ours = os.pipe()\n"  // as sd_notify_barrier(3): who has gone cannot be recognised
    "socket.send_fds(s, [b'BARRIER=1'], [ours])\n"
    "os.close(ours)\n"
    "os.read(taken, 1)\n";

}  // namespace

TEST_CASE("a pre_start hook runs first, as the app, and its failure is a failed start") {
    KeeperBed bed(KeeperBed::Trees::Walk);
    Start good = shell(bed, "good", "echo second; echo $HOOK");
    good.environment.push_back("HOOK=seen");
    good.pre_start = "echo first $HOOK";
    bed.send(good);
    CHECK(bed.expect<Exited>("good").wait_status == 0);
    CHECK(bed.log("good") == std::vector<std::string>{"first seen", "second", "seen"});

    Start bad = shell(bed, "bad", "echo never");
    bad.pre_start = "echo why >&2; exit 7";
    bed.send(bad);
    const auto failed = bed.expect<StartFailed>("bad");
    CHECK(failed.stage == StartStage::PreStart);
    CHECK(WIFEXITED(failed.os_errno));
    CHECK(WEXITSTATUS(failed.os_errno) == 7);
    CHECK(bed.log("bad") == std::vector<std::string>{"why"});
    CHECK_FALSE(bed.has<Started>("bad"));
}

TEST_CASE("a run that is stopped within its pre_start hook leaves nothing") {
    KeeperBed bed(KeeperBed::Trees::Walk);
    Start start = shell(bed, "app", "echo never");
    start.pre_start = "echo $$; sleep 1000";
    bed.send(start);
    pid_t hook = 0;
    bed.until("the hook's pid", [&] {
        const auto lines = bed.log("app");
        hook = lines.empty() ? 0 : std::stoi(lines.front());
        return hook != 0;
    });
    bed.send(Signal{{"app", 1}, SIGTERM, SignalScope::Tree});
    const auto exited = bed.expect<Exited>("app");
    if (!exited.tree_gone) {
        (void)bed.expect<TreeGone>("app");
    }
    CHECK(is_gone(hook));
    CHECK(bed.log("app").size() == 1);
}

TEST_CASE("a command beside a run gives its exit and the last of its output") {
    KeeperBed bed(KeeperBed::Trees::Walk);
    bed.send(shell(bed, "app", "echo up; sleep 1000"));
    bed.until_logged("app", "up");
    bed.send(beside(bed, 1, "echo out; echo err >&2; exit 3"));
    const ExecDone done = answer(bed, 1);
    CHECK(done.end == ExecEnd::Ended);
    CHECK(WEXITSTATUS(done.wait_status) == 3);
    CHECK(done.output == "out\nerr\n");

    bed.send(beside(bed, 2, "head -c 20000 /dev/zero | tr '\\0' x; echo; echo last"));
    const ExecDone much = answer(bed, 2);
    CHECK(much.output.size() == 4096);
    CHECK(much.output.substr(much.output.size() - 6) == "\nlast\n");

    Exec slow = beside(bed, 3, "echo begun; sleep 1000");
    slow.timeout_ms = 100;
    bed.send(slow);
    const ExecDone late = answer(bed, 3);
    CHECK(late.end == ExecEnd::TimedOut);
    CHECK(late.output == "begun\n");

    Exec lost = beside(bed, 4, "true");
    lost.start.cwd = "/no/such/folder";
    bed.send(lost);
    CHECK(answer(bed, 4).end == ExecEnd::NotStarted);

    Exec strange = beside(bed, 5, "true");
    strange.start.run.id = "nobody";
    bed.send(strange);
    CHECK(answer(bed, 5).end == ExecEnd::NoRun);
    CHECK(bed.log("app") == std::vector<std::string>{"up"});
}

TEST_CASE("the end of a run takes the commands beside it along") {
    for (const auto trees : {KeeperBed::Trees::Walk, KeeperBed::Trees::Cgroup}) {
        KeeperBed bed(trees);
        bed.send(shell(bed, "app", "echo up; exec sleep 1000"));
        bed.until_logged("app", "up");
        bed.send(beside(bed, 1, "trap '' TERM; echo $$ > beside.pid; sleep 1000"));
        pid_t pid = 0;
        bed.until("the command's pid", [&] {
            const auto lines = bed.journal_now("beside.pid");
            pid = lines.empty() ? 0 : std::stoi(lines.front());
            return pid != 0;
        });
        bed.send(Signal{{"app", 1}, SIGKILL, SignalScope::Tree});
        if (!bed.expect<Exited>("app").tree_gone) {
            (void)bed.expect<TreeGone>("app");
        }
        CHECK(is_gone(pid));
    }
}

TEST_CASE("a command beside a run dies with the keeper, the run does not") {
    KeeperBed bed(KeeperBed::Trees::Walk);
    bed.send(shell(bed, "app", "echo up; exec sleep 1000"));
    bed.until_logged("app", "up");
    bed.send(beside(bed, 1, "echo $$ > beside.pid; exec sleep 1000"));
    pid_t pid = 0;
    bed.until("the command's pid", [&] {
        const auto lines = bed.journal_now("beside.pid");
        pid = lines.empty() ? 0 : std::stoi(lines.front());
        return pid != 0;
    });
    bed.kill_keeper();
    bed.until("the end of the command", [&] { return is_gone(pid); });
    bed.start_keeper();
    CHECK(bed.ask("app").phase == RunPhase::Running);
    bed.send(Signal{{"app", 1}, SIGKILL, SignalScope::Tree});
    (void)bed.expect<Exited>("app");
}

TEST_CASE("an app's notifications come, also over a keeper's death, a stranger's do not") {
    KeeperBed bed(KeeperBed::Trees::Walk);
    const std::string say = bed.home / "say.py";
    bed.home.write("say.py", kSay);
    Start start = shell(bed,
                        "app",
                        "echo $NOTIFY_SOCKET; python3 " + say +
                            " 'READY=1\nSTATUS=serving\nEXTEND_TIMEOUT_USEC=5\nNONSENSE'; "
                            "read again; python3 " +
                            say + " WATCHDOG=1; exec sleep 1000");
    start.notify = true;
    bed.send(start);
    const auto said = bed.expect<Notified>("app");
    CHECK(said.ready);
    CHECK_FALSE(said.watchdog);
    CHECK(said.status == "serving");
    CHECK(said.extend_usec == 5);
    CHECK(bed.ask("app").ready);

    const std::string socket = bed.log("app").front();
    Start stranger = shell(bed, "stranger", "exec python3 " + say + " STOPPING=1");
    stranger.environment.push_back("NOTIFY_SOCKET=" + socket);
    bed.send(stranger);
    CHECK(bed.expect<Exited>("stranger").wait_status == 0);
    bed.kill_keeper();
    bed.start_keeper();
    CHECK(bed.ask("app").ready);
    bed.send(Input{{"app", 1}, 1, "go\n"});
    CHECK(bed.expect<Notified>("app").watchdog);
    CHECK_FALSE(bed.has<Notified>("app"));  // the stranger's, which was sent before
    bed.send(Signal{{"app", 1}, SIGKILL, SignalScope::Tree});
    (void)bed.expect<Exited>("app");
}

TEST_CASE("a datagram that says nothing is nothing") {
    using berth::keeper::parse_notification;
    for (const std::string text :
         {"", "READY", "READY=2", "READY =1", "=", "\n\n", "WATCHDOG=0", "EXTEND_TIMEOUT_USEC=x"}) {
        const Notified message = parse_notification(text);
        CHECK_FALSE(message.ready);
        CHECK_FALSE(message.watchdog);
        CHECK_FALSE(message.stopping);
        CHECK(message.extend_usec == 0);
    }
    CHECK(parse_notification("STATUS=" + std::string(1000, 'x')).status.size() == 200);
}
