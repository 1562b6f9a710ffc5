#pragma once

#include "agent/control/client.h"
#include "agent/control/context.h"
#include "shared/wire/control.h"

// What can be asked of an agent over its control endpoint: see shared/wire/control.h. Each answers
// its request once, now or when its outcome is there. Who may ask is looked at before, by the Door.
namespace berth::control::verbs {

using Verb = void(Context& context, const Client& client, const wire::Request& request);

// apps.cpp: what there is
Verb hello, subscribe, list, show, explain;

// changes.cpp: what is to be done
Verb act, load, scan, input, resize;

// machine.cpp: the agent itself, and who may reach it
Verb authorize, revoke, peers, shutdown, upgrade;

// history.cpp
Verb crashes, metrics, check, scale;

// logs.cpp
Verb logs, events;

// mailboxes.cpp, messages.cpp
Verb mailboxes, messages, remove_message, trace;
Verb message, mailbox, outbox, token;

}  // namespace berth::control::verbs
