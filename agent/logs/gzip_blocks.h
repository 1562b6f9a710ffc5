#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "shared/base/result.h"

// Gzip files that can be read from the middle: a row of members (RFC 1952, so `zless`, `zcat` and
// log shippers read them as one text), each of at most kBlockBytes of text, whose extra field says
// how long it is:
//
//   'B' 'L'  8 0  u32 bytes of the whole member  u32 bytes of its text
namespace berth::logs {

inline constexpr std::size_t kBlockBytes = 256U << 10U;

struct GzipBlock {
    std::uint64_t at = 0;  // in the file
    std::uint32_t size = 0;
    std::uint64_t text_at = 0;
    std::uint32_t text_size = 0;
};

// One member.
Result<std::string> compress_block(std::string_view text);

// All members of the file. Error: it is not one of ours, or damaged.
Result<std::vector<GzipBlock>> read_blocks(int fd);

// The text of one, checked against its sum.
Result<std::string> read_block(int fd, const GzipBlock& block);

}  // namespace berth::logs
