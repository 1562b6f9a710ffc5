#pragma once

#include <memory>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "agent/control/context.h"
#include "agent/events/stream.h"
#include "shared/bus/socket.h"
#include "shared/loop/event_loop.h"
#include "shared/zmtp/router.h"

namespace berth::control {

struct DoorOptions {
    std::string home;
    std::string runtime;
    bool takes_mail = true;  // false: this agent sends no message to others, and takes none
    std::string local_path;  // of the unix socket
    std::string listen;      // tcp://HOST:PORT; empty: none
    std::vector<std::string> allowed;  // CURVE keys from agent.toml; those in the store add up
    bus::KeyPair keys;
};

// The agent's control endpoint: takes requests in, looks who may ask what, and hands them to the
// verbs. See shared/wire/control.h for what is said. Owned by the agent. Loop thread.
class Door {
public:
    // What its verbs work with; all outlives it.
    struct Parts {
        loop::EventLoop& loop;
        apps::Apps& apps;
        store::Store& store;
        relay::Service& relay;
    };

    static Result<std::unique_ptr<Door>> create(bus::Context& context,
                                                const Parts& parts,
                                                const DoorOptions& options,
                                                Owner owner);

    // Something has happened in this turn, and is stored: reads the stream.
    void on_happened();

    // The keeper hangs, or answers again.
    void on_keeper_problem();

    // Where it listens over TCP, with the real port; "" when it does not.
    [[nodiscard]] const std::string& tcp_endpoint() const { return context_.tcp_endpoint; }

    // Listens over TCP from now on, and again after a restart. Errors: it listens elsewhere
    // already; the address cannot be had.
    Result<void> listen_on(const std::string& endpoint);

    // Answers from now on; what has been asked before waits until then.
    void open();

    // The local socket was removed: it is made again. Who is connected stays so.
    [[nodiscard]] Result<void> listen_again();

private:
    // What came before open().
    struct Early {
        Client client;
        std::string frame;
    };

    Door(bus::Context& bus,
         const Parts& parts,
         Waits waits,
         const DoorOptions& options,
         Owner owner);

    Result<void> listen(const DoorOptions& options);
    Result<void> listen_here(const std::string& path);
    Result<void> open_tcp(const std::string& endpoint);
    void received(const Client& client, std::string_view frame);
    void answer(Client client, std::string_view frame);
    // What a key may do here; nothing: it may not come in.
    [[nodiscard]] std::optional<command::Role> role_of(const std::string& key) const;

    bus::Context& bus_;
    Context context_;
    bus::KeyPair keys_;
    std::string listens_on_;   // as it was asked for; "" when it does not listen over TCP
    bool configured_ = false;  // that is in agent.toml
    events::Cursor seen_;
    bool open_ = false;
    std::vector<Early> early_;
    std::size_t early_bytes_ = 0;
    std::set<std::string> configured_keys_;
    bool takes_mail_;
    std::unique_ptr<bus::Authenticator> authenticator_;
    std::unique_ptr<zmtp::Router> local_;
    std::unique_ptr<bus::Router> remote_;
};

}  // namespace berth::control
