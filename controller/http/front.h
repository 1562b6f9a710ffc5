#pragma once

#include <memory>
#include <string>

#include "controller/http/connection.h"
#include "controller/http/places.h"
#include "controller/http/tls_context.h"
#include "shared/loop/acceptor.h"
#include "shared/os/socket.h"

namespace berth::http {

struct FrontOptions {
    os::TcpAddress listen{"127.0.0.1", 6880};
    Deadlines deadlines;
    RequestLimits limits;
    std::size_t max_connections = 4096;
    std::size_t max_bytes = 64U << 20U;  // of requests that are not whole yet, of all together
    std::size_t max_half_open = 1024;    // of one address, that have not sent a whole request yet
};

// Accepts connections and keeps them, without a thread for any of them: thousands that send half a
// request, or do not read their answer, cost memory only. When all places are taken, or an address
// has its share of half-open ones, the connection that has shown least makes room (see Places), and
// when what they have begun to send is too much, the one that holds most: so a crowd, even of one's
// own address, keeps nobody out. Http loop thread. Destroyed after the loop
// has ended.
class Front {
public:
    // True: it came from who is signed in, or with a browser that is known.
    using Handle = std::function<bool(Request request, Responder responder)>;

    // Whether Handle will say so of the request whose head this is.
    using Knows = std::function<bool(const Request& head)>;

    // What is above the transport.
    struct Service {
        Handle handle;
        Knows knows;
        Refuse refuse;
        std::string_view fixed_fields = {};  // of every response; static
    };

    static Result<std::unique_ptr<Front>> create(loop::EventLoop& loop,
                                                 loop::PosterPtr poster,
                                                 const FrontOptions& options,
                                                 Service service);
    ~Front();
    Front(const Front&) = delete;
    Front& operator=(const Front&) = delete;

    // With the real port.
    [[nodiscard]] const os::TcpAddress& address() const { return options_.listen; }

    [[nodiscard]] std::size_t connections() const { return places_.size(); }

    // What those who connect from now on speak: TLS with this context; null: plain HTTP.
    void speak(std::shared_ptr<const TlsContext> tls) { tls_ = std::move(tls); }

    // Takes no more connections and cuts those there are.
    void stop();

private:
    Front(loop::EventLoop& loop,
          loop::PosterPtr poster,
          const FrontOptions& options,
          Service service);

    void add(os::Accepted accepted);
    void held(Connection& connection, std::size_t bytes);
    loop::EventLoop& loop_;
    FrontOptions options_;
    Connection::Environment environment_;
    std::shared_ptr<const TlsContext> tls_;
    Places places_;
    std::unique_ptr<loop::Acceptor> acceptor_;
};

}  // namespace berth::http
