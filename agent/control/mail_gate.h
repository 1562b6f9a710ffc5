#pragma once

#include <cstdint>
#include <map>
#include <set>
#include <string>
#include <string_view>

#include "agent/control/client.h"
#include "agent/relay/service.h"

namespace berth::control {

// Hands the frames of shared/wire/mail.h on between the control endpoint, whose connections they
// come over, and the relay, which lives in another thread and knows the connections by number. Loop
// thread.
class MailGate {
public:
    explicit MailGate(relay::Service& relay);
    ~MailGate();
    MailGate(const MailGate&) = delete;
    MailGate& operator=(const MailGate&) = delete;

    // From a client that is allowed here.
    void received(const Client& client, std::string_view frame);

    // This key is not allowed any more.
    void revoke(const std::string& key);

private:
    void send(std::uint64_t link, std::string_view frame);
    void forget(std::uint64_t link);

    relay::Service& relay_;
    std::map<Client, std::uint64_t> links_;
    std::map<std::uint64_t, Client> clients_;
    std::uint64_t next_ = 1;
};

}  // namespace berth::control
