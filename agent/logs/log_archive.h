#pragma once

#include <atomic>
#include <cstdint>
#include <string>

#include "shared/base/result.h"

// What is done with log files that the keeper does not write to any more. These functions take
// their time and touch nothing but files: they are for a thread beside the loop. Killed at any
// point, they leave every line exactly once for a reader.
namespace berth::logs {

// Compresses the rotated files of one app's folder, but for the newest: log shippers may not be
// through with that one. Ends early when `cancelled`.
Result<void> compress_rotated(const std::string& folder, const std::atomic<bool>& cancelled);

struct Trimmed {
    std::size_t files = 0;
    std::uint64_t bytes = 0;
};

// Deletes rotated files until all logs below `logs_folder` have at most `max_total` bytes: always
// the oldest file of the app that has most. Files that are being written to are counted and stay.
Trimmed trim_logs(const std::string& logs_folder, std::uint64_t max_total);

}  // namespace berth::logs
