#pragma once

#include <cstdint>
#include <memory>
#include <unordered_map>

#include "agent/relay/broker/session.h"

namespace berth::relay {

// The connections, by a number that none had before. Relay thread.
class SessionTable {
public:
    Session& add(Link& link) {
        auto session = std::make_unique<Session>();
        session->number = next_++;
        session->link = &link;
        Session& made = *session;
        sessions_.emplace(made.number, std::move(session));
        return made;
    }

    // Null: it has ended.
    [[nodiscard]] Session* find(std::uint64_t number) const {
        const auto found = sessions_.find(number);
        return found == sessions_.end() ? nullptr : found->second.get();
    }

    void remove(const Session& session) { sessions_.erase(session.number); }

    template <class Use>
    void for_each(Use use) const {
        for (const auto& [number, session] : sessions_) {
            use(*session);
        }
    }

private:
    std::unordered_map<std::uint64_t, std::unique_ptr<Session>> sessions_;
    std::uint64_t next_ = 1;
};

}  // namespace berth::relay
