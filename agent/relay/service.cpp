#include "agent/relay/service.h"

#include "agent/relay/client/local_endpoint.h"
#include "agent/relay/client/secret_watch.h"
#include "agent/relay/client/secrets.h"
#include "shared/base/ensure.h"
#include "shared/wire/cursor.h"

namespace berth::relay {

namespace {

constexpr Duration kStatsEvery = std::chrono::milliseconds(200);

// The connection of one operator's request: takes its answer, then ends.
class OperatorLink : public Link {
public:
    OperatorLink(Broker& relay, std::function<void(OperatorAnswer)> done)
        : relay_(relay), session_(&relay.connected(*this)), done_(std::move(done)) {}

    ~OperatorLink() override { relay_.disconnected(*session_); }

    void send(std::span<const std::string_view> parts) override {
        OperatorAnswer answer;
        const auto header = wire::decode(parts[0]);
        if (!header || header->at(1).as_uint() == 0 || answered_) {
            return;  // a push, or more than was asked for
        }
        answered_ = true;
        answer.code = static_cast<Code>(header->at(2).as_uint());
        answer.info = header->at(3);
        answer.payload.assign(parts.begin() + 1, parts.end());
        done_(std::move(answer));
    }

    [[nodiscard]] std::size_t backlog() const override { return 0; }

    void authenticated() override {}

    void close() override {}

    [[nodiscard]] Session& session() { return *session_; }

    [[nodiscard]] bool answered() const { return answered_; }

private:
    Broker& relay_;
    Session* session_;
    std::function<void(OperatorAnswer)> done_;
    bool answered_ = false;
};

}  // namespace

struct Service::Inside {
    explicit Inside(loop::EventLoop& loop_in) : loop(loop_in) {}

    void ask(const OperatorRequest& request, std::function<void(OperatorAnswer)> done) {
        auto link = std::make_unique<OperatorLink>(*relay, std::move(done));
        OperatorLink& asking = *link;
        operators.push_back(std::move(link));
        relay->authorize_operator(asking.session(), request.app);
        const std::string header = wire::encode(
            wire::Value::Array{std::uint64_t{kIpcVersion}, 1, request.verb, request.args});
        std::vector<std::string_view> parts = {header};
        parts.insert(parts.end(), request.payload.begin(), request.payload.end());
        relay->received(asking.session(), parts);
    }

    // The operator's own way to take one away: in the app's name. Its answer means: the disk has
    // forgotten it.
    void remove(const std::string& app,
                std::uint64_t id,
                std::function<void(const Result<void>&)> done) {
        const auto verb = relay->view().release_for_removal(app, id);
        if (!verb) {
            return done(tl::unexpected(verb.error()));
        }
        OperatorRequest request;
        request.verb = kVerbNames.name(*verb);
        request.app = app;
        request.args = wire::Value::Map{{"ids", wire::Value::Array{id}}};
        ask(request, [done = std::move(done)](const OperatorAnswer& answer) {
            if (answer.code == Code::Ok) {
                return done({});
            }
            done(fail(wire::error_code_of(answer.code), answer.info["error"].as_string()));
        });
    }

    // At the end of a turn: who has an answer may go, and the figures may have changed.
    void look() {
        std::erase_if(operators, [](const auto& link) { return link->answered(); });
        if (relay->view().changes() == published || publish_later.active()) {
            return;
        }
        publish();
        publish_later = loop.after(kStatsEvery, [this] {
            publish_later.reset();
            look();
        });
    }

    void publish() {
        published = relay->view().changes();
        auto view = std::make_shared<std::map<std::string, MailboxStats>>();
        for (MailboxStats& mailbox : relay->view().stats()) {
            std::string app = mailbox.app;
            view->emplace(std::move(app), std::move(mailbox));
        }
        stats->with([&view](StatsView& shown) { shown = std::move(view); });
    }

