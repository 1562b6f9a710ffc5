#include "agent/keeper/child.h"

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <linux/close_range.h>
#include <sched.h>
#include <signal.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <atomic>
#include <cstring>

// Everything here runs between fork and exec: no allocation, no locks, no C++ objects.

namespace berth::keeper {

namespace {

using keeperlink::StartStage;

[[noreturn]] void give_up(int gate, StartStage stage) {
    const ChildFailure failure{static_cast<std::uint8_t>(stage), errno};
    (void)::write(gate, &failure, sizeof failure);
    ::_exit(127);
}

// Gives this process descriptors of its own; until then each change is one of the keeper's too.
void part_descriptors(int first_to_close) {
    if (first_to_close >= 0 &&
        ::close_range(static_cast<unsigned>(first_to_close), ~0U, CLOSE_RANGE_UNSHARE) != 0 &&
        ::unshare(CLONE_FILES) != 0) {  // the kernel is older than 5.9: copies all
        ::_exit(127);
    }
}

// Waits until the keeper has recorded this process. A keeper that died has not: then nobody may
// ever know of this run, so it must not begin.
void wait_at_gate(int gate) {
    char go = 0;
    for (;;) {
        const ssize_t got = ::read(gate, &go, 1);
        if (got == 1) {
            return;
        }
        if (got == 0 || errno != EINTR) {
            ::_exit(127);
        }
    }
}

// The 22nd field of /proc/self/stat (proc(5)); 0 when it cannot be read.
std::uint64_t own_start_ticks() {
    char text[1024];
    const int fd = ::open("/proc/self/stat", O_RDONLY | O_CLOEXEC);
    const ssize_t size = fd < 0 ? -1 : ::read(fd, text, sizeof text - 1);
    (void)::close(fd);
    if (size <= 0) {
        return 0;
    }
    text[size] = 0;
    const char* at = std::strrchr(text, ')');
    for (int field = 2; at != nullptr && field < 22; ++field) {
        at = std::strchr(at + 1, ' ');
    }
    std::uint64_t ticks = 0;
    for (; at != nullptr && at[1] >= '0' && at[1] <= '9'; ++at) {
        ticks = ticks * 10 + static_cast<std::uint64_t>(at[1] - '0');
    }
    return ticks;
}

// In the keeper's own memory, so that a keeper that is killed now has recorded it. The pid comes
// last: it says that the rest holds.
void record_self(Record& record) {
    timespec now{};
    (void)::clock_gettime(CLOCK_REALTIME, &now);  // cannot fail
    record.start_ticks = own_start_ticks();
    record.started_ns = std::int64_t{now.tv_sec} * 1'000'000'000 + now.tv_nsec;
    std::atomic_signal_fence(std::memory_order_seq_cst);
    record.pid = ::getpid();
}

void join_cgroup(const ChildPlan& plan) {
    if (plan.cgroup < 0) {
        return;
    }
    const int procs = ::openat(plan.cgroup, "cgroup.procs", O_WRONLY | O_CLOEXEC);
    if (procs < 0 || ::write(procs, "0", 1) != 1) {
        give_up(plan.gate, StartStage::Prepare);
    }
    (void)::close(procs);
}

// As execvp(3), with the app's own PATH. Comes back only when it failed, with errno set.
void execute(const ChildPlan& plan) {
    int worst = ENOENT;
    for (const char* const* program = plan.programs; *program != nullptr; ++program) {
        (void)::execve(*program, plan.argv, plan.environment);
        if (errno == ENOEXEC) {
            plan.shell_argv[1] = const_cast<char*>(*program);  // exec does not write to it
            (void)::execve("/bin/sh", plan.shell_argv, plan.environment);
        }
        if (errno == EACCES) {
            worst = EACCES;
        } else if (errno != ENOENT && errno != ENOTDIR) {
            return;
        }
    }
    errno = worst;
}

// The keeper has put all others to their defaults when it began: exec leaves an app with those that
// are ignored. That is SIGPIPE, and the two that the C library keeps for itself: posix_spawn(3)
// ignores them in what it starts, and only the bare call can say otherwise.
void reset_signals() {
    struct sigaction action {};

    action.sa_handler = SIG_DFL;
    (void)::sigaction(SIGPIPE, &action, nullptr);  // cannot fail for a valid signal

    struct {
        void (*handler)(int) = SIG_DFL;
        unsigned long flags = 0;
        void (*restorer)() = nullptr;
        std::uint64_t mask = 0;
    } bare;

    for (const int kept : {32, 33}) {
        (void)::syscall(SYS_rt_sigaction, kept, &bare, nullptr, sizeof bare.mask);
    }
    sigset_t none;
    (void)sigemptyset(&none);
    (void)::sigprocmask(SIG_SETMASK, &none, nullptr);
}

void take_over(int fd, int as, int gate, StartStage stage) {
    if (fd < 0 || ::dup2(fd, as) < 0) {
        give_up(gate, stage);
    }
}

void open_streams(const ChildPlan& plan) {
    if (plan.pipe >= 0) {
        take_over(::open("/dev/null", O_RDONLY | O_CLOEXEC), 0, plan.gate, StartStage::Prepare);
        take_over(plan.pipe, 1, plan.gate, StartStage::Prepare);
        take_over(plan.pipe, 2, plan.gate, StartStage::Prepare);
        return;
    }
    if (plan.terminal != nullptr) {
        const int terminal = ::open(plan.terminal, O_RDWR | O_CLOEXEC);
        if (terminal >= 0 && ::ioctl(terminal, TIOCSCTTY, 0) != 0) {
            give_up(plan.gate, StartStage::Terminal);
        }
        for (int as = 0; as <= 2; ++as) {
            take_over(terminal, as, plan.gate, StartStage::Terminal);
        }
        return;
    }
    // O_RDWR: a FIFO that both sides hold open for both never signals that the other has gone.
    take_over(::open(plan.input, O_RDWR | O_CLOEXEC), 0, plan.gate, StartStage::Prepare);
    take_over(::open(plan.output, O_RDWR | O_CLOEXEC), 1, plan.gate, StartStage::Prepare);
    take_over(::open(plan.error, O_RDWR | O_CLOEXEC), 2, plan.gate, StartStage::Prepare);
}

void set_limits(const ChildPlan& plan) {
    if (::setrlimit(RLIMIT_NOFILE, &plan.nofile) != 0) {
        give_up(plan.gate, StartStage::Limits);
    }
    bool own_core = false;
    for (std::size_t i = 0; i < plan.limit_count; ++i) {
        own_core = own_core || plan.limits[i].resource == RLIMIT_CORE;

        struct rlimit limit {};

        limit.rlim_cur = plan.limits[i].value;
        limit.rlim_max = plan.limits[i].value;
        if (::setrlimit(static_cast<__rlimit_resource_t>(plan.limits[i].resource), &limit) != 0) {
            give_up(plan.gate, StartStage::Limits);
        }
    }

    // What the shell that started the keeper allows for core dumps says nothing about this app.
    struct rlimit core {};

    if (!own_core && ::getrlimit(RLIMIT_CORE, &core) == 0 && core.rlim_cur != 0) {
        core.rlim_cur = 0;
        (void)::setrlimit(RLIMIT_CORE, &core);  // lowering cannot fail
    }
    // As it is declared, however nice that shell was. Without a wish of its own, what cannot be had
    // is no failure.
    if (::setpriority(PRIO_PROCESS, 0, plan.nice) != 0 && plan.nice != 0) {
        give_up(plan.gate, StartStage::Limits);
    }
    if (plan.has_umask) {
        (void)::umask(plan.umask);
    }
}

void switch_user(const ChildPlan& plan) {
    if (!plan.switch_user) {
        return;
    }
    const bool privileged = ::geteuid() == 0;
    // The bare calls: those of the C library would tell other threads in the memory that we share.
    if ((privileged && ::syscall(SYS_setgroups, plan.group_count, plan.groups) != 0) ||
        ::syscall(SYS_setresgid, plan.gid, plan.gid, plan.gid) != 0 ||
        ::syscall(SYS_setresuid, plan.uid, plan.uid, plan.uid) != 0) {
        give_up(plan.gate, StartStage::User);
    }
}

// Runs the hook as this app: same user, folder, environment, limits and streams. Its failure is a
// failed start, told as its wait status in place of an errno.
void run_pre_start(const ChildPlan& plan) {
    if (plan.pre_start == nullptr) {
        return;
    }
    const pid_t hook = ::fork();
    if (hook < 0) {
        give_up(plan.gate, StartStage::PreStart);
    }
    if (hook == 0) {
        (void)::execle("/bin/sh", "sh", "-c", plan.pre_start, nullptr, plan.environment);
        ::_exit(127);
    }
    int status = 0;
    while (::waitpid(hook, &status, 0) < 0 && errno == EINTR) {
    }
    if (status != 0) {
        errno = status;
        give_up(plan.gate, StartStage::PreStart);
    }
}

}  // namespace

void run_child(const ChildPlan& plan) {
    part_descriptors(plan.first_to_close);
    if (plan.waits) {
        wait_at_gate(plan.gate);
    } else if (plan.record != nullptr) {
        record_self(*plan.record);
    }
    reset_signals();
    join_cgroup(plan);
    const pid_t keeper = ::getppid();
    if (::setsid() < 0) {
        give_up(plan.gate, StartStage::Session);
    }
    open_streams(plan);
    set_limits(plan);
    switch_user(plan);
    if (::chdir(plan.cwd) != 0) {
        give_up(plan.gate, StartStage::Folder);
    }
    // What somebody left open towards the keeper is not the app's.
    (void)::close_range(3, ~0U, CLOSE_RANGE_CLOEXEC);  // before 5.11: what the keeper closed holds
    (void)::prctl(PR_SET_DUMPABLE, 1);  // as exec would have it; switching the user cleared it
    if (plan.with_keeper) {
        // After switching the user, which clears it. One that is orphaned already ends now.
        (void)::prctl(PR_SET_PDEATHSIG, SIGKILL);
        if (::getppid() != keeper) {
            ::_exit(127);
        }
    }
    run_pre_start(plan);
    execute(plan);
    give_up(plan.gate, StartStage::Exec);
}

}  // namespace berth::keeper
