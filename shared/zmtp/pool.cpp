#include "shared/zmtp/pool.h"

#include <utility>

namespace berth::zmtp {

Pool::Pool(loop::EventLoop& loop, const Terms& terms)
    : loop_(loop), terms_(terms), buffer_(std::make_unique<char[]>(kReadSize)) {
    hook_ = loop_.before_sleep([this] {
        flush();
        bury();
        return !dirty_.empty();
    });
}

Pool::~Pool() {
    flush();
    for (auto& [fd, connection] : connections_) {
        if (!connection->ended()) {
            connection->close();
        }
    }
    bury();
}

void Pool::add(os::UniqueFd socket, const MakePeer& make_peer) {
    if (strangers_.size() >= terms_.most_strangers) {
        if (told_.due()) {
            log::warning("too many clients have not said hello: the oldest is turned away");
        }
        strangers_.begin()->second->close();
    }
    const int fd = socket.get();
    auto connection = std::make_unique<Connection>(*this, std::move(socket), next_++);
    strangers_.emplace(connection->number(), connection.get());
    Connection& added = *connection;
    connections_[fd] = std::move(connection);
    added.set_peer(make_peer(added));
}

void Pool::end(Connection& connection) {
    strangers_.erase(connection.number());
    dead_.push_back(connection.fd());
}

void Pool::bury() {
    for (const int fd : dead_) {
        const auto found = connections_.find(fd);
        std::erase(dirty_, found->second.get());
        connections_.erase(found);
    }
    dead_.clear();
}

void Pool::flush() {
    std::vector<Connection*> dirty;
    dirty.swap(dirty_);
    for (Connection* const connection : dirty) {
        connection->flush();
    }
}

}  // namespace berth::zmtp
