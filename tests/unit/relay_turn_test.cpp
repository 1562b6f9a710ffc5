#include <catch2/catch.hpp>

#include "tests/unit/relay_parts.h"

using namespace berth;         // NOLINT(google-build-using-namespace): tests read better
using namespace berth::relay;  // NOLINT(google-build-using-namespace)
using namespace std::chrono_literals;

namespace {

// Notes what it is told.
struct Member : TurnParticipant {
    [[nodiscard]] bool waits() const override { return waiting; }

    [[nodiscard]] std::size_t askers() const override { return waiting ? 1 : 0; }

    void gather(Batch& batch) override {
        waiting = false;
        batch.sent.push_back(++gathered);
    }

    void stored(const Batch& batch) override { done += "stored " + std::to_string(batch.sent[0]); }

    void failed(const Error& error) override { done += error.message; }

    bool waiting = false;
    std::uint64_t gathered = 0;
    std::string done;
};

struct Turns {
    Turns() {
        commit->join(member);
        commit->begin(std::make_unique<FakeWriter>(batches));
    }

    std::unique_ptr<loop::EventLoop> loop = std::move(*loop::EventLoop::create());
    std::vector<std::unique_ptr<Batch>> batches;
    Member member;
    std::unique_ptr<TurnCommit> commit = std::make_unique<TurnCommit>(*loop);
};

}  // namespace

TEST_CASE("a turn is one batch, and the next waits until it is written", "[turn]") {
    Turns turns;
    turns.commit->end_turn();
    CHECK(turns.batches.empty());  // there was nothing to do
    turns.commit->batch().removals = {5, 3};
    turns.commit->end_turn();
    REQUIRE(turns.batches.size() == 1);
    CHECK(turns.batches[0]->removals == std::vector<std::uint64_t>{3, 5});
    CHECK(turns.batches[0]->sent == std::vector<std::uint64_t>{1});
    turns.member.waiting = true;
    turns.commit->end_turn();
    CHECK(turns.batches.size() == 1);
    turns.commit->written({}, *turns.batches[0]);
    CHECK(turns.member.done == "stored 1");
    turns.commit->end_turn();
    REQUIRE(turns.batches.size() == 2);  // for who waits, though nobody added anything
    CHECK(turns.batches[1]->removals.empty());
}

TEST_CASE("what the disk refuses to add is dropped, what it was to remove is not", "[turn]") {
    Turns turns;
    Batch& first = turns.commit->batch();
    first.inserts.push_back({7, nullptr, nullptr, nullptr, 0, 0});
    first.removals = {3};
    first.marks = {{4, 1, 0}};
    first.next_id = 1000;
    first.forget_known_below = 9;
    turns.commit->end_turn();
    turns.commit->batch().inserts.push_back({8, nullptr, nullptr, nullptr, 0, 0});
    turns.commit->batch().removals = {6};
    turns.commit->written(fail(ErrorCode::Io, "full"), *turns.batches[0]);
    CHECK(turns.member.done == "full");
    const Batch& kept = turns.commit->batch();
    CHECK(kept.inserts.empty());
    CHECK(kept.removals == std::vector<std::uint64_t>{6, 3});
    CHECK(kept.sent == std::vector<std::uint64_t>{1});
    CHECK(kept.marks.size() == 1);
    CHECK(kept.next_id == 1000);
    CHECK(kept.forget_known_below == 9);
    turns.commit->end_turn();
    CHECK(turns.batches.size() == 1);  // not at once
    (void)turns.loop->turn(5s);        // its timer
    turns.commit->end_turn();
    REQUIRE(turns.batches.size() == 2);
    CHECK(turns.batches[1]->removals == std::vector<std::uint64_t>{3, 6});
}

TEST_CASE("what is left at the end is written", "[turn]") {
    Turns turns;
    turns.commit->batch().removals = {1};
    turns.commit.reset();
    REQUIRE(turns.batches.size() == 1);
    CHECK(turns.batches[0]->sent.empty());  // nobody was asked any more
}

TEST_CASE("ids are reserved with the batch in which they are first taken", "[turn]") {
    Turns turns;
    turns.commit->ids().begin_at(50);
    CHECK(turns.commit->take_ids(3) == 50);
    CHECK(turns.commit->take_ids(1) == 53);
    CHECK(turns.commit->batch().next_id > 53);
}
