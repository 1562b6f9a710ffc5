#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <string>

#include "controller/service/agent_requests.h"
#include "controller/service/runner.h"

namespace berth::service {

// Which messages of a mailbox.
struct MailQuery {
    std::uint64_t limit = 0;
    std::uint64_t after = 0;
    bool full = false;  // payloads as a whole
    bool dead = false;  // the dead letters instead
};

// A message by hand.
struct NewMessage {
    std::string payload;                  // msgpack
    std::optional<std::uint64_t> ttl_ms;  // none: for ever
    bool durable = true;
};

// An event by hand.
struct NewEvent {
    std::string type;
    std::optional<std::string> payload;  // msgpack
};

struct SentMessage {
    std::uint64_t id = 0;
    bool known = false;  // whether such an app is registered
};

// The messages of apps: what waits, what went through, and sending and removing by hand. Lists are
// given as the agent sends them (see shared/mail/mail_json.h). Any thread.
class Mail {
public:
    Mail(const Runner& runner, const AgentRequests& agents) : runner_(runner), agents_(agents) {}

    void mailboxes(const Caller& caller,
                   const std::string& agent,
                   const Done<wire::Value>& done) const;

    // Of messages from and to `app`, "" for all.
    void trace(const Caller& caller,
               const std::string& agent,
               const std::string& app,
               const MailQuery& query,
               const Done<wire::Value>& done) const;

    void messages(const Caller& caller,
                  const AppAddress& app,
                  const MailQuery& query,
                  const Done<wire::Value>& done) const;

    // All that wait, or all dead letters. Gives how many.
    void clear(const Caller& caller,
               const AppAddress& app,
               bool dead,
               const Done<std::uint64_t>& done) const;

    void remove(const Caller& caller,
                const AppAddress& app,
                std::uint64_t message,
                const Done<std::monostate>& done) const;

    // A dead letter, or all of them. Gives how many.
    void resend(const Caller& caller,
                const AppAddress& app,
                std::optional<std::uint64_t> message,
                const Done<std::uint64_t>& done) const;

    void send(const Caller& caller,
              const AppAddress& app,
              const NewMessage& message,
              const Done<SentMessage>& done) const;

    // Gives the event's number.
    void raise(const Caller& caller,
               const std::string& agent,
               const NewEvent& event,
               const Done<std::uint64_t>& done) const;

private:
    const Runner& runner_;
    const AgentRequests& agents_;
};

}  // namespace berth::service
