#include <sys/resource.h>
#include <sys/stat.h>

#include <chrono>
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include <catch2/catch.hpp>

#include "shared/base/key_text.h"
#include "shared/bus/context.h"
#include "shared/bus/socket.h"
#include "shared/loop/event_loop.h"
#include "shared/os/accept.h"
#include "shared/os/socket.h"
#include "tests/unit/temp_folder.h"

using namespace berth;       // NOLINT(google-build-using-namespace): tests read better
using namespace berth::bus;  // NOLINT(google-build-using-namespace)
using berth::test::TempFolder;

namespace {

// A server and what it hears.
struct Bed {
    explicit Bed(SocketLimits limits = {}) : loop(loop::EventLoop::create().value()) {
        router = Router::create(context,
                                *loop,
                                limits,
                                [this](const Peer& peer, std::string_view frame) {
                                    peers.push_back(peer);
                                    frames.emplace_back(frame);
                                })
                     .value();
    }

    void allow(const std::vector<std::string>& keys) {
        authenticator =
            Authenticator::create(
                context,
                *loop,
                [keys](const std::string& key) {
                    return std::find(keys.begin(), keys.end(), key) != keys.end();
                },
                [this](const std::string& key, const std::string&) { refused.push_back(key); })
                .value();
    }

    std::unique_ptr<Dealer> dial(const Dealer::Target& target) {
        return Dealer::create(context,
                              *loop,
                              {},
                              target,
                              [this](std::string_view frame) { answers.emplace_back(frame); })
            .value();
    }

