#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace berth::keeperlink {

// Appends little-endian numbers and length-prefixed strings to a frame.
class PacketWriter {
public:
    void u8(std::uint8_t value) { bytes_ += static_cast<char>(value); }

    void u32(std::uint32_t value) { number(value, 4); }

    void u64(std::uint64_t value) { number(value, 8); }

    void i32(std::int32_t value) { number(static_cast<std::uint32_t>(value), 4); }

    void i64(std::int64_t value) { number(static_cast<std::uint64_t>(value), 8); }

    void text(std::string_view value);
    void texts(const std::vector<std::string>& values);

    [[nodiscard]] std::string take() { return std::move(bytes_); }

private:
    void number(std::uint64_t value, int size);
    std::string bytes_;
};

// Reads them back. Reading past the end, or a length that is more than what is left, makes it
// bad(); from then on everything reads as zero or empty, so a decoder checks once, at its end.
class PacketReader {
public:
    explicit PacketReader(std::string_view bytes) : rest_(bytes) {}

    std::uint8_t u8() { return static_cast<std::uint8_t>(number(1)); }

    std::uint32_t u32() { return static_cast<std::uint32_t>(number(4)); }

    std::uint64_t u64() { return number(8); }

    std::int32_t i32() { return static_cast<std::int32_t>(number(4)); }

    std::int64_t i64() { return static_cast<std::int64_t>(number(8)); }

    std::string text();
    std::vector<std::string> texts();

    // Nothing was missing and nothing is left over.
    [[nodiscard]] bool complete() const { return !bad_ && rest_.empty(); }

private:
    std::uint64_t number(std::size_t size);
    std::string_view rest_;
    bool bad_ = false;
};

}  // namespace berth::keeperlink
