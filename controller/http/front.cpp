#include "controller/http/front.h"

#include <fcntl.h>

#include <algorithm>
#include <vector>

#include "shared/log/log.h"
#include "shared/os/fd.h"

namespace berth::http {

namespace {

constexpr int kBacklog = 1024;
constexpr int kAcceptsPerTurn = 64;
constexpr Duration kPauseWithoutDescriptors = std::chrono::milliseconds(100);

os::UniqueFd open_reserve() {
    auto reserve = os::open_file("/dev/null", O_RDONLY);
    return reserve ? std::move(*reserve) : os::UniqueFd();
}

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
                   [this](Connection& connection) { closed(connection); }},
      reserve_(open_reserve()) {}

Front::~Front() {
    stop();
}

Result<std::unique_ptr<Front>> Front::create(loop::EventLoop& loop,
                                             loop::PosterPtr poster,
                                             const FrontOptions& options,
                                             Handle handle) {
    std::unique_ptr<Front> front(new Front(loop, std::move(poster), options, std::move(handle)));
    BERTH_TRY(front->listening_, os::listen_tcp(options.listen, kBacklog));
    BERTH_TRY(front->options_.listen.port, os::bound_port(front->listening_));
    front->watch_ = loop.watch(front->listening_.get(),
                               loop::Interest::Read,
                               [self = front.get()](bool, bool) { self->accept(); });
    return front;
}

void Front::accept() {
    for (int i = 0; i < kAcceptsPerTurn; ++i) {
        os::Accepted accepted = os::accept_tcp(listening_);
        if (accepted.status == os::AcceptStatus::NoDescriptors) {
            return without_descriptors();
        }
        if (accepted.status == os::AcceptStatus::Nothing) {
            return;
        }
        add(std::move(accepted));
    }
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

// The connection that cannot be taken would wake the loop for ever: with the reserve it is taken
// and closed, and others are left waiting for a moment.
void Front::without_descriptors() {
    log::warning("no descriptors are left for new connections");
    reserve_.reset();
    (void)os::accept_tcp(listening_);
    reserve_ = open_reserve();
    watch_.reset();
    pause_ = loop_.after(kPauseWithoutDescriptors, [this] {
        watch_ =
            loop_.watch(listening_.get(), loop::Interest::Read, [this](bool, bool) { accept(); });
    });
}

void Front::closed(Connection& connection) {
    const auto of_address = per_address_.find(connection.address());
    if (of_address != per_address_.end() && --of_address->second == 0) {
        per_address_.erase(of_address);
    }
    connections_.erase(&connection);
}

void Front::stop() {
    watch_.reset();
    pause_.reset();
    listening_.reset();
    std::vector<std::shared_ptr<Connection>> all;
    for (const auto& [key, connection] : connections_) {
        all.push_back(connection);
    }
    for (const auto& connection : all) {
        connection->close();
    }
}

}  // namespace berth::http
