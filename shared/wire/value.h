#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <variant>
#include <vector>

#include "shared/base/result.h"

namespace berth::wire {

// One decoded msgpack value: what every header and body of the control protocol is made of. Strings
// and binaries are both std::string. Asking for what is not there gives the fallback, so an older
// or newer peer's message is read as far as it is understood.
class Value {
public:
    using Array = std::vector<Value>;
    using Map = std::vector<std::pair<std::string, Value>>;

    Value() = default;

    Value(bool v) : data_(v) {}  // NOLINT(google-explicit-constructor): literals

    Value(int v) : data_(std::int64_t{v}) {}  // NOLINT(google-explicit-constructor)

    Value(std::int64_t v) : data_(v) {}  // NOLINT(google-explicit-constructor)

    Value(std::uint64_t v) : data_(v) {}  // NOLINT(google-explicit-constructor)

    Value(std::uint32_t v) : data_(std::uint64_t{v}) {}  // NOLINT(google-explicit-constructor)

    Value(double v) : data_(v) {}  // NOLINT(google-explicit-constructor)

    Value(std::string v) : data_(std::move(v)) {}  // NOLINT(google-explicit-constructor)

    Value(std::string_view v) : data_(std::string(v)) {}  // NOLINT(google-explicit-constructor)

    Value(const char* v) : data_(std::string(v)) {}  // NOLINT(google-explicit-constructor)

    Value(Array v) : data_(std::move(v)) {}  // NOLINT(google-explicit-constructor)

    Value(Map v) : data_(std::move(v)) {}  // NOLINT(google-explicit-constructor)

    template <class T>
    Value(const std::optional<T>& v) {  // NOLINT(google-explicit-constructor)
        if (v) {
            *this = Value(*v);
        }
    }

    [[nodiscard]] bool is_nil() const { return std::holds_alternative<std::monostate>(data_); }

    [[nodiscard]] bool is_string() const { return std::holds_alternative<std::string>(data_); }

    [[nodiscard]] bool is_array() const { return std::holds_alternative<Array>(data_); }

    [[nodiscard]] bool is_map() const { return std::holds_alternative<Map>(data_); }

    [[nodiscard]] bool is_unsigned() const;

    [[nodiscard]] bool as_bool(bool fallback = false) const;
    [[nodiscard]] std::int64_t as_int(std::int64_t fallback = 0) const;
    [[nodiscard]] std::uint64_t as_uint(std::uint64_t fallback = 0) const;
    [[nodiscard]] double as_double(double fallback = 0) const;
    [[nodiscard]] const std::string& as_string() const;  // "" when it is none
    [[nodiscard]] const Array& as_array() const;         // empty when it is none
    [[nodiscard]] const Map& as_map() const;

    // The member of a map; nil when there is none, or this is no map.
    [[nodiscard]] const Value& operator[](std::string_view key) const;

    // The element of an array; nil past its end.
    [[nodiscard]] const Value& at(std::size_t index) const;

    // The strings of an array; whatever else is in it is left out.
    [[nodiscard]] std::vector<std::string> as_strings() const;

    [[nodiscard]] const auto& data() const { return data_; }

    friend bool operator==(const Value&, const Value&) = default;

private:
    std::variant<std::monostate, bool, std::int64_t, std::uint64_t, double, std::string, Array, Map>
        data_;
};

Value strings(const std::vector<std::string>& values);

// What a frame may be, checked before anything is allocated for it.
struct Limits {
    std::size_t bytes = 16U << 20U;
    std::size_t elements = 2'000'000;
    std::size_t depth = 16;
};

std::string encode(const Value& value);

// Exactly one msgpack value. Errors name what is wrong and where: cut short, over a limit, more
// elements declared than bytes left, duplicate map keys, extension types, trailing bytes. Map keys
// are strings.
Result<Value> decode(std::string_view bytes, const Limits& limits = {});

}  // namespace berth::wire
