#include "agent/backend/native/limits.h"

#include <catch2/catch.hpp>

using namespace berth;          // NOLINT(google-build-using-namespace): tests read better
using namespace berth::native;  // NOLINT(google-build-using-namespace)
using keeperlink::EndCause;

TEST_CASE("each limit says who sees to it") {
    LimitsSpec limits;
    CHECK(limits_of(limits, {"memory"}).empty());
    limits.memory_bytes = 512ULL << 20U;
    limits.cpus = 1.5;
    limits.pids = 100;
    limits.nofile = 4096;
    limits.core_bytes = 0;
    const std::vector<LimitStatus> held = {{"memory", "512MiB", "cgroup"},
                                           {"cpu", "1.5", "cgroup"},
                                           {"pids", "100", "walk"},
                                           {"nofile", "4096", "rlimit"},
                                           {"core", "0 bytes", "rlimit"}};
    CHECK(limits_of(limits, {"cpu", "memory"}) == held);
    const auto without = limits_of(limits, {});
    CHECK(without[0].by == "walk");
    CHECK(without[1].by == "not enforced");
}

TEST_CASE("who killed an app, and why, is part of how it ended") {
    LimitsSpec limits;
    limits.memory_bytes = 512ULL << 20U;
    limits.pids = 10;
    ExitStatus status{ExitKind::Signal, 9, false};
    CHECK(describe(status) == "killed by SIGKILL");
    status.cause = cause_text(EndCause::OutOfMemory, 0, limits);
    CHECK(describe(status) == "killed by the kernel: out of memory (limit 512MiB)");
    status.cause = cause_text(EndCause::OverMemory, 629'145'600, limits);
    CHECK(describe(status) == "killed by Berth: over its memory limit (used 600MiB, limit 512MiB)");
    status.cause = cause_text(EndCause::OverPids, 11, limits);
    CHECK(describe(status) == "killed by Berth: too many processes (11, limit 10)");
    CHECK(cause_text(EndCause::None, 0, limits).empty());
}
