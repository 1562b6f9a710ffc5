#include <errno.h>
#include <fcntl.h>
#include <linux/capability.h>
#include <signal.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <fstream>

#include <catch2/catch.hpp>

#include "shared/os/fd.h"
#include "shared/os/file.h"
#include "shared/os/process.h"
#include "tests/os/keeper_bed.h"

using namespace berth::keeperlink;  // NOLINT(google-build-using-namespace): tests read better
using berth::test::KeeperBed;
using Words = std::vector<std::string>;

TEST_CASE("all exit codes come back, each after its start") {
    KeeperBed bed(KeeperBed::Trees::Walk);
    for (int code = 0; code < 256; ++code) {
        bed.send(bed.app("e" + std::to_string(code), {"exit", std::to_string(code)}));
    }
    for (int code = 0; code < 256; ++code) {
        const std::string id = "e" + std::to_string(code);
        const auto exited = bed.expect<Exited>(id);
        CHECK(exited.status_known);
        CHECK(exited.tree_gone);
        CHECK(WIFEXITED(exited.wait_status));
        CHECK(WEXITSTATUS(exited.wait_status) == code);
        REQUIRE(bed.has<Started>(id));  // it came first: only it has the pid
        CHECK(bed.expect<Started>(id).pid > 0);
    }
}

TEST_CASE("deaths by signal come back with their number") {
    KeeperBed bed(KeeperBed::Trees::Walk);
    for (const int number : {SIGHUP,
                             SIGINT,
                             SIGQUIT,
                             SIGABRT,
                             SIGKILL,
                             SIGUSR1,
                             SIGSEGV,
                             SIGPIPE,
                             SIGALRM,
                             SIGTERM,
                             SIGSYS}) {
        const std::string id = "s" + std::to_string(number);
        bed.send(bed.app(id, {"signal", std::to_string(number)}));
        const auto exited = bed.expect<Exited>(id);
        CHECK(WIFSIGNALED(exited.wait_status));
        CHECK(WTERMSIG(exited.wait_status) == number);
    }
}

