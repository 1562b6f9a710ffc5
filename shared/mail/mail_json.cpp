#include "shared/mail/mail_json.h"

#include "shared/json/app_json.h"
#include "shared/json/json_value.h"
#include "shared/wire/status.h"

namespace berth::mail {

namespace {

WallTime ms_time(const wire::Value& value) {
    return WallTime(std::chrono::milliseconds(value.as_uint()));
}

void write_time(json::JsonWriter& json, std::string_view key, const wire::Value& time) {
    json.key(key);
    if (time.is_nil()) {
        json.null();
    } else {
        json.value(rfc3339_utc(wire::to_wall_time(time), 6));
    }
}

}  // namespace

void write_figures(json::JsonWriter& json, const wire::Value& mailbox) {
    json.key("mailbox");
    if (const auto figures = wire::to_mailbox_status(mailbox)) {
        json.begin_object();
        json::write_mailbox_members(json, *figures);
        json.end_object();
    } else {
        json.null();
    }
}

void write_mailbox(json::JsonWriter& json, const wire::Value& mailbox) {
    json.begin_object().field("app", mailbox["app"].as_string());
    json.field("known", mailbox["known"].as_bool());
    json.field("sessions", mailbox["sessions"].as_uint());
    json::write_mailbox_members(json, wire::to_mailbox_status(mailbox).value_or(MailboxStatus()));
    json.end_object();
}

void write_message(json::JsonWriter& json, const wire::Value& message) {
    json.begin_object().field("id", message["id"].as_uint());
    json.field("from", message["from"].as_string());
    json.field("time", rfc3339_utc(ms_time(message["time_ms"]), 3));
    json.field("attempt", message["attempt"].as_uint()).field("held", message["held"].as_bool());
    json.field("durable", message["durable"].as_bool());
    json.field("request", message["request"].as_bool()).key("expires");
    if (message["expires_ms"].is_nil()) {
        json.null();
    } else {
        json.value(rfc3339_utc(ms_time(message["expires_ms"]), 3));
    }
    json.key("dead");
    if (message["dead_ms"].is_nil()) {
        json.null();
    } else {
        json.value(rfc3339_utc(ms_time(message["dead_ms"]), 3));
    }
    json.field("bytes", message["bytes"].as_uint()).field("whole", message["whole"].as_bool());
    // The text is embedded as it is, so it must be JSON.
    const std::string& shown = message["shown"].as_string();
    const bool sound = json::parse_json(shown, {16U << 20U, 256, 2'000'000}).has_value();
    json.key("payload").raw(sound ? shown : "null").end_object();
}

void write_entry(json::JsonWriter& json, const wire::Value& entry) {
    json.begin_object().field("id", entry["id"].as_uint());
    for (const char* const member : {"kind", "from", "to", "outcome"}) {
        json.field(member, entry[member].as_string());
    }
    json.field("bytes", entry["bytes"].as_uint()).field("attempts", entry["attempts"].as_uint());
    for (const char* const member : {"accepted", "stored", "given", "ended"}) {
        write_time(json, member, entry[member]);
    }
    json.end_object();
}

}  // namespace berth::mail
