#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <string_view>

#include "shared/command/rights.h"

// The one table of what can be asked of an agent. Its door looks up here who may ask what, the
// controller what it writes into its audit log and which role a route needs, the command line and
// the API what a verb does. The members of each request are in shared/wire/requests.h.
namespace berth::command {

enum class Verb : std::uint8_t {
    Hello,
    Subscribe,
    List,
    Show,
    Explain,
    Act,
    Load,
    Scan,
    Input,
    Resize,
    Scale,
    Check,
    Logs,
    Events,
    Crashes,
    Metrics,
    Message,
    Mailbox,
    Mailboxes,
    Messages,
    RemoveMessage,
    Trace,
    Outbox,
    Peers,
    Authorize,
    Revoke,
    Token,
    Shutdown,
    Upgrade,
};
inline constexpr std::size_t kVerbCount = static_cast<std::size_t>(Verb::Upgrade) + 1;

// Where a request may come from.
enum class From : std::uint8_t {
    Anywhere,  // who may reach this agent, with a key that has the right
    Here,      // the local socket: the home's owner, or root
};

// Whether somebody who is asked for it writes down that it was.
enum class Audit : std::uint8_t { No, Yes };

struct VerbRow {
    Verb verb;
    std::string_view name;  // as it is said over the control protocol
    Right right;
    From from;
    Audit audit;
    std::string_view help;
    // With this member it changes something, is written down, and needs this right instead.
    std::string_view member = {};
    Right member_right = right;
};

inline constexpr std::array<VerbRow, kVerbCount> kVerbs = {{
    {Verb::Hello, "hello", Right::See, From::Anywhere, Audit::No, "what the agent says of itself"},
    {Verb::Subscribe,
     "subscribe",
     Right::See,
     From::Anywhere,
     Audit::No,
     "all apps, then each change as it happens"},
    {Verb::List, "list", Right::See, From::Anywhere, Audit::No, "apps, with their last lines"},
    {Verb::Show,
     "show",
     Right::See,
     From::Anywhere,
     Audit::No,
     "everything about one app; its secrets to who administers"},
    {Verb::Explain,
     "explain",
     Right::See,
     From::Anywhere,
     Audit::No,
     "why an app is in its state, and what happens next"},
    {Verb::Act,
     "act",
     Right::Operate,
     From::Anywhere,
     Audit::Yes,
     "start, stop, restart, kill, clean or reload apps"},
    {Verb::Load, "load", Right::Configure, From::Anywhere, Audit::Yes, "register descriptors"},
    {Verb::Scan,
     "scan",
     Right::Operate,
     From::Anywhere,
     Audit::Yes,
     "look for new apps below repos/"},
    {Verb::Input, "input", Right::Input, From::Anywhere, Audit::Yes, "write to an app's input"},
    {Verb::Resize,
     "resize",
     Right::Input,
     From::Anywhere,
     Audit::No,
     "the size of the terminal that an app's output is shown on"},
    {Verb::Scale,
     "scale",
     Right::Operate,
     From::Anywhere,
     Audit::Yes,
     "set the number of instances of an app"},
    {Verb::Check,
     "check",
     Right::See,
     From::Anywhere,
     Audit::No,
     "what would keep apps from starting"},
    {Verb::Logs, "logs", Right::ReadLogs, From::Anywhere, Audit::No, "what an app has written"},
    {Verb::Events, "events", Right::See, From::Anywhere, Audit::No, "what has happened"},
    {Verb::Crashes,
     "crashes",
     Right::ReadLogs,
     From::Anywhere,
     Audit::No,
     "ends that nobody asked for, with their output"},
    {Verb::Metrics,
     "metrics",
     Right::See,
     From::Anywhere,
     Audit::No,
     "processor, memory and messages of an app over time"},
    {Verb::Message,
     "message",
     Right::Operate,
     From::Anywhere,
     Audit::Yes,
     "speak to the relay, in an app's name or in nobody's"},
    {Verb::Mailbox,
     "mailbox",
     Right::ReadLogs,
     From::Anywhere,
     Audit::No,
     "the messages that wait for an app, as they are"},
    {Verb::Mailboxes,
     "mailboxes",
     Right::See,
     From::Anywhere,
     Audit::No,
     "how much waits for each app"},
    {Verb::Messages,
     "messages",
     Right::ReadLogs,
     From::Anywhere,
     Audit::No,
     "the messages that wait for an app, for people: secrets are masked"},
    {Verb::RemoveMessage,
     "remove_message",
     Right::Operate,
     From::Anywhere,
     Audit::Yes,
     "take a message out of a mailbox"},
    {Verb::Trace,
     "trace",
     Right::See,
     From::Anywhere,
     Audit::No,
     "the last messages between apps: when, how large, how they ended"},
    {Verb::Outbox,
     "outbox",
     Right::See,
     From::Anywhere,
     Audit::No,
     "what waits for apps of other agents, or give it up",
     "drop",
     Right::Operate},
    {Verb::Peers,
     "peers",
     Right::Administer,
     From::Anywhere,
     Audit::No,
     "the keys that may come in, and where they reach this agent"},
    {Verb::Authorize,
     "authorize",
     Right::Administer,
     From::Here,
     Audit::Yes,
     "let a controller with this key in"},
    {Verb::Revoke,
     "revoke",
     Right::Administer,
     From::Here,
     Audit::Yes,
     "do not let that controller in any more"},
    {Verb::Token,
     "token",
     Right::Administer,
     From::Here,
     Audit::Yes,
     "what an app needs to send and receive messages"},
    {Verb::Shutdown, "shutdown", Right::Administer, From::Here, Audit::Yes, "end this agent"},
    {Verb::Upgrade,
     "upgrade",
     Right::Administer,
     From::Here,
     Audit::Yes,
     "replace this agent and its keeper in place"},
}};

// What `act` does.
enum class Action : std::uint8_t { Start, Stop, Restart, Kill, Clean, Reload };
inline constexpr auto kActionNames =
    enum_names<Action>("start", "stop", "restart", "kill", "clean", "reload");

consteval bool each_at_its_place() {
    for (std::size_t i = 0; i < kVerbs.size(); ++i) {
        if (kVerbs.at(i).verb != static_cast<Verb>(i) || kVerbs.at(i).help.empty()) {
            return false;
        }
        for (std::size_t j = 0; j < i; ++j) {
            if (kVerbs.at(i).name == kVerbs.at(j).name) {
                return false;
            }
        }
    }
    return true;
}

static_assert(each_at_its_place(), "a row for each verb, in order, and a name means one verb");

constexpr const VerbRow& row_of(Verb verb) {
    return kVerbs.at(static_cast<std::size_t>(verb));
}

// Null: there is none of this name.
constexpr const VerbRow* find_verb(std::string_view name) {
    for (const VerbRow& row : kVerbs) {
        if (row.name == name) {
            return &row;
        }
    }
    return nullptr;
}

}  // namespace berth::command
