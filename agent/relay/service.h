#pragma once

#include <functional>
#include <map>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "agent/relay/broker/broker.h"
#include "agent/relay/client/curve_endpoint.h"
#include "shared/base/guarded.h"
#include "shared/base/result.h"
#include "shared/loop/event_loop.h"
#include "shared/loop/poster.h"
#include "shared/wire/value.h"

namespace berth::relay {

// What the operator, the owner of this home, asks of the relay: any verb of the protocol, spoken
// for `app` ("": for himself, as messages from nobody).
struct OperatorRequest {
    std::string verb;
    std::string app;
    wire::Value args = wire::Value::Map{};
    std::vector<std::string> payload;
};

struct OperatorAnswer {
    Code code = Code::Ok;
    wire::Value info;
    std::vector<std::string> payload;
};

using StatsView = std::shared_ptr<const std::map<std::string, MailboxStats>>;

// The relay in its thread, for the agent's loop: everything goes in and out by post(), or as an
// immutable snapshot. All calls from the agent's loop thread; callbacks come in it too.
class Service {
public:
    struct Options {
        std::string home;
        std::string socket;  // path of the one that apps connect to
        std::string agent;
        bool begin_anew = false;     // see Journal::Options
        std::vector<AppFacts> apps;  // known before the first client can ask
        RelayLimits limits;
        CurveOptions curve;             // where other machines reach it; `endpoint` "": nowhere
        std::uint64_t store_bytes = 0;  // the most that relay.db may take; 0: no limit of ours
        PeerRules rules;
    };

    // Carries out an app's start, stop or restart of another, in the agent's loop.
    using Control = std::function<void(Verb verb,
                                       const std::string& app,
                                       const std::string& actor,
                                       std::function<void(const Controlled&)> done)>;

    // When it returns, apps can connect.
    static Result<std::unique_ptr<Service>> start(loop::EventLoop& agent_loop,
                                                  const Options& options,
                                                  Control control);

    // Answers those who wait, stores what is on its way, ends the thread.
    ~Service();
    Service(const Service&) = delete;
    Service& operator=(const Service&) = delete;

    // The socket that apps connect to was removed: it is made again. Who is connected stays so.
    void listen_again();

    void apps_changed(std::vector<AppFacts> changed, std::vector<std::string> removed);
    void ask(OperatorRequest request, std::function<void(const OperatorAnswer&)> done);

    // --- what the operator sees; nothing is given out by it, see OperatorView
    void mailboxes(std::function<void(const std::vector<MailboxStats>&)> done);
    void peek(const std::string& app,
              std::size_t max,
              std::uint64_t after,
              std::function<void(const std::vector<Message>&)> done);
    void dead_letters(const std::string& app,
                      std::size_t max,
                      std::uint64_t after,
                      std::function<void(const std::vector<Message>&)> done);
    void trace(const std::string& app,
               std::size_t max,
               std::uint64_t after,
               std::function<void(const TraceSlice&)> done);

    // Takes one message of an app away, a dead letter too; the asker of a request is told. `done`
    // comes when the disk has forgotten it. Error: as OperatorView::release_for_removal() has it,
    // or that the disk refuses.
    void remove_message(const std::string& app,
                        std::uint64_t id,
                        std::function<void(const Result<void>&)> done);

    // The connections of controllers that carry messages to and from other agents, by numbers that
    // are never used again. `mail_received` and `mail_closed` tell the relay of them.
    struct MailPort {
        std::function<void(std::uint64_t link, std::string_view frame)> send;
        std::function<void(std::uint64_t link)> close;
    };

    void set_mail_port(MailPort port) { *mail_port_ = std::move(port); }

    void mail_received(std::uint64_t link, std::string frame);
    void mail_closed(std::uint64_t link);

    // What waits for other agents.
    void outbox(std::function<void(const std::vector<OutboxStats>&)> done);

    // Gives up what waits for an agent; `done` gets how many messages that were.
    void drop_outbox(const std::string& agent, std::function<void(std::size_t)> done);

    // tcp://HOST:PORT with the real port; "" when it does not listen there.
    [[nodiscard]] const std::string& tcp_endpoint() const { return tcp_endpoint_; }

    // Mailboxes by app; at most a few tenths of a second old. Any thread.
    [[nodiscard]] StatsView stats() const;

    // The one of an app; unset: nothing was ever sent to it.
    [[nodiscard]] std::optional<MailboxStatus> mailbox(const std::string& app) const;

private:
    struct Inside;  // what the relay's thread owns

    Service() = default;
    template <class T, class Look>
    void look(Look look, std::function<void(const T&)> done);
    BrokerOptions broker_options(const Options& options, Control control);
    AgentPort make_port(const Options& options, Control control);

    std::string tcp_endpoint_;
    loop::PosterPtr agent_;
    loop::PosterPtr relay_;
    std::shared_ptr<Guarded<StatsView>> stats_;
    std::shared_ptr<MailPort> mail_port_ = std::make_shared<MailPort>();  // of the agent's loop
    std::unique_ptr<loop::EventLoop> loop_;
    std::unique_ptr<Inside> inside_;
    std::thread thread_;
};

}  // namespace berth::relay
