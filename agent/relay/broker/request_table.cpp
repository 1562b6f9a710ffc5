#include "agent/relay/broker/request_table.h"

#include <utility>

#include "shared/base/ensure.h"

namespace berth::relay {

void RequestTable::add(std::uint64_t correlation, PendingRequest request) {
    ++request.to->references;
    const bool added = requests_.emplace(correlation, std::move(request)).second;
    ENSURE(added, "a correlation is drawn once");
}

const PendingRequest* RequestTable::find(std::uint64_t correlation) const {
    const auto found = requests_.find(correlation);
    return found == requests_.end() ? nullptr : &found->second;
}

std::optional<PendingRequest> RequestTable::take(std::uint64_t correlation) {
    const auto found = requests_.find(correlation);
    if (found == requests_.end()) {
        return std::nullopt;
    }
    PendingRequest request = std::move(found->second);
    requests_.erase(found);
    --request.to->references;
    return request;
}

std::vector<std::uint64_t> RequestTable::asked_by(std::uint64_t session) const {
    std::vector<std::uint64_t> asked;
    for (const auto& [correlation, request] : requests_) {
        if (request.session == session) {
            asked.push_back(correlation);
        }
    }
    return asked;
}

std::optional<std::uint64_t> RequestTable::any() const {
    return requests_.empty() ? std::nullopt : std::optional(requests_.begin()->first);
}

}  // namespace berth::relay
