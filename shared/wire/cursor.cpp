#include "shared/wire/cursor.h"

namespace berth::wire {

// The format: https://github.com/msgpack/msgpack/blob/master/spec.md

bool Cursor::skip(std::uint64_t size) {
    if (bytes_.size() - at_ < size) {
        ok_ = false;
        return false;
    }
    at_ += size;
    return true;
}

std::optional<std::uint64_t> Cursor::number(std::size_t size) {
    if (bytes_.size() - at_ < size) {
        return fault<std::uint64_t>();
    }
    std::uint64_t value = 0;
    for (std::size_t i = 0; i < size; ++i) {
        value = value << 8U | static_cast<unsigned char>(bytes_[at_ + i]);
    }
    at_ += size;
    return value;
}

std::optional<Cursor::Head> Cursor::sized(Head::Kind kind, std::size_t length_size) {
    const auto length = number(length_size);
    return length ? std::optional(Head{kind, *length}) : std::nullopt;
}

std::optional<Cursor::Head> Cursor::extension(std::optional<std::uint64_t> size) {
    if (!size || !skip(*size + 1)) {  // with its type
        return std::nullopt;
    }
    return Head{Head::Kind::Ext, 0};
}

std::optional<Cursor::Head> Cursor::head() {
    using Kind = Head::Kind;
    if (!ok_ || at_ == bytes_.size()) {
        return fault<Head>();
    }
    const auto type = static_cast<unsigned char>(bytes_[at_++]);
    if (type <= 0x7F) {
        return Head{Kind::Whole, type};
    }
    if (type <= 0x8F) {
        return Head{Kind::Map, type & 0x0FU};
    }
    if (type <= 0x9F) {
        return Head{Kind::Array, type & 0x0FU};
    }
    if (type <= 0xBF) {
        return Head{Kind::Text, type & 0x1FU};
    }
    if (type >= 0xE0) {
        return Head{Kind::Negative, 0};
    }
    switch (type) {
        case 0xC0:
            return Head{Kind::Nil, 0};
        case 0xC2:
        case 0xC3:
            return Head{Kind::Bool, type & 1U};
        case 0xC4:
        case 0xD9:
            return sized(Kind::Text, 1);
        case 0xC5:
        case 0xDA:
            return sized(Kind::Text, 2);
        case 0xC6:
        case 0xDB:
            return sized(Kind::Text, 4);
        case 0xC7:
            return extension(number(1));
        case 0xC8:
            return extension(number(2));
        case 0xC9:
            return extension(number(4));
        case 0xCA:
            return sized(Kind::Float, 4);
        case 0xCB:
            return sized(Kind::Float, 8);
        case 0xCC:
        case 0xCD:
        case 0xCE:
        case 0xCF:
            return sized(Kind::Whole, std::size_t{1} << (type - 0xCCU));
        case 0xD0:
        case 0xD1:
        case 0xD2:
        case 0xD3: {
            const std::size_t size = std::size_t{1} << (type - 0xD0U);
            const auto value = number(size);
            if (!value) {
                return std::nullopt;
            }
            const bool negative = (*value >> (size * 8 - 1)) != 0;
            return negative ? Head{Kind::Negative, 0} : Head{Kind::Whole, *value};
        }
        case 0xD4:
        case 0xD5:
        case 0xD6:
        case 0xD7:
        case 0xD8:
            return extension(std::uint64_t{1} << (type - 0xD4U));
        case 0xDC:
            return sized(Kind::Array, 2);
        case 0xDD:
            return sized(Kind::Array, 4);
        case 0xDE:
            return sized(Kind::Map, 2);
        case 0xDF:
            return sized(Kind::Map, 4);
        default:
            return fault<Head>();  // 0xC1 is never used
    }
}

std::optional<std::uint32_t> Cursor::array() {
    const auto found = head();
    if (!found || found->kind != Head::Kind::Array || found->number > bytes_.size() - at_) {
        return fault<std::uint32_t>();
    }
    return static_cast<std::uint32_t>(found->number);
}

std::optional<std::uint32_t> Cursor::map() {
    const auto found = head();
    if (!found || found->kind != Head::Kind::Map || found->number * 2 > bytes_.size() - at_) {
        return fault<std::uint32_t>();
    }
    return static_cast<std::uint32_t>(found->number);
}

std::optional<std::uint64_t> Cursor::whole() {
    const auto found = head();
    return found && found->kind == Head::Kind::Whole ? std::optional(found->number)
                                                     : fault<std::uint64_t>();
}

std::optional<bool> Cursor::flag() {
    const auto found = head();
    return found && found->kind == Head::Kind::Bool ? std::optional(found->number != 0)
                                                    : fault<bool>();
}

std::optional<std::string_view> Cursor::text() {
    const auto found = head();
    if (!found || found->kind != Head::Kind::Text) {
        return fault<std::string_view>();
    }
    const std::size_t begin = at_;
    return skip(found->number) ? std::optional(bytes_.substr(begin, found->number)) : std::nullopt;
}

std::optional<std::string_view> Cursor::any(std::size_t depth) {
    const std::size_t begin = at_;
    const auto found = head();
    if (!found) {
        return std::nullopt;
    }
    const bool map = found->kind == Head::Kind::Map;
    if (found->kind == Head::Kind::Text && !skip(found->number)) {
        return std::nullopt;
    }
    if (map || found->kind == Head::Kind::Array) {
        const std::uint64_t count = map ? found->number * 2 : found->number;
        if (depth == 0 || count > bytes_.size() - at_) {
            return fault<std::string_view>();
        }
        for (std::uint64_t i = 0; i < count; ++i) {
            if (!any(depth - 1)) {
                return std::nullopt;
            }
        }
    }
    return bytes_.substr(begin, at_ - begin);
}

}  // namespace berth::wire
