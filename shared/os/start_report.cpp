#include "shared/os/start_report.h"

#include <unistd.h>

#include <array>
#include <cstdlib>

#include "shared/base/text.h"
#include "shared/os/fd.h"

namespace berth::os {

namespace {

constexpr const char* kVariable = "BERTH_REPORT_FD";
constexpr std::string_view kStarted = "started\n";
constexpr std::size_t kMost = 4096;  // of one write that a pipe takes as a whole

void tell(int fd, std::string_view text) {
    if (fd < 0) {
        return;
    }
    const UniqueFd pipe = take_inherited(fd);
    (void)write_some(pipe.get(), text.substr(0, kMost));  // who has gone meanwhile wants it not
}

}  // namespace

void report_started(int fd) {
    tell(fd, kStarted);
}

void report_failed(int fd, std::string_view why) {
    tell(fd, why);
}

int take_report_fd() {
    const char* const value = std::getenv(kVariable);  // NOLINT(concurrency-mt-unsafe): one thread
    const int fd = value == nullptr ? -1 : parse_integer<int>(value).value_or(-1);
    (void)::unsetenv(kVariable);  // NOLINT(concurrency-mt-unsafe): one thread
    return fd;
}

Result<Starting> start_reporting(HelperSpec spec, Told told) {
    BERTH_TRY(FdPair pipe, make_pipe());
    BERTH_CHECK(set_nonblocking(pipe.first.get()));
    if (told == Told::ByArgument) {
        spec.argv.insert(spec.argv.end(), {"--report-fd", "3"});
    } else {
        (void)::setenv(kVariable, "3", 1);  // NOLINT(concurrency-mt-unsafe): one thread
    }
    spec.inherit = pipe.second.get();
    auto pid = start_helper(spec);
    (void)::unsetenv(kVariable);  // NOLINT(concurrency-mt-unsafe): one thread
    if (!pid) {
        return fail(pid.error());
    }
    return Starting{*pid, std::move(pipe.first)};
}

std::optional<StartReport> read_report(const UniqueFd& report) {
    std::array<char, kMost> buffer{};
    const IoOutcome got = read_some(report.get(), buffer.data(), buffer.size());
    if (got.status == IoStatus::WouldBlock) {
        return std::nullopt;
    }
    const std::string_view said(buffer.data(), got.status == IoStatus::Done ? got.bytes : 0);
    return StartReport{said == kStarted, said == kStarted ? "" : std::string(said)};
}

}  // namespace berth::os
