#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "shared/base/result.h"

namespace berth::json {

class JsonWriter;

struct JsonMember;

// One value of a parsed JSON text, immutable, owning everything below it.
class JsonValue {
public:
    using Array = std::vector<JsonValue>;
    using Object = std::vector<JsonMember>;  // in the order of the text, no key twice
    using Data = std::variant<std::nullptr_t,
                              bool,
                              std::int64_t,
                              std::uint64_t,
                              double,
                              std::string,
                              Array,
                              Object>;

    // All of them in the .cpp: here the members of an object are not known yet.
    JsonValue();
    JsonValue(Data data, std::size_t offset);
    JsonValue(const JsonValue&);
    JsonValue(JsonValue&&) noexcept;
    JsonValue& operator=(const JsonValue&);
    JsonValue& operator=(JsonValue&&) noexcept;
    ~JsonValue();

    [[nodiscard]] bool is_null() const { return std::holds_alternative<std::nullptr_t>(data_); }

    [[nodiscard]] bool is_object() const { return std::holds_alternative<Object>(data_); }

    [[nodiscard]] bool is_array() const { return std::holds_alternative<Array>(data_); }

    [[nodiscard]] bool is_string() const { return std::holds_alternative<std::string>(data_); }

    // "an object", "a list", "a string", "a number", "a boolean", "null"
    [[nodiscard]] std::string_view kind_name() const;

    // The value as T: bool, std::int64_t, std::uint64_t, double or std::string. Whole numbers
    // convert where they fit, nothing else converts. Error: "is a string, not a number".
    template <class T>
    [[nodiscard]] Result<T> as() const;

    // The items of an array, the members of an object; none of anything else.
    [[nodiscard]] const Array& items() const;
    [[nodiscard]] const Object& members() const;

    // The member of this name; null when there is none or this is no object.
    [[nodiscard]] const JsonValue* find(std::string_view key) const;

    // The member `key` as T. Error: it is missing, or of another kind.
    template <class T>
    [[nodiscard]] Result<T> get(std::string_view key) const {
        const JsonValue* member = find(key);
        return member == nullptr ? missing(key) : named(key, member->as<T>());
    }

    // The same, but a member that is missing or null is nothing.
    template <class T>
    [[nodiscard]] Result<std::optional<T>> get_optional(std::string_view key) const {
        const JsonValue* member = find(key);
        if (member == nullptr || member->is_null()) {
            return std::optional<T>();
        }
        BERTH_TRY(T found, named(key, member->as<T>()));
        return std::optional<T>(std::move(found));
    }

    // Where in the text the value began, in bytes.
    [[nodiscard]] std::size_t offset() const { return offset_; }

    [[nodiscard]] const Data& data() const { return data_; }

private:
    static tl::unexpected<Error> missing(std::string_view key);

    template <class T>
    static Result<T> named(std::string_view key, Result<T> result) {
        if (!result) {
            return fail(result.error().within('"' + std::string(key) + '"'));
        }
        return result;
    }

    Data data_;
    std::size_t offset_ = 0;
};

struct JsonMember {
    std::string key;
    std::size_t key_offset = 0;
    JsonValue value;
};

struct JsonLimits {
    std::size_t max_bytes = 1U << 20U;
    std::size_t max_depth = 32;        // of objects and arrays in each other
    std::size_t max_values = 100'000;  // of all kinds
    bool rounds_wholes = false;        // beyond 64 bits, to a double; else they are refused
};

// Parses one JSON text. Refuses what is not UTF-8, NUL bytes, keys that occur twice, numbers out of
// range and whatever is over a limit. Never throws. Errors: "line 3, column 5: …".
Result<JsonValue> parse_json(std::string_view text, const JsonLimits& limits = {});

// Writes `value` with what looks like a secret (shared/base/secrets.h) as `mask`: members by their
// names, and texts by what `text` makes of them.
void write_masked(JsonWriter& json,
                  const JsonValue& value,
                  std::string_view mask,
                  std::string (*text)(std::string_view));

// parse_json() for callers that say themselves where the fault is.
struct JsonFailure {
    ErrorCode code = ErrorCode::InvalidArgument;
    std::size_t offset = 0;
    std::string reason;
};

tl::expected<JsonValue, JsonFailure> parse_json_text(std::string_view text,
                                                     const JsonLimits& limits);

}  // namespace berth::json
