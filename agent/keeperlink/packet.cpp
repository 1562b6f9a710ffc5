#include "agent/keeperlink/packet.h"

namespace berth::keeperlink {

void PacketWriter::number(std::uint64_t value, int size) {
    for (int i = 0; i < size; ++i) {
        bytes_ += static_cast<char>(value >> (8 * i));
    }
}

void PacketWriter::text(std::string_view value) {
    u32(static_cast<std::uint32_t>(value.size()));
    bytes_ += value;
}

void PacketWriter::texts(const std::vector<std::string>& values) {
    u32(static_cast<std::uint32_t>(values.size()));
    for (const std::string& value : values) {
        text(value);
    }
}

std::uint64_t PacketReader::number(std::size_t size) {
    if (bad_ || rest_.size() < size) {
        bad_ = true;
        return 0;
    }
    std::uint64_t value = 0;
    for (std::size_t i = 0; i < size; ++i) {
        value |= std::uint64_t{static_cast<unsigned char>(rest_[i])} << (8 * i);
    }
    rest_.remove_prefix(size);
    return value;
}

std::string PacketReader::text() {
    const std::uint32_t size = u32();
    if (bad_ || size > rest_.size()) {
        bad_ = true;
        return {};
    }
    std::string value(rest_.substr(0, size));
    rest_.remove_prefix(size);
    return value;
}

std::vector<std::string> PacketReader::texts() {
    const std::uint32_t count = u32();
    std::vector<std::string> values;
    if (bad_ || count > rest_.size() / 4) {  // each one costs four bytes at least
        bad_ = true;
        return values;
    }
    values.reserve(count);
    for (std::uint32_t i = 0; i < count && !bad_; ++i) {
        values.push_back(text());
    }
    return values;
}

}  // namespace berth::keeperlink
