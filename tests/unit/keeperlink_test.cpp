#include <random>
#include <string>
#include <vector>

#include <catch2/catch.hpp>

#include "agent/keeperlink/messages.h"
#include "agent/keeperlink/packet.h"

using namespace berth::keeperlink;  // NOLINT(google-build-using-namespace): tests read better

namespace {

std::vector<Message> samples() {
    const RunName run{"web", 0xFFFF'FFFF'FFFF'FFFF};
    Start start;
    start.run = run;
    start.argv = {"/bin/x", "", "ü"};
    start.environment = {"A=1", "B="};
    start.cwd = "/srv";
    start.has_umask = true;
    start.umask = 022;
    start.nice = -5;
    start.switch_user = true;
    start.uid = 33;
    start.gid = 34;
    start.groups = {"33", "100"};
    start.tty = true;
    start.limits = {{7, 1024}, {4, 0xFFFF'FFFF'FFFF'FFFF}};
    start.log_max_size = 1U << 20U;
    start.log_keep = 5;
    start.pre_start = "make cache";
    start.notify = true;
    start.log_max_total = 1U << 23U;
    start.memory_max = 1U << 30U;
    start.cpu_percent = 150;
    start.pids_max = 100;
    RunFact fact;
    fact.run = run;
    fact.phase = RunPhase::Failed;
    fact.pid = 7;
    fact.started_ns = -1;
    fact.ended_ns = 5;
    fact.wait_status = 0x8B;
    fact.status_known = false;
    fact.tree_gone = true;
    fact.stage = StartStage::KeeperDied;
    fact.os_errno = 13;
    fact.ready = true;
    return {Hello{kProtocolVersion, 99},
            start,
            Signal{run, 15, SignalScope::Tree},
            Input{run, 7, std::string("\0\n\xFF", 3)},
            Resize{run, 24, 80},
            Forget{run},
            Leave{true},
            Started{run, 5, -7},
            StartFailed{run, StartStage::Exec, 2},
            Exited{run, 256, false, 9, false, EndCause::OverMemory, 7},
            TreeGone{run},
            InputTaken{run, 7, 3, InputEnd::Full, "full"},
            InputRoom{run},
            fact,
            SnapshotEnd{3, "/sys/fs/cgroup/x", {"memory", "pids"}},
            LogRotated{run},
            LogTaken{run, "it was removed"},
            Upgrade{"/opt/bin"},
            UpgradeAnswer{"no"},
            Exec{77, start, 2000},
            ExecDone{77, ExecEnd::TimedOut, 9, 2, "refused\n"},
            Notified{run, true, true, true, true, 5'000'000, "loading"},
            Ping{78},
            Pong{78}};
}

std::string body_of(const Message& message) {
    return encode(message).substr(4);
}

}  // namespace

TEST_CASE("every message survives the link") {
    const auto all = samples();
    REQUIRE(all.size() == std::variant_size_v<Message>);
    for (std::size_t i = 0; i < all.size(); ++i) {
        INFO("kind " << i);
        REQUIRE(all[i].index() == i);
        const std::string body = body_of(all[i]);
        const auto copy = decode(body);
        REQUIRE(copy);
        CHECK(copy->index() == i);
        CHECK(body_of(*copy) == body);  // every field is in it
    }
    const auto start = decode(body_of(all[1]));
    CHECK(std::get<Start>(*start).limits.at(1).value == 0xFFFF'FFFF'FFFF'FFFF);
    CHECK(std::get<Start>(*start).nice == -5);
    CHECK(std::get<RunFact>(*decode(body_of(all[13]))).started_ns == -1);
}

TEST_CASE("a message that is cut anywhere, or goes on behind its end, is refused") {
    for (const Message& message : samples()) {
        const std::string body = body_of(message);
        INFO("kind " << message.index());
        for (std::size_t length = 0; length < body.size(); ++length) {
            CHECK_FALSE(decode(body.substr(0, length)));
        }
        CHECK_FALSE(decode(body + '\0'));
    }
    CHECK_FALSE(decode(""));
    CHECK_FALSE(decode(std::string(1, static_cast<char>(samples().size()))));
    CHECK_FALSE(decode("\xFF"));
}

TEST_CASE("enums out of range and lists without end are refused") {
    std::string signal = body_of(Signal{{"x", 1}, 15, SignalScope::Tree});
    signal.back() = 3;
    CHECK_FALSE(decode(signal));
    std::string failed = body_of(StartFailed{{"x", 1}, StartStage::KeeperDied, 0});
    failed[failed.size() - 5] = static_cast<char>(static_cast<int>(StartStage::KeeperDied) + 1);
    CHECK_FALSE(decode(failed));

    Start many;
    many.limits.resize(65);
    CHECK_FALSE(decode(body_of(many)));
    PacketWriter endless;
    endless.u8(1);
    endless.text("x");
    endless.u64(1);
    endless.u32(0xFFFF'FFFF);  // so many words of argv
    CHECK_FALSE(decode(endless.take()));
}

TEST_CASE("random bytes never get past the decoder by reading too far") {
    std::mt19937 engine(7);
    const auto all = samples();
    int accepted = 0;
    for (int i = 0; i < 50'000; ++i) {
        std::string body = body_of(all[engine() % all.size()]);
        for (unsigned n = engine() % 4 + 1; n > 0; --n) {
            body[engine() % body.size()] = static_cast<char>(engine());
        }
        if (const auto message = decode(body)) {
            ++accepted;
            if (!decode(body_of(*message))) {
                FAIL("what was accepted cannot be said again");
            }
        }
    }
    CHECK(accepted > 0);
    CHECK(accepted < 50'000);
}

TEST_CASE("frames are found however the stream is cut") {
    std::string stream;
    for (const Message& message : samples()) {
        stream += encode(message);
    }
    for (std::size_t cut = 0; cut <= stream.size(); ++cut) {
        FrameBuffer buffer;
        std::size_t found = 0;
        const auto take_all = [&] {
            for (;;) {
                const auto frame = buffer.next();
                REQUIRE(frame);
                if (!*frame) {
                    return;
                }
                const auto message = decode(**frame);
                REQUIRE(message);
                REQUIRE(message->index() == found);
                ++found;
            }
        };
        buffer.append(stream.substr(0, cut));
        take_all();
        buffer.append(stream.substr(cut));
        take_all();
        REQUIRE(found == samples().size());
    }
}

TEST_CASE("a frame that is too long ends the stream") {
    FrameBuffer buffer;
    PacketWriter length;
    length.u32(kMaxFrame + 1);
    buffer.append(length.take());
    const auto frame = buffer.next();
    REQUIRE_FALSE(frame);
    CHECK(frame.error().code == berth::ErrorCode::TooLarge);
}

TEST_CASE("every stage has words") {
    for (int stage = 0; stage <= static_cast<int>(StartStage::KeeperDied); ++stage) {
        CHECK(std::string(stage_text(static_cast<StartStage>(stage))).size() > 5);
    }
}

TEST_CASE("a flag is 0 or 1, anything else is a malformed frame") {
    const std::string frame = encode(Leave{true}).substr(4);
    REQUIRE(decode(frame));
    std::string broken = frame;
    broken.back() = '\2';
    CHECK_FALSE(decode(broken));
}
