#pragma once

#include <functional>
#include <list>
#include <map>
#include <memory>
#include <set>
#include <string>

#include "agent/control/actions.h"
#include "agent/control/client.h"
#include "agent/control/mail_gate.h"
#include "agent/logs/log_reader.h"
#include "agent/logs/log_watch.h"
#include "agent/apps/apps.h"
#include "agent/relay/service.h"
#include "agent/store/store.h"
#include "shared/bus/socket.h"
#include "shared/loop/event_loop.h"
#include "shared/model/app_status.h"

namespace berth::control {

struct ServerOptions {
    std::string local_path;            // of the unix socket
    std::string listen;                // tcp://HOST:PORT; empty: none
    std::vector<std::string> allowed;  // CURVE keys from agent.toml; those in the store add up
    bus::KeyPair keys;
};

// The agent's control endpoint: see shared/wire/control.h for what is said. Loop thread.
class Server {
public:
    struct Owner {
        std::function<AgentInfo()> info;
        std::function<void(bool keep_apps)> shut_down;
        // Replaces keeper and agent by those in the folder; `answered` once, before this one ends.
        std::function<void(const std::string& folder, std::function<void(Result<void>)> answered)>
            upgrade;
        relay::Service* relay = nullptr;  // outlives the server; null: there is none
        std::string home;
    };

    static Result<std::unique_ptr<Server>> create(bus::Context& context,
                                                  loop::EventLoop& loop,
                                                  apps::Apps& apps,
                                                  store::Store& store,
                                                  const ServerOptions& options,
                                                  Owner owner);

    // Something has happened in this turn, and is stored: reads the stream.
    void on_happened();

    // The keeper hangs, or answers again.
    void on_keeper_problem();

    // Where it listens over TCP, with the real port; "" when it does not.
    [[nodiscard]] const std::string& tcp_endpoint() const { return tcp_endpoint_; }

    // Answers from now on; what has been asked before waits until then.
    void open();

private:
    using Handler = void (Server::*)(const Client&, const wire::Request&);

    // An answer that waits for something to happen, at most until its time is over.
    struct Waiting {
        Client client;
        wire::Request request;
        std::uint64_t log_waiter = 0;
        loop::Registration timeout;
    };

    // What came before open().
    struct Early {
        bus::Router* router;
        bus::Peer peer;
        std::string frame;
    };

    Server(loop::EventLoop& loop, apps::Apps& apps, store::Store& store, Owner owner);

    void received(bus::Router& router, const bus::Peer& peer, std::string_view frame);
    void answer(bus::Router& router, const bus::Peer& peer, std::string_view frame);
    void on_hello(const Client& client, const wire::Request& request);
    void on_subscribe(const Client& client, const wire::Request& request);
    void on_list(const Client& client, const wire::Request& request);
    void on_act(const Client& client, const wire::Request& request);
    void on_load(const Client& client, const wire::Request& request);
    void on_scan(const Client& client, const wire::Request& request);
    void on_show(const Client& client, const wire::Request& request);
    void on_logs(const Client& client, const wire::Request& request);
    void on_input(const Client& client, const wire::Request& request);
    void on_resize(const Client& client, const wire::Request& request);
    void on_events(const Client& client, const wire::Request& request);
    void on_explain(const Client& client, const wire::Request& request);
    void on_authorize(const Client& client, const wire::Request& request);
    void on_revoke(const Client& client, const wire::Request& request);
    void on_peers(const Client& client, const wire::Request& request);
    void on_shutdown(const Client& client, const wire::Request& request);
    void on_crashes(const Client& client, const wire::Request& request);
    void on_check(const Client& client, const wire::Request& request);
    void on_metrics(const Client& client, const wire::Request& request);
    void on_scale(const Client& client, const wire::Request& request);
    void on_upgrade(const Client& client, const wire::Request& request);
    void on_message(const Client& client, const wire::Request& request);
    void on_mailbox(const Client& client, const wire::Request& request);
    void on_mailboxes(const Client& client, const wire::Request& request);
    void on_messages(const Client& client, const wire::Request& request);
    void on_remove_message(const Client& client, const wire::Request& request);
    void on_trace(const Client& client, const wire::Request& request);
    void on_token(const Client& client, const wire::Request& request);
    void on_outbox(const Client& client, const wire::Request& request);

    void list(const Client& client, const wire::Request& request, const Targets& matches);
    void show(const Client& client, const wire::Request& request);
    void tell_why(const Client& client, const wire::Request& request);
    void wait_for_log(const Client& client,
                      const wire::Request& request,
                      const std::string& folder);
    bool answer_events(const Client& client, const wire::Request& request, bool last_chance);
    void publish(const wire::Push& push);
    [[nodiscard]] wire::Push tick_push() const;
    void tick();
    void ok(const Client& client,
            const wire::Request& request,
            wire::Value info = wire::Value::Map{}) const;
    void refuse(const Client& client, const wire::Request& request, const Error& error) const;
    [[nodiscard]] AppStatus status_of(const apps::App& app) const;
    [[nodiscard]] wire::Value statuses(const std::vector<std::string>& ids) const;
    [[nodiscard]] std::vector<std::string> all_ids() const;
    [[nodiscard]] bool allowed(const std::string& key) const;
    [[nodiscard]] std::vector<wire::LogLine> last_lines(const std::string& id,
                                                        std::size_t count) const;

    loop::EventLoop& loop_;
    apps::Apps& apps_;
    store::Store& store_;
    Owner owner_;
    Actions actions_;
    events::Cursor seen_;
    bool open_ = false;
    std::vector<Early> early_;
    std::set<std::string> configured_keys_;
    std::unique_ptr<logs::LogWatch> log_watch_;
    std::unique_ptr<bus::Authenticator> authenticator_;
    std::unique_ptr<MailGate> mail_;  // null: there is no relay
    std::unique_ptr<bus::Router> local_;
    std::unique_ptr<bus::Router> remote_;
    std::string tcp_endpoint_;
    std::set<Client> subscribers_;
    std::uint64_t sequence_ = 0;
    std::uint64_t ticks_ = 0;
    std::map<std::uint64_t, Waiting> waiting_;  // for log lines or events
    std::uint64_t next_waiting_ = 1;
    loop::Registration tick_;
};

}  // namespace berth::control
