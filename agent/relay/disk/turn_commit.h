#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <vector>

#include "agent/relay/disk/batch.h"
#include "agent/relay/disk/id_source.h"
#include "agent/relay/disk/journal.h"
#include "shared/base/result.h"
#include "shared/loop/event_loop.h"
#include "shared/loop/poster.h"

// How a turn of the relay ends.
//
// A turn of the loop reads requests, changes the mailboxes in memory, and gathers what must be on
// the disk in one Batch. At the turn's end the batch goes to the Journal, when that is not busy
// with the one before; what comes meanwhile is gathered in the next one. A durable message is given
// out, and its `notify` answered, only after its batch is on the disk; so an acknowledgement always
// means stored, a refusal never has been seen by anybody, and one flush of the disk serves
// everybody who asked meanwhile.
//
// When the disk refuses a batch, what it would have added is taken back, and what was gathered
// meanwhile with it, which would fare no better; what it would have taken away stays away, and is
// taken off the disk when that is possible again.
namespace berth::relay {

// Whose changes of a turn go to the disk together with those of others. Relay thread.
class TurnParticipant {
public:
    TurnParticipant() = default;
    TurnParticipant(const TurnParticipant&) = delete;
    TurnParticipant& operator=(const TurnParticipant&) = delete;
    virtual ~TurnParticipant() = default;

    // Whether something waits for the end of this turn's batch, also when nothing is added to it.
    [[nodiscard]] virtual bool waits() const = 0;

    // How many clients are answered then, who mostly ask again at once.
    [[nodiscard]] virtual std::size_t askers() const { return 0; }

    // The batch goes to the disk: the last moment to add to it. What waited for the end of this
    // turn's batch waits for this one from now on.
    virtual void gather(Batch& batch) = 0;

    // The batch is on the disk.
    virtual void stored(const Batch& batch) = 0;

    // Nothing of the batch is on the disk, nor will be what was gathered since.
    virtual void failed(const Error& error) = 0;
};

// What the present turn wants on the disk.
class TurnBatch {
public:
    TurnBatch() = default;
    TurnBatch(const TurnBatch&) = delete;
    TurnBatch& operator=(const TurnBatch&) = delete;
    virtual ~TurnBatch() = default;

    // Valid until the turn ends.
    virtual Batch& batch() = 0;

    // The first of `count` ids of messages that follow each other.
    virtual std::uint64_t take_ids(std::size_t count) = 0;
};

// Gathers the batch of a turn, hands it to the journal and tells its participants, in the order in
// which they joined, what came of it. Belongs to the Broker, before its participants, which it
// does not call any more when it ends: it only writes what is left. Relay thread.
class TurnCommit : public TurnBatch {
public:
    explicit TurnCommit(loop::EventLoop& loop);
    ~TurnCommit() override;

    // They must live as long as turns end.
    void join(TurnParticipant& participant) { participants_.push_back(&participant); }

    // What the journal holds; from now on batches go there.
    Result<Stored> open(const Journal::Options& options);

    // In place of open(): whoever has `writer` calls written() for each batch.
    void begin(std::unique_ptr<BatchWriter> writer) { writer_ = std::move(writer); }

    Batch& batch() override { return *batch_; }

    std::uint64_t take_ids(std::size_t count) override;

    // Where ids go on after a start, before the first is taken.
    [[nodiscard]] IdSource& ids() { return ids_; }

    // Hands this turn's batch over, if there is a reason to and nothing keeps it back.
    void end_turn();

    // The writer is done with a batch.
    void written(const Result<void>& result, const Batch& batch);

private:
    [[nodiscard]] std::size_t askers() const;
    void gather_more();
    void refused(const Error& error, const Batch& batch);

    loop::EventLoop& loop_;
    IdSource ids_;
    std::vector<TurnParticipant*> participants_;
    std::unique_ptr<Batch> batch_ = std::make_unique<Batch>();
    bool in_flight_ = false;            // the writer has one
    std::size_t in_flight_askers_ = 0;  // who are answered when it is done
    MonoTime submitted_;                // when it got that
    loop::Registration gather_;         // this one waits a moment for those who were just answered
    std::size_t gather_until_ = 0;      // so many askers
    loop::Registration retry_;
    bool retry_later_ = false;  // the disk refused; nothing is tried until the timer
    std::shared_ptr<loop::Poster> poster_;
    std::unique_ptr<BatchWriter> writer_;
};

}  // namespace berth::relay
