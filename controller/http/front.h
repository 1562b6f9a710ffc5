#pragma once

#include <memory>
#include <string>
#include <unordered_map>

#include "controller/http/connection.h"
#include "shared/loop/acceptor.h"
#include "shared/os/socket.h"

namespace berth::http {

struct FrontOptions {
    os::TcpAddress listen{"127.0.0.1", 6880};
    Deadlines deadlines;
    RequestLimits limits;
    std::size_t max_connections = 4096;
    std::size_t max_strangers = 1024;  // of one address, that have not sent a whole request yet
};

// Accepts connections and keeps them, without a thread for any of them: thousands that send half a
// request, or do not read their answer, cost memory only. When all places are taken the connection
// that has proved least makes room: one that never sent a request, then one that waits for its
// next. Http loop thread. Destroyed after the loop has ended.
class Front {
public:
    using Handle = std::function<void(Request request, Responder responder)>;

    static Result<std::unique_ptr<Front>> create(loop::EventLoop& loop,
                                                 loop::PosterPtr poster,
                                                 const FrontOptions& options,
                                                 Handle handle);
    ~Front();
    Front(const Front&) = delete;
    Front& operator=(const Front&) = delete;

    // With the real port.
    [[nodiscard]] const os::TcpAddress& address() const { return options_.listen; }

    [[nodiscard]] std::size_t connections() const { return connections_.size(); }

    // Takes no more connections and cuts those there are.
    void stop();

private:
    Front(loop::EventLoop& loop,
          loop::PosterPtr poster,
          const FrontOptions& options,
          Handle handle);

    void add(os::Accepted accepted);
    bool too_many_strangers(const std::string& address) const;
    bool make_room();
    void closed(Connection& connection);

    loop::EventLoop& loop_;
    FrontOptions options_;
    Connection::Environment environment_;
    std::unordered_map<Connection*, std::shared_ptr<Connection>> connections_;
    std::unordered_map<std::string, std::size_t> per_address_;
    std::unique_ptr<loop::Acceptor> acceptor_;
};

}  // namespace berth::http
