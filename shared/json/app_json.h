#pragma once

#include "shared/json/json_writer.h"
#include "shared/model/app_status.h"
#include "shared/model/explanation.h"

namespace berth::json {

// The members of an app object, as the CLI's --json and the HTTP API show it, into an object that
// is open. Unknown is null.
void write_app_members(JsonWriter& json, const AppStatus& status);

// What is shown of an app to those who may not know its secrets: its texts without what looks like
// one.
AppStatus without_secrets(AppStatus status);

// The members of a mailbox, the same way.
void write_mailbox_members(JsonWriter& json, const MailboxStatus& mailbox);

// What a schema says of an app's and a mailbox's members: type, properties, required, into an
// object that is open.
void write_app_schema(JsonWriter& json);
void write_mailbox_schema(JsonWriter& json);

// state, cause, since (RFC 3339 UTC), actor, next, evidence, lines, and all of it as a text.
void write_explanation_members(JsonWriter& json, const Explanation& why);

}  // namespace berth::json
