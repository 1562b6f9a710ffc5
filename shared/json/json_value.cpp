#include "shared/json/json_value.h"

#include <rapidjson/error/en.h>
#include <rapidjson/memorystream.h>
#include <rapidjson/reader.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <cmath>
#include <limits>
#include <utility>

#include "shared/base/position.h"
#include "shared/base/secrets.h"
#include "shared/base/text.h"
#include "shared/json/json_writer.h"

namespace berth::json {

namespace {

constexpr double kExactWholes = 9007199254740992.0;  // 2^53: above it doubles skip whole numbers

// Builds the tree from RapidJSON's events. These come when the stream stands behind the token they
// report (before it for opening brackets), so where a token began is found by walking on from the
// end of the one before it over blanks, commas and colons.
class TreeBuilder {
public:
    TreeBuilder(std::string_view text,
                const rapidjson::MemoryStream& stream,
                const JsonLimits& limits)
        : text_(text), stream_(stream), limits_(limits) {}

    // NOLINTBEGIN(readability-identifier-naming): RapidJSON's names
    bool Null() { return scalar(nullptr); }

    bool Bool(bool truth) { return scalar(truth); }

    // Numbers come as they stand in the text (kParseNumbersAsStringsFlag), checked for their
    // syntax: RapidJSON's own way to a double is undefined for 0e99, std::from_chars() is not.
    bool RawNumber(const char* /*text*/, rapidjson::SizeType /*length*/, bool /*copy*/) {
        const std::size_t start = next_token();
        const std::string_view digits = text_.substr(start, stream_.Tell() - start);
        const char* const end = digits.data() + digits.size();
        std::int64_t whole = 0;
        std::uint64_t large = 0;
        if (const auto got = std::from_chars(digits.data(), end, whole);
            got.ptr == end && got.ec == std::errc()) {
            return scalar(whole);
        }
        if (const auto got = std::from_chars(digits.data(), end, large);
            got.ptr == end && got.ec == std::errc()) {
            return scalar(large);
        }
        if (!limits_.rounds_wholes && digits.find_first_of(".eE") == std::string_view::npos) {
            (void)refuse(start, "a whole number with more than 64 bits: send it as a string");
            failure_->code = ErrorCode::InvalidArgument;
            return false;
        }
        double number = 0;
        if (std::from_chars(digits.data(), end, number).ec == std::errc::result_out_of_range) {
            long double wider = 0;
            (void)std::from_chars(digits.data(), end, wider);  // out of its range too: 0
            if (std::abs(wider) > 1) {
                (void)refuse(start, "number too big to be stored in double");
                failure_->code = ErrorCode::InvalidArgument;
                return false;
            }
            number = 0;
        }
        return scalar(number);
    }

    // Never called: numbers come raw.
    bool Int(int /*number*/) { return false; }

    bool Uint(unsigned /*number*/) { return false; }

    bool Int64(std::int64_t /*number*/) { return false; }

    bool Uint64(std::uint64_t /*number*/) { return false; }

    bool Double(double /*number*/) { return false; }

    bool String(const char* text, rapidjson::SizeType length, bool) {
        return scalar(std::string(text, length));
    }

    bool Key(const char* text, rapidjson::SizeType length, bool) {
        const std::size_t start = next_token();
        last_end_ = stream_.Tell();
        open_.back().key = std::string(text, length);
        open_.back().key_offset = start;
        return true;
    }

    bool StartObject() { return open(JsonValue::Object()); }

    bool StartArray() { return open(JsonValue::Array()); }

    bool EndObject(rapidjson::SizeType) { return no_key_twice() && close(); }

    bool EndArray(rapidjson::SizeType) { return close(); }

    // NOLINTEND(readability-identifier-naming)

    JsonValue take_root() { return std::move(root_); }

    [[nodiscard]] const std::optional<JsonFailure>& failure() const { return failure_; }

private:
    struct Open {
        JsonValue::Data data;
        std::size_t offset = 0;
        std::string key;
        std::size_t key_offset = 0;
    };

    [[nodiscard]] std::size_t next_token() const {
        const std::size_t start = text_.find_first_not_of(" \t\r\n,:", last_end_);
        return start == std::string_view::npos ? text_.size() : start;
    }

    bool scalar(JsonValue::Data data) {
        const std::size_t start = next_token();
        last_end_ = stream_.Tell();
        return count(start) && add(JsonValue(std::move(data), start));
    }

    bool open(JsonValue::Data data) {
        const std::size_t start = next_token();
        last_end_ = start + 1;
        if (open_.size() == limits_.max_depth) {
            return refuse(start, "more than " + std::to_string(limits_.max_depth) + " levels deep");
        }
        open_.push_back({std::move(data), start, {}, 0});
        return count(start);
    }

