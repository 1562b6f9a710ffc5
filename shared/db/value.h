#pragma once

#include <concepts>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "shared/time/clock.h"

namespace berth::db {

// What is bound to one parameter of a statement. Texts and blobs are borrowed for the call.
class Value {
public:
    enum class Kind : std::uint8_t { Null, Integer, Real, Text, Blob };

    // All implicit: a list of parameters reads as the values themselves.
    Value(std::nullopt_t /*null*/) {}  // NOLINT(google-explicit-constructor)

    template <std::integral T>
    Value(T number)  // NOLINT(google-explicit-constructor)
        : kind_(Kind::Integer), integer_(static_cast<std::int64_t>(number)) {}

    Value(double number)  // NOLINT(google-explicit-constructor)
        : kind_(Kind::Real), real_(number) {}

    Value(std::string_view text)  // NOLINT(google-explicit-constructor)
        : kind_(Kind::Text), bytes_(text) {}

    Value(const std::string& text)  // NOLINT(google-explicit-constructor)
        : Value(std::string_view(text)) {}

    Value(const char* text)  // NOLINT(google-explicit-constructor)
        : Value(std::string_view(text)) {}

    // Nanoseconds since 1970.
    Value(WallTime time)  // NOLINT(google-explicit-constructor)
        : Value(std::int64_t{time.time_since_epoch().count()}) {}

    // Null when it is unset.
    template <class T>
    Value(const std::optional<T>& maybe)  // NOLINT(google-explicit-constructor)
        : Value(maybe ? Value(*maybe) : Value(std::nullopt)) {}

    static Value blob(std::string_view bytes) {
        Value value(bytes);
        value.kind_ = Kind::Blob;
        return value;
    }

    [[nodiscard]] Kind kind() const { return kind_; }

    [[nodiscard]] std::int64_t integer() const { return integer_; }

    [[nodiscard]] double real() const { return real_; }

    [[nodiscard]] std::string_view bytes() const { return bytes_; }

private:
    Kind kind_ = Kind::Null;
    std::int64_t integer_ = 0;
    double real_ = 0;
    std::string_view bytes_;
};

}  // namespace berth::db
