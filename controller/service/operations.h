#pragma once

#include <deque>
#include <map>
#include <optional>
#include <string>

#include "shared/base/enum_names.h"
#include "shared/base/guarded.h"

namespace berth::service {

// `Unknown`: the agent was asked and has not answered; it may have done it.
enum class OperationState : std::uint8_t { Running, Done, Failed, Unknown };
inline constexpr auto kOperationStateNames =
    enum_names<OperationState>("running", "done", "failed", "unknown");

// A command on its way, for those who did not wait for its end.
struct Operation {
    std::string id;
    std::string app;
    std::string verb;
    OperationState state = OperationState::Running;
    std::string error;
};

// The last thousand operations, in memory. Any thread.
class Operations {
public:
    // Gives the new operation's id.
    std::string begin(const std::string& app, const std::string& verb);

    // `error` is empty when it went well.
    void end(const std::string& id, OperationState how, const std::string& error);

    [[nodiscard]] std::optional<Operation> find(const std::string& id) const;

private:
    struct State {
        std::map<std::string, Operation> operations;
        std::deque<std::string> order;
    };

    Guarded<State> state_;
};

}  // namespace berth::service
