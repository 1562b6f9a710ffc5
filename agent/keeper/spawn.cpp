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
#include "shared/os/accept.h"
#include "shared/os/fd.h"
#include "shared/os/os_error.h"

namespace berth::keeper {

namespace {

constexpr std::size_t kStackAlignment = 64;

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

// clone3(2) for a child that has our memory and a stack of its own, which it could not come back
// on: `enter(plan)` is called there and never returns. glibc has no such function. A
// negative errno: it failed.
#if defined(__x86_64__)
long clone3_entering(clone_args& args, const ChildPlan& plan) {
    long result = SYS_clone3;
    register int (*function)(void*) asm("r8") = enter;
    register const void* argument asm("r9") = &plan;
    asm volatile(
        "syscall\n\t"
        "testq %%rax, %%rax\n\t"
        "jnz 1f\n\t"
        "xorl %%ebp, %%ebp\n\t"
        "movq %%r9, %%rdi\n\t"
        "callq *%%r8\n\t"
        "hlt\n"
        "1:"
        : "+a"(result)
        : "D"(&args), "S"(sizeof args), "r"(function), "r"(argument)
        : "rcx", "r11", "cc", "memory");
    return result;
}
#elif defined(__aarch64__)
long clone3_entering(clone_args& args, const ChildPlan& plan) {
    register long number asm("x8") = SYS_clone3;
    register const void* first asm("x0") = &args;
    register std::size_t second asm("x1") = sizeof args;
    register int (*function)(void*) asm("x10") = enter;
    register const void* argument asm("x11") = &plan;
    asm volatile(
        "svc #0\n\t"
        "cbnz x0, 1f\n\t"
        "mov x29, xzr\n\t"
        "mov x0, x11\n\t"
        "blr x10\n\t"
        "brk #1\n"
        "1:"
        : "+r"(first)
        : "r"(second), "r"(number), "r"(function), "r"(argument)
        : "cc", "memory");
    return reinterpret_cast<long>(first);
}
#else
long clone3_entering(clone_args&, const ChildPlan&) {
    return -ENOSYS;
}
#endif

// Like vfork(2), on a stack of its own, and in its cgroup from the first moment: the caller stands
// still until the child's exec or end. Error: the kernel cannot (before 5.7), or may not.
pid_t clone_into_cgroup(const ChildPlan& plan, std::string& stack, int cgroup) {
    clone_args args{};
    args.flags = CLONE_VM | CLONE_VFORK | CLONE_FILES | CLONE_INTO_CGROUP;
    args.exit_signal = SIGCHLD;
    args.stack = reinterpret_cast<std::uintptr_t>(stack.data());
    args.stack_size = (args.stack + stack.size()) / kStackAlignment * kStackAlignment - args.stack;
    args.cgroup = static_cast<std::uint64_t>(cgroup);
    return static_cast<pid_t>(clone3_entering(args, plan));
}

// The same without the cgroup, which the child joins by itself; that takes longer.
pid_t clone_in_place(const ChildPlan& plan, std::string& stack) {
    auto top = reinterpret_cast<std::uintptr_t>(stack.data() + stack.size());
    top -= top % kStackAlignment;
    return ::clone(enter,
                   reinterpret_cast<void*>(top),  // NOLINT(performance-no-int-to-ptr): aligned
                   CLONE_VM | CLONE_VFORK | CLONE_FILES | SIGCHLD,
                   const_cast<ChildPlan*>(&plan));
}

// A child that has the keeper's memory until exec.
pid_t make_in_place(ChildPlan& plan, Nursery& nursery, int cgroup) {
    plan.gate = nursery.lend(plan.gate);
    plan.pipe = nursery.lend(plan.pipe);
    plan.first_to_close = nursery.first_not_needed();
    pid_t pid = -1;
    if (cgroup >= 0) {
        pid = clone_into_cgroup(plan, nursery.stack(), cgroup);
    }
    if (pid < 0) {
        plan.cgroup = nursery.lend(cgroup);
        pid = clone_in_place(plan, nursery.stack());
    }
    const int why = errno;
    nursery.take_back();
    errno = why;
    return pid;
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
    if (!os::leaves_free(gate.second.get(), place.reserve)) {
        return fail(os::error_of(EMFILE, "start a process"));
    }
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

    const bool in_place = kMayShareMemory && place.nursery != nullptr && place.nursery->open() &&
                          start.pre_start.empty();
    plan.waits = !in_place;
    plan.record = in_place ? place.record : nullptr;
    const pid_t pid =
        in_place ? make_in_place(plan, *place.nursery, place.cgroup) : fork_into(place.cgroup);
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
