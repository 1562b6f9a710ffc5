#pragma once

#include <map>
#include <memory>
#include <string>
#include <vector>

#include "controller/fleet/fleet.h"
#include "controller/fleet/mail_link.h"

namespace berth::fleet {

// Passes messages on between agents. It keeps none: what cannot be passed on at once is dropped,
// and its sender, which is told so or hears no receipt, sends it again. Who has sent something is
// whose link it came over, by the name under which this controller shows that agent. Fleet loop
// thread.
class MailRouter {
public:
    // `key`: by what agents know this controller again.
    MailRouter(loop::EventLoop& loop, std::string key, Fleet::Connector connector);
    ~MailRouter();
    MailRouter(const MailRouter&) = delete;
    MailRouter& operator=(const MailRouter&) = delete;

    // All agents there are.
    void set(const std::vector<AgentTarget>& targets);

private:
    struct Member {
        AgentTarget target;
        std::unique_ptr<MailLink> link;
    };

    void add(const AgentTarget& target);
    void changed(const std::string& name, bool open);
    void tell_all(const wire::Roster& news, const std::string& except);
    void pass(const std::string& from, const wire::MailFrame& mail);
    void pass_events(const std::string& from, const wire::MailFrame& mail);
    void bounce(const std::string& from, std::string_view to, wire::BounceReason reason);
    [[nodiscard]] wire::Roster roster() const;

    loop::EventLoop& loop_;
    std::string key_;
    Fleet::Connector connector_;
    std::map<std::string, Member, std::less<>> members_;
};

}  // namespace berth::fleet
