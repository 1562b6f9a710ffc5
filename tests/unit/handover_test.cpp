#include "agent/keeper/handover.h"

#include <fcntl.h>
#include <unistd.h>

#include <catch2/catch.hpp>

#include "agent/keeperlink/packet.h"
#include "shared/os/fd.h"

using namespace berth;          // NOLINT(google-build-using-namespace): tests read better
using namespace berth::keeper;  // NOLINT(google-build-using-namespace)

namespace {

Handover sample() {
    Handover handover;
    handover.lock = 5;
    handover.nofile = {1024, 4096};
    handover.terminating = true;
    handover.version_tried = true;
    RunHandover run;
    run.id = "web";
    run.generation = 7;
    run.output = 11;
    run.input = 12;
    run.adopted = true;
    run.forget_when_gone = true;
    run.pending_input = std::string("\0x\n", 3);
    run.loss = {100, 3, 28};
    handover.runs = {run, RunHandover{}};
    handover.losses = {{"db", {7, 1, 5}}};
    return handover;
}

}  // namespace

TEST_CASE("a handover is read as it was written") {
    const Handover copy = decode_handover(encode(sample())).value();
    CHECK(encode(copy) == encode(sample()));
    CHECK(copy.runs.at(0).pending_input == std::string("\0x\n", 3));
    CHECK(copy.runs.at(0).loss.os_errno == 28);
    CHECK(copy.runs.at(1).gate == -1);
    CHECK(copy.losses.at(0).id == "db");
    CHECK(copy.nofile.rlim_max == 4096);
}

TEST_CASE("a handover that was cut, or of another version, does no harm") {
    const std::string bytes = encode(sample());
    for (std::size_t size = 4; size < bytes.size(); ++size) {
        CHECK(decode_handover(std::string_view(bytes).substr(0, size)).has_value());
    }
    CHECK(decode_handover(bytes + "what a later keeper adds").has_value());
    std::string other = bytes;
    other[0] = 9;
    CHECK_FALSE(decode_handover(other));
    CHECK_FALSE(decode_handover(""));
}

TEST_CASE("descriptors are open to the next program only for the handover") {
    auto pair = os::make_socketpair(os::SocketKind::Stream).value();
    Handover handover;
    handover.lock = pair.first.get();
    const auto passed_on = [&] { return (::fcntl(handover.lock, F_GETFD) & FD_CLOEXEC) == 0; };
    CHECK_FALSE(passed_on());
    auto memory = hand_over(handover).value();
    CHECK(passed_on());
    CHECK((::fcntl(memory.get(), F_GETFD) & FD_CLOEXEC) == 0);
    const Handover copy = take_over(memory.release()).value();
    CHECK(copy.lock == handover.lock);
    CHECK_FALSE(passed_on());
    memory = hand_over(handover).value();
    take_back(handover);
    CHECK_FALSE(passed_on());
}