    bool close() {
        last_end_ = next_token() + 1;
        Open closed = std::move(open_.back());
        open_.pop_back();
        return add(JsonValue(std::move(closed.data), closed.offset));
    }

    bool add(JsonValue value) {
        if (open_.empty()) {
            root_ = std::move(value);
        } else if (auto* items = std::get_if<JsonValue::Array>(&open_.back().data)) {
            items->push_back(std::move(value));
        } else if (auto* members = std::get_if<JsonValue::Object>(&open_.back().data)) {
            members->push_back(
                {std::move(open_.back().key), open_.back().key_offset, std::move(value)});
        }
        return true;
    }

    bool count(std::size_t start) {
        if (++values_ > limits_.max_values) {
            return refuse(start, "more than " + std::to_string(limits_.max_values) + " values");
        }
        return true;
    }

    bool no_key_twice() {
        const auto& members = std::get<JsonValue::Object>(open_.back().data);
        std::vector<const JsonMember*> sorted;
        sorted.reserve(members.size());
        for (const JsonMember& member : members) {
            sorted.push_back(&member);
        }
        std::stable_sort(sorted.begin(),
                         sorted.end(),
                         [](const JsonMember* a, const JsonMember* b) { return a->key < b->key; });
        const auto twice = std::adjacent_find(
            sorted.begin(), sorted.end(), [](const JsonMember* a, const JsonMember* b) {
                return a->key == b->key;
            });
        if (twice == sorted.end()) {
            return true;
        }
        const JsonMember& second = **std::next(twice);
        (void)refuse(second.key_offset, "the key \"" + printable(second.key) + "\" occurs twice");
        failure_->code = ErrorCode::InvalidArgument;
        return false;
    }

    bool refuse(std::size_t offset, std::string reason) {
        failure_ = JsonFailure{ErrorCode::TooLarge, offset, std::move(reason)};
        return false;
    }

