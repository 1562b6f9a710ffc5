#include "shared/json/app_json.h"

#include "shared/base/secrets.h"

namespace berth::json {

namespace {

void write_time(JsonWriter& json, std::string_view key, const std::optional<WallTime>& time) {
    json.key(key);
    if (time) {
        json.value(rfc3339_utc(*time, 3));
    } else {
        json.null();
    }
}

}  // namespace

AppStatus without_secrets(AppStatus status) {
    for (std::string* const text : {&status.command,
                                    &status.comment,
                                    &status.reason,
                                    &status.check,
                                    &status.said,
                                    &status.backend_id}) {
        *text = berth::without_secrets(*text);
    }
    return status;
}

void write_mailbox_members(JsonWriter& json, const MailboxStatus& mailbox) {
    json.field("waiting", mailbox.waiting).field("held", mailbox.held);
    json.field("bytes", mailbox.bytes).field("received", mailbox.received);
    json.field("taken", mailbox.taken).field("redelivered", mailbox.redelivered);
    json.field("dead", mailbox.dead);
    json.field("in_rate", mailbox.in_rate).field("out_rate", mailbox.out_rate);
    write_time(json, "oldest", mailbox.oldest);
}

void write_app_members(JsonWriter& json, const AppStatus& status) {
    json.field("id", status.id);
    json.field("agent", status.agent);
    json.field("name", status.name);
    json.field("comment", status.comment);
    json.field("state", kAppStateNames.name(status.state));
    json.field("active", is_active(status.state));
    json.field("desired", kDesiredNames.name(status.desired));
    json.field("reason", status.reason);
    json.field("actor", status.actor);
    write_time(json, "since", status.since);
    json.field("pid", status.pid);
    json.field("exit_code", spmi_exit_code(status.exit));
    const bool signalled = status.exit && status.exit->kind == ExitKind::Signal;
    json.field("signal", signalled ? std::optional(signal_name(status.exit->value)) : std::nullopt);
    write_time(json, "started", status.started);
    write_time(json, "finished", status.finished);
    write_time(json, "next_try", status.next_try);
    json.field("restarts", status.restarts);
    json.field("cpu_percent", status.cpu_percent);
    json.field("rss_bytes", status.rss_bytes);
    json.field("processes", status.processes);
    json.field("command", status.command);
    json.field("path", status.path);
    json.field("descriptor", status.descriptor);
    json.field("backend", kBackendTypeNames.name(status.backend));
    json.field("backend_id", status.backend_id);
    json.field("tty", status.tty);
    json.field("tags", status.tags);
    json.field("autostart", status.autostart);
    json.field("instance_of", status.instance_of);
    json.field("check", status.check);
    json.field("said", status.said);
    json.field("schedule", status.schedule);
    json.field("descriptor_note", status.descriptor_note).field("log_note", status.log_note);
    write_time(json, "next_run", status.next_run);
    json.field("changed_on_disk", status.changed_on_disk);
    json.key("limits").begin_array();
    for (const LimitStatus& limit : status.limits) {
        json.begin_object();
        json.field("name", limit.name).field("value", limit.value).field("by", limit.by);
        json.end_object();
    }
    json.end_array();
    json.key("mailbox");
    if (status.mailbox) {
        json.begin_object();
        write_mailbox_members(json, *status.mailbox);
        json.end_object();
    } else {
        json.null();
    }
}

void write_explanation_members(JsonWriter& json, const Explanation& why) {
    const std::string since = rfc3339_utc(why.since, 3);
    json.field("state", kAppStateNames.name(why.state)).field("cause", why.cause);
    json.field("since", since).field("actor", why.actor).field("next", why.next);
    json.field("evidence", why.evidence).field("lines", why.lines);
    json.field("explanation", why.text(since));
}

}  // namespace berth::json
