#include <map>
#include <random>
#include <string>

#include <catch2/catch.hpp>

#include "agent/relay/box/dead_letters.h"
#include "agent/relay/box/mailbox.h"

using namespace berth;         // NOLINT(google-build-using-namespace): tests read better
using namespace berth::relay;  // NOLINT(google-build-using-namespace)
using namespace std::chrono_literals;

namespace {

const MonoTime kStart = MonoTime(1000s);
constexpr std::uint64_t kAllStored = ~0ULL;

struct Bed {
    std::size_t total = 0;
    Mailbox box{"app", total};
    std::vector<std::uint64_t> expired;

    void add(std::uint64_t id, bool durable = false, MonoTime expires = MonoTime::max()) {
        Message message;
        message.id = id;
        message.from = std::make_shared<const std::string>("sender");
        message.payload = std::make_shared<const std::string>("12345");
        message.time_ms = id * 10;
        message.durable = durable;
        message.expires = expires;
        box.add(std::move(message));
    }

    // The ids that are given out now, to `holder`.
    std::vector<std::uint64_t> take(std::uint64_t holder,
                                    MonoTime now = kStart,
                                    std::uint64_t stored = kAllStored) {
        std::vector<std::uint64_t> ids;
        while (Message* const message = box.next(stored, now, expired)) {
            ids.push_back(message->id);
            box.give(*message, holder, now + 30s);
        }
        return ids;
    }
};

using Ids = std::vector<std::uint64_t>;

}  // namespace

TEST_CASE("messages are given out once, oldest first") {
    Bed bed;
    bed.add(1);
    bed.add(2);
    CHECK(bed.take(7) == Ids{1, 2});
    CHECK(bed.take(7).empty());
    bed.add(5);
    CHECK(bed.take(8) == Ids{5});
    CHECK(bed.box.held() == 3);
    CHECK(bed.total == 15);
    CHECK(bed.box.remove(2)->holder == 7);
    CHECK_FALSE(bed.box.remove(2));
    CHECK_FALSE(bed.box.remove(99));
    CHECK(bed.box.count() == 2);
    CHECK(bed.total == 10);
}

TEST_CASE("what is not on the disk yet holds up what is behind it") {
    Bed bed;
    bed.add(1, /*durable=*/true);
    bed.add(2);
    CHECK(bed.take(7, kStart, 0).empty());
    CHECK(bed.take(7, kStart, 1) == Ids{1, 2});
}

TEST_CASE("what a holder leaves behind is given again, in its old place") {
    Bed bed;
    for (std::uint64_t id = 1; id <= 5; ++id) {
        bed.add(id);
    }
    CHECK(bed.take(7).size() == 5);
    (void)bed.box.remove(2);
    CHECK(bed.box.release(9).empty());
    CHECK(bed.box.release(7) == Ids{1, 3, 4, 5});
    bed.add(6);
    CHECK(bed.take(8) == Ids{1, 3, 4, 5, 6});
    CHECK(bed.box.find(1)->attempt == 2);
    CHECK(bed.box.find(6)->attempt == 1);
    CHECK(bed.box.redelivered() == 4);
}

TEST_CASE("what is not acknowledged in time is given again") {
    Bed bed;
    bed.add(1);
    bed.add(2);
    CHECK(bed.take(7, kStart).size() == 2);
    bed.add(3);
    CHECK(bed.take(7, kStart + 10s) == Ids{3});
    (void)bed.box.remove(1);
    std::vector<Mailbox::Returned> holders;
    CHECK(bed.box.release_due(kStart + 29s, holders) == kStart + 30s);
    CHECK(holders.empty());
    CHECK(bed.box.release_due(kStart + 30s, holders) == kStart + 40s);
    CHECK(holders == std::vector<Mailbox::Returned>{{2, 7}});
    CHECK(bed.take(8, kStart + 30s) == Ids{2});
    CHECK(bed.box.release_due(kStart + 40s, holders) == kStart + 60s);
    (void)bed.box.remove(2);
    (void)bed.box.remove(3);
    CHECK_FALSE(bed.box.release_due(kStart + 90s, holders));
}

TEST_CASE("a holder that is still at it keeps what it has, and may give it back") {
    Bed bed;
    for (std::uint64_t id = 1; id <= 4; ++id) {
        bed.add(id);
    }
    CHECK(bed.take(7).size() == 4);
    std::vector<Mailbox::Returned> returned;
    CHECK(bed.box.extend(2, kStart + 50s));
    CHECK(bed.box.release_due(kStart + 30s, returned) == kStart + 50s);
    CHECK(returned == std::vector<Mailbox::Returned>{{1, 7}, {3, 7}, {4, 7}});
    CHECK_FALSE(bed.box.extend(1, kStart + 60s));  // it waits
    CHECK(bed.box.find(1)->failures == 1);
    CHECK(bed.take(8, kStart + 30s) == Ids{1, 3, 4});
    CHECK(bed.box.give_back(3, /*unseen=*/true) == 8);
    CHECK_FALSE(bed.box.give_back(3, /*unseen=*/true));
    CHECK(bed.box.find(3)->failures == 1);
    CHECK(bed.box.find(3)->attempt == 1);
    CHECK(bed.box.give_back(4, /*unseen=*/false) == 8);
    CHECK(bed.box.find(4)->failures == 2);
    CHECK(bed.box.held() == 2);
    // A claim that has become shorter ends before those that were made earlier.
    CHECK(bed.box.extend(1, kStart + 35s));
    CHECK(bed.box.release_due(kStart + 31s, returned) == kStart + 35s);
}

