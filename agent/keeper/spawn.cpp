#include "agent/keeper/spawn.h"

#include <errno.h>
#include <linux/sched.h>
#include <sched.h>
#include <signal.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <charconv>
#include <vector>

#include "shared/base/text.h"
#include "shared/os/fd.h"
#include "shared/os/os_error.h"

namespace berth::keeper {

namespace {

std::vector<char*> pointers(const std::vector<std::string>& words) {
    std::vector<char*> result;
    result.reserve(words.size() + 1);
    for (const std::string& word : words) {
        result.push_back(const_cast<char*>(word.c_str()));  // exec does not write to them
    }
    result.push_back(nullptr);
    return result;
}

// fork(2), into the cgroup where one is given and the kernel can (5.7). The keeper has one thread,
// so the child may go on as after fork.
pid_t fork_into(int cgroup) {
    clone_args args{};
    args.exit_signal = SIGCHLD;
    if (cgroup >= 0) {
        args.flags = CLONE_INTO_CGROUP;
        args.cgroup = static_cast<std::uint64_t>(cgroup);
    }
    return static_cast<pid_t>(::syscall(SYS_clone3, &args, sizeof args));
}

// Where execvp(3) would look for the command, with the PATH of `environment`.
std::vector<std::string> programs_of(const std::string& command,
                                     const std::vector<std::string>& environment) {
    if (command.find('/') != std::string::npos) {
        return {command};
    }
    std::string_view path = "/bin:/usr/bin";
    for (const std::string& entry : environment) {
        if (entry.compare(0, 5, "PATH=") == 0) {
            path = std::string_view(entry).substr(5);
        }
    }
    std::vector<std::string> programs;
    for (const std::string_view folder : split(path, ':')) {
        programs.push_back((folder.empty() ? "." : std::string(folder)) + "/" + command);
    }
    return programs;
}

int enter(void* plan) {
    run_child(*static_cast<const ChildPlan*>(plan));
}

// Like vfork(2), on a stack of its own: the caller stands still until the child's exec or end.
pid_t clone_in_place(const ChildPlan& plan, std::string& stack) {
    constexpr std::size_t kAlignment = 64;
    auto top = reinterpret_cast<std::uintptr_t>(stack.data() + stack.size());
    top -= top % kAlignment;
    return ::clone(enter,
                   reinterpret_cast<void*>(top),  // NOLINT(performance-no-int-to-ptr): aligned
                   CLONE_VM | CLONE_VFORK | SIGCHLD,
                   const_cast<ChildPlan*>(&plan));
}

// The sanitizers do not know of two processes in one memory.
#ifdef BERTH_SANITIZED
constexpr bool kMayShareMemory = false;
#else
constexpr bool kMayShareMemory = true;
#endif

}  // namespace

Result<Spawned> spawn_at_gate(const keeperlink::Start& start,
                              const SpawnPaths& paths,
                              const std::vector<std::string>& own_environment,
                              const SpawnPlace& place) {
    BERTH_TRY(os::FdPair gate, os::make_socketpair(os::SocketKind::Stream));
    std::vector<std::string> environment = start.environment;
    environment.insert(environment.end(), own_environment.begin(), own_environment.end());
    const std::vector<char*> argv = pointers(start.argv);
    const std::vector<std::string> programs = programs_of(start.argv.front(), environment);
    const std::vector<char*> program_pointers = pointers(programs);
    std::string shell = "sh";
    std::vector<char*> shell_argv = {shell.data(), nullptr};
    shell_argv.insert(shell_argv.end(), argv.begin() + 1, argv.end());
    const std::vector<char*> envp = pointers(environment);
    std::vector<gid_t> groups;
    for (const std::string& text : start.groups) {
        gid_t group = 0;
        (void)std::from_chars(text.data(), text.data() + text.size(), group);
        groups.push_back(group);
    }
    ChildPlan plan;
    plan.argv = argv.data();
    plan.programs = program_pointers.data();
    plan.shell_argv = shell_argv.data();
    plan.environment = envp.data();
    plan.cwd = start.cwd.c_str();
    plan.terminal = paths.terminal.empty() ? nullptr : paths.terminal.c_str();
    plan.input = paths.input.c_str();
    plan.output = paths.output.c_str();
    plan.error = paths.error.c_str();
    plan.pipe = paths.pipe;
    plan.with_keeper = paths.pipe >= 0;
    plan.pre_start = start.pre_start.empty() ? nullptr : start.pre_start.c_str();
    plan.gate = gate.second.get();
    plan.has_umask = start.has_umask;
    plan.umask = start.umask;
    plan.nice = start.nice;
    plan.switch_user = start.switch_user;
    plan.uid = start.uid;
    plan.gid = start.gid;
    plan.groups = groups.data();
    plan.group_count = groups.size();
    plan.limits = start.limits.data();
    plan.limit_count = start.limits.size();
    plan.nofile = place.nofile;

    const bool in_place = kMayShareMemory && place.stack != nullptr && start.pre_start.empty();
    plan.waits = !in_place;
    plan.record = in_place ? place.record : nullptr;
    plan.cgroup = in_place ? place.cgroup : -1;
    const pid_t pid = in_place ? clone_in_place(plan, *place.stack) : fork_into(place.cgroup);
    if (pid == 0) {
        (void)::close(gate.first.get());  // or the gate would never look closed
        run_child(plan);
    }
    if (pid < 0) {
        return fail(os::last_error("fork"));
    }
    BERTH_CHECK(os::set_nonblocking(gate.first.get()));
    return Spawned{pid, std::move(gate.first), in_place};
}

}  // namespace berth::keeper
