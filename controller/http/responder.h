#pragma once

#include <atomic>
#include <functional>
#include <memory>

#include "controller/http/response.h"

namespace berth::http {

// Answers one request, once, from any thread, at any time later. Copies are the same responder;
// what is sent after the first answer is dropped, and when the last copy goes without an answer the
// client gets a 500: no request is left hanging by a handler that forgot it.
class Responder {
public:
    using Deliver = std::function<void(Response response)>;

    explicit Responder(Deliver deliver) : state_(std::make_shared<State>(std::move(deliver))) {}

    void send(Response response) const {
        if (!state_->used.exchange(true)) {
            state_->deliver(std::move(response));
        }
    }

private:
    struct State {
        explicit State(Deliver deliver_in) : deliver(std::move(deliver_in)) {}

        ~State() {
            if (!used.exchange(true)) {
                deliver(problem(500, "the request was not answered"));
            }
        }

        State(const State&) = delete;
        State& operator=(const State&) = delete;

        Deliver deliver;
        std::atomic<bool> used = false;
    };

    std::shared_ptr<State> state_;
};

}  // namespace berth::http
