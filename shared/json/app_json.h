#pragma once

#include "shared/json/json_writer.h"
#include "shared/model/app_status.h"

namespace berth::json {

// The members of an app object, as the CLI's --json and the HTTP API show it, into an object that
// is open. Unknown is null.
void write_app_members(JsonWriter& json, const AppStatus& status);

// What is shown of an app to those who may not know its secrets: its texts without what looks like
// one.
AppStatus without_secrets(AppStatus status);

// The members of a mailbox, the same way.
void write_mailbox_members(JsonWriter& json, const MailboxStatus& mailbox);

}  // namespace berth::json
