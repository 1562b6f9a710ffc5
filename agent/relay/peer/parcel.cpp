#include "agent/relay/peer/parcel.h"

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

bool read_parcel(Cursor& cursor, Parcel& parcel) {
    const auto extra = begin_array(cursor, kParcelMembers);
    if (!extra) {
        return false;
    }
    const auto kind = cursor.whole().value_or(~0ULL);
    parcel.kind = static_cast<ParcelKind>(kind);
    parcel.lane = cursor.whole().value_or(0);
    parcel.id = cursor.whole().value_or(0);
    parcel.before = cursor.whole().value_or(0);
    parcel.from = cursor.text().value_or("");
    parcel.to = cursor.text().value_or("");
    parcel.time_ms = cursor.whole().value_or(0);
    parcel.ttl_ms = cursor.whole().value_or(0);
    parcel.durable = cursor.flag().value_or(false);
    parcel.correlation = cursor.whole().value_or(0);
    parcel.payload = cursor.text().value_or("");
    const bool asks = kind != static_cast<std::uint64_t>(ParcelKind::Notify);
    // "" is the operator, who speaks for nobody.
    return end_array(cursor, *extra) && kind <= static_cast<std::uint64_t>(ParcelKind::Answer) &&
           parcel.id != 0 && parcel.id < kLargestId && parcel.before < parcel.id &&
           (parcel.from.empty() || is_valid_id(parcel.from)) &&
           (is_valid_id(parcel.to) || (parcel.to.empty() && parcel.kind == ParcelKind::Answer)) &&
           !parcel.payload.empty() && parcel.payload.size() <= kLongestPayload &&
           asks == (parcel.correlation != 0) && !(asks && parcel.durable) &&
           parcel.ttl_ms < kLargestId && parcel.time_ms < kLargestId;
}

bool read_verdict(Cursor& cursor, Verdict& verdict) {
    const auto extra = begin_array(cursor, kVerdictMembers);
    if (!extra) {
        return false;
    }
    verdict.lane = cursor.whole().value_or(0);
    verdict.id = cursor.whole().value_or(0);
    const auto code = cursor.whole().value_or(~0ULL);
    verdict.code = static_cast<Code>(code);
    verdict.known = cursor.flag().value_or(false);
    verdict.why = cursor.text().value_or("");
    return end_array(cursor, *extra) && code < 1000 && verdict.why.size() <= kLongestWhy;
}

bool read_event(Cursor& cursor, FarEvent& event) {
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

void begin_parcels(std::string& out, const Origin& origin) {
    append_origin(out, origin);
}

void append_parcel(std::string& out, const Parcel& parcel) {
    wire::append_array(out, kParcelMembers);
    wire::append_whole(out, static_cast<std::uint64_t>(parcel.kind));
    wire::append_whole(out, parcel.lane);
    wire::append_whole(out, parcel.id);
    wire::append_whole(out, parcel.before);
    wire::append_text(out, parcel.from);
    wire::append_text(out, parcel.to);
    wire::append_whole(out, parcel.time_ms);
    wire::append_whole(out, parcel.ttl_ms);
    wire::append_flag(out, parcel.durable);
    wire::append_whole(out, parcel.correlation);
    wire::append_text(out, parcel.payload);
}

void begin_verdicts(std::string& out, const Origin& origin) {
    append_origin(out, origin);
}

void append_verdict(std::string& out, const Verdict& verdict) {
    wire::append_array(out, kVerdictMembers);
    wire::append_whole(out, verdict.lane);
    wire::append_whole(out, verdict.id);
    wire::append_whole(out, static_cast<std::uint64_t>(verdict.code));
    wire::append_flag(out, verdict.known);
    wire::append_text(out, verdict.why.substr(0, kLongestWhy));
}

void append_event(std::string& out, const FarEvent& event) {
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

std::optional<Parcels> read_parcels(std::string_view body) {
    return read_all<Parcels>(body, [](Cursor& cursor, Parcels& all) {
        return read_parcel(cursor, all.parcels.emplace_back());
    });
}

std::optional<Verdicts> read_verdicts(std::string_view body) {
    return read_all<Verdicts>(body, [](Cursor& cursor, Verdicts& all) {
        return read_verdict(cursor, all.verdicts.emplace_back());
    });
}

std::optional<std::vector<FarEvent>> read_events(std::string_view body) {
    std::vector<FarEvent> events;
    Cursor cursor(body);
    while (!cursor.at_end()) {
        if (!read_event(cursor, events.emplace_back())) {
            return std::nullopt;
        }
    }
    return events;
}

}  // namespace berth::relay
