#include <sys/syscall.h>
#include <unistd.h>

#include <atomic>
#include <future>
#include <thread>

#include <catch2/catch.hpp>

#include "agent/relay/client/secrets.h"
#include "agent/relay/service.h"
#include "agent/sdk/cpp/berth/ipc.hpp"
#include "shared/os/file.h"
#include "tests/unit/temp_folder.h"

// The relay in its threads, through the C++ client: what one proves, the other does.

using namespace berth;         // NOLINT(google-build-using-namespace): tests read better
using namespace berth::relay;  // NOLINT(google-build-using-namespace)
using namespace std::chrono_literals;
using berth::test::TempFolder;

namespace {

std::atomic<int> asked_for_process = 0;

}  // namespace

// In place of the C library's, for whoever calls it here.
extern "C" pid_t getpid() noexcept {
    ++asked_for_process;
    return static_cast<pid_t>(::syscall(SYS_getpid));
}

namespace {

// A home with a relay, and the agent's loop in a thread.
struct Bed {
    Bed() { start(); }

    ~Bed() { stop(); }

    void start() {
        REQUIRE(os::make_folders(home() + "/run"));
        loop = std::move(*loop::EventLoop::create());
        auto started =
            Service::start(*loop,
                           options(),
                           [](Verb, const std::string& app, const std::string&, const auto& done) {
                               Controlled outcome;
                               outcome.found = app == "known";
                               outcome.state = AppState::Starting;
                               if (!outcome.found) {
                                   outcome.error = Error{ErrorCode::NotFound, "no such app", 0};
                               }
                               done(outcome);
                           });
        REQUIRE(started);
        service = std::move(*started);
        AppFacts known;
        known.id = "known";
        known.state = AppState::Running;
        service->apps_changed({known}, {});
        agent = std::thread([this] { loop->run(); });
    }

    void stop() {
        loop->stop();
        agent.join();
        service.reset();
        loop.reset();
    }

    Service::Options options() {
        Service::Options made;
        made.home = home();
        made.socket = home() + "/app.sock";
        made.agent = "lab";
        made.limits.redelivery = 300ms;
        return made;
    }

    [[nodiscard]] std::string home() const { return folder.path(); }

    ipc::Client::Options as(const std::string& app, bool subscribe = false) {
        ipc::Client::Options made;
        made.app = app;
        made.secret = ensure_secret(home(), app).value();
        made.endpoint = "ipc://" + home() + "/app.sock";
        made.subscribe = subscribe;
        made.timeout = 10s;
        return made;
    }

    TempFolder folder;
    std::unique_ptr<loop::EventLoop> loop;
    std::unique_ptr<Service> service;
    std::thread agent;
};

int code_of(const std::function<void()>& call) {
    try {
        call();
    } catch (const ipc::Error& error) {
        return error.code();
    }
    return 0;
}

}  // namespace

TEST_CASE("C++ apps send, take, ask, answer and tell") {
    Bed bed;
    ipc::Client a(bed.as("a"));
    ipc::Client b(bed.as("b", /*subscribe=*/true));
    CHECK(a.version() == BERTH_VERSION);
    CHECK_FALSE(a.notify("known-not", ipc::pack("x")).known);
    b.ping();
    CHECK(a.notify("b", ipc::pack("hello")).known);
    const auto pushed = b.next_message(5s);
    REQUIRE(pushed);
    CHECK(ipc::text(pushed->payload) == "hello");
    CHECK(pushed->from == "a");
    CHECK(pushed->attempt == 1);
    b.ack({pushed->id});

    std::thread answering([&b] {
        const auto asked = b.next_message(5s);
        b.respond(*asked, ipc::pack("pong"));
    });
    CHECK(ipc::text(a.request("b", ipc::pack("ping"), 5s)) == "pong");
    answering.join();
    CHECK(a.raise("made", ipc::pack("x")) == 1);
    const auto event = b.next_event(5s);
    REQUIRE(event);
    CHECK((event->type == "made" && event->from == "a" && event->seq == 1));
    CHECK(event->agent == "lab");
    const ipc::Sent far = a.notify("house/b", ipc::pack("x"));
    CHECK((far.ids.size() == 1 && far.agent == "away" && !far.told && !far.known));
    ipc::Client::Options everywhere = bed.as("c", true);
    everywhere.agents = {"*", "house"};
    ipc::Client c(everywhere);
    c.ping();
    (void)a.raise("again");
    CHECK(c.next_event(5s)->type == "again");

    CHECK(a.start("known") == "starting");
    CHECK(a.is_running("known"));
    CHECK_FALSE(a.is_available("zz"));
    CHECK(code_of([&] { a.start("zz"); }) == 404);
    CHECK(code_of([&] { a.notify("no id", ipc::pack("x")); }) == 400);
    CHECK(code_of([&] { (void)a.request("b", ipc::pack("?"), 50ms); }) == 504);
    ipc::Client::Options wrong = bed.as("a");
    wrong.secret = ensure_secret(bed.home(), "b").value();
    CHECK(code_of([&] { ipc::Client(wrong).ping(); }) == 401);
}

TEST_CASE("a C++ app asks the kernel for its process once, not for each message") {
    Bed bed;
    ipc::Client a(bed.as("a"));
    ipc::Client b(bed.as("b", /*subscribe=*/true));
    b.ping();
    a.ping();
    const int before = asked_for_process;
    for (int i = 0; i < 100; ++i) {
        (void)a.notify("b", ipc::pack(i));
        const auto message = b.next_message(5s);
        REQUIRE(message);
        b.ack({message->id});
    }
    CHECK(asked_for_process < before + 100);  // the relay's own threads may ask now and then
}

