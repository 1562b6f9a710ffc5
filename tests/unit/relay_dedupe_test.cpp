#include <string>

#include <catch2/catch.hpp>

#include "agent/relay/box/box_table.h"
#include "agent/relay/box/dedupe_index.h"

using namespace berth::relay;  // NOLINT(google-build-using-namespace): tests read better
using namespace std::chrono_literals;

namespace {

DedupeIndex::Limits small() {
    DedupeIndex::Limits limits;
    limits.per_sender = 3;
    limits.stored = 1500;
    limits.known_for = 10s;
    return limits;
}

KnownKeys::Fingerprint use(DedupeIndex& index, SenderKeys& sender, int number, std::uint64_t time) {
    const std::string text = "key " + std::to_string(number);
    const auto key = index.fingerprint(text);
    index.remember(sender, key, {static_cast<std::uint64_t>(number), 2, time, text});
    return key;
}

}  // namespace

TEST_CASE("of each sender the latest keys are known", "[dedupe]") {
    DedupeIndex index(small());
    SenderKeys quiet;
    SenderKeys busy;
    const auto only = use(index, quiet, 1, 0);
    const auto first = use(index, busy, 2, 0);
    for (int i = 3; i < 6; ++i) {
        use(index, busy, i, 0);
    }
    CHECK(busy.size() == 3);
    CHECK(index.find(first) == nullptr);
    REQUIRE(index.find(only) != nullptr);
    CHECK(index.find(only)->first_id == 1);
    CHECK(index.find(only)->count == 2);
    index.forget(only);
    CHECK(index.find(only) == nullptr);
}

TEST_CASE("keys are known for a time", "[dedupe]") {
    DedupeIndex index(small());
    SenderKeys sender;
    const auto old = use(index, sender, 1, 1'000);
    CHECK_FALSE(index.are_old(sender, 11'000));
    CHECK(index.are_old(sender, 11'001));
    const auto young = use(index, sender, 2, 12'000);
    CHECK(index.find(old) == nullptr);
    CHECK(index.find(young) != nullptr);
    index.forget_all(sender);
    CHECK(index.find(young) == nullptr);
    CHECK(index.are_old({}, 0));
}

TEST_CASE("the disk forgets keys together, in the order of their ids", "[dedupe]") {
    DedupeIndex index(small());
    for (std::uint64_t id = 1; id <= 1500; ++id) {
        index.note_stored({id, 1, 5'000, ""});
    }
    CHECK(index.forget_stored(5'000) == 0);
    index.note_stored({1501, 1, 5'000, ""});  // over the limit: the first thousand go
    CHECK(index.forget_stored(5'000) == 1001);
    CHECK(index.forget_stored(15'000) == 0);
    CHECK(index.forget_stored(15'001) == 1502);  // too old
    CHECK(index.forget_stored(99'000) == 0);
}

TEST_CASE("a mailbox that nobody needs makes room for another", "[dedupe]") {
    DedupeIndex index(small());
    BoxTable boxes(2, index);
    Box* const used = *boxes.make("used", 0);
    Box* const idle = *boxes.make("idle", 0);
    ++used->sessions;
    const auto key = use(index, idle->keys, 1, 1'000);
    CHECK_FALSE(boxes.make("third", 2'000));  // it still has a key
    CHECK(boxes.make("third", 11'001));
    CHECK(boxes.find("idle") == nullptr);
    CHECK(boxes.find("used") == used);
    CHECK(index.find(key) == nullptr);
    CHECK(boxes.find("third")->mail.empty());
}

TEST_CASE("a mailbox is touched once a turn", "[dedupe]") {
    DedupeIndex index(small());
    BoxTable boxes(2, index);
    Box& box = boxes.restore("a");
    CHECK(&boxes.restore("a") == &box);
    boxes.touch(box);
    boxes.touch(box);
    const std::uint64_t before = boxes.changes();
    CHECK(boxes.take_touched() == std::vector<Box*>{&box});
    CHECK(boxes.changes() == before + 1);
    CHECK(boxes.take_touched().empty());
    CHECK(boxes.changes() == before + 1);
}
