#include "agent/keeper/helpers.h"

#include <errno.h>
#include <signal.h>

#include <array>
#include <chrono>

#include "agent/keeper/spawn.h"
#include "shared/os/fd.h"
#include "shared/os/process.h"

namespace berth::keeper {

using keeperlink::ExecDone;
using keeperlink::ExecEnd;

namespace {

constexpr std::size_t kMaxOutput = 4096;
constexpr std::size_t kMaxReadsAtEnd = 64;  // a pipe holds 64 KiB

}  // namespace

void Helpers::start(const keeperlink::Exec& exec, const Run* run) {
    if (run == nullptr || run->finished()) {
        return done_({exec.token, ExecEnd::NoRun, 0, 0, {}});
    }
    auto pipe = os::make_pipe();
    if (!pipe) {
        return done_({exec.token, ExecEnd::NotStarted, 0, pipe.error().os_errno, {}});
    }
    os::UniqueFd group;
    if (run->tree().cgroup) {
        if (auto opened = run->tree().cgroup->open()) {
            group = std::move(*opened);
        }
    }
    SpawnPaths paths;
    paths.pipe = pipe->second.get();
    auto spawned = spawn_at_gate(exec.start,
                                 paths,
                                 {run->tree().marker},
                                 {context_.original_nofile,
                                  group.get(),
                                  &context_.nursery,
                                  nullptr,
                                  kReservedDescriptors / 2});
    if (!spawned) {
        return done_({exec.token, ExecEnd::NotStarted, 0, spawned.error().os_errno, {}});
    }
    auto helper = std::make_unique<Helper>();
    Helper& added = *helper;
    const pid_t pid = spawned->pid;
    added.token = exec.token;
    added.output = std::move(pipe->first);
    added.gate = std::move(spawned->gate);
    (void)os::set_nonblocking(added.output.get());  // cannot fail for a pipe
    added.output_watch = context_.loop.watch(added.output.get(),
                                             loop::Interest::Read,
                                             [&added](bool, bool) { (void)read_output(added); });
    if (exec.timeout_ms > 0) {
        added.timeout =
            context_.loop.after(std::chrono::milliseconds(exec.timeout_ms), [&added, pid] {
                added.timed_out = true;
                if (!os::send_signal_to_group(pid, SIGKILL)) {
                    (void)os::send_signal_to(pid, SIGKILL);  // not in its own session yet
                }
            });
    }
    if (!spawned->begun) {
        (void)os::send_some(added.gate.get(), "g");  // fails when it was killed: its end is seen
    }
    helpers_[pid] = std::move(helper);
}

bool Helpers::read_output(Helper& helper) {
    std::array<char, kMaxOutput> buffer{};
    const os::IoOutcome outcome = os::read_some(helper.output.get(), buffer.data(), buffer.size());
    if (outcome.status == os::IoStatus::Done) {
        helper.text.append(buffer.data(), outcome.bytes);
        if (helper.text.size() > kMaxOutput) {
            helper.text.erase(0, helper.text.size() - kMaxOutput);
        }
        return true;
    }
    if (outcome.status != os::IoStatus::WouldBlock) {
        helper.output_watch.reset();
    }
    return false;
}

// What failed before exec, if anything did.
void Helpers::read_gate(Helper& helper) {
    ChildFailure failure{};
    const os::IoOutcome outcome =
        os::read_some(helper.gate.get(), reinterpret_cast<char*>(&failure), sizeof failure);
    if (outcome.status == os::IoStatus::Done && outcome.bytes == sizeof failure) {
        helper.failed_errno = failure.os_errno;
    }
}

bool Helpers::ended(pid_t pid, int wait_status) {
    const auto found = helpers_.find(pid);
    if (found == helpers_.end()) {
        return false;
    }
    Helper& helper = *found->second;
    // What the pipe still holds. Bounded, as a survivor may write on.
    for (std::size_t reads = 0; reads < kMaxReadsAtEnd && read_output(helper); ++reads) {
    }
    read_gate(helper);
    ExecDone done;
    done.token = helper.token;
    done.wait_status = wait_status;
    done.output = std::move(helper.text);
    if (helper.timed_out) {
        done.end = ExecEnd::TimedOut;
    } else if (helper.failed_errno != 0) {
        done.end = ExecEnd::NotStarted;
        done.os_errno = helper.failed_errno;
    }
    helpers_.erase(found);
    done_(done);
    return true;
}

}  // namespace berth::keeper