    // Until it holds; false when it does not in time.
    bool until(const std::function<bool()>& holds,
               std::chrono::milliseconds patience = std::chrono::seconds(10)) {
        const auto deadline = std::chrono::steady_clock::now() + patience;
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

    // Lets one key in; who has it reaches the server so.
    Dealer::Target serve(const TempFolder& folder) {
        const KeyPair server = load_or_make_keys(folder.path(), "server").value();
        const KeyPair friendly = load_or_make_keys(folder.path(), "friend").value();
        allow({friendly.public_key});
        const auto endpoint = router->bind_curve("tcp://127.0.0.1:*", server);
        return {endpoint.value(), server.public_key, friendly};
    }

    Context context;
    std::unique_ptr<loop::EventLoop> loop;
    std::unique_ptr<Authenticator> authenticator;
    std::unique_ptr<Router> router;
    std::vector<Peer> peers;
    std::vector<std::string> frames;
    std::vector<std::string> answers;
    std::vector<std::string> refused;
};

KeyPair keys(const TempFolder& folder, const std::string& name) {
    return load_or_make_keys(folder.path(), name).value();
}

}  // namespace

TEST_CASE("an allowed key gets through and is who it is") {
    const TempFolder folder;
    const KeyPair server = keys(folder, "server");
    const KeyPair friendly = keys(folder, "friend");
    Bed bed;
    bed.allow({friendly.public_key});
    const auto endpoint = bed.router->bind_curve("tcp://127.0.0.1:*", server);
    REQUIRE(endpoint);
    const auto dealer = bed.dial({*endpoint, server.public_key, friendly});
    REQUIRE(bed.deliver(*dealer, "hello"));
    CHECK(bed.peers.back().key == friendly.public_key);
    CHECK(bed.refused.empty());
}

TEST_CASE("a stranger, and who has the wrong key of the server, get nothing through") {
    const TempFolder folder;
    const KeyPair server = keys(folder, "server");
    const KeyPair friendly = keys(folder, "friend");
    const KeyPair stranger = keys(folder, "stranger");
    Bed bed;
    bed.allow({friendly.public_key});
    const auto endpoint = bed.router->bind_curve("tcp://127.0.0.1:*", server);
    REQUIRE(endpoint);
    const auto strange = bed.dial({*endpoint, server.public_key, stranger});
    const auto misled = bed.dial({*endpoint, stranger.public_key, friendly});
    const auto plain = bed.dial({*endpoint, "", {}});
    bool sent = false;
    REQUIRE(bed.until([&] {
        for (Dealer* dealer : {strange.get(), misled.get(), plain.get()}) {
            sent = dealer->send("let me in") || sent;
        }
        return !bed.refused.empty();
    }));
    CHECK(bed.refused.front() == stranger.public_key);
    // All that they may have sent was there before this one.
    const auto dealer = bed.dial({*endpoint, server.public_key, friendly});
    REQUIRE(bed.deliver(*dealer, "friend"));
    CHECK(bed.frames == std::vector<std::string>{"friend"});
    CHECK_FALSE(sent);
}

TEST_CASE("without an authenticator everybody is refused") {
    const TempFolder folder;
    const KeyPair server = keys(folder, "server");
    const KeyPair friendly = keys(folder, "friend");
    Bed bed;
    const auto endpoint = bed.router->bind_curve("tcp://127.0.0.1:*", server);
    REQUIRE(endpoint);
    const auto dealer = bed.dial({*endpoint, server.public_key, friendly});
    // Nothing announces a refusal, so this waits; with an authenticator it takes a few
    // milliseconds.
    CHECK_FALSE(bed.until([&] { return dealer->send("hello"); }, std::chrono::milliseconds(700)));
    CHECK(bed.frames.empty());
    bed.allow({friendly.public_key});
    CHECK(bed.deliver(*dealer, "hello"));  // it was that alone
}

TEST_CASE("a frame over the limit disconnects its sender and nobody else") {
    const TempFolder folder;
    SocketLimits limits;
    limits.max_frame = 1000;
    Bed bed(limits);
    const Dealer::Target target = bed.serve(folder);
    const auto greedy = bed.dial(target);
    const auto modest = bed.dial(target);
    REQUIRE(bed.deliver(*greedy, std::string(900, 'x')));  // encrypted it is somewhat longer
    const std::string route = bed.peers.back().route;
    REQUIRE(bed.deliver(*modest, "before"));
    REQUIRE(greedy->send(std::string(1001, 'x')));
    CHECK(bed.until([&] { return !bed.router->send(route, "are you there?"); }));
    CHECK(bed.deliver(*modest, "after"));
    CHECK(std::count(bed.frames.begin(), bed.frames.end(), std::string(1001, 'x')) == 0);
}

TEST_CASE("a peer that has gone cannot be sent to, nor can nobody") {
    const TempFolder folder;
    Bed bed;
    const Dealer::Target target = bed.serve(folder);
    auto dealer = bed.dial(target);
    REQUIRE(bed.deliver(*dealer, "hello"));
    const std::string route = bed.peers.back().route;
    CHECK(bed.router->send(route, "x"));
    dealer.reset();
    CHECK(bed.until([&] { return !bed.router->send(route, "x"); }));
    CHECK_FALSE(bed.router->send("nobody", "x"));
    const auto alone = bed.dial({"tcp://127.0.0.1:1", target.server_key, target.own});
    CHECK_FALSE(alone->send("x"));
}

TEST_CASE("a queue that is full is said to be full") {
    const TempFolder folder;
    Bed bed;
    const Dealer::Target target = bed.serve(folder);
    auto loop = loop::EventLoop::create().value();
    auto deaf = Dealer::create(bed.context, *loop, {}, target, [](auto) {}).value();
    REQUIRE(bed.until([&] {
        (void)loop->turn(std::chrono::milliseconds(1));
        return deaf->send("hello");
    }));
    REQUIRE(bed.until([&] { return !bed.frames.empty(); }));
    const std::string route = bed.peers.back().route;
    std::size_t accepted = 0;
    while (accepted < 100'000 && bed.router->send(route, std::string(10'000, 'x'))) {
        ++accepted;
    }
    CHECK(accepted > 100);
    CHECK(accepted < 10'000);
}

TEST_CASE("a crowd of strangers over TCP leaves descriptors free, and is over when they go") {
    const TempFolder folder;
    rlimit before{};
    REQUIRE(::getrlimit(RLIMIT_NOFILE, &before) == 0);
    Bed bed;
    const Dealer::Target target = bed.serve(folder);
    const auto address = os::parse_tcp_address(target.endpoint.substr(6)).value();
    rlimit few = before;
    few.rlim_cur = 200;
    REQUIRE(::setrlimit(RLIMIT_NOFILE, &few) == 0);
    std::vector<os::UniqueFd> crowd;
    // Each of them takes one here, and one at the server.
    CHECK(bed.until([&] {
        auto one = os::connect_tcp(address);
        if (one && os::may_take_more(os::Callers::Commanders)) {
            crowd.push_back(std::move(*one));
        }
        return !one.has_value();
    }));
    CHECK(crowd.size() > 50);
    CHECK(os::may_take_more(os::Callers::Commanders));
    crowd.clear();
    const auto dealer = bed.dial(target);
    CHECK(bed.deliver(*dealer, "friend"));
    REQUIRE(::setrlimit(RLIMIT_NOFILE, &before) == 0);
}