TEST_CASE("a C++ app that ends gives back what it was pushed and has not taken") {
    Bed bed;
    AppFacts facts;
    facts.id = "b";
    facts.redeliver_after = 60s;
    bed.service->apps_changed({facts}, {});
    ipc::Client a(bed.as("a"));
    {
        ipc::Client b(bed.as("b", /*subscribe=*/true));
        b.ping();
        REQUIRE(b.claim_time() == 60s);
        (void)a.notify("b", {ipc::pack(1), ipc::pack(2), ipc::pack(3)});
        REQUIRE(b.next_message(5s));  // and the others are read with it
        (void)a.notify("b", ipc::pack(4));
        a.ping();  // it is in b's socket
    }
    const auto left = ipc::Client(bed.as("b")).poll(5s);
    REQUIRE(left.size() == 4);
    for (const ipc::Message& message : left) {
        CHECK(message.attempt == (ipc::text(message.payload) == "1" ? 2U : 1U));
    }
}

TEST_CASE("C++ apps poll, acknowledge, and get the rest again") {
    Bed bed;
    ipc::Client a(bed.as("a"));
    {
        ipc::Client b(bed.as("b"));
        const auto ids = a.notify("b", {ipc::pack("1"), ipc::pack("2")}).ids;
        const auto got = b.poll(5s);
        REQUIRE(got.size() == 2);
        CHECK(std::vector{got[0].id, got[1].id} == ids);
        b.ack({got[0].id});
    }
    ipc::Client b(bed.as("b"));
    auto again = b.poll(5s);
    REQUIRE(again.size() == 1);
    CHECK((again[0].attempt == 2 && ipc::text(again[0].payload) == "2"));
    again = b.poll(5s);  // it was not acknowledged in time
    REQUIRE(again.size() == 1);
    CHECK(again[0].attempt == 3);
    CHECK(b.poll({}, 1000, {again[0].id}).empty());
    CHECK(b.clear() == 0);
}

TEST_CASE("C++ apps go on with a relay that was started again") {
    Bed bed;
    ipc::Client a(bed.as("a"));
    ipc::Client b(bed.as("b"));
    a.notify("b", ipc::pack("1"));
    bed.stop();
    bed.start();
    a.notify("b", ipc::pack("2"));
    std::vector<std::string> got;
    for (const auto& message : b.poll(5s)) {
        got.push_back(ipc::text(message.payload));
    }
    CHECK(got == std::vector<std::string>{"1", "2"});
}

TEST_CASE("many clients at once lose and reorder nothing") {
    constexpr std::int64_t kMessages = 2000;
    Bed bed;
    std::vector<std::thread> senders;
    for (int sender = 0; sender < 3; ++sender) {
        senders.emplace_back([options = bed.as("s" + std::to_string(sender))] {
            ipc::Client client(options);
            std::deque<std::uint64_t> asked;
            for (std::int64_t i = 0; i < kMessages; ++i) {
                ipc::NotifyOptions notify;
                notify.durable = i % 2 == 0;
                asked.push_back(client.submit_notify("r", {ipc::pack(std::to_string(i))}, notify));
                if (asked.size() > 100) {
                    (void)client.wait(asked.front());
                    asked.pop_front();
                }
            }
            for (const std::uint64_t number : asked) {
                (void)client.wait(number);
            }
        });
    }
    ipc::Client receiver(bed.as("r"));
    std::map<std::string, std::int64_t> next;
    std::int64_t total = 0;
    std::vector<std::uint64_t> done;
    while (total < 3 * kMessages) {
        const auto messages = receiver.poll(10s, 1000, done);
        REQUIRE_FALSE(messages.empty());
        done.clear();
        for (const auto& message : messages) {
            REQUIRE(ipc::text(message.payload) == std::to_string(next[message.from]++));
            done.push_back(message.id);
            ++total;
        }
    }
    for (std::thread& sender : senders) {
        sender.join();
    }
    receiver.ack(done);
    CHECK(receiver.poll().empty());
}

TEST_CASE("the operator speaks for any app, and sees what waits") {
    Bed bed;
    std::promise<OperatorAnswer> sent;
    bed.service->ask({"notify", "", wire::Value::Map{{"to", "x"}}, {ipc::pack("by hand")}},
                     [&sent](const OperatorAnswer& answer) { sent.set_value(answer); });
    const OperatorAnswer answer = sent.get_future().get();
    CHECK(answer.code == Code::Ok);
    CHECK(answer.info["ids"].as_array().size() == 1);
    std::promise<std::vector<Message>> looked;
    bed.service->peek("x", 10, 0, [&looked](const auto& found) { looked.set_value(found); });
    const auto waiting = looked.get_future().get();
    REQUIRE(waiting.size() == 1);
    CHECK((waiting[0].from->empty() && *waiting[0].payload == ipc::pack("by hand")));
    std::promise<OperatorAnswer> taken;
    bed.service->ask({"poll", "x", wire::Value::Map{{"auto_ack", true}}, {}},
                     [&taken](const OperatorAnswer& got) { taken.set_value(got); });
    CHECK(taken.get_future().get().payload == std::vector<std::string>{ipc::pack("by hand")});
}
