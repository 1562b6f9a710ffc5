#include "shared/loop/acceptor.h"

namespace berth::loop {

namespace {

constexpr int kAcceptsPerTurn = 64;
constexpr Duration kPause = std::chrono::milliseconds(100);

}  // namespace

Acceptor::Acceptor(EventLoop& loop, os::UniqueFd listening, Accept accept, Taken taken)
    : loop_(loop), listening_(std::move(listening)), accept_(accept), taken_(std::move(taken)) {
    watch();
}

void Acceptor::watch() {
    watch_ = loop_.watch(listening_.get(), Interest::Read, [this](bool, bool) { take(); });
}

void Acceptor::take() {
    for (int i = 0; i < kAcceptsPerTurn; ++i) {
        os::Accepted accepted = accept_(listening_);
        switch (accepted.status) {
            case os::AcceptStatus::Accepted:
                taken_(std::move(accepted));
                break;
            case os::AcceptStatus::Nothing:
                return;
            case os::AcceptStatus::NoDescriptors:
                watch_.reset();  // what waits would wake us for ever
                pause_ = loop_.after(kPause, [this] { watch(); });
                [[fallthrough]];
            case os::AcceptStatus::TurnedAway:
                if (told_.due()) {
                    log::warning("hardly any descriptors are left: a client was turned away");
                }
                if (!watch_.active()) {
                    return;
                }
        }
    }
}

}  // namespace berth::loop
