#pragma once

#include <concepts>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace berth::json {

// Appends JSON text to a buffer of its own, without blanks. Values inside objects need their key()
// first; closing what is not open, a value without a key or two values at the top are bugs
// (ENSURE). One thread, no errors: text that is not UTF-8 is repaired, numbers that JSON lacks
// become null.
class JsonWriter {
public:
    JsonWriter& begin_object() { return open('{'); }

    JsonWriter& end_object() { return close('{', '}'); }

    JsonWriter& begin_array() { return open('['); }

    JsonWriter& end_array() { return close('[', ']'); }

    JsonWriter& key(std::string_view name);

    JsonWriter& value(std::string_view text);

    JsonWriter& value(const std::string& text) { return value(std::string_view(text)); }

    JsonWriter& value(const char* text) { return value(std::string_view(text)); }

    JsonWriter& value(bool truth) { return raw(truth ? "true" : "false"); }

    JsonWriter& value(double number);

    JsonWriter& null() { return raw("null"); }

    template <std::integral T>
    JsonWriter& value(T number) {
        return raw(std::to_string(number));
    }

    template <class T>
    JsonWriter& value(const std::optional<T>& maybe) {
        return maybe ? value(*maybe) : null();
    }

    template <class T>
    JsonWriter& value(const std::vector<T>& items) {
        begin_array();
        for (const T& item : items) {
            value(item);
        }
        return end_array();
    }

    // `json` must be one whole JSON value.
    JsonWriter& raw(std::string_view json);

    // key(name) and value(of).
    template <class T>
    JsonWriter& field(std::string_view name, const T& of) {
        return key(name).value(of);
    }

    // How much text there is so far.
    [[nodiscard]] std::size_t size() const { return text_.size(); }

    // The finished text; everything must be closed.
    [[nodiscard]] const std::string& text() const;
    [[nodiscard]] std::string take();

private:
    struct Level {
        char bracket;
        bool empty = true;
        bool keyed = false;  // key() was called, its value was not
    };

    JsonWriter& open(char bracket);
    JsonWriter& close(char opened, char bracket);
    void before_value();
    void append_quoted(std::string_view text);

    std::string text_;
    std::vector<Level> levels_;
};

}  // namespace berth::json
