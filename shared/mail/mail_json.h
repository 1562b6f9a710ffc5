#pragma once

#include "shared/json/json_writer.h"
#include "shared/wire/value.h"

// What an agent says of its mailboxes, as the CLI and the API show it: one object each. The values
// are those of `mailboxes`, `messages` and `trace` in shared/wire/control.h.
namespace berth::mail {

// The member "mailbox" of an answer to `messages`; null: nothing was ever sent to the app.
void write_figures(json::JsonWriter& json, const wire::Value& mailbox);
void write_mailbox(json::JsonWriter& json, const wire::Value& mailbox);
void write_message(json::JsonWriter& json, const wire::Value& message);
void write_entry(json::JsonWriter& json, const wire::Value& entry);

}  // namespace berth::mail
