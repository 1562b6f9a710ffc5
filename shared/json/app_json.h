#pragma once

#include "shared/json/json_writer.h"
#include "shared/model/app_status.h"

namespace berth::json {

// The members of an app object, as the CLI's --json and the HTTP API show it, into an object that
// is open. Unknown is null.
void write_app_members(JsonWriter& json, const AppStatus& status);

// The same for a mailbox.
void write_mailbox_members(JsonWriter& json, const MailboxStatus& mailbox);

}  // namespace berth::json
