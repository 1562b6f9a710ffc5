#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

// The files of an app's log folder, as keeper and agent agree on them:
//
//   current              what the keeper writes to
//   00000007.log         rotated by the keeper, never written again
//   00000006.log.gz      the same, compressed by the agent
//
// The keeper deletes the oldest when it rotates, the agent when all logs together are too large.
namespace berth::keeperlink {

struct RotatedLog {
    std::uint64_t number = 0;
    bool compressed = false;
    std::string name;
    std::uint64_t bytes = 0;  // on the disk
};

// "00000007.log"
std::string rotated_name(std::uint64_t number);

// The number in the name of a rotated file; 0: it is none.
std::uint64_t rotated_number(std::string_view name);

bool is_compressed(std::string_view name);

// The rotated files of a folder, oldest first. One that is there in both forms, because an agent
// was killed between the two steps, comes twice.
std::vector<RotatedLog> rotated_logs(const std::string& folder);

}  // namespace berth::keeperlink
