#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include <catch2/catch.hpp>

#include "shared/os/unix_socket.h"
#include "shared/zmtp/dealer.h"
#include "shared/zmtp/router.h"
#include "tests/unit/temp_folder.h"

using namespace berth;
using berth::test::TempFolder;
using zmtp::Dealer;

namespace {

constexpr std::size_t kMaxFrame = 1U << 20U;

// A server in one loop with those who talk to it, and what each hears.
struct Bed {
    Bed() : loop(loop::EventLoop::create().value()) { listen(); }

    void listen() {
        router.reset();
        router = zmtp::Router::create(*loop,
                                      path,
                                      kMaxFrame,
                                      [this](const std::string& route, std::string_view frame) {
                                          routes.push_back(route);
                                          frames.emplace_back(frame);
                                      })
                     .value();
    }

    std::unique_ptr<Dealer> dial() {
        return std::make_unique<Dealer>(*loop, path, kMaxFrame, [this](std::string_view frame) {
            answers.emplace_back(frame);
        });
    }

    // Until it holds; false when it does not in time.
    bool until(const std::function<bool()>& holds) {
        const auto deadline = std::chrono::steady_clock::now() + std::chrono::seconds(10);
        while (!holds()) {
            if (std::chrono::steady_clock::now() > deadline) {
                return false;
            }
            (void)loop->turn(std::chrono::milliseconds(5));
        }
        return true;
    }

    bool deliver(Dealer& dealer, const std::string& frame) {
        bool sent = false;
        return until([&] {
            sent = sent || dealer.send(frame);
            return std::find(frames.begin(), frames.end(), frame) != frames.end();
        });
    }

    TempFolder folder;
    std::string path = folder / "s";
    std::unique_ptr<loop::EventLoop> loop;
    std::unique_ptr<zmtp::Router> router;
    std::vector<std::string> routes;
    std::vector<std::string> frames;
    std::vector<std::string> answers;
};

}  // namespace

TEST_CASE("a local socket carries frames both ways, in order") {
    Bed bed;

    struct stat info {};

    REQUIRE(::stat(bed.path.c_str(), &info) == 0);
    CHECK((info.st_mode & 0777U) == 0600);
    const auto dealer = bed.dial();
    REQUIRE(bed.deliver(*dealer, "hello"));
    CHECK(bed.router->send(bed.routes.back(), std::string("\0answer", 7)));
    CHECK(bed.until([&] { return bed.answers == std::vector{std::string("\0answer", 7)}; }));
    for (int i = 0; i < 900; ++i) {
        REQUIRE(dealer->send(std::to_string(i)));
    }
    REQUIRE(bed.until([&] { return bed.frames.size() == 901; }));
    for (std::size_t i = 0; i < 900; ++i) {
        CHECK(bed.frames[i + 1] == std::to_string(i));
    }
    // Larger than what a socket takes at once.
    const std::string large(kMaxFrame, 'x');
    CHECK(bed.deliver(*dealer, large));
    CHECK(bed.router->send(bed.routes.back(), large));
    CHECK(bed.until([&] { return bed.answers.back() == large; }));
}

TEST_CASE("a frame over the limit disconnects its sender from a local socket, and nobody else") {
    Bed bed;
    const auto greedy = bed.dial();
    const auto modest = bed.dial();
    REQUIRE(bed.deliver(*greedy, "small"));
    const std::string route = bed.routes.back();
    REQUIRE(bed.deliver(*modest, "before"));
    REQUIRE(greedy->send(std::string(kMaxFrame + 1, 'x')));
    CHECK(bed.until([&] { return !bed.router->send(route, "are you there?"); }));
    CHECK(bed.deliver(*modest, "after"));
    CHECK(bed.deliver(*greedy, "again"));  // over another connection
    CHECK(bed.routes.back() != route);
}

TEST_CASE("who has left a local socket, or never was there, cannot be sent to") {
    Bed bed;
    auto dealer = bed.dial();
    REQUIRE(bed.deliver(*dealer, "hello"));
    const std::string route = bed.routes.back();
    CHECK(bed.router->send(route, "x"));
    dealer.reset();
    CHECK(bed.until([&] { return !bed.router->send(route, "x"); }));
    CHECK_FALSE(bed.router->send("nobody", "x"));
    Dealer alone(*bed.loop, bed.folder / "nobody listens", kMaxFrame, [](std::string_view) {});
    CHECK_FALSE(alone.send("x"));
}

TEST_CASE("a client finds the server that comes later, and the one after it") {
    Bed bed;
    bed.router.reset();
    const auto dealer = bed.dial();
    CHECK_FALSE(dealer->send("early"));
    for (const char* const word : {"first", "second"}) {
        bed.listen();
        // What goes to a server that has ended meanwhile is lost with it.
        CHECK(bed.until([&] {
            (void)dealer->send(word);
            return std::find(bed.frames.begin(), bed.frames.end(), word) != bed.frames.end();
        }));
    }
    // Its socket is gone, and made again: who is connected stays so, others come.
    REQUIRE(::unlink(bed.path.c_str()) == 0);
    REQUIRE(bed.router->listen_again());
    const auto other = bed.dial();
    CHECK(bed.deliver(*other, "through the new one"));
    CHECK(bed.deliver(*dealer, "through the old one"));
}

TEST_CASE("who does not read a local socket is not sent more than some") {
    Bed bed;
    const auto loop = loop::EventLoop::create().value();
    Dealer deaf(*loop, bed.path, kMaxFrame, [](std::string_view) {});
    REQUIRE(bed.until([&] {
        (void)loop->turn(std::chrono::milliseconds(1));
        return deaf.send("hello") || !bed.frames.empty();
    }));
    REQUIRE(bed.until([&] {
        (void)loop->turn(std::chrono::milliseconds(1));
        return !bed.frames.empty();
    }));
    const std::string route = bed.routes.back();
    std::size_t accepted = 0;
    while (accepted < 10'000 && bed.router->send(route, std::string(100'000, 'x'))) {
        ++accepted;
    }
    CHECK(accepted > 10);
    CHECK(accepted < 1'000);
}

TEST_CASE("what an answer had on its way arrives though the server has ended") {
    Bed bed;
    const auto dealer = bed.dial();
    REQUIRE(bed.deliver(*dealer, "last question"));
    REQUIRE(bed.router->send(bed.routes.back(), "last answer"));
    bed.router.reset();
    CHECK(bed.until([&] { return !bed.answers.empty(); }));
    CHECK(bed.answers.front() == "last answer");
}

TEST_CASE("nobody is connected where somebody listens who says nothing") {
    Bed bed;
    bed.router.reset();
    const auto listening = os::listen_unix(bed.path, 1).value();
    const auto dealer = bed.dial();
    for (int i = 0; i < 20; ++i) {
        (void)bed.loop->turn(std::chrono::milliseconds(1));
        CHECK_FALSE(dealer->send("x"));
    }
}
