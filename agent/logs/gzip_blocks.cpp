#include "agent/logs/gzip_blocks.h"

#include <sys/stat.h>
#include <unistd.h>
#include <zlib.h>

#include <array>

#include "shared/base/ensure.h"
#include "shared/os/os_error.h"

namespace berth::logs {

namespace {

constexpr std::size_t kFixedHeader = 12;  // with the length of the extra field
constexpr std::size_t kExtra = 12;
constexpr std::size_t kHeader = kFixedHeader + kExtra;
constexpr std::size_t kTrailer = 8;
constexpr int kRawDeflate = -15;

// Logs shrink to a tenth at any level; the low ones take a third of the time.
constexpr int kLevel = 3;

constexpr std::string_view kBegin(
    "\x1f\x8b\x08\x04\x00\x00\x00\x00\x00\x03\x0c\x00"
    "BL\x08\x00",
    16);

void put_u32(std::string& out, std::uint32_t value) {
    for (int shift = 0; shift < 32; shift += 8) {
        out += static_cast<char>((value >> shift) & 0xFFU);
    }
}

std::uint32_t get_u32(const char* bytes) {
    std::uint32_t value = 0;
    for (int i = 0; i < 4; ++i) {
        value |= std::uint32_t{static_cast<unsigned char>(bytes[i])} << (8 * i);
    }
    return value;
}

std::uint32_t sum_of(std::string_view text) {
    return static_cast<std::uint32_t>(::crc32(::crc32(0, nullptr, 0),
                                              reinterpret_cast<const Bytef*>(text.data()),
                                              static_cast<uInt>(text.size())));
}

Error damaged(const char* what) {
    return {ErrorCode::InvalidArgument, std::string("compressed log: ") + what, 0};
}

}  // namespace

Result<std::string> compress_block(std::string_view text) {
    ENSURE(text.size() <= kBlockBytes, "the caller cuts the text into blocks");
    z_stream stream{};
    if (::deflateInit2(&stream, kLevel, Z_DEFLATED, kRawDeflate, 8, Z_DEFAULT_STRATEGY) != Z_OK) {
        return fail(ErrorCode::Unavailable, "compress a log: zlib cannot begin");
    }
    std::string body(::deflateBound(&stream, text.size()), '\0');
    stream.next_in = reinterpret_cast<Bytef*>(const_cast<char*>(text.data()));  // only read
    stream.avail_in = static_cast<uInt>(text.size());
    stream.next_out = reinterpret_cast<Bytef*>(body.data());
    stream.avail_out = static_cast<uInt>(body.size());
    const int done = ::deflate(&stream, Z_FINISH);
    body.resize(stream.total_out);
    (void)::deflateEnd(&stream);  // says only what deflate() has said
    ENSURE(done == Z_STREAM_END, "deflateBound() is enough room");
    std::string member(kBegin);
    put_u32(member, static_cast<std::uint32_t>(kHeader + body.size() + kTrailer));
    put_u32(member, static_cast<std::uint32_t>(text.size()));
    member += body;
    put_u32(member, sum_of(text));
    put_u32(member, static_cast<std::uint32_t>(text.size()));
    return member;
}

Result<std::vector<GzipBlock>> read_blocks(int fd) {
    struct stat info {};

    if (::fstat(fd, &info) != 0) {
        return fail(os::last_error("compressed log"));
    }
    const auto file_size = static_cast<std::uint64_t>(info.st_size);
    std::vector<GzipBlock> blocks;
    GzipBlock next;
    while (next.at < file_size) {
        std::array<char, kHeader> header{};
        if (::pread(fd, header.data(), header.size(), static_cast<off_t>(next.at)) !=
                static_cast<ssize_t>(header.size()) ||
            std::string_view(header.data(), kBegin.size()) != kBegin) {
            return fail(damaged("a member of another kind"));
        }
        next.size = get_u32(header.data() + kBegin.size());
        next.text_size = get_u32(header.data() + kBegin.size() + 4);
        if (next.size < kHeader + kTrailer || next.size > file_size - next.at ||
            next.text_size > kBlockBytes) {
            return fail(damaged("a member of an impossible size"));
        }
        blocks.push_back(next);
        next.at += next.size;
        next.text_at += next.text_size;
    }
    return blocks;
}

Result<std::string> read_block(int fd, const GzipBlock& block) {
    std::string member(block.size, '\0');
    if (::pread(fd, member.data(), member.size(), static_cast<off_t>(block.at)) !=
        static_cast<ssize_t>(member.size())) {
        return fail(damaged("it is shorter than it was"));
    }
    std::string text(block.text_size, '\0');
    z_stream stream{};
    if (::inflateInit2(&stream, kRawDeflate) != Z_OK) {
        return fail(ErrorCode::Unavailable, "read a compressed log: zlib cannot begin");
    }
    stream.next_in = reinterpret_cast<Bytef*>(member.data() + kHeader);
    stream.avail_in = static_cast<uInt>(member.size() - kHeader - kTrailer);
    stream.next_out = reinterpret_cast<Bytef*>(text.data());
    stream.avail_out = static_cast<uInt>(text.size());
    const int done = ::inflate(&stream, Z_FINISH);
    const bool whole = done == Z_STREAM_END && stream.total_out == text.size();
    (void)::inflateEnd(&stream);  // says only what inflate() has said
    if (!whole || get_u32(member.data() + member.size() - kTrailer) != sum_of(text)) {
        return fail(damaged("a member does not fit its sum"));
    }
    return text;
}

}  // namespace berth::logs