    loop::EventLoop& loop;
    std::shared_ptr<Guarded<StatsView>> stats;
    std::unique_ptr<Broker> relay;
    std::unique_ptr<LocalEndpoint> local;
    std::unique_ptr<CurveEndpoint> curve;
    std::unique_ptr<SecretWatch> secrets;
    std::vector<std::unique_ptr<OperatorLink>> operators;
    std::uint64_t published = ~0ULL;
    loop::Registration publish_later;
    loop::Registration hook;
};

AgentPort Service::make_port(const Options& options, Control control) {
    AgentPort port;
    port.agent = options.agent;
    port.version = BERTH_VERSION;
    auto shared = std::make_shared<Control>(std::move(control));
    port.control = [agent = agent_, relay = relay_, shared](
                       Verb verb,
                       const std::string& app,
                       const std::string& actor,
                       std::function<void(const Controlled&)> done) {
        (void)agent->post([relay, shared, verb, app, actor, done = std::move(done)] {
            (*shared)(verb, app, actor, [relay, done](const Controlled& outcome) {
                (void)relay->post([done, outcome] { done(outcome); });
            });
        });
    };
    return port;
}

BrokerOptions Service::broker_options(const Options& options, Control control) {
    BrokerOptions broker;
    broker.limits = options.limits;
    broker.journal = {options.home + "/relay.db", options.store_bytes, options.begin_anew};
    broker.port = make_port(options, std::move(control));
    broker.secret_of = [home = options.home](const std::string& app) {
        return read_secret(home, app);
    };
    broker.rules = options.rules;
    broker.mail_send = [agent = agent_, port = mail_port_](std::uint64_t link, std::string frame) {
        (void)agent->post([port, link, frame = std::move(frame)] {
            if (port->send) {
                port->send(link, frame);
            }
        });
    };
    broker.mail_close = [agent = agent_, port = mail_port_](std::uint64_t link) {
        (void)agent->post([port, link] {
            if (port->close) {
                port->close(link);
            }
        });
    };
    return broker;
}

Result<std::unique_ptr<Service>> Service::start(loop::EventLoop& agent_loop,
                                                const Options& options,
                                                Control control) {
    std::unique_ptr<Service> service(new Service());
    Service& self = *service;
    BERTH_TRY(self.loop_, loop::EventLoop::create());
    self.agent_ = std::make_shared<loop::Poster>(agent_loop);
    self.relay_ = std::make_shared<loop::Poster>(*self.loop_);
    self.stats_ = std::make_shared<Guarded<StatsView>>(
        std::in_place, std::make_shared<const std::map<std::string, MailboxStats>>());
    auto inside = std::make_unique<Inside>(*self.loop_);
    inside->stats = self.stats_;
    BERTH_TRY(inside->relay,
              Broker::create(*self.loop_, self.broker_options(options, std::move(control))));
    inside->relay->apps_changed(options.apps, {});
    BERTH_TRY(inside->secrets,
              SecretWatch::create(
                  *self.loop_, options.home, [relay = inside->relay.get()](const std::string& app) {
                      relay->secret_changed(app);
                  }));
    BERTH_TRY(inside->local, LocalEndpoint::create(*self.loop_, *inside->relay, options.socket));
    if (!options.curve.endpoint.empty()) {
        BERTH_TRY(inside->curve, CurveEndpoint::create(*self.loop_, *inside->relay, options.curve));
        self.tcp_endpoint_ = inside->curve->endpoint();
    }
    inside->hook = self.loop_->before_sleep([in = inside.get()] {
        in->look();
        return false;
    });
    self.inside_ = std::move(inside);
    self.thread_ = std::thread([loop = self.loop_.get()] { loop->run(); });
    return service;
}

Service::~Service() {
    agent_->close();  // what the relay still asks of the agent is not carried out
    if (thread_.joinable()) {
        (void)relay_->post([this] {
            inside_->relay->begin_stop();
            loop_->stop();
        });
        thread_.join();
    }
    relay_->close();
    if (inside_ != nullptr) {
        inside_->hook.reset();
        inside_->operators.clear();
        inside_->curve.reset();
        inside_->local.reset();
        inside_->relay.reset();
        inside_.reset();
    }
}

void Service::listen_again() {
    (void)relay_->post([this] {
        if (auto again = inside_->local->listen_again(); !again) {
            log::error("apps cannot connect any more", {{"error", again.error().message}});
        }
    });
}

void Service::apps_changed(std::vector<AppFacts> changed, std::vector<std::string> removed) {
    (void)relay_->post([this, changed = std::move(changed), removed = std::move(removed)] {
        inside_->relay->apps_changed(changed, removed);
    });
}

void Service::ask(OperatorRequest request, std::function<void(const OperatorAnswer&)> done) {
    (void)relay_->post(
        [this, request = std::move(request), done = std::move(done), agent = agent_] {
            inside_->ask(request, [agent, done](const OperatorAnswer& answer) {
                (void)agent->post([done, answer] { done(answer); });
            });
        });
}

// Asks the relay in its thread; `done` gets what it says in the agent's.
template <class T, class Look>
void Service::look(Look look, std::function<void(const T&)> done) {
    (void)relay_->post([this, look = std::move(look), done = std::move(done), agent = agent_] {
        (void)agent->post([done, found = look(*inside_->relay)] { done(found); });
    });
}

void Service::mailboxes(std::function<void(const std::vector<MailboxStats>&)> done) {
    look([](Broker& relay) { return relay.view().stats(); }, std::move(done));
}

void Service::peek(const std::string& app,
                   std::size_t max,
                   std::uint64_t after,
                   std::function<void(const std::vector<Message>&)> done) {
    look([app, max, after](Broker& relay) { return relay.view().peek(app, max, after); },
         std::move(done));
}

void Service::dead_letters(const std::string& app,
                           std::size_t max,
                           std::uint64_t after,
                           std::function<void(const std::vector<Message>&)> done) {
    look([app, max, after](Broker& relay) { return relay.view().dead_letters(app, max, after); },
         std::move(done));
}

void Service::trace(const std::string& app,
                    std::size_t max,
                    std::uint64_t after,
                    std::function<void(const TraceSlice&)> done) {
    look([app, max, after](Broker& relay) { return relay.view().trace(app, max, after); },
         std::move(done));
}

void Service::remove_message(const std::string& app,
                             std::uint64_t id,
                             std::function<void(const Result<void>&)> done) {
    (void)relay_->post([this, app, id, done = std::move(done), agent = agent_] {
        inside_->remove(app, id, [agent, done](const Result<void>& removed) {
            (void)agent->post([done, removed] { done(removed); });
        });
    });
}

void Service::mail_received(std::uint64_t link, std::string frame) {
    (void)relay_->post([this, link, frame = std::move(frame)] {
        inside_->relay->exchange().received(link, frame);
    });
}

void Service::mail_closed(std::uint64_t link) {
    (void)relay_->post([this, link] { inside_->relay->exchange().closed(link); });
}

void Service::outbox(std::function<void(const std::vector<OutboxStats>&)> done) {
    look([](Broker& relay) { return relay.exchange().outgoing().stats(); }, std::move(done));
}

void Service::drop_outbox(const std::string& agent, std::function<void(std::size_t)> done) {
    look<std::size_t>([agent](Broker& relay) { return relay.exchange().outgoing().drop(agent); },
                      [done = std::move(done)](std::size_t dropped) { done(dropped); });
}

StatsView Service::stats() const {
    return stats_->with([](const StatsView& shown) { return shown; });
}

std::optional<MailboxStatus> Service::mailbox(const std::string& app) const {
    const StatsView mailboxes = stats();
    const auto found = mailboxes->find(app);
    return found == mailboxes->end() ? std::nullopt
                                     : std::optional(status_of(found->second, read_clocks().mono));
}

}  // namespace berth::relay
