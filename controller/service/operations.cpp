#include "controller/service/operations.h"

#include "controller/access/secrets.h"

namespace berth::service {

namespace {

constexpr std::size_t kKept = 1000;

}  // namespace

std::string Operations::begin(const std::string& app, const std::string& verb) {
    std::string id = access::random_token(12);
    state_.with([&](State& state) {
        state.operations[id] = {id, app, verb, OperationState::Running, {}};
        state.order.push_back(id);
        if (state.order.size() > kKept) {
            state.operations.erase(state.order.front());
            state.order.pop_front();
        }
    });
    return id;
}

void Operations::end(const std::string& id, OperationState how, const std::string& error) {
    state_.with([&](State& state) {
        const auto found = state.operations.find(id);
        if (found != state.operations.end()) {
            found->second.state = how;
            found->second.error = error;
        }
    });
}

std::optional<Operation> Operations::find(const std::string& id) const {
    return state_.with([&](const State& state) {
        const auto found = state.operations.find(id);
        return found == state.operations.end() ? std::nullopt : std::optional(found->second);
    });
}

}  // namespace berth::service
