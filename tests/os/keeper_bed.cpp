#include "tests/os/keeper_bed.h"

#include <linux/close_range.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <charconv>
#include <filesystem>
#include <fstream>

#include <catch2/catch.hpp>

#include "agent/logs/log_reader.h"
#include "shared/base/text.h"
#include "shared/os/fd.h"
#include "shared/os/file.h"
#include "shared/os/process.h"

namespace berth::test {

namespace {

constexpr auto kPatience = std::chrono::seconds(60);

// The keeper looks for berth-agent beside itself, so it gets a folder with a played one.
const std::string& programs() {
    static const TempFolder folder;
    static const bool copied = [] {
        std::filesystem::copy_file(os::sibling_executable("berth-keeper").value(),
                                   folder / "berth-keeper");
        std::filesystem::copy_file(helper(), folder / "berth-agent");
        return true;
    }();
    (void)copied;
    return folder.path();
}

}  // namespace

// PF_EXITING of the kernel: set when a process has begun to end, and can run nothing more of its
// own.
constexpr unsigned kExiting = 0x4;

// A process leaves its cgroup, which is then empty, shortly before it becomes a zombie.
bool is_gone(pid_t pid) {
    const auto text = os::read_file("/proc/" + std::to_string(pid) + "/stat");
    const std::size_t name_end = text ? text->rfind(')') : std::string::npos;
    if (name_end == std::string::npos) {
        return true;
    }
    const auto fields = split(std::string_view(*text).substr(name_end + 2), ' ');
    unsigned flags = 0;
    (void)std::from_chars(fields[6].data(), fields[6].data() + fields[6].size(), flags);
    return fields[0] == "Z" || (flags & kExiting) != 0;
}

std::string helper() {
    return os::sibling_executable("berth-test-child").value();
}

KeeperBed::KeeperBed(Trees trees) : trees_(trees), loop_(loop::EventLoop::create().value()) {
    // Whoever runs the tests may have left descriptors open.
    REQUIRE(::close_range(3, ~0U, CLOSE_RANGE_CLOEXEC) == 0);
    // What a killed keeper leaves behind comes to us instead of init.
    REQUIRE(::prctl(PR_SET_CHILD_SUBREAPER, 1) == 0);
    start_keeper();
}

KeeperBed::~KeeperBed() {
    link_.reset();
    // Again and again, as what dies hands its children to us.
    for (auto children = os::children_of(::getpid()); !children.empty();
         children = os::children_of(::getpid())) {
        for (const pid_t child : children) {
            (void)::kill(child, SIGKILL);
        }
        (void)::waitpid(-1, nullptr, 0);
    }
    if (!cgroup.empty()) {
        std::error_code ignored;
        for (const auto& entry : std::filesystem::directory_iterator(cgroup, ignored)) {
            if (entry.is_directory()) {
                (void)::rmdir(entry.path().c_str());
            }
        }
        (void)::rmdir(cgroup.c_str());
    }
}

void KeeperBed::start_keeper() {
    auto pair = os::make_socketpair(os::SocketKind::Stream).value();
    os::HelperSpec spec;
    spec.argv = {programs() + "/berth-keeper", "--home", home.path(), "--agent-fd", "3"};
    if (trees_ == Trees::Walk) {
        spec.argv.emplace_back("--no-cgroup");
    }
    spec.inherit = pair.second.get();
    spec.output = home / "keeper.log";
    keeper = os::start_helper(spec).value();
    pair.second.reset();
    heard.clear();
    const auto settled = std::make_shared<bool>(false);
    link_ = std::make_unique<keeperlink::Link>(
        *loop_,
        std::move(pair.first),
        [this, settled](const keeperlink::Message& message) {
            if (const auto* end = std::get_if<keeperlink::SnapshotEnd>(&message)) {
                cgroup = end->cgroup;
            } else if (std::holds_alternative<keeperlink::Pong>(message) && !*settled) {
                *settled = true;
            } else {
                heard.push_back(message);
            }
        },
        [](const Error&) {});
    // Not our pid: the keeper kills an agent whose link is down.
    send(keeperlink::Hello{keeperlink::kProtocolVersion, 0});
    send(keeperlink::Ping{0});  // and it has taken in who we are
    until("the snapshot", [&settled] { return *settled; });
}

void KeeperBed::kill_keeper() {
    REQUIRE(::kill(keeper, SIGKILL) == 0);
    until("the end of the keeper", [this] { return is_gone(keeper); });
    link_.reset();
    reap();
}

void KeeperBed::reap() {
    while (::waitpid(-1, nullptr, WNOHANG) > 0) {
    }
}

keeperlink::Start KeeperBed::app(const std::string& id,
                                 const std::vector<std::string>& words,
                                 std::uint64_t generation) const {
    keeperlink::Start start;
    start.run = {id, generation};
    start.argv = words;
    start.argv.insert(start.argv.begin(), helper());
    start.environment = {"PATH=/usr/bin:/bin"};
    start.cwd = home.path();
    start.log_max_size = 100U << 20U;
    start.log_keep = 3;
    return start;
}

void KeeperBed::until(const std::string& what, const std::function<bool()>& holds) {
    const auto deadline = std::chrono::steady_clock::now() + kPatience;
    while (!holds()) {
        if (std::chrono::steady_clock::now() > deadline) {
            const auto log = os::read_file(home / "keeper.log");
            FAIL("waited in vain for " << what << "\nthe keeper says: " << (log ? *log : ""));
        }
        (void)loop_->turn(std::chrono::milliseconds(2));
        reap();
    }
}

keeperlink::RunFact KeeperBed::ask(const std::string& id, std::uint64_t generation) {
    send(app(id, {"exit", "0"}, generation));
    return expect<keeperlink::RunFact>(id, generation);
}

std::vector<std::string> KeeperBed::log(const std::string& id) const {
    logs::LogQuery query;
    query.form = logs::LogForm::Pieces;
    query.max_lines = 1'000'000;
    query.max_bytes = 1U << 30U;
    std::vector<std::string> lines;
    std::map<bool, std::string> pending;  // by stream
    const auto batch = logs::LogReader(home / ("logs/" + id)).read(query).value();
    for (const auto& line : batch.lines) {
        pending[line.is_stderr] += line.text;
        if (!line.partial) {
            lines.push_back(std::exchange(pending[line.is_stderr], {}));
        }
    }
    for (const auto& [is_stderr, rest] : pending) {
        if (!rest.empty()) {
            lines.push_back(rest);
        }
    }
    return lines;
}

void KeeperBed::until_logged(const std::string& id, const std::string& line) {
    until("\"" + line + "\" in the log of " + id, [&] {
        const auto lines = log(id);
        return std::find(lines.begin(), lines.end(), line) != lines.end();
    });
}

std::vector<std::string> KeeperBed::journal_now(const std::string& name) const {
    std::ifstream file(home / name);
    std::vector<std::string> lines;
    for (std::string line; std::getline(file, line);) {
        lines.push_back(line);
    }
    return lines;
}

std::vector<std::string> KeeperBed::journal(const std::string& name, std::size_t lines) {
    until(std::to_string(lines) + " lines in " + name,
          [&] { return journal_now(name).size() >= lines; });
    return journal_now(name);
}

std::map<std::string, pid_t> KeeperBed::members(const std::string& name, std::size_t count) {
    std::map<std::string, pid_t> pids;
    for (const std::string& line : journal(name, count)) {
        const std::size_t blank = line.find(' ');
        pids[line.substr(0, blank)] = std::stoi(line.substr(blank + 1));
    }
    REQUIRE(pids.size() == count);
    return pids;
}

std::size_t KeeperBed::keeper_descriptors() const {
    std::size_t count = 0;
    for (const auto& entry :
         std::filesystem::directory_iterator("/proc/" + std::to_string(keeper) + "/fd")) {
        (void)entry;
        ++count;
    }
    return count;
}

}  // namespace berth::test
