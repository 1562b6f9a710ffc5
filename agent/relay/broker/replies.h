#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "agent/relay/broker/session_table.h"
#include "agent/relay/disk/turn_commit.h"
#include "agent/relay/protocol/requests.h"

namespace berth::relay {

// The frames of a message after the header.
using Frames = std::span<const std::string_view>;

// What clients are answered: at once, or when what they have asked for is on the disk. Who has gone
// meanwhile is not answered. Relay thread.
class Replies : public TurnParticipant {
public:
    explicit Replies(const SessionTable& sessions) : sessions_(sessions) {}

    void answer(Session& session, std::string_view header, std::span<const Payload> payloads = {});
    void refuse(Session& session, std::uint64_t request, Code code, std::string_view why);
    void refuse(Session& session, std::uint64_t request, const Error& error);

    // To a session that may have ended.
    void send(std::uint64_t session, std::string_view header, Frames payload);

    // Answers when the present batch is on the disk; at once when nothing of it needs the disk.
    void answer_stored(Session& session,
                       std::uint64_t request,
                       std::string header,
                       std::vector<Payload> payloads,
                       bool needs_disk);

    [[nodiscard]] bool waits() const override { return !turn_.empty(); }

    [[nodiscard]] std::size_t askers() const override { return turn_.size(); }

    void gather(Batch& batch) override;
    void stored(const Batch& batch) override;
    void failed(const Error& error) override;  // refuses what waits, with the error

private:
    // An answer that waits for its batch.
    struct Deferred {
        std::uint64_t session;
        std::uint64_t request;
        std::string header;
        std::vector<Payload> payloads;
    };

    const SessionTable& sessions_;
    std::vector<Deferred> turn_;
    std::vector<Deferred> in_flight_;
};

}  // namespace berth::relay