TEST_CASE("a start that fails names its step and the system's reason") {
    KeeperBed bed(KeeperBed::Trees::Walk);
    bed.home.write("plain", "not a program");
    const auto check = [&bed](const Start& start, StartStage stage, int number) {
        bed.send(start);
        const auto failed = bed.expect<StartFailed>(start.run.id);
        CHECK(failed.stage == stage);
        CHECK(failed.os_errno == number);
        CHECK_FALSE(bed.has<Started>(start.run.id));
        CHECK_FALSE(bed.has<Exited>(start.run.id));
    };
    Start start = bed.app("missing", {});
    start.argv = {"no-such-program"};
    check(start, StartStage::Exec, ENOENT);
    start = bed.app("missing-path", {});
    start.argv = {bed.home / "no-such-program"};
    check(start, StartStage::Exec, ENOENT);
    start = bed.app("plain", {});
    start.argv = {bed.home / "plain"};
    check(start, StartStage::Exec, EACCES);
    start = bed.app("folder", {"exit", "0"});
    start.cwd = bed.home / "nowhere";
    check(start, StartStage::Folder, ENOENT);
    start = bed.app("no-folder", {"exit", "0"});
    start.cwd = bed.home / "plain";
    check(start, StartStage::Folder, ENOTDIR);
    start = bed.app("limit", {"exit", "0"});
    start.limits = {{RLIMIT_NOFILE, 1ULL << 40U}};
    check(start, StartStage::Limits, EPERM);
    start = bed.app("user", {"exit", "0"});
    start.switch_user = true;
    if (::geteuid() == 0 && ::prctl(PR_CAPBSET_READ, CAP_SETGID) == 1) {
        start.groups.assign(65'537, "1");  // more than there may be
        check(start, StartStage::User, EINVAL);
    } else {
        check(start, StartStage::User, EPERM);
    }
    // None of it stands in the way of the next run.
    bed.send(bed.app("missing", {"exit", "3"}, 2));
    CHECK(WEXITSTATUS(bed.expect<Exited>("missing", 2).wait_status) == 3);
}

TEST_CASE("an app begins clean: own session, default signals, three descriptors, the marker") {
    KeeperBed bed(KeeperBed::Trees::Walk);
    bed.send(bed.app("x", {"facts"}));
    (void)bed.expect<Exited>("x");
    CHECK(bed.log("x") == Words{"fds 3 session 1 blocked 0 sigpipe 1 marker 1"});
}

TEST_CASE("output is in the log to the last byte before the end is told") {
    KeeperBed bed(KeeperBed::Trees::Walk);
    bed.send(bed.app("x", {"lines", "50000", "and no newline"}));
    (void)bed.expect<Exited>("x");
    const auto lines = bed.log("x");
    REQUIRE(lines.size() == 50'001);
    for (std::size_t i = 0; i < 50'000; ++i) {
        if (lines[i] != "line " + std::to_string(i)) {
            FAIL("line " << i << " is " << lines[i]);
        }
    }
    CHECK(lines.back() == "and no newline");
}

TEST_CASE("bytes are kept as they are") {
    KeeperBed bed(KeeperBed::Trees::Walk);
    bed.send(bed.app("x", {"raw"}));
    (void)bed.expect<Exited>("x");
    Words lines = bed.log("x");
    const auto error = std::find(lines.begin(), lines.end(), "error\r");
    REQUIRE(error != lines.end());
    lines.erase(error);  // another stream: anywhere
    CHECK(lines == Words{std::string("a\0b\xFF\xFE", 5), "", "no newline"});
}

TEST_CASE("logs are rotated by size and the oldest go") {
    KeeperBed bed(KeeperBed::Trees::Walk);
    Start start = bed.app("x", {"lines", "50000"});
    start.log_max_size = 200'000;
    start.log_keep = 2;
    bed.send(start);
    (void)bed.expect<Exited>("x");
    const auto files = berth::os::list_folder(bed.home / "logs/x").value();
    CHECK(files.size() == 3);
    CHECK(files.back() == "current");
    const auto lines = bed.log("x");
    CHECK(lines.back() == "line 49999");
    CHECK(lines.front() != "line 0");
    for (std::size_t i = 0; i < lines.size(); ++i) {
        const std::string line = "line " + std::to_string(50'000 - lines.size() + i);
        // What was read ended within a line, and then the file was full: the first part has gone.
        const bool tail = i == 0 && !lines[i].empty() && line.ends_with(lines[i]);
        if (lines[i] != line && !tail) {
            FAIL("after " << i << " lines: " << lines[i]);
        }
    }
}

TEST_CASE("input goes in, output comes out, over FIFOs and over a terminal") {
    KeeperBed bed(KeeperBed::Trees::Walk);
    for (const bool tty : {false, true}) {
        const std::string id = tty ? "tty" : "fifo";
        Start start = bed.app(id, {"echo", bed.home / (id + ".journal")});
        start.tty = tty;
        bed.send(start);
        (void)bed.expect<Started>(id);
        bed.send(Input{{id, 1}, 1, "grüße\n"});
        (void)bed.journal(id + ".journal", 1);
        bed.send(Input{{id, 1}, 1, "ex"});
        bed.send(Input{{id, 1}, 1, "it\n"});
        CHECK(WEXITSTATUS(bed.expect<Exited>(id).wait_status) == 0);
        CHECK(bed.journal_now(id + ".journal") == Words{"grüße", "exit"});
        const auto lines = bed.log(id);
        REQUIRE_FALSE(lines.empty());
        CHECK(lines.front().substr(0, 7) == std::string("grüße").substr(0, 7));
        bed.send(Input{{id, 1}, 1, "late\n"});
        CHECK(bed.expect<InputTaken>(id).taken == 8);
        CHECK(bed.expect<InputTaken>(id).taken == 2);
        CHECK(bed.expect<InputTaken>(id).taken == 3);
        const InputTaken late = bed.expect<InputTaken>(id);
        CHECK(late.end == InputEnd::None);
        CHECK(late.why == "it does not run");
    }
    Start start = bed.app("terminal", {"terminal"});
    start.tty = true;
    bed.send(start);
    (void)bed.expect<Exited>("terminal");
    CHECK(bed.log("terminal") == Words{"a terminal\r"});
    bed.send(Resize{{"terminal", 1}, 10, 10});
    bed.send(Input{{"unknown", 1}, 1, "x"});
    CHECK(bed.expect<InputTaken>("unknown").end == InputEnd::None);
}

TEST_CASE("of input that nobody reads a megabyte is taken, and it is said how much") {
    KeeperBed bed(KeeperBed::Trees::Walk);
    bed.send(bed.app("deaf", {"wait"}));
    (void)bed.expect<Started>("deaf");
    constexpr std::size_t kMiB = 1U << 20U;
    bed.send(Input{{"deaf", 1}, 1, std::string(kMiB, 'x')});
    bed.send(Input{{"deaf", 1}, 2, std::string(kMiB, 'x')});
    bed.send(Input{{"deaf", 1}, 3, "more"});
    const InputTaken first = bed.expect<InputTaken>("deaf");
    CHECK(first.token == 1);
    CHECK(first.end == InputEnd::Taken);
    CHECK(first.taken == kMiB);
    const InputTaken second = bed.expect<InputTaken>("deaf");
    CHECK(second.token == 2);
    CHECK(second.end == InputEnd::Full);
    CHECK(second.taken > 0);  // what the pipe holds
    CHECK(second.taken < kMiB);
    CHECK(second.why.find("it does not read its input") == 0);
    const InputTaken third = bed.expect<InputTaken>("deaf");
    CHECK(third.token == 3);
    CHECK(third.end == InputEnd::Full);
    CHECK(third.taken == 0);
    CHECK_FALSE(bed.has<InputRoom>("deaf"));
}

TEST_CASE("a start that is said twice starts once, a newer one waits for the tree") {
    KeeperBed bed(KeeperBed::Trees::Walk);
    const Start start = bed.app("x", {"journal", bed.home / "starts"});
    bed.send(start);
    bed.send(start);
    bed.send(start);
    const auto started = bed.expect<Started>("x");
    for (int i = 0; i < 2; ++i) {
        CHECK(bed.expect<RunFact>("x").pid == started.pid);
    }
    CHECK(bed.journal("starts", 1).size() == 1);
    bed.send(bed.app("x", {"exit", "0"}, 2));
    const auto refused = bed.expect<StartFailed>("x", 2);
    CHECK(refused.stage == StartStage::Prepare);
    CHECK(refused.os_errno == EBUSY);
    bed.send(Signal{{"x", 2}, SIGKILL, SignalScope::Tree});  // of a run that is none
    CHECK(bed.ask("x").phase == RunPhase::Running);
    bed.send(Signal{{"x", 1}, SIGKILL, SignalScope::Leader});
    (void)bed.expect<Exited>("x");
    CHECK(bed.ask("x").phase == RunPhase::Exited);  // kept until Forget
    bed.send(bed.app("x", {"journal-exit", bed.home / "starts"}, 2));
    (void)bed.expect<Exited>("x", 2);
    CHECK(bed.journal_now("starts").size() == 2);
}

TEST_CASE("a hundred runs leave no descriptor behind") {
    KeeperBed bed(KeeperBed::Trees::Walk);
    const auto round = [&bed](std::uint64_t generation) {
        for (int i = 0; i < 50; ++i) {
            Start start = bed.app("r" + std::to_string(i), {"exit", "0"}, generation);
            start.tty = i % 2 == 0;
            bed.send(start);
        }
        for (int i = 0; i < 50; ++i) {
            const std::string id = "r" + std::to_string(i);
            (void)bed.expect<Exited>(id, generation);
            bed.send(Forget{{id, generation}});
        }
        bed.send(bed.app("last", {"exit", "0"}, generation));
        (void)bed.expect<Exited>("last", generation);
    };
    const std::size_t before = bed.keeper_descriptors();
    round(1);
    round(2);
    CHECK(bed.keeper_descriptors() == before);
}

TEST_CASE("a full disk loses lines, counts them and recovers by itself") {
    KeeperBed bed(KeeperBed::Trees::Walk);
    const std::string logs = bed.home / "logs";
    REQUIRE(berth::os::make_folders(logs));
    if (::mount("tmpfs", logs.c_str(), "tmpfs", 0, "size=1m") != 0) {
        WARN("skipped: a file system cannot be mounted here");
        return;
    }

    struct Mount {
        const std::string& path;

        ~Mount() { (void)::umount2(path.c_str(), MNT_DETACH); }
    };

    const Mount mount{logs};
    bed.send(bed.app("x", {"echo", bed.home / "echoed"}));
    (void)bed.expect<Started>("x");
    bed.send(Input{{"x", 1}, 1, "before\n"});
    (void)bed.journal("echoed", 1);
    bed.until_logged("x", "before");
    {
        std::ofstream filler(logs + "/filler", std::ios::binary);
        for (const std::size_t size : {std::size_t{4096}, std::size_t{1}}) {
            while (filler << std::string(size, 'x') << std::flush) {
            }
            filler.clear();
        }
    }
    const std::string line(3000, 'y');
    for (std::size_t i = 0; i < 20; ++i) {
        bed.send(Input{{"x", 1}, 1, line + "\n"});
        (void)bed.journal("echoed", i + 2);  // it has written it
    }
    // Read by the keeper, and dealt with.
    const berth::os::UniqueFd out(
        ::open((bed.home / "run/io/x.out").c_str(), O_RDONLY | O_NONBLOCK | O_CLOEXEC));
    bed.until("an empty pipe", [&out] {
        int waiting = -1;
        return ::ioctl(out.get(), FIONREAD, &waiting) == 0 && waiting == 0;
    });
    CHECK(bed.ask("x").phase == RunPhase::Running);  // supervision goes on
    REQUIRE(::unlink((logs + "/filler").c_str()) == 0);
    bed.send(Input{{"x", 1}, 1, "after\n"});
    bed.until_logged("x", "after");
    const auto lines = bed.log("x");
    CHECK(lines.front() == "before");
    CHECK(lines.back() == "after");
    const auto kept = static_cast<std::size_t>(std::count(lines.begin(), lines.end(), line));
    CHECK(kept < 20);
    // A remark is shorter than a line, so more than one may have found room.
    std::size_t lost = 0;
    for (const std::string& remark : lines) {
        if (remark.rfind("[berth] ", 0) == 0) {
            lost += static_cast<std::size_t>(std::stoi(remark.substr(8)));
            CHECK(remark.find("were lost here: No space left on device") != std::string::npos);
        }
    }
    CHECK(kept + lost == 20);
}

TEST_CASE("a ping is answered after what had happened when it was said") {
    KeeperBed bed(KeeperBed::Trees::Walk);
    bed.send(bed.app("app", {"wait"}));
    const pid_t pid = bed.expect<Started>("app").pid;
    ::kill(bed.keeper, SIGSTOP);
    bed.until("the keeper is stopped", [&] { return berth::os::is_stopped(bed.keeper); });
    bed.send(Resize{{"nobody", 1}, 24, 80});  // so that the link is what it looks at first
    ::kill(pid, SIGKILL);
    bed.until("the app is dead", [&] {
        const auto stat = berth::os::read_stat(pid);
        return stat && stat->state == 'Z';
    });
    bed.send(Ping{7});
    ::kill(bed.keeper, SIGCONT);
    const auto pong = [&] {
        return std::find_if(bed.heard.begin(), bed.heard.end(), [](const Message& message) {
            const auto* const answer = std::get_if<Pong>(&message);
            return answer != nullptr && answer->token == 7;
        });
    };
    bed.until("the ping is answered", [&] { return pong() != bed.heard.end(); });
    const bool told_before = std::any_of(bed.heard.begin(), pong(), [](const Message& message) {
        return std::holds_alternative<Exited>(message);
    });
    CHECK(told_before);
}
