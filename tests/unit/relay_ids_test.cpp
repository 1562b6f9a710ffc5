#include <catch2/catch.hpp>

#include "agent/relay/disk/id_source.h"

using berth::relay::IdSource;

TEST_CASE("ids rise, and are not those that are in use") {
    IdSource ids;
    CHECK(ids.take(1) == 1);
    CHECK(ids.take(3) == 2);
    CHECK(ids.next() == 5);
    ids.used(9);
    ids.used(7);
    CHECK(ids.take(0) == 10);
    CHECK(ids.take(1) == 10);
}

TEST_CASE("no id is given twice over restarts, however many a run has given") {
    std::uint64_t on_disk = 1;
    std::uint64_t latest = 0;
    for (const std::size_t count : {1U, 100'000U, 3'000'000U, 7U}) {
        IdSource ids;
        ids.begin_at(on_disk);
        for (std::size_t given = 0; given < count; given += 1000) {
            const std::uint64_t first = ids.take(1000);
            REQUIRE(first > latest);
            latest = first + 999;
            on_disk = ids.reserve().value_or(on_disk);
            REQUIRE(on_disk > latest);
        }
    }
}

TEST_CASE("the disk is asked rarely, and while there is time") {
    IdSource ids;
    (void)ids.take(0);
    const auto first = ids.reserve();
    REQUIRE(first);
    std::optional<std::uint64_t> more;
    std::uint64_t id = 0;
    while (!more && id < *first) {
        id = ids.take(1);
        more = ids.reserve();
    }
    REQUIRE(more);
    CHECK(*more > *first);
    CHECK(id > 100'000);
    CHECK(id < *first - 100'000);  // so many may be given until the disk has it
}
