#include <algorithm>
#include <utility>

#include "agent/relay/broker/broker.h"
#include "shared/log/log.h"

// The part of the Broker that ends a turn: what it wants stored goes to the journal, and what was
// stored is answered.
namespace berth::relay {

namespace {

constexpr Duration kDiskRetry = std::chrono::seconds(1);

}  // namespace

bool Broker::end_turn() {
    trimmer_.worked(std::exchange(removed_, 0));
    bool acted = exchange_->end_turn();
    while (!touched_.empty()) {
        std::vector<Box*> boxes;
        boxes.swap(touched_);
        for (Box* const box : boxes) {
            box->touched = false;
            give_out(*box);
        }
        ++changes_;
        acted = true;
    }
    const bool wanted = !turn_.batch->empty() || !turn_.answers.empty() || exchange_->waits();
    const bool gathering = gather_.active() && turn_.answers.size() < gather_until_;
    if (!wanted || in_flight_ != nullptr || retry_later_ || gathering) {
        return acted;
    }
    for (const std::uint64_t id : turn_.batch->sent) {
        trace_.ended(id, TraceOutcome::Sent, loop_.now().wall);
    }
    gather_.reset();
    submitted_ = MonoClock::now();
    exchange_->submitted(*turn_.batch);
    in_flight_ = std::make_unique<Turn>(std::move(turn_));
    turn_ = Turn();
    std::sort(in_flight_->batch->removals.begin(), in_flight_->batch->removals.end());
    std::sort(in_flight_->batch->sent.begin(), in_flight_->batch->sent.end());
    journal_->submit(std::move(in_flight_->batch));
    return acted;
}

// Who has just been answered mostly asks again at once. When a flush takes long, and others wait
// for the next one, that one waits a moment for them: else two halves take turns, each with a
// flush.
void Broker::gather_more(std::size_t answered) {
    constexpr Duration kLongFlush = std::chrono::milliseconds(2);
    constexpr Duration kMoment = std::chrono::milliseconds(1);
    if (!turn_.answers.empty() && answered != 0 && MonoClock::now() - submitted_ > kLongFlush) {
        gather_until_ = turn_.answers.size() + answered;
        gather_ = loop_.after(kMoment, [this] { gather_.reset(); });
    }
}

// The journal is done with a batch.
void Broker::stored(const Result<void>& written, std::unique_ptr<Batch> batch) {
    const std::unique_ptr<Turn> turn = std::move(in_flight_);
    if (!written) {
        log::error("messages are not stored", {{"error", written.error().message}});
        // What was taken away stays away, and is taken off the disk when that is possible again.
        auto& removals = turn_.batch->removals;
        removals.insert(removals.end(), batch->removals.begin(), batch->removals.end());
        auto& marks = turn_.batch->marks;
        marks.insert(marks.begin(), batch->marks.begin(), batch->marks.end());
        auto& sent = turn_.batch->sent;
        sent.insert(sent.end(), batch->sent.begin(), batch->sent.end());
        turn_.batch->next_id = std::max(turn_.batch->next_id, batch->next_id);
        turn_.batch->forget_known_below =
            std::max(turn_.batch->forget_known_below, batch->forget_known_below);
        fail_turn(*turn, written.error());
        fail_turn(turn_, written.error());  // what came meanwhile would fare no better
        exchange_->failed();
        turn_.batch->inserts.clear();
        turn_.batch->outgoing.clear();
        turn_.batch->known.clear();
        retry_later_ = !turn_.batch->empty();
        if (retry_later_) {
            retry_ = loop_.after(kDiskRetry, [this] { retry_later_ = false; });
        }
        return;
    }
    for (const auto& [box, id] : turn->added) {
        stored_id_ = std::max(stored_id_, id);
        trace_.stored(id, loop_.now().wall);
        --box->references;
        touch(*box);
    }
    for (const Batch::Outgoing& row : batch->outgoing) {
        trace_.stored(row.id, loop_.now().wall);
    }
    exchange_->stored();
    gather_more(turn->answers.size());
    for (const Deferred& deferred : turn->answers) {
        if (Session* const session = find_session(deferred.session)) {
            answer(*session, deferred.header, deferred.payloads);
        }
    }
}

// Takes back what the turn has added, which nobody has seen, and says so to those who asked.
void Broker::fail_turn(Turn& turn, const Error& error) {
    for (const auto& [box, id] : turn.added) {
        (void)box->mail.remove(id);
        trace_.ended(id, TraceOutcome::Refused, loop_.now().wall);
        --box->references;
        touch(*box);
    }
    for (const KnownKeys::Fingerprint& key : turn.known) {
        known_.erase(key);
    }
    for (const Deferred& deferred : turn.answers) {
        if (Session* const session = find_session(deferred.session)) {
            refuse(*session, deferred.request_id, wire::code_of(error), error.message);
        }
    }
    turn.added.clear();
    turn.known.clear();
    turn.answers.clear();
}

}  // namespace berth::relay
