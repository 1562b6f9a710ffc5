#include "agent/relay/client/local_endpoint.h"

#include <sys/stat.h>

#include <algorithm>

#include "agent/relay/client/connection.h"
#include "shared/log/log.h"
#include "shared/os/fd.h"
#include "shared/os/file.h"
#include "shared/os/os_error.h"
#include "shared/os/unix_socket.h"

namespace berth::relay {

namespace {

constexpr std::size_t kReadSize = 256U << 10U;
constexpr int kBacklog = 512;
constexpr Duration kGreetingTime = std::chrono::seconds(3);
constexpr std::size_t kHoldAbove = 1U << 20U;  // stop reading a peer that does not read
constexpr std::size_t kDrainBelow = 64U << 10U;
constexpr std::size_t kHoldStrangerAbove = 64U << 10U;  // the same before its hello
constexpr std::size_t kMostStrangers = 256;
constexpr std::size_t kKeepBuffer = 2U << 20U;
constexpr ZmtpLimits kStrangersLimits = {4096, 4096, 8192, 2};

}  // namespace

// --- the endpoint

Result<std::unique_ptr<LocalEndpoint>> LocalEndpoint::create(loop::EventLoop& loop,
                                                             Broker& relay,
                                                             const std::string& path) {
    std::unique_ptr<LocalEndpoint> endpoint(new LocalEndpoint(loop, relay, path));
    BERTH_CHECK(endpoint->listen());
    return endpoint;
}

Result<void> LocalEndpoint::listen() {
    BERTH_TRY(os::UniqueFd listening, os::listen_unix(path_, kBacklog));
    // Who may come is up to the folders above it, and to the secret that each has to know.
    if (::chmod(path_.c_str(), 0666) != 0) {
        return fail(os::last_error("chmod " + path_));
    }
    acceptor_ = std::make_unique<loop::Acceptor>(
        loop_, std::move(listening), os::accept_unix, [this](os::Accepted accepted) {
            add(std::move(accepted.socket));
        });
    return {};
}

Result<void> LocalEndpoint::listen_again() {
    return os::exists(path_) ? Result<void>() : listen();
}

LocalEndpoint::LocalEndpoint(loop::EventLoop& loop, Broker& relay, std::string path)
    : loop_(loop),
      relay_(relay),
      path_(std::move(path)),
      buffer_(std::make_unique<char[]>(kReadSize)) {
    hook_ = loop_.before_sleep([this] {
        flush();
        bury();
        return !dirty_.empty();
    });
}

LocalEndpoint::~LocalEndpoint() {
    flush();
    for (auto& [fd, connection] : connections_) {
        if (!connection->ended()) {
            connection->close();
        }
    }
    bury();
}

void LocalEndpoint::add(os::UniqueFd socket) {
    if (strangers_.size() >= kMostStrangers) {
        if (told_.due()) {
            log::warning("too many clients have not said hello: the oldest is turned away");
        }
        strangers_.begin()->second->close();
    }
    const int fd = socket.get();
    auto connection = std::make_unique<Connection>(*this, std::move(socket), next_++);
    strangers_.emplace(connection->number(), connection.get());
    connections_[fd] = std::move(connection);
}

void LocalEndpoint::end(Connection& connection) {
    strangers_.erase(connection.number());
    relay_.disconnected(connection.session());
    dead_.push_back(connection.fd());
}

void LocalEndpoint::bury() {
    for (const int fd : dead_) {
        const auto found = connections_.find(fd);
        std::erase(dirty_, found->second.get());
        connections_.erase(found);
    }
    dead_.clear();
}

void LocalEndpoint::flush() {
    std::vector<Connection*> dirty;
    dirty.swap(dirty_);
    for (Connection* const connection : dirty) {
        connection->flush();
    }
}

// --- a connection

Connection::Connection(LocalEndpoint& endpoint, os::UniqueFd socket, std::uint64_t number)
    : endpoint_(endpoint),
      socket_(std::move(socket)),
      number_(number),
      session_(&endpoint.relay_.connected(*this)) {
    reader_.set_limits(kStrangersLimits);
    watch_ = endpoint_.loop_.watch(socket_.get(), interest_, [this](bool readable, bool writable) {
        on_ready(readable, writable);
    });
    deadline_ = endpoint_.loop_.after(kGreetingTime, [this] { close(); });
    queue(zmtp_greeting());
}

Connection::~Connection() = default;

void Connection::on_ready(bool readable, bool writable) {
    if (ended_) {
        return;
    }
    if (writable && blocked_) {
        blocked_ = false;
        flush();
    }
    if (readable && !ended_ && !held_) {
        read();
    }
}

void Connection::read() {
    char* const buffer = endpoint_.buffer_.get();
    const os::IoOutcome outcome = os::read_some(socket_.get(), buffer, kReadSize);
    if (outcome.status == os::IoStatus::WouldBlock) {
        return;
    }
    if (outcome.status != os::IoStatus::Done || outcome.bytes == 0) {
        return close();
    }
    parse({buffer, outcome.bytes});
}

void Connection::parse(std::string_view bytes) {
    if (pending_.empty()) {
        const std::size_t done = reader_.consume(bytes, *this);
        pending_.assign(bytes.substr(done));
    } else {
        pending_.append(bytes);
        const std::size_t done = reader_.consume(pending_, *this);
        pending_.erase(0, done);
    }
    if (pending_.empty() && pending_.capacity() > kKeepBuffer) {
        std::string().swap(pending_);
    }
    if (reader_.broken()) {
        close();
    }
}

void Connection::greeted() {
    queue(zmtp_ready());
}

void Connection::ready() {
    deadline_.reset();
}

bool Connection::message(std::span<const std::string_view> parts) {
    endpoint_.relay_.received(*session_, parts);
    hold_if_deaf();
    return !ended_ && !held_;
}

void Connection::hold_if_deaf() {
    if (!held_ && backlog() > (known_ ? kHoldAbove : kHoldStrangerAbove)) {
        held_ = true;  // what is pending is read on when the peer has read
        update_interest();
    }
}

void Connection::too_large(std::string_view header) {
    endpoint_.relay_.too_large(*session_, header);
}

void Connection::ping(std::string_view context) {
    append_pong(out_, context);
    mark_dirty();
    hold_if_deaf();
}

void Connection::authenticated() {
    reader_.set_limits(ZmtpLimits());
    known_ = true;
    endpoint_.strangers_.erase(number_);
}

void Connection::send(std::span<const std::string_view> parts) {
    if (ended_ || deaf_ || !reader_.is_ready()) {
        return;
    }
    for (std::size_t i = 0; i < parts.size(); ++i) {
        append_frame(out_, parts[i], i + 1 < parts.size());
    }
    mark_dirty();
}

void Connection::queue(std::string_view bytes) {
    out_ += bytes;
    mark_dirty();
}

void Connection::mark_dirty() {
    if (!dirty_) {
        dirty_ = true;
        endpoint_.dirty_.push_back(this);
    }
}

void Connection::flush() {
    dirty_ = false;
    if (ended_ || blocked_) {
        return;
    }
    const bool was_full = backlog() > kDrainBelow;
    while (backlog() > 0) {
        const os::IoOutcome outcome =
            os::send_some(socket_.get(), std::string_view(out_).substr(sent_));
        if (outcome.status == os::IoStatus::WouldBlock) {
            blocked_ = true;
            break;
        }
        if (outcome.status != os::IoStatus::Done) {
            deaf_ = true;
            out_.clear();
            sent_ = 0;
            endpoint_.relay_.deafened(*session_);
            break;
        }
        sent_ += outcome.bytes;
    }
    if (backlog() == 0) {
        out_.clear();
        sent_ = 0;
        if (out_.capacity() > kKeepBuffer) {
            std::string().swap(out_);
        }
    } else if (sent_ > kHoldAbove) {
        out_.erase(0, sent_);
        sent_ = 0;
    }
    if (was_full && backlog() <= kDrainBelow) {
        endpoint_.relay_.drained(*session_);
    }
    if (held_ && backlog() <= kDrainBelow) {
        held_ = false;
        parse({});     // what had been read before
        mark_dirty();  // the turn that this begins must end before a sleep
    }
    update_interest();
}

void Connection::update_interest() {
    const bool write = blocked_;
    const bool read = !held_;
    const loop::Interest wanted =
        write ? (read ? loop::Interest::ReadWrite : loop::Interest::Write) : loop::Interest::Read;
    if (!ended_ && wanted != interest_) {
        interest_ = wanted;
        endpoint_.loop_.modify(watch_, wanted);
    }
}

void Connection::close() {
    if (ended_) {
        return;
    }
    ended_ = true;
    watch_.reset();
    deadline_.reset();
    endpoint_.end(*this);
}

}  // namespace berth::relay
