#include "agent/relay/broker/replies.h"

#include <utility>

namespace berth::relay {

void Replies::answer(Session& session, std::string_view header, std::span<const Payload> payloads) {
    std::vector<std::string_view> parts;
    parts.reserve(payloads.size() + 1);
    parts.push_back(header);
    for (const Payload& payload : payloads) {
        parts.push_back(*payload);
    }
    session.link->send(parts);
}

void Replies::refuse(Session& session, std::uint64_t request, Code code, std::string_view why) {
    const std::string header = error_header(request, code, why);
    const std::string_view part = header;
    session.link->send({&part, 1});
}

void Replies::refuse(Session& session, std::uint64_t request, const Error& error) {
    refuse(session, request, wire::code_of(error), error.message);
}

void Replies::send(std::uint64_t session, std::string_view header, Frames payload) {
    Session* const asker = sessions_.find(session);
    if (asker == nullptr) {
        return;
    }
    std::vector<std::string_view> parts = {header};
    parts.insert(parts.end(), payload.begin(), payload.end());
    asker->link->send(parts);
}

void Replies::answer_stored(Session& session,
                            std::uint64_t request,
                            std::string header,
                            std::vector<Payload> payloads,
                            bool needs_disk) {
    if (!needs_disk) {
        return answer(session, header, payloads);
    }
    turn_.push_back({session.number, request, std::move(header), std::move(payloads)});
}

void Replies::gather(Batch& /*batch*/) {
    in_flight_ = std::exchange(turn_, {});
}

void Replies::stored(const Batch& /*batch*/) {
    for (const Deferred& deferred : std::exchange(in_flight_, {})) {
        if (Session* const session = sessions_.find(deferred.session)) {
            answer(*session, deferred.header, deferred.payloads);
        }
    }
}

void Replies::failed(const Error& error) {
    for (const auto& waiting : {std::exchange(in_flight_, {}), std::exchange(turn_, {})}) {
        for (const Deferred& deferred : waiting) {
            if (Session* const session = sessions_.find(deferred.session)) {
                refuse(*session, deferred.request, error);
            }
        }
    }
}

}  // namespace berth::relay
