#include "agent/control/mail_gate.h"

#include <vector>

#include "shared/wire/mail.h"

namespace berth::control {

MailGate::MailGate(relay::Service& relay) : relay_(relay) {
    relay_.set_mail_port({[this](std::uint64_t link, std::string_view frame) { send(link, frame); },
                          [this](std::uint64_t link) { forget(link); }});
}

MailGate::~MailGate() {
    relay_.set_mail_port({});
}

void MailGate::received(const Client& client, std::string_view frame) {
    const auto [at, made] = links_.try_emplace(client, next_);
    if (made) {
        clients_.emplace(next_++, client);
    }
    relay_.mail_received(at->second, std::string(frame));
}

// Who cannot be sent to, or asked to say hello first, starts anew: nothing is kept of it.
void MailGate::send(std::uint64_t link, std::string_view frame) {
    const auto found = clients_.find(link);
    if (found == clients_.end()) {
        return;
    }
    const auto mail = wire::decode_mail(frame);
    const bool sent = found->second.sink->send(found->second.route, frame);
    if (!sent || (mail && mail->kind == wire::MailKind::Who)) {
        forget(link);
        relay_.mail_closed(link);
    }
}

void MailGate::forget(std::uint64_t link) {
    const auto found = clients_.find(link);
    if (found != clients_.end()) {
        links_.erase(found->second);
        clients_.erase(found);
    }
}

void MailGate::revoke(const std::string& key) {
    std::vector<std::uint64_t> revoked;
    for (const auto& [link, client] : clients_) {
        if (client.key == key) {
            revoked.push_back(link);
        }
    }
    for (const std::uint64_t link : revoked) {
        forget(link);
        relay_.mail_closed(link);
    }
}

}  // namespace berth::control
