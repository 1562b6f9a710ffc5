#pragma once

#include <sys/types.h>

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "shared/base/result.h"
#include "shared/os/process.h"
#include "shared/os/unique_fd.h"

namespace berth::os {

// How a program of ours tells the one that has started it how its start went: one text over a pipe,
// whose number it is told by "--report-fd N" or $BERTH_REPORT_FD. The end of the pipe without a
// text means that it died.

// The side of the program. Once.
void report_started(int fd);
void report_failed(int fd, std::string_view why);

// What $BERTH_REPORT_FD says, which is unset; -1: nothing. Before there are threads.
int take_report_fd();

// The side of the starter.
struct Starting {
    pid_t pid = 0;
    UniqueFd report;  // readable when there is something to read
};

// Starts `spec`, whose `inherit` must be free, with that argument, or with that variable.
enum class Told : std::uint8_t { ByArgument, ByEnvironment };
Result<Starting> start_reporting(HelperSpec spec, Told told = Told::ByArgument);

struct StartReport {
    bool started = false;
    std::string why;  // not; "" when it died without a word
};

// Nothing: it has not said yet. To be asked when the descriptor is readable.
std::optional<StartReport> read_report(const UniqueFd& report);

}  // namespace berth::os
