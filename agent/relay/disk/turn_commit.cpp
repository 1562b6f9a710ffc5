#include "agent/relay/disk/turn_commit.h"

#include <algorithm>
#include <utility>

#include "shared/log/log.h"

namespace berth::relay {

namespace {

constexpr Duration kDiskRetry = std::chrono::seconds(1);

template <class T>
void append(std::vector<T>& to, const std::vector<T>& from) {
    to.insert(to.end(), from.begin(), from.end());
}

}  // namespace

TurnCommit::TurnCommit(loop::EventLoop& loop)
    : loop_(loop), poster_(std::make_shared<loop::Poster>(loop)) {}

TurnCommit::~TurnCommit() {
    poster_->close();
    if (writer_ != nullptr && !batch_->empty()) {
        writer_->submit(std::move(batch_));
    }
}

Result<Stored> TurnCommit::open(const Journal::Options& options) {
    Stored stored;
    BERTH_TRY(
        writer_,
        Journal::open(
            options,
            stored,
            [this, poster = poster_](std::unique_ptr<Batch> batch, const Result<void>& result) {
                // shared: a job must be copyable
                const std::shared_ptr<const Batch> done = std::move(batch);
                (void)poster->post([this, done, result] { written(result, *done); });
            }));
    return stored;
}

std::uint64_t TurnCommit::take_ids(std::size_t count) {
    const std::uint64_t first = ids_.take(count);
    if (const auto reserved = ids_.reserve()) {
        batch_->next_id = *reserved;
    }
    return first;
}

std::size_t TurnCommit::askers() const {
    std::size_t sum = 0;
    for (const TurnParticipant* const participant : participants_) {
        sum += participant->askers();
    }
    return sum;
}

void TurnCommit::end_turn() {
    const bool wanted =
        !batch_->empty() || std::any_of(participants_.begin(),
                                        participants_.end(),
                                        [](const TurnParticipant* one) { return one->waits(); });
    if (!wanted || in_flight_ || retry_later_ || (gather_.active() && askers() < gather_until_)) {
        return;
    }
    gather_.reset();
    submitted_ = MonoClock::now();  // of now: the turn's time is that of its begin
    in_flight_askers_ = askers();
    for (TurnParticipant* const participant : participants_) {
        participant->gather(*batch_);
    }
    in_flight_ = true;
    std::sort(batch_->removals.begin(), batch_->removals.end());
    std::sort(batch_->sent.begin(), batch_->sent.end());
    writer_->submit(std::exchange(batch_, std::make_unique<Batch>()));
}

// Who has just been answered mostly asks again at once. When a flush takes long, and others wait
// for the next one, that one waits a moment for them: else two halves take turns, each with a
// flush.
void TurnCommit::gather_more() {
    constexpr Duration kLongFlush = std::chrono::milliseconds(2);
    constexpr Duration kMoment = std::chrono::milliseconds(1);
    const std::size_t waiting = askers();
    if (waiting != 0 && in_flight_askers_ != 0 && MonoClock::now() - submitted_ > kLongFlush) {
        gather_until_ = waiting + in_flight_askers_;
        gather_ = loop_.after(kMoment, [this] { gather_.reset(); });
    }
}

void TurnCommit::written(const Result<void>& result, const Batch& batch) {
    in_flight_ = false;
    if (!result) {
        return refused(result.error(), batch);
    }
    gather_more();
    for (TurnParticipant* const participant : participants_) {
        participant->stored(batch);
    }
}

void TurnCommit::refused(const Error& error, const Batch& batch) {
    log::error("messages are not stored", {{"error", error.message}});
    append(batch_->removals, batch.removals);
    batch_->marks.insert(batch_->marks.begin(), batch.marks.begin(), batch.marks.end());
    append(batch_->sent, batch.sent);
    batch_->next_id = std::max(batch_->next_id, batch.next_id);
    batch_->forget_known_below = std::max(batch_->forget_known_below, batch.forget_known_below);
    for (TurnParticipant* const participant : participants_) {
        participant->failed(error);
    }
    batch_->inserts.clear();
    batch_->outgoing.clear();
    batch_->known.clear();
    retry_later_ = !batch_->empty();
    if (retry_later_) {
        retry_ = loop_.after(kDiskRetry, [this] { retry_later_ = false; });
    }
}

}  // namespace berth::relay
