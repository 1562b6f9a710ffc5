#include "controller/http/front.h"

#include <algorithm>
#include <vector>

namespace berth::http {

namespace {

constexpr int kBacklog = 1024;

}  // namespace

Front::Front(loop::EventLoop& loop,
             loop::PosterPtr poster,
             const FrontOptions& options,
             Handle handle)
    : loop_(loop),
      options_(options),
      environment_{loop,
                   std::move(poster),
                   options.deadlines,
                   options.limits,
                   std::move(handle),
                   [this](Connection& connection) { closed(connection); }} {}

Front::~Front() {
    stop();
}

Result<std::unique_ptr<Front>> Front::create(loop::EventLoop& loop,
                                             loop::PosterPtr poster,
                                             const FrontOptions& options,
                                             Handle handle) {
    std::unique_ptr<Front> front(new Front(loop, std::move(poster), options, std::move(handle)));
    BERTH_TRY(os::UniqueFd listening, os::listen_tcp(options.listen, kBacklog));
    BERTH_TRY(front->options_.listen.port, os::bound_port(listening));
    front->acceptor_ = std::make_unique<loop::Acceptor>(
        loop, std::move(listening), os::accept_tcp, [self = front.get()](os::Accepted accepted) {
            self->add(std::move(accepted));
        });
    return front;
}

void Front::add(os::Accepted accepted) {
    if (connections_.size() >= options_.max_connections && !make_room()) {
        return;  // all of them are being served: the new one is closed
    }
    if (too_many_strangers(accepted.address)) {
        return;
    }
    ++per_address_[accepted.address];
    const auto connection =
        std::make_shared<Connection>(environment_, std::move(accepted.socket), accepted.address);
    connections_.emplace(connection.get(), connection);
    connection->start();
}

// They are counted only when there may be too many.
bool Front::too_many_strangers(const std::string& address) const {
    const auto of_address = per_address_.find(address);
    if (of_address == per_address_.end() || of_address->second < options_.max_strangers) {
        return false;
    }
    const auto strangers =
        std::count_if(connections_.begin(), connections_.end(), [&address](const auto& entry) {
            return !entry.second->proved() && entry.second->address() == address;
        });
    return static_cast<std::size_t>(strangers) >= options_.max_strangers;
}

bool Front::make_room() {
    Connection* victim = nullptr;
    for (const auto& [key, connection] : connections_) {
        if (!connection->idle()) {
            continue;
        }
        victim = key;
        if (!connection->proved()) {
            break;
        }
    }
    if (victim == nullptr) {
        return false;
    }
    victim->close();
    return true;
}

void Front::closed(Connection& connection) {
    const auto of_address = per_address_.find(connection.address());
    if (of_address != per_address_.end() && --of_address->second == 0) {
        per_address_.erase(of_address);
    }
    connections_.erase(&connection);
}

void Front::stop() {
    acceptor_.reset();
    std::vector<std::shared_ptr<Connection>> all;
    for (const auto& [key, connection] : connections_) {
        all.push_back(connection);
    }
    for (const auto& connection : all) {
        connection->close();
    }
}

}  // namespace berth::http