TEST_CASE("keys are made once, kept private and refused when they are not") {
    const TempFolder folder;
    const KeyPair made = keys(folder, "agent");
    CHECK(is_key(made.public_key));
    CHECK(is_key(made.secret_key));
    const KeyPair again = keys(folder, "agent");
    CHECK(again.public_key == made.public_key);
    CHECK(again.secret_key == made.secret_key);

    struct stat info {};

    REQUIRE(::stat((folder / "agent.key").c_str(), &info) == 0);
    CHECK((info.st_mode & 0777U) == 0600);
    REQUIRE(::chmod((folder / "agent.key").c_str(), 0640) == 0);
    const auto open = load_or_make_keys(folder.path(), "agent");
    REQUIRE_FALSE(open);
    CHECK(open.error().code == ErrorCode::PermissionDenied);
    REQUIRE(::chmod((folder / "agent.key").c_str(), 0600) == 0);
    folder.write("agent.key", "rubbish");
    CHECK_FALSE(load_or_make_keys(folder.path(), "agent"));
    CHECK_FALSE(is_key(""));
    CHECK_FALSE(is_key(std::string(40, ' ')));
    CHECK_FALSE(is_key(std::string(41, 'a')));
}

TEST_CASE("keys are read as hexadecimal digits and as Z85, and shown as digits") {
    const TempFolder folder;
    const std::string key = keys(folder, "a").public_key;
    const std::string shown = shown_key(key);
    CHECK(shown.size() == 64);
    CHECK(shown.find_first_not_of("0123456789abcdef") == std::string::npos);
    CHECK(parse_key(shown) == key);
    CHECK(parse_key(key) == key);
    CHECK(parse_key(" " + shown + "\n") == key);
    std::string upper = shown;
    for (char& c : upper) {
        c = c >= 'a' ? static_cast<char>(c - 32) : c;
    }
    CHECK(parse_key(upper) == key);
    for (const std::string& wrong : {std::string(),
                                     shown.substr(1),
                                     shown + "0",
                                     std::string(64, 'g'),
                                     std::string(39, 'a')}) {
        CHECK_FALSE(parse_key(wrong));
    }
    CHECK(shown_key("no key") == "no key");
}

TEST_CASE("a dealer is told what is in its way") {
    const TempFolder folder;
    const KeyPair server = keys(folder, "server");
    const KeyPair friendly = keys(folder, "friend");
    const KeyPair stranger = keys(folder, "stranger");
    Bed bed;
    bed.allow({friendly.public_key});
    const auto endpoint = bed.router->bind_curve("tcp://127.0.0.1:*", server);
    REQUIRE(endpoint);
    using Way = Dealer::Way;
    const auto finds = [&](const std::string& at, const std::string& key, const KeyPair& own) {
        std::optional<Way> last;
        int times = 0;
        const auto dealer = bed.dial({at, key, own, [&](Way way) {
                                          times += way != Way::Silent && way == last ? 1 : 0;
                                          last = way != Way::Silent ? std::optional(way) : last;
                                      }});
        const auto settled = [&] {  // what is tried again is told again
            return last == Way::Open || last == Way::NotLetIn || times >= 2;
        };
        CHECK(bed.until(settled));
        return last;
    };
    CHECK(finds(*endpoint, server.public_key, friendly) == Way::Open);
    CHECK(finds(*endpoint, server.public_key, stranger) == Way::NotLetIn);
    CHECK(finds(*endpoint, stranger.public_key, friendly) == Way::OtherKey);
    CHECK(finds("tcp://127.0.0.1:1", server.public_key, friendly) == Way::NobodyThere);
    CHECK(finds("tcp://no-such-host.invalid:1", server.public_key, friendly) == Way::NoSuchHost);
}
