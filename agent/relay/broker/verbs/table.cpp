#include <array>
#include <cstddef>

#include "agent/relay/broker/verbs/verbs.h"

namespace berth::relay::verbs {

namespace {

struct Row {
    Verb verb;
    Handler handler;
};

constexpr auto kTable = std::to_array<Row>({
    {Verb::Hello, hello},     {Verb::Ping, ping},         {Verb::Version, version},
    {Verb::List, list},       {Verb::Notify, notify},     {Verb::Poll, poll},
    {Verb::Ack, ack},         {Verb::Clear, clear},       {Verb::Request, request},
    {Verb::Respond, respond}, {Verb::Raise, raise},       {Verb::Start, control},
    {Verb::Stop, control},    {Verb::Restart, control},   {Verb::IsRunning, facts},
    {Verb::Status, facts},    {Verb::IsAvailable, facts}, {Verb::Config, config},
    {Verb::Working, working}, {Verb::Release, release},   {Verb::Resend, resend},
    {Verb::Drop, drop},
});

constexpr std::size_t kVerbs = kVerbNames.names.size();

consteval bool complete() {
    std::array<int, kVerbs> rows{};
    for (const Row& row : kTable) {
        ++rows.at(static_cast<std::size_t>(row.verb));
    }
    for (const int count : rows) {
        if (count != 1) {
            return false;
        }
    }
    return true;
}

static_assert(complete(), "each verb has exactly one row");

consteval std::array<Handler, kVerbs> by_verb() {
    std::array<Handler, kVerbs> handlers{};
    for (const Row& row : kTable) {
        handlers.at(static_cast<std::size_t>(row.verb)) = row.handler;
    }
    return handlers;
}

constexpr auto kHandlers = by_verb();

}  // namespace

Handler handler_of(Verb verb) {
    return kHandlers.at(static_cast<std::size_t>(verb));
}

}  // namespace berth::relay::verbs
