#include "shared/wire/cursor.h"

#include <bit>

namespace berth::wire {

namespace {

// The bits of the double that is the float with these.
std::uint64_t widened(std::uint64_t bits) {
    return std::bit_cast<std::uint64_t>(
        double{std::bit_cast<float>(static_cast<std::uint32_t>(bits))});
}

bool has_bytes(Cursor::Kind kind) {
    return kind == Cursor::Kind::Text || kind == Cursor::Kind::Binary ||
           kind == Cursor::Kind::Extension;
}

}  // namespace

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

std::optional<Cursor::Head> Cursor::sized(Kind kind, std::size_t length_size) {
    const auto length = number(length_size);
    return length ? std::optional(Head{kind, *length}) : std::nullopt;
}

std::optional<Cursor::Head> Cursor::extension(std::optional<std::uint64_t> size) {
    const auto type = size ? number(1) : std::nullopt;
    return type ? std::optional(Head{Kind::Extension, *size, static_cast<std::int8_t>(*type)})
                : std::nullopt;
}

std::optional<Cursor::Head> Cursor::head() {
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
        return Head{Kind::Negative, ~std::uint64_t{0xFF} | type};
    }
    switch (type) {
        case 0xC0:
            return Head{Kind::Nil, 0};
        case 0xC2:
        case 0xC3:
            return Head{Kind::Bool, type & 1U};
        case 0xC4:
        case 0xC5:
        case 0xC6:
            return sized(Kind::Binary, std::size_t{1} << (type - 0xC4U));
        case 0xC7:
            return extension(number(1));
        case 0xC8:
            return extension(number(2));
        case 0xC9:
            return extension(number(4));
        case 0xCA: {
            const auto bits = number(4);
            return bits ? std::optional(Head{Kind::Float, widened(*bits)}) : std::nullopt;
        }
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
            const auto shift = static_cast<unsigned>(64 - 8 * size);
            const auto wide = static_cast<std::int64_t>(*value << shift) >> shift;
            return Head{wide < 0 ? Kind::Negative : Kind::Whole, static_cast<std::uint64_t>(wide)};
        }
        case 0xD4:
        case 0xD5:
        case 0xD6:
        case 0xD7:
        case 0xD8:
            return extension(std::uint64_t{1} << (type - 0xD4U));
        case 0xD9:
        case 0xDA:
        case 0xDB:
            return sized(Kind::Text, std::size_t{1} << (type - 0xD9U));
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
    if (!found || found->kind != Kind::Array || found->number > bytes_.size() - at_) {
        return fault<std::uint32_t>();
    }
    return static_cast<std::uint32_t>(found->number);
}

std::optional<std::uint32_t> Cursor::map() {
    const auto found = head();
    if (!found || found->kind != Kind::Map || found->number * 2 > bytes_.size() - at_) {
        return fault<std::uint32_t>();
    }
    return static_cast<std::uint32_t>(found->number);
}

std::optional<std::uint64_t> Cursor::whole() {
    const auto found = head();
    return found && found->kind == Kind::Whole ? std::optional(found->number)
                                               : fault<std::uint64_t>();
}

std::optional<bool> Cursor::flag() {
    const auto found = head();
    return found && found->kind == Kind::Bool ? std::optional(found->number != 0) : fault<bool>();
}

std::optional<std::string_view> Cursor::text() {
    const auto found = head();
    if (!found || (found->kind != Kind::Text && found->kind != Kind::Binary)) {
        return fault<std::string_view>();
    }
    const std::size_t begin = at_;
    return skip(found->number) ? std::optional(bytes_.substr(begin, found->number)) : std::nullopt;
}

std::optional<Cursor::Item> Cursor::item() {
    const auto found = head();
    if (!found) {
        return std::nullopt;
    }
    Item item;
    item.kind = found->kind;
    switch (found->kind) {
        case Kind::Nil:
            break;
        case Kind::Bool:
        case Kind::Whole:
            item.number = found->number;
            break;
        case Kind::Negative:
            item.negative = static_cast<std::int64_t>(found->number);
            break;
        case Kind::Float:
            item.real = std::bit_cast<double>(found->number);
            break;
        case Kind::Text:
        case Kind::Binary:
        case Kind::Extension: {
            const std::size_t begin = at_;
            if (!skip(found->number)) {
                return std::nullopt;
            }
            item.bytes = bytes_.substr(begin, found->number);
            item.extension = found->extension;
            break;
        }
        case Kind::Array:
        case Kind::Map:
            item.number = found->number;
            if (item.number * (found->kind == Kind::Map ? 2 : 1) > bytes_.size() - at_) {
                return fault<Item>();
            }
            break;
    }
    return item;
}

std::optional<std::string_view> Cursor::any(std::size_t depth) {
    const std::size_t begin = at_;
    const auto found = head();
    if (!found) {
        return std::nullopt;
    }
    const bool map = found->kind == Kind::Map;
    if (has_bytes(found->kind) && !skip(found->number)) {
        return std::nullopt;
    }
    if (map || found->kind == Kind::Array) {
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
