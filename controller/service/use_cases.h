#pragma once

#include "controller/service/use_case.h"

// The table of all use cases: the rights of the controller, and what it writes down.
namespace berth::service {

using access::Right;

// What everybody may see: pages, health, this API's description, who one is.
inline constexpr UseCase kShowPublic{"", Right::Public, Kind::Read};
inline constexpr UseCase kCheckReady{"", Right::Public, Kind::Read};

inline constexpr UseCase kLogIn{"log in", Right::Public, Kind::Change};
inline constexpr UseCase kSetUp{"set up", Right::Public, Kind::Change};
inline constexpr UseCase kLogOut{"log out", Right::View, Kind::Change};
inline constexpr UseCase kChangeOwnPassword{"change own password", Right::View, Kind::Change};

inline constexpr UseCase kShowFleet{"", Right::View, Kind::Read};  // apps and agents, live too
inline constexpr UseCase kShowApp{"", Right::View, Kind::Read};
inline constexpr UseCase kShowHistory{"", Right::View, Kind::Read};
inline constexpr UseCase kShowLogs{"", Right::View, Kind::Read};
inline constexpr UseCase kShowMail{"", Right::View, Kind::Read};
inline constexpr UseCase kShowOperation{"", Right::View, Kind::Read};

inline constexpr UseCase kAct{"act", Right::Act, Kind::Change};  // written as the verb itself
inline constexpr UseCase kWriteInput{"stdin", Right::Act, Kind::Change};
inline constexpr UseCase kScale{"scale", Right::Act, Kind::Change};

inline constexpr UseCase kClearMailbox{"clear_mailbox", Right::Act, Kind::Change};
inline constexpr UseCase kRemoveMessage{"remove_message", Right::Act, Kind::Change};
inline constexpr UseCase kResendMessages{"resend_messages", Right::Act, Kind::Change};
inline constexpr UseCase kSendMessage{"send_message", Right::Act, Kind::Change};
inline constexpr UseCase kRaiseEvent{"raise_event", Right::Act, Kind::Change};

inline constexpr UseCase kAddAgent{"add agent", Right::Administer, Kind::Change};
inline constexpr UseCase kRemoveAgent{"remove agent", Right::Administer, Kind::Change};

inline constexpr UseCase kShowUsers{"", Right::Administer, Kind::Read};
inline constexpr UseCase kShowAudit{"", Right::Administer, Kind::Read};
inline constexpr UseCase kAddUser{"add user", Right::Administer, Kind::Change};
inline constexpr UseCase kChangeUser{"change user", Right::Administer, Kind::Change};
inline constexpr UseCase kResetPassword{"reset password", Right::Administer, Kind::Change};
inline constexpr UseCase kRemoveUser{"remove user", Right::Administer, Kind::Change};

// A change that the command line asks an agent of another machine for, through the controller.
inline constexpr UseCase kForward{"forward", Right::Act, Kind::Change};

}  // namespace berth::service
