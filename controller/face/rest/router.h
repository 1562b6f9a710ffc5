#pragma once

#include <atomic>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "controller/access/gate.h"
#include "controller/face/rest/route.h"
#include "shared/loop/worker_pool.h"

namespace berth::rest {

// The one table of routes. What passes the gate and matches one is handled, unless something is
// asked for that the route does not know; what no route matches is refused. Of the workers,
// strangers get a few at a time: those who are signed in, or come with a browser that is known,
// never wait behind a crowd. Http loop thread.
class Router {
public:
    // Whether the panel has a page or file at this path; null: all are taken for some.
    using HasPage = std::function<bool(const std::string& path)>;

    Router(const access::Gate& gate,
           loop::WorkerPool& workers,
           HasPage has_page,
           std::vector<Route> routes);

    // True: it came from who is signed in, or with a browser that is known.
    bool dispatch(http::Request request, http::Responder responder) const;

    // Whether it comes from who is signed in, or with a browser that is known.
    [[nodiscard]] bool knows(http::Request head) const;

    [[nodiscard]] const std::vector<Route>& routes() const { return routes_; }

private:
    struct Match {
        const Route* route = nullptr;
        std::map<std::string, std::string> params;
    };

    [[nodiscard]] std::optional<http::Response> take_prefix(http::Request& request) const;
    [[nodiscard]] std::optional<Match> match(const http::Request& request,
                                             std::string& allowed) const;
    [[nodiscard]] Result<void> take_body(const Route& route, Exchange& exchange) const;
    void answer(http::Request request,
                const access::Visitor& visitor,
                http::Responder responder) const;
    void run(const Route& route, Exchange exchange, const access::Visitor& visitor) const;

    const access::Gate& gate_;
    loop::WorkerPool& workers_;
    HasPage has_page_;
    std::vector<Route> routes_;
    std::map<std::string, std::vector<std::string>, std::less<>> members_;  // of request schemas

    // How many requests of strangers wait for a worker or have one. Shared with those requests.
    std::shared_ptr<std::atomic<std::size_t>> strangers_ =
        std::make_shared<std::atomic<std::size_t>>(0);
};

}  // namespace berth::rest
