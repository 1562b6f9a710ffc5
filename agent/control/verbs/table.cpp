#include "agent/control/verbs/table.h"

#include <array>
#include <utility>

#include "agent/control/replies.h"

namespace berth::control::verbs {

namespace {

using Answer = void (*)(Context& context, const Client& client, wire::Request request);

template <class Args>
void answer_with(Handler<Args>* handler,
                 Context& context,
                 const Client& client,
                 wire::Request request) {
    const auto args = wire::from_map<Args>(std::exchange(request.args, {}));
    if (!args) {
        return refuse(client, request, args.error());
    }
    handler(context, client, request, *args);
}

template <auto* handler>
void read_and_answer(Context& context, const Client& client, wire::Request request) {
    answer_with(handler, context, client, std::move(request));
}

struct Row {
    command::Verb verb;
    Answer answer;
};

using command::Verb;

constexpr std::array<Row, command::kVerbCount> kAnswers = {{
    {Verb::Hello, &read_and_answer<&hello>},
    {Verb::Subscribe, &read_and_answer<&subscribe>},
    {Verb::List, &read_and_answer<&list>},
    {Verb::Show, &read_and_answer<&show>},
    {Verb::Explain, &read_and_answer<&explain>},
    {Verb::Act, &read_and_answer<&act>},
    {Verb::Load, &read_and_answer<&load>},
    {Verb::Scan, &read_and_answer<&scan>},
    {Verb::Input, &read_and_answer<&input>},
    {Verb::Resize, &read_and_answer<&resize>},
    {Verb::Scale, &read_and_answer<&scale>},
    {Verb::Check, &read_and_answer<&check>},
    {Verb::Logs, &read_and_answer<&logs>},
    {Verb::Events, &read_and_answer<&events>},
    {Verb::Crashes, &read_and_answer<&crashes>},
    {Verb::Metrics, &read_and_answer<&metrics>},
    {Verb::Message, &read_and_answer<&message>},
    {Verb::Mailbox, &read_and_answer<&mailbox>},
    {Verb::Mailboxes, &read_and_answer<&mailboxes>},
    {Verb::Messages, &read_and_answer<&messages>},
    {Verb::RemoveMessage, &read_and_answer<&remove_message>},
    {Verb::Trace, &read_and_answer<&trace>},
    {Verb::Outbox, &read_and_answer<&outbox>},
    {Verb::Peers, &read_and_answer<&peers>},
    {Verb::Authorize, &read_and_answer<&authorize>},
    {Verb::Revoke, &read_and_answer<&revoke>},
    {Verb::Token, &read_and_answer<&token>},
    {Verb::Shutdown, &read_and_answer<&shutdown>},
    {Verb::Upgrade, &read_and_answer<&upgrade>},
}};

consteval bool complete() {
    for (std::size_t i = 0; i < kAnswers.size(); ++i) {
        if (kAnswers.at(i).verb != static_cast<Verb>(i)) {
            return false;
        }
    }
    return true;
}

static_assert(complete(), "each verb is answered, in the order of shared/command/verbs.h");

}  // namespace

void answer(command::Verb verb, Context& context, const Client& client, wire::Request request) {
    kAnswers.at(static_cast<std::size_t>(verb)).answer(context, client, std::move(request));
}

}  // namespace berth::control::verbs
