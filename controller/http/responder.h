#pragma once

#include <atomic>
#include <functional>
#include <memory>
#include <optional>

#include "controller/http/response.h"

namespace berth::http {

// Answers one request, once, from any thread, at any time later. Copies are the same responder;
// what is sent after the first answer is dropped, and when the last copy goes without an answer
// that is told: no request is left hanging by a handler that forgot it.
class Responder {
public:
    // Nothing: it was not answered.
    using Deliver = std::function<void(std::optional<Response> response)>;

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
                deliver(std::nullopt);
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
