#include "shared/zmtp/connection.h"

#include <utility>

#include "shared/os/fd.h"
#include "shared/zmtp/pool.h"

namespace berth::zmtp {

namespace {

constexpr std::size_t kDrainBelow = 64U << 10U;
constexpr std::size_t kMoveAbove = 1U << 20U;  // sent: then the rest is moved to the front
constexpr std::size_t kKeepBuffer = 2U << 20U;

}  // namespace

Connection::Connection(Pool& pool, os::UniqueFd socket, std::uint64_t number)
    : pool_(pool),
      socket_(std::move(socket)),
      number_(number),
      reader_(pool.terms_.own == SocketType::Router ? SocketType::Dealer : SocketType::Router) {
    reader_.set_limits(pool_.terms_.strangers);
    watch_ = pool_.loop_.watch(socket_.get(), interest_, [this](bool readable, bool writable) {
        on_ready(readable, writable);
    });
    if (const Duration time = pool_.terms_.greeting_time; time > Duration::zero()) {
        deadline_ = pool_.loop_.after(time, [this] { close(); });
    }
    queue(greeting_bytes());
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
    char* const buffer = pool_.buffer_.get();
    const os::IoOutcome outcome = os::read_some(socket_.get(), buffer, Pool::kReadSize);
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
    queue(ready_command(pool_.terms_.own));
}

void Connection::ready() {
    deadline_.reset();
    peer_->ready();
}

bool Connection::message(std::span<const std::string_view> parts) {
    peer_->received(parts);
    hold_if_deaf();
    return !ended_ && !held_;
}

void Connection::hold_if_deaf() {
    if (!held_ && backlog() > (trusted_ ? pool_.terms_.hold : pool_.terms_.hold_strangers)) {
        held_ = true;  // what is pending is read on when the peer has read
        update_interest();
    }
}

void Connection::too_large(std::string_view header) {
    peer_->too_large(header);
}

void Connection::ping(std::string_view context) {
    append_pong(out_, context);
    mark_dirty();
    hold_if_deaf();
}

void Connection::trust() {
    reader_.set_limits(pool_.terms_.trusted);
    trusted_ = true;
    pool_.strangers_.erase(number_);
}

void Connection::send(std::span<const std::string_view> parts) {
    if (!is_open()) {
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
        pool_.dirty_.push_back(this);
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
            peer_->deafened();
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
    } else if (sent_ > kMoveAbove) {
        out_.erase(0, sent_);
        sent_ = 0;
    }
    if (was_full && backlog() <= kDrainBelow) {
        peer_->drained();
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
        pool_.loop_.modify(watch_, wanted);
    }
}

void Connection::close() {
    if (ended_) {
        return;
    }
    ended_ = true;
    watch_.reset();
    deadline_.reset();
    peer_->ended();
    pool_.end(*this);
}

}  // namespace berth::zmtp
