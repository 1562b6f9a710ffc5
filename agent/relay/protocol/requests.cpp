#include "agent/relay/protocol/requests.h"

#include <algorithm>
#include <array>

#include "shared/wire/append.h"

namespace berth::relay {

namespace {

using wire::Cursor;

constexpr std::size_t kMaxMembers = 64;
constexpr std::size_t kMaxDepth = 8;

enum class ArgKind : std::uint8_t { Text, Key, Packed, Flag, Whole, Ids };

// Where an argument goes.
struct ArgRule {
    std::string_view name;
    ArgKind kind;
    std::optional<std::string_view> Args::*text = nullptr;
    std::optional<bool> Args::*flag = nullptr;
    std::optional<std::uint64_t> Args::*whole = nullptr;
};

constexpr std::array<ArgRule, 19> kRules = {{
    {"to", ArgKind::Text, &Args::to},
    {"ids", ArgKind::Ids},
    {"dedupe", ArgKind::Key, &Args::dedupe},
    {"durable", ArgKind::Flag, nullptr, &Args::durable},
    {"max", ArgKind::Whole, nullptr, nullptr, &Args::max},
    {"wait_ms", ArgKind::Whole, nullptr, nullptr, &Args::wait_ms},
    {"auto_ack", ArgKind::Flag, nullptr, &Args::auto_ack},
    {"ack", ArgKind::Ids},
    {"ttl_ms", ArgKind::Whole, nullptr, nullptr, &Args::ttl_ms},
    {"type", ArgKind::Text, &Args::type},
    {"timeout_ms", ArgKind::Whole, nullptr, nullptr, &Args::timeout_ms},
    {"correlation", ArgKind::Whole, nullptr, nullptr, &Args::correlation},
    {"app", ArgKind::Text, &Args::app},
    {"secret", ArgKind::Text, &Args::secret},
    {"subscribe", ArgKind::Flag, nullptr, &Args::subscribe},
    {"events", ArgKind::Flag, nullptr, &Args::events},
    {"unseen", ArgKind::Flag, nullptr, &Args::unseen},
    {"read", ArgKind::Whole, nullptr, nullptr, &Args::read},
    {"agent", ArgKind::Packed, &Args::agents},
}};

tl::unexpected<Error> malformed(const std::string& what) {
    return fail(ErrorCode::InvalidArgument, what);
}

bool read_ids(Cursor& cursor, Args& args, std::string_view frame) {
    const auto count = cursor.array();
    if (!count) {
        return false;
    }
    const std::size_t begin = cursor.position();
    for (std::uint32_t i = 0; i < *count; ++i) {
        if (!cursor.whole()) {
            return false;
        }
    }
    args.ids = IdList(frame.substr(begin, cursor.position() - begin), *count);
    return true;
}

// A string or a whole number, kept packed.
bool read_key(Cursor& cursor, std::optional<std::string_view>& out) {
    constexpr std::size_t kLongestKey = 256;
    out = cursor.any(0);
    if (!out || out->size() > kLongestKey) {
        return false;
    }
    Cursor text(*out);
    Cursor number(*out);
    return text.text() || number.whole();
}

bool read_value(const ArgRule& rule, Cursor& cursor, Args& args, std::string_view frame) {
    switch (rule.kind) {
        case ArgKind::Text:
            args.*rule.text = cursor.text();
            return (args.*rule.text).has_value();
        case ArgKind::Key:
            return read_key(cursor, args.*rule.text);
        case ArgKind::Packed:
            args.*rule.text = cursor.any(2);
            return (args.*rule.text).has_value();
        case ArgKind::Flag:
            args.*rule.flag = cursor.flag();
            return (args.*rule.flag).has_value();
        case ArgKind::Whole:
            args.*rule.whole = cursor.whole();
            return (args.*rule.whole).has_value();
        case ArgKind::Ids:
            return read_ids(cursor, args, frame);
    }
    return false;
}

Result<void> read_args(Cursor& cursor, std::string_view frame, Args& args) {
    const auto count = cursor.map();
    if (!count || *count > kMaxMembers) {
        return malformed("the header's fourth element is no map of arguments");
    }
    std::uint32_t seen = 0;
    for (std::uint32_t i = 0; i < *count; ++i) {
        const auto name = cursor.text();
        if (!name) {
            return malformed("an argument's name is no string");
        }
        std::size_t index = 0;
        while (index < kRules.size() && kRules[index].name != *name) {
            ++index;
        }
        if (index == kRules.size()) {  // of a newer client
            if (!cursor.any(kMaxDepth)) {
                return malformed("an argument is cut short or nested too deep");
            }
            continue;
        }
        if ((seen & 1U << index) != 0) {
            return malformed("the argument \"" + std::string(*name) + "\" is given twice");
        }
        seen |= 1U << index;
        Cursor ahead = cursor;
        if (const auto value = ahead.any(kMaxDepth); value && *value == "\xC0") {
            cursor = ahead;  // nil: as if it were not given
            continue;
        }
        if (!read_value(kRules[index], cursor, args, frame)) {
            return malformed("the argument \"" + std::string(*name) + "\" has a wrong type");
        }
    }
    return {};
}

}  // namespace

Result<void> read_request(std::string_view frame, RequestHeader& out) {
    Cursor cursor(frame);
    const auto members = cursor.array();
    const auto version = members ? cursor.whole() : std::nullopt;
    const auto id = version ? cursor.whole() : std::nullopt;
    if (!id || *members != 4 || *id == 0) {
        out.id = id.value_or(0);
        return malformed("a request's header is [1, id > 0, verb, arguments]");
    }
    out.id = *id;
    if (*version != kIpcVersion) {
        return malformed("this relay speaks version 1 of the protocol, not " +
                         std::to_string(*version));
    }
    const auto verb = cursor.text();
    if (!verb) {
        return malformed("the verb is no string");
    }
    BERTH_CHECK(read_args(cursor, frame, out.args));
    if (!cursor.at_end()) {
        return malformed("bytes behind the header's end");
    }
    const auto known = kVerbNames.value(*verb);
    if (!known) {
        return fail(ErrorCode::NotFound,
                    "no verb is named \"" + std::string(verb->substr(0, 64)) + "\"");
    }
    out.verb = *known;
    return {};
}

void known_key(std::string& out, std::string_view from, std::string_view to, std::string_view key) {
    out.clear();
    out.append(from).append(1, '\0').append(to).append(1, '\0').append(key);
}

std::chrono::milliseconds request_timeout(const Args& args) {
    constexpr std::uint64_t kDefaultMs = 30'000;
    constexpr std::uint64_t kLongestMs = 366ULL * 24 * 3600 * 1000;
    return std::chrono::milliseconds(
        std::clamp<std::uint64_t>(args.timeout_ms.value_or(kDefaultMs), 1, kLongestMs));
}

void begin_reply(std::string& out, std::uint64_t id, Code code, std::uint32_t members) {
    wire::append_array(out, 4);
    wire::append_whole(out, kIpcVersion);
    wire::append_whole(out, id);
    wire::append_whole(out, static_cast<std::uint64_t>(code));
    wire::append_map(out, members);
}

std::string ok_reply(std::uint64_t id) {
    std::string out;
    begin_reply(out, id, Code::Ok, 0);
    return out;
}

std::string error_header(std::uint64_t id, Code code, std::string_view why) {
    std::string out;
    begin_reply(out, id, code, 1);
    wire::append_text(out, "error");
    wire::append_text(out, why);
    return out;
}

void append_meta(std::string& out, const MessageMeta& meta) {
    wire::append_map(out, meta.correlation != 0 ? 5 : 4);
    wire::append_text(out, "id");
    wire::append_whole(out, meta.id);
    wire::append_text(out, "from");
    wire::append_text(out, meta.from);
    wire::append_text(out, "time_ms");
    wire::append_whole(out, meta.time_ms);
    wire::append_text(out, "attempt");
    wire::append_whole(out, meta.attempt);
    if (meta.correlation != 0) {
        wire::append_text(out, "correlation");
        wire::append_whole(out, meta.correlation);
    }
}

namespace {

void begin_push(std::string& out, std::string_view kind) {
    wire::append_array(out, 4);
    wire::append_whole(out, kIpcVersion);
    wire::append_whole(out, 0);
    wire::append_text(out, kind);
}

}  // namespace

void append_message_header(std::string& out, const MessageMeta& meta) {
    begin_push(out, "message");
    append_meta(out, meta);
}

std::string event_header(const EventMeta& meta) {
    std::string out;
    begin_push(out, "event");
    wire::append_map(out, 5);
    wire::append_text(out, "type");
    wire::append_text(out, meta.type);
    wire::append_text(out, "from");
    wire::append_text(out, meta.from);
    wire::append_text(out, "time_ms");
    wire::append_whole(out, meta.time_ms);
    wire::append_text(out, "seq");
    wire::append_whole(out, meta.seq);
    wire::append_text(out, "agent");
    wire::append_text(out, meta.agent);
    return out;
}

std::optional<std::vector<std::string>> read_names(std::string_view packed) {
    constexpr std::uint32_t kMost = 1000;
    Cursor one(packed);
    if (const auto name = one.text()) {
        return std::vector<std::string>{std::string(*name)};
    }
    Cursor list(packed);
    const auto count = list.array();
    if (!count || *count > kMost) {
        return std::nullopt;
    }
    std::vector<std::string> names;
    for (std::uint32_t i = 0; i < *count; ++i) {
        const auto name = list.text();
        if (!name) {
            return std::nullopt;
        }
        names.emplace_back(*name);
    }
    return names;
}

}  // namespace berth::relay
