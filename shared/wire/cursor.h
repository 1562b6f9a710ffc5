#pragma once

#include <cstdint>
#include <optional>
#include <string_view>

namespace berth::wire {

// Reads msgpack in place: allocates nothing, copies nothing, believes no length that the bytes do
// not have room for. After the first fault ok() is false and every further read gives nothing.
// Strings and binaries are both texts.
class Cursor {
public:
    explicit Cursor(std::string_view bytes) : bytes_(bytes) {}

    [[nodiscard]] bool ok() const { return ok_; }

    [[nodiscard]] bool at_end() const { return at_ == bytes_.size(); }

    [[nodiscard]] std::size_t position() const { return at_; }

    // The number of elements (of pairs, for a map) that follow. Never more than bytes are left.
    std::optional<std::uint32_t> array();
    std::optional<std::uint32_t> map();
    std::optional<std::uint64_t> whole();  // an integer that is not negative
    std::optional<bool> flag();
    std::optional<std::string_view> text();

    // The bytes of the next value, whatever it is, at most `depth` levels deep.
    std::optional<std::string_view> any(std::size_t depth = 16);

    enum class Kind : std::uint8_t {
        Nil,
        Bool,
        Whole,
        Negative,
        Float,
        Text,
        Binary,
        Array,
        Map,
        Extension
    };

    // A value; of an array or a map its begin, whose elements follow.
    struct Item {
        Kind kind = Kind::Nil;
        std::uint64_t number = 0;   // a Bool, a Whole, or the count; never more than bytes are left
        std::int64_t negative = 0;  // a Negative
        double real = 0;            // a Float
        std::string_view bytes;     // a Text, a Binary, or an Extension's
        std::int8_t extension = 0;  // its type
    };

    // The next one, whatever it is.
    std::optional<Item> item();

private:
    struct Head {
        Kind kind = Kind::Nil;
        std::uint64_t number = 0;  // the value's bits, the length or the count
        std::int8_t extension = 0;
    };

    std::optional<Head> head();
    std::optional<std::uint64_t> number(std::size_t size);
    std::optional<Head> sized(Kind kind, std::size_t length_size);
    std::optional<Head> extension(std::optional<std::uint64_t> size);
    bool skip(std::uint64_t size);

    template <class T>
    std::optional<T> fault() {
        ok_ = false;
        return std::nullopt;
    }

    std::string_view bytes_;
    std::size_t at_ = 0;
    bool ok_ = true;
};

}  // namespace berth::wire
