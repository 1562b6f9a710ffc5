#include "agent/relay/peer/envelope.h"

#include "shared/base/text.h"
#include "shared/wire/append.h"
#include "shared/wire/cursor.h"

namespace berth::relay {

namespace {

using wire::Cursor;

constexpr std::uint32_t kParcelMembers = 11;
constexpr std::uint32_t kVerdictMembers = 5;
constexpr std::uint32_t kEventMembers = 5;
constexpr std::size_t kLongestEpoch = 64;
constexpr std::size_t kLongestWhy = 1024;
constexpr std::size_t kLongestType = 256;
constexpr std::size_t kLongestPayload = 64U << 20U;
constexpr std::uint64_t kLargestId = std::uint64_t{1} << 62U;  // fits into the database

void append_origin(std::string& out, const Origin& origin) {
    wire::append_text(out, origin.epoch);
    wire::append_whole(out, origin.life);
}

bool read_origin(Cursor& cursor, Origin& origin) {
    origin.epoch = cursor.text().value_or("");
    origin.life = cursor.whole().value_or(0);
    return cursor.ok() && !origin.epoch.empty() && origin.epoch.size() <= kLongestEpoch;
}

// An array of at least `members`; what a newer agent adds is read past with end_array().
std::optional<std::uint32_t> begin_array(Cursor& cursor, std::uint32_t members) {
    const auto count = cursor.array();
    return count && *count >= members ? std::optional(*count - members) : std::nullopt;
}

bool end_array(Cursor& cursor, std::uint32_t extra) {
    for (std::uint32_t i = 0; i < extra; ++i) {
        if (!cursor.any()) {
            return false;
        }
    }
    return cursor.ok();
}

bool read_parcel(Cursor& cursor, Envelope& envelope) {
    const auto extra = begin_array(cursor, kParcelMembers);
    if (!extra) {
        return false;
    }
    const auto kind = cursor.whole().value_or(~0ULL);
    envelope.kind = static_cast<EnvelopeKind>(kind);
    envelope.stream = cursor.whole().value_or(0);
    envelope.id = cursor.whole().value_or(0);
    envelope.before = cursor.whole().value_or(0);
    envelope.from = cursor.text().value_or("");
    envelope.to = cursor.text().value_or("");
    envelope.time_ms = cursor.whole().value_or(0);
    envelope.ttl_ms = cursor.whole().value_or(0);
    envelope.durable = cursor.flag().value_or(false);
    envelope.correlation = cursor.whole().value_or(0);
    envelope.payload = cursor.text().value_or("");
    const bool asks = kind != static_cast<std::uint64_t>(EnvelopeKind::Notify);
    // "" is the operator, who speaks for nobody.
    return end_array(cursor, *extra) && kind <= static_cast<std::uint64_t>(EnvelopeKind::Answer) &&
           envelope.id != 0 && envelope.id < kLargestId && envelope.before < envelope.id &&
           (envelope.from.empty() || is_valid_id(envelope.from)) &&
           (is_valid_id(envelope.to) ||
            (envelope.to.empty() && envelope.kind == EnvelopeKind::Answer)) &&
           !envelope.payload.empty() && envelope.payload.size() <= kLongestPayload &&
           asks == (envelope.correlation != 0) && !(asks && envelope.durable) &&
           envelope.ttl_ms < kLargestId && envelope.time_ms < kLargestId;
}

bool read_verdict(Cursor& cursor, Receipt& receipt) {
    const auto extra = begin_array(cursor, kVerdictMembers);
    if (!extra) {
        return false;
    }
    receipt.stream = cursor.whole().value_or(0);
    receipt.id = cursor.whole().value_or(0);
    const auto code = cursor.whole().value_or(~0ULL);
    receipt.code = static_cast<Code>(code);
    receipt.known = cursor.flag().value_or(false);
    receipt.why = cursor.text().value_or("");
    return end_array(cursor, *extra) && code < 1000 && receipt.why.size() <= kLongestWhy;
}

bool read_event(Cursor& cursor, PeerEvent& event) {
    const auto extra = begin_array(cursor, kEventMembers);
    if (!extra) {
        return false;
    }
    event.seq = cursor.whole().value_or(0);
    event.type = cursor.text().value_or("");
    event.from = cursor.text().value_or("");
    event.time_ms = cursor.whole().value_or(0);
    Cursor ahead = cursor;
    if (ahead.any() == "\xC0") {
        cursor = ahead;
    } else {
        event.payload = cursor.text();
    }
    return end_array(cursor, *extra) && event.type.size() <= kLongestType &&
           (event.from.empty() || is_valid_id(event.from));
}

template <class All, class Read>
std::optional<All> read_all(std::string_view body, Read read) {
    All all;
    Cursor cursor(body);
    if (!read_origin(cursor, all.origin)) {
        return std::nullopt;
    }
    while (!cursor.at_end()) {
        if (!read(cursor, all)) {
            return std::nullopt;
        }
    }
    return all;
}

}  // namespace

void begin_envelopes(std::string& out, const Origin& origin) {
    append_origin(out, origin);
}

void append_envelope(std::string& out, const Envelope& envelope) {
    wire::append_array(out, kParcelMembers);
    wire::append_whole(out, static_cast<std::uint64_t>(envelope.kind));
    wire::append_whole(out, envelope.stream);
    wire::append_whole(out, envelope.id);
    wire::append_whole(out, envelope.before);
    wire::append_text(out, envelope.from);
    wire::append_text(out, envelope.to);
    wire::append_whole(out, envelope.time_ms);
    wire::append_whole(out, envelope.ttl_ms);
    wire::append_flag(out, envelope.durable);
    wire::append_whole(out, envelope.correlation);
    wire::append_text(out, envelope.payload);
}

void begin_receipts(std::string& out, const Origin& origin) {
    append_origin(out, origin);
}

void append_receipt(std::string& out, const Receipt& receipt) {
    wire::append_array(out, kVerdictMembers);
    wire::append_whole(out, receipt.stream);
    wire::append_whole(out, receipt.id);
    wire::append_whole(out, static_cast<std::uint64_t>(receipt.code));
    wire::append_flag(out, receipt.known);
    wire::append_text(out, receipt.why.substr(0, kLongestWhy));
}

void append_event(std::string& out, const PeerEvent& event) {
    wire::append_array(out, kEventMembers);
    wire::append_whole(out, event.seq);
    wire::append_text(out, event.type);
    wire::append_text(out, event.from);
    wire::append_whole(out, event.time_ms);
    if (event.payload) {
        wire::append_text(out, *event.payload);
    } else {
        wire::append_nil(out);
    }
}

std::optional<Envelopes> read_envelopes(std::string_view body) {
    return read_all<Envelopes>(body, [](Cursor& cursor, Envelopes& all) {
        return read_parcel(cursor, all.envelopes.emplace_back());
    });
}

std::optional<Receipts> read_receipts(std::string_view body) {
    return read_all<Receipts>(body, [](Cursor& cursor, Receipts& all) {
        return read_verdict(cursor, all.receipts.emplace_back());
    });
}

std::optional<std::vector<PeerEvent>> read_events(std::string_view body) {
    std::vector<PeerEvent> events;
    Cursor cursor(body);
    while (!cursor.at_end()) {
        if (!read_event(cursor, events.emplace_back())) {
            return std::nullopt;
        }
    }
    return events;
}

}  // namespace berth::relay
