#pragma once

#include "controller/service/use_case.h"
#include "shared/command/verbs.h"

// The table of all use cases: the rights of the controller, and what it writes down.
namespace berth::service {

using access::kPublic;
using access::Right;

// What an agent is asked for needs the same right here as at the agent's own door.
constexpr Right right_of(command::Verb verb) {
    return command::row_of(verb).right;
}

// What everybody may see: pages, health, this API's description, who one is.
inline constexpr UseCase kShowPublic{"", kPublic, Kind::Read};
inline constexpr UseCase kCheckReady{"", kPublic, Kind::Read};

inline constexpr UseCase kLogIn{"log in", kPublic, Kind::Change};
inline constexpr UseCase kSetUp{"set up", kPublic, Kind::Change};
inline constexpr UseCase kLogOut{"log out", Right::See, Kind::Change};
inline constexpr UseCase kChangeOwnPassword{"change own password", Right::See, Kind::Change};

inline constexpr UseCase kShowFleet{
    "", right_of(command::Verb::List), Kind::Read};  // apps and agents, live too
inline constexpr UseCase kShowApp{"", right_of(command::Verb::Show), Kind::Read};
inline constexpr UseCase kShowHistory{"", right_of(command::Verb::Events), Kind::Read};
inline constexpr UseCase kShowLogs{"", right_of(command::Verb::Logs), Kind::Read};
inline constexpr UseCase kShowMail{"", right_of(command::Verb::Messages), Kind::Read};
inline constexpr UseCase kShowOperation{"", Right::See, Kind::Read};

inline constexpr UseCase kAct{
    "act", right_of(command::Verb::Act), Kind::Change};  // written as the verb itself
inline constexpr UseCase kWriteInput{"stdin", right_of(command::Verb::Input), Kind::Change};
inline constexpr UseCase kScale{"scale", right_of(command::Verb::Scale), Kind::Change};

inline constexpr UseCase kClearMailbox{
    "clear_mailbox", right_of(command::Verb::Message), Kind::Change};
inline constexpr UseCase kRemoveMessage{
    "remove_message", right_of(command::Verb::RemoveMessage), Kind::Change};
inline constexpr UseCase kResendMessages{
    "resend_messages", right_of(command::Verb::Message), Kind::Change};
inline constexpr UseCase kSendMessage{
    "send_message", right_of(command::Verb::Message), Kind::Change};
inline constexpr UseCase kRaiseEvent{"raise_event", right_of(command::Verb::Message), Kind::Change};

inline constexpr UseCase kAddAgent{"add agent", Right::Administer, Kind::Change};
inline constexpr UseCase kRemoveAgent{"remove agent", Right::Administer, Kind::Change};

inline constexpr UseCase kShowUsers{"", Right::Administer, Kind::Read};
inline constexpr UseCase kShowAudit{"", Right::Administer, Kind::Read};
inline constexpr UseCase kAddUser{"add user", Right::Administer, Kind::Change};
inline constexpr UseCase kChangeUser{"change user", Right::Administer, Kind::Change};
inline constexpr UseCase kResetPassword{"reset password", Right::Administer, Kind::Change};
inline constexpr UseCase kRemoveUser{"remove user", Right::Administer, Kind::Change};

// A change that the command line asks an agent of another machine for, through the controller.
inline constexpr UseCase kForward{"forward", Right::Operate, Kind::Change};

}  // namespace berth::service