TEST_CASE("the end of a holder is a failed attempt of what it was at alone") {
    Bed bed;
    for (std::uint64_t id = 1; id <= 4; ++id) {
        bed.add(id);
    }
    CHECK(bed.take(7).size() == 4);
    for (const std::uint64_t id : {1, 3, 4}) {
        bed.box.find(id)->pushed = id;
    }
    CHECK(bed.box.release(7) == Ids{1, 2});
    for (const auto& [id, failures] :
         std::map<std::uint64_t, std::uint32_t>{{1, 1}, {2, 1}, {3, 0}, {4, 0}}) {
        CHECK(bed.box.find(id)->failures == failures);
    }
    CHECK(bed.take(8) == Ids{1, 2, 3, 4});
}

TEST_CASE("what was pushed behind the last that its holder has read is known") {
    Bed bed;
    for (std::uint64_t id = 1; id <= 5; ++id) {
        bed.add(id);
    }
    CHECK(bed.take(7) == Ids{1, 2, 3, 4, 5});
    // 4 and 5 first; 3 was polled.
    bed.box.find(4)->pushed = 1;
    bed.box.find(5)->pushed = 2;
    bed.box.find(1)->pushed = 3;
    bed.box.find(2)->pushed = 4;
    CHECK(bed.box.unread(7, 4).empty());
    CHECK(bed.box.unread(7, 1) == Ids{1, 2, 5});
    CHECK(bed.box.unread(8, 0).empty());
    (void)bed.box.remove(5);
    CHECK(bed.box.give_back(2, /*unseen=*/true) == 7);
    CHECK(bed.box.unread(7, 1) == Ids{1});
}

TEST_CASE("a dead letter is out of the way, and comes back to its old place") {
    Bed bed;
    DeadLetters dead{bed.total};
    for (std::uint64_t id = 1; id <= 3; ++id) {
        bed.add(id);
    }
    dead.add(bed.box.take_out(2));
    CHECK(dead.count() == 1);
    CHECK(dead.bytes() == 5);
    CHECK(bed.total == 15);
    CHECK(bed.box.count() == 2);
    CHECK(bed.take(7) == Ids{1, 3});
    CHECK_FALSE(dead.take(1));
    bed.box.put_back(*dead.take(2));
    CHECK(dead.count() == 0);
    CHECK(bed.total == 15);
    (void)bed.box.release(7);
    CHECK(bed.take(7) == Ids{1, 2, 3});
    // Also when nothing is left of its place.
    dead.add((void(bed.box.release(7)), bed.box.take_out(3)));
    (void)bed.box.remove(1);
    (void)bed.box.remove(2);
    bed.add(9);
    bed.box.put_back(*dead.take(3));
    CHECK(bed.take(7) == Ids{3, 9});
}

TEST_CASE("what has expired is not given out, and is reported") {
    Bed bed;
    bed.add(1, /*durable=*/true, kStart + 1s);
    bed.add(2);
    CHECK(bed.take(7, kStart + 1s) == Ids{2});
    CHECK(bed.expired == Ids{1});
    CHECK(bed.box.count() == 1);
}

TEST_CASE("room is counted in messages and bytes") {
    Bed bed;
    bed.add(1);
    CHECK(bed.box.has_room(1, 5, {2, 10}));
    CHECK_FALSE(bed.box.has_room(2, 5, {2, 10}));
    CHECK_FALSE(bed.box.has_room(1, 6, {2, 10}));
}

// Against a simple model, over random histories.
TEST_CASE("no history loses, doubles or reorders a message") {
    const auto seed = GENERATE(range(0U, 200U));
    INFO("seed " << seed);
    std::mt19937 random(seed);  // NOLINT(cert-msc51-cpp): the same in every run
    Bed bed;
    std::map<std::uint64_t, std::uint64_t> model;  // id -> holder
    std::uint64_t next = 1;
    MonoTime now = kStart;
    for (int step = 0; step < 2000; ++step) {
        now += std::chrono::milliseconds(random() % 200);
        const std::uint64_t holder = 1 + random() % 3;
        switch (random() % 8) {
            case 0:
            case 1:
            case 2:
                model[next] = 0;
                bed.add(next++);
                break;
            case 3: {
                Message* const message = bed.box.next(kAllStored, now, bed.expired);
                std::uint64_t expected = 0;
                for (const auto& [id, held_by] : model) {
                    if (held_by == 0) {
                        expected = id;
                        break;
                    }
                }
                REQUIRE((message == nullptr ? 0 : message->id) == expected);
                if (message != nullptr) {
                    bed.box.give(*message, holder, now + 5s);
                    model[expected] = holder;
                }
                break;
            }
            case 4:
            case 5: {
                const std::uint64_t id = 1 + random() % next;
                REQUIRE(bed.box.remove(id).has_value() == (model.erase(id) == 1));
                break;
            }
            case 6:
                if (random() % 8 == 0) {
                    (void)bed.box.release(holder);
                    for (auto& [id, held_by] : model) {
                        held_by = held_by == holder ? 0 : held_by;
                    }
                }
                break;
            case 7: {
                std::vector<Mailbox::Returned> holders;
                (void)bed.box.release_due(now, holders);
                for (auto& [id, held_by] : model) {
                    const Message* const message = bed.box.find(id);
                    REQUIRE(message != nullptr);
                    held_by = held_by != 0 && message->due <= now ? 0 : held_by;
                    REQUIRE(message->holder == held_by);
                }
                break;
            }
            default:
                break;
        }
        REQUIRE(bed.box.count() == model.size());
        REQUIRE(bed.total == model.size() * 5);
    }
}