    std::string_view text_;
    const rapidjson::MemoryStream& stream_;
    const JsonLimits& limits_;
    std::vector<Open> open_;
    JsonValue root_;
    std::size_t values_ = 0;
    std::size_t last_end_ = 0;
    std::optional<JsonFailure> failure_;
};

// RapidJSON's sentence as part of ours: small first letter, no full stop.
std::string reason_of(rapidjson::ParseErrorCode code) {
    std::string reason = rapidjson::GetParseError_En(code);
    if (!reason.empty() && reason.back() == '.') {
        reason.pop_back();
    }
    if (reason.size() > 1 && reason[0] >= 'A' && reason[0] <= 'Z') {
        reason[0] = static_cast<char>(reason[0] - 'A' + 'a');
    }
    return reason;
}

std::optional<JsonFailure> refuse_bytes(std::string_view text, const JsonLimits& limits) {
    if (text.size() > limits.max_bytes) {
        return JsonFailure{
            ErrorCode::TooLarge, 0, "larger than " + std::to_string(limits.max_bytes) + " bytes"};
    }
    if (const std::size_t nul = text.find('\0'); nul != std::string_view::npos) {
        return JsonFailure{ErrorCode::InvalidArgument, nul, "a NUL byte"};
    }
    if (const std::size_t valid = valid_utf8_prefix(text); valid != text.size()) {
        return JsonFailure{ErrorCode::InvalidArgument, valid, "not valid UTF-8"};
    }
    return std::nullopt;
}

}  // namespace

JsonValue::JsonValue() = default;

JsonValue::JsonValue(Data data, std::size_t offset) : data_(std::move(data)), offset_(offset) {}

JsonValue::JsonValue(const JsonValue&) = default;
JsonValue::JsonValue(JsonValue&&) noexcept = default;
JsonValue& JsonValue::operator=(const JsonValue&) = default;
JsonValue& JsonValue::operator=(JsonValue&&) noexcept = default;
JsonValue::~JsonValue() = default;

std::string_view JsonValue::kind_name() const {
    constexpr std::array<std::string_view, 8> kNames = {
        "null", "a boolean", "a number", "a number", "a number", "a string", "a list", "an object"};
    return kNames.at(data_.index());
}

const JsonValue::Array& JsonValue::items() const {
    static const Array kNone;
    const auto* items = std::get_if<Array>(&data_);
    return items == nullptr ? kNone : *items;
}

const JsonValue::Object& JsonValue::members() const {
    static const Object kNone;
    const auto* members = std::get_if<Object>(&data_);
    return members == nullptr ? kNone : *members;
}

const JsonValue* JsonValue::find(std::string_view key) const {
    for (const JsonMember& member : members()) {
        if (member.key == key) {
            return &member.value;
        }
    }
    return nullptr;
}

template <>
Result<bool> JsonValue::as<bool>() const {
    if (const auto* truth = std::get_if<bool>(&data_)) {
        return *truth;
    }
    return fail(ErrorCode::InvalidArgument, "is " + std::string(kind_name()) + ", not a boolean");
}

template <>
Result<std::string> JsonValue::as<std::string>() const {
    if (const auto* text = std::get_if<std::string>(&data_)) {
        return *text;
    }
    return fail(ErrorCode::InvalidArgument, "is " + std::string(kind_name()) + ", not a string");
}

template <>
Result<double> JsonValue::as<double>() const {
    if (const auto* number = std::get_if<double>(&data_)) {
        return *number;
    }
    if (const auto* whole = std::get_if<std::int64_t>(&data_)) {
        return static_cast<double>(*whole);
    }
    if (const auto* whole = std::get_if<std::uint64_t>(&data_)) {
        return static_cast<double>(*whole);
    }
    return fail(ErrorCode::InvalidArgument, "is " + std::string(kind_name()) + ", not a number");
}

template <>
Result<std::int64_t> JsonValue::as<std::int64_t>() const {
    if (const auto* whole = std::get_if<std::int64_t>(&data_)) {
        return *whole;
    }
    if (const auto* number = std::get_if<double>(&data_);
        number != nullptr && std::abs(*number) <= kExactWholes && std::trunc(*number) == *number) {
        return static_cast<std::int64_t>(*number);
    }
    const bool other_number =
        std::holds_alternative<double>(data_) || std::holds_alternative<std::uint64_t>(data_);
    return fail(ErrorCode::InvalidArgument,
                other_number ? "is not a whole number from -2^63 to 2^63 - 1"
                             : "is " + std::string(kind_name()) + ", not a whole number");
}

template <>
Result<std::uint64_t> JsonValue::as<std::uint64_t>() const {
    if (const auto* whole = std::get_if<std::uint64_t>(&data_)) {
        return *whole;
    }
    const Result<std::int64_t> whole = as<std::int64_t>();
    if (!whole) {
        return fail(whole.error());
    }
    if (*whole < 0) {
        return fail(ErrorCode::InvalidArgument, "is negative, not a whole number from 0 up");
    }
    return static_cast<std::uint64_t>(*whole);
}

tl::unexpected<Error> JsonValue::missing(std::string_view key) {
    return fail(ErrorCode::InvalidArgument, '"' + std::string(key) + "\" is missing");
}

tl::expected<JsonValue, JsonFailure> parse_json_text(std::string_view text,
                                                     const JsonLimits& limits) {
    if (std::optional<JsonFailure> failure = refuse_bytes(text, limits)) {
        return tl::unexpected(*std::move(failure));
    }
    // Iterative: the depth of hostile input must not become depth of the stack.
    constexpr unsigned kFlags = rapidjson::kParseIterativeFlag |
                                rapidjson::kParseNumbersAsStringsFlag |
                                rapidjson::kParseValidateEncodingFlag;
    rapidjson::MemoryStream stream(text.data(), text.size());
    rapidjson::Reader reader;
    TreeBuilder builder(text, stream, limits);
    const rapidjson::ParseResult result = reader.Parse<kFlags>(stream, builder);
    if (result.IsError()) {
        JsonFailure failure{ErrorCode::InvalidArgument, result.Offset(), reason_of(result.Code())};
        return tl::unexpected(builder.failure().value_or(std::move(failure)));
    }
    return builder.take_root();
}

Result<JsonValue> parse_json(std::string_view text, const JsonLimits& limits) {
    auto parsed = parse_json_text(text, limits);
    if (!parsed) {
        const Position at = PositionFinder(text).at(parsed.error().offset);
        return fail(parsed.error().code,
                    "line " + std::to_string(at.line) + ", column " + std::to_string(at.column) +
                        ": " + parsed.error().reason);
    }
    return *std::move(parsed);
}

void write_masked(JsonWriter& json,
                  const JsonValue& value,
                  std::string_view mask,
                  std::string (*text)(std::string_view)) {
    struct Visitor {
        JsonWriter& json;
        std::string_view mask;
        std::string (*text)(std::string_view);

        void operator()(std::nullptr_t) const { json.null(); }

        void operator()(bool truth) const { json.value(truth); }

        void operator()(std::int64_t whole) const { json.value(whole); }

        void operator()(std::uint64_t whole) const { json.value(whole); }

        void operator()(double number) const { json.value(number); }

        void operator()(const std::string& plain) const { json.value(text(plain)); }

        void operator()(const JsonValue::Array& items) const {
            json.begin_array();
            for (const JsonValue& item : items) {
                write_masked(json, item, mask, text);
            }
            json.end_array();
        }

        void operator()(const JsonValue::Object& members) const {
            json.begin_object();
            for (const JsonMember& member : members) {
                json.key(member.key);
                if (looks_secret(member.key)) {
                    json.value(mask);
                } else {
                    write_masked(json, member.value, mask, text);
                }
            }
            json.end_object();
        }
    };

    std::visit(Visitor{json, mask, text}, value.data());
}

}  // namespace berth::json
