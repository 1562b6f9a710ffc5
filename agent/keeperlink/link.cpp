#include "agent/keeperlink/link.h"

#include <array>

#include "shared/os/fd.h"
#include "shared/os/os_error.h"

namespace berth::keeperlink {

Link::Link(loop::EventLoop& loop, os::UniqueFd socket, Received received, Closed closed)
    : loop_(loop),
      socket_(std::move(socket)),
      received_(std::move(received)),
      closed_(std::move(closed)) {
    (void)os::set_nonblocking(
        socket_.get());  // fails on a closed descriptor only, and then reading says so
    watch_ = loop_.watch(socket_.get(), loop::Interest::Read, [this](bool in, bool out) {
        const std::weak_ptr<bool> alive = alive_;
        if (out) {
            flush();
        }
        if (in && !alive.expired() && watch_.active()) {
            readable();
        }
    });
}

void Link::send(const Message& message) {
    if (!watch_.active()) {
        return;  // closed; the owner has been or will be told
    }
    const bool idle = outgoing_.empty();
    outgoing_ += encode(message);
    if (idle) {
        flush();
    }
}

void Link::flush() {
    std::size_t written = 0;
    while (written < outgoing_.size()) {
        const os::IoOutcome outcome =
            os::send_some(socket_.get(), std::string_view(outgoing_).substr(written));
        if (outcome.status != os::IoStatus::Done) {
            break;  // WouldBlock; or closed, which reading tells too, after what was sent before it
        }
        written += outcome.bytes;
    }
    outgoing_.erase(0, written);
    if (watch_.active() && waits_to_write_ == outgoing_.empty()) {
        waits_to_write_ = !outgoing_.empty();
        loop_.modify(watch_, waits_to_write_ ? loop::Interest::ReadWrite : loop::Interest::Read);
    }
}

void Link::readable() {
    std::array<char, 65536>
        buffer;  // NOLINT(cppcoreguidelines-pro-type-member-init): filled by read
    const os::IoOutcome outcome = os::read_some(socket_.get(), buffer.data(), buffer.size());
    switch (outcome.status) {
        case os::IoStatus::WouldBlock:
            return;
        case os::IoStatus::Closed:
            return fail_link({ErrorCode::Unavailable, "the other side has closed the link"});
        case os::IoStatus::Failed:
            return fail_link(os::error_of(outcome.os_errno, "keeper link"));
        case os::IoStatus::Done:
            break;
    }
    incoming_.append({buffer.data(), outcome.bytes});
    const std::weak_ptr<bool> alive = alive_;
    while (!alive.expired() && watch_.active()) {
        const auto frame = incoming_.next();
        if (!frame) {
            return fail_link(frame.error());
        }
        if (!*frame) {
            return;
        }
        const auto message = decode(**frame);
        if (!message) {
            return fail_link(message.error());
        }
        if (!greeted_) {
            const Hello* const hello = std::get_if<Hello>(&*message);
            if (hello == nullptr || hello->version != kProtocolVersion) {
                return fail_link(
                    {ErrorCode::WrongState, "keeper link: the other side speaks another version"});
            }
            greeted_ = true;
        }
        received_(*message);
    }
}

void Link::fail_link(const Error& why) {
    watch_.reset();
    const Closed closed = closed_;
    closed(why);
}

}  // namespace berth::keeperlink
