#include "agent/keeper/stream_pump.h"

#include <fcntl.h>
#include <sys/ioctl.h>

#include <algorithm>

#include "shared/os/fd.h"

namespace berth::keeper {

namespace {

// A turn that finds less than this, or than half of what the FIFO holds, came too early for one
// that writes all the time.
constexpr std::size_t kLittle = 128U << 10U;
constexpr Duration kNap = std::chrono::milliseconds(1);
constexpr Duration kLongNap = std::chrono::milliseconds(8);

// Reads closer together than this make a writer one that writes all the time.
constexpr Duration kBusy = std::chrono::milliseconds(5);

// More than a terminal holds.
constexpr std::size_t kMaxTerminalDrain = 64U << 10U;

}  // namespace

StreamPump::StreamPump(
    loop::EventLoop& loop, std::string& buffer, os::UniqueFd fd, Kind kind, Sink sink)
    : loop_(loop),
      buffer_(buffer),
      fd_(std::move(fd)),
      kind_(kind),
      sink_(std::move(sink)),
      nap_(kNap) {}

void StreamPump::watch() {
    watch_ = loop_.watch(fd_.get(), loop::Interest::Read, [this](bool, bool) { readable(); });
}

void StreamPump::readable() {
    std::size_t total = 0;
    for (bool more = true; more && total < kTurnBytes;) {
        const os::IoOutcome outcome = os::read_some(fd_.get(), buffer_.data(), buffer_.size());
        if (outcome.status == os::IoStatus::Closed || outcome.status == os::IoStatus::Failed) {
            wake_.reset();
            watch_.reset();  // EIO: nobody has the terminal open any more
            return;
        }
        if (outcome.status == os::IoStatus::Done) {
            sink_({buffer_.data(), outcome.bytes});
            total += outcome.bytes;
        }
        more = outcome.bytes == buffer_.size();
    }
    const bool little = total < std::min(kLittle, capacity_ / 2);
    const MonoTime now = loop_.now().mono;
    if (kind_ == Kind::Fifo && !little && !enlarged_) {
        enlarge();
    } else if (kind_ == Kind::Fifo && little && now - last_read_ < kBusy + nap_) {
        nap();
    } else {
        nap_ = kNap;
    }
    last_read_ = now;
}

void StreamPump::nap() {
    loop_.modify(watch_, loop::Interest::None);
    wake_ = loop_.after(nap_, [this] { loop_.modify(watch_, loop::Interest::Read); });
    nap_ = std::min(2 * nap_, kLongNap);  // the next one, if this one brings little again
}

// Refused to an ordinary user who has many large pipes (pipe-user-pages-soft): it stays as it is.
void StreamPump::enlarge() {
    enlarged_ = true;
    const int before = ::fcntl(fd_.get(), F_GETPIPE_SZ);
    const int after = before < kLargeFifo ? ::fcntl(fd_.get(), F_SETPIPE_SZ, kLargeFifo) : before;
    capacity_ = static_cast<std::size_t>(std::max({before, after, 0}));
}

void StreamPump::drain() {
    std::size_t left = kMaxTerminalDrain;
    int waiting = 0;
    if (kind_ == Kind::Fifo && ::ioctl(fd_.get(), FIONREAD, &waiting) == 0) {
        left = static_cast<std::size_t>(waiting);
    }
    while (left > 0) {
        const os::IoOutcome outcome =
            os::read_some(fd_.get(), buffer_.data(), std::min(left, buffer_.size()));
        if (outcome.status != os::IoStatus::Done) {
            return;
        }
        sink_({buffer_.data(), outcome.bytes});
        left -= outcome.bytes;
    }
}

}  // namespace berth::keeper
