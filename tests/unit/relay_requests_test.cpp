#include <algorithm>

#include <catch2/catch.hpp>

#include "agent/relay/broker/request_table.h"

using namespace berth::relay;  // NOLINT(google-build-using-namespace): tests read better

namespace {

PendingRequest request(std::uint64_t session, Box& to) {
    PendingRequest made;
    made.session = session;
    made.request_id = 10 * session;
    made.to = &to;
    return made;
}

}  // namespace

TEST_CASE("a request waits until it is taken, and its mailbox is kept so long") {
    std::size_t total = 0;
    Box box("b", total);
    RequestTable requests;
    requests.begin_at(256);
    const std::uint64_t first = requests.draw();
    const std::uint64_t second = requests.draw();
    CHECK(first == 256);
    CHECK(second == 257);
    requests.add(first, request(7, box));
    requests.add(second, request(8, box));
    CHECK(requests.size() == 2);
    CHECK(box.references == 2);
    REQUIRE(requests.find(second) != nullptr);
    CHECK(requests.find(second)->session == 8);
    CHECK(requests.find(258) == nullptr);

    const auto taken = requests.take(first);
    REQUIRE(taken);
    CHECK(taken->request_id == 70);
    CHECK(box.references == 1);
    CHECK_FALSE(requests.take(first));  // it is answered once
    CHECK(requests.find(first) == nullptr);
    CHECK(requests.any() == second);
    CHECK(requests.take(second));
    CHECK_FALSE(requests.any());
    CHECK(box.references == 0);
    CHECK(requests.draw() == 258);
}

TEST_CASE("the requests of one session are known") {
    std::size_t total = 0;
    Box box("b", total);
    RequestTable requests;
    for (const std::uint64_t session : {1U, 2U, 1U}) {
        requests.add(requests.draw(), request(session, box));
    }
    auto asked = requests.asked_by(1);
    std::sort(asked.begin(), asked.end());
    CHECK(asked == std::vector<std::uint64_t>{1, 3});
    CHECK(requests.asked_by(3).empty());
}
