#pragma once

#include "shared/base/result.h"
#include "shared/model/app_status.h"
#include "shared/model/explanation.h"
#include "shared/wire/value.h"

// The model as values of the control protocol. A field that is not there keeps its default, one
// that is not known is ignored; an unknown name of an enum is an error.
namespace berth::wire {

Value to_value(const AppStatus& status);
Result<AppStatus> to_app_status(const Value& value);

Value to_value(const MailboxStatus& mailbox);
std::optional<MailboxStatus> to_mailbox_status(const Value& value);  // unset: it is nil

Value to_value(const AgentInfo& info);
AgentInfo to_agent_info(const Value& value);

Value to_value(WallTime time);  // nanoseconds since 1970
WallTime to_wall_time(const Value& value);

Value to_value(const Explanation& why);
Explanation to_explanation(const Value& value);

}  // namespace berth::wire
