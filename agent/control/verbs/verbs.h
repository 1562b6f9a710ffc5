#pragma once

#include "agent/control/client.h"
#include "agent/control/context.h"
#include "shared/wire/control.h"
#include "shared/wire/requests.h"

// What can be asked of an agent over its control endpoint: see shared/command/verbs.h. Each answers
// its request once, now or when its outcome is there. Who may ask is looked at before, by the Door,
// which has read the members too: `request` holds none.
namespace berth::control::verbs {

template <class Args>
using Handler =
    void(Context& context, const Client& client, const wire::Request& request, const Args& args);

// apps.cpp: what there is
Handler<wire::NoArguments> hello, subscribe;
Handler<wire::ListRequest> list;
Handler<wire::ShowRequest> show;
Handler<wire::ExplainRequest> explain;

// changes.cpp: what is to be done
Handler<wire::ActRequest> act;
Handler<wire::LoadRequest> load;
Handler<wire::ScanRequest> scan;
Handler<wire::InputRequest> input;
Handler<wire::ResizeRequest> resize;

// machine.cpp: the agent itself, and who may reach it
Handler<wire::AuthorizeRequest> authorize;
Handler<wire::RevokeRequest> revoke;
Handler<wire::NoArguments> peers;
Handler<wire::ShutdownRequest> shutdown;
Handler<wire::UpgradeRequest> upgrade;

// history.cpp
Handler<wire::CrashesRequest> crashes;
Handler<wire::MetricsRequest> metrics;
Handler<wire::CheckRequest> check;
Handler<wire::ScaleRequest> scale;

// logs.cpp
Handler<wire::LogsRequest> logs;
Handler<wire::EventsRequest> events;

// mailboxes.cpp, messages.cpp
Handler<wire::NoArguments> mailboxes;
Handler<wire::MessagesRequest> messages;
Handler<wire::RemoveMessageRequest> remove_message;
Handler<wire::TraceRequest> trace;
Handler<wire::MessageRequest> message;
Handler<wire::MailboxRequest> mailbox;
Handler<wire::OutboxRequest> outbox;
Handler<wire::TokenRequest> token;

}  // namespace berth::control::verbs
