#include "controller/fleet/mail_router.h"

#include <catch2/catch.hpp>

// The router between agents that are played by the test.

using namespace berth;         // NOLINT(google-build-using-namespace): tests read better
using namespace berth::fleet;  // NOLINT(google-build-using-namespace)
using namespace std::chrono_literals;
using wire::MailKind;
using wire::Presence;

namespace {

// What the router has said to one agent, and that agent's voice.
struct Fake {
    struct Said {
        MailKind kind;
        std::string peer;
        std::string body;
    };

    void say(MailKind kind, std::string_view peer = "", std::string_view body = "") {
        received(wire::encode_mail({kind, got, peer, body}));
    }

    [[nodiscard]] std::vector<Said> all(MailKind kind) const {
        std::vector<Said> found;
        for (const Said& one : heard) {
            if (one.kind == kind) {
                found.push_back(one);
            }
        }
        return found;
    }

    // The presences that were told, in order: "b connected".
    [[nodiscard]] std::vector<std::string> news() const {
        std::vector<std::string> told;
        for (const Said& one : all(MailKind::Roster)) {
            bool whole = false;
            wire::Roster roster;
            REQUIRE(wire::decode_roster(one.body, whole, roster));
            for (const auto& [name, presence] : roster) {
                told.push_back(name + (presence == Presence::Connected ? " connected"
                                       : presence == Presence::Away    ? " away"
                                                                       : " gone"));
            }
        }
        return told;
    }

    Received received;
    std::vector<Said> heard;
    std::uint64_t got = 0;
    bool takes = true;  // else its queue is full
    bool counts = true;
};

class FakeTransport : public Transport {
public:
    explicit FakeTransport(Fake& fake) : fake_(fake) {}

    bool send(std::string_view frame) override {
        if (!fake_.takes) {
            return false;
        }
        const auto mail = wire::decode_mail(frame);
        REQUIRE(mail);
        fake_.got = mail->kind == MailKind::Hello ? 0 : fake_.got;
        fake_.got += fake_.counts && mail->kind != MailKind::Hello ? frame.size() : 0;
        fake_.heard.push_back({mail->kind, std::string(mail->peer), std::string(mail->body)});
        return true;
    }

private:
    Fake& fake_;
};

struct Bed {
    Bed()
        : loop(std::move(*loop::EventLoop::create())),
          router(*loop, "key", [this](const AgentTarget& target, Received received) {
              fakes[target.name].received = std::move(received);
              return Result<std::unique_ptr<Transport>>(
                  std::make_unique<FakeTransport>(fakes[target.name]));
          }) {}

    void set(const std::vector<std::string>& names) {
        std::vector<AgentTarget> targets;
        for (const std::string& name : names) {
            targets.push_back({name, "ipc://" + name, "", true});
        }
        router.set(targets);
    }

    std::map<std::string, Fake> fakes;
    std::unique_ptr<loop::EventLoop> loop;
    MailRouter router;
};

}  // namespace

TEST_CASE("each agent is greeted with the name that is shown for it, and told of the others",
          "[mail]") {
    Bed bed;
    bed.set({"a", "b"});
    Fake& a = bed.fakes["a"];
    Fake& b = bed.fakes["b"];
    const auto hello = wire::decode_mail_hello(a.all(MailKind::Hello).at(0).body);
    REQUIRE(hello);
    CHECK(hello->name == "a");
    CHECK(hello->controller == "key");
    a.say(MailKind::Welcome);
    CHECK(a.news() == std::vector<std::string>{"a connected", "b away"});
    b.say(MailKind::Welcome);
    CHECK(a.news().back() == "b connected");
    b.say(MailKind::Who);  // started again: it knows nothing of us
    CHECK(a.news().back() == "b away");
    CHECK(b.all(MailKind::Hello).size() == 2);
    b.say(MailKind::Welcome);
    CHECK(a.news().back() == "b connected");
    b.say(MailKind::Welcome);  // and again, unnoticed
    CHECK(a.news().at(a.news().size() - 2) == "b away");
    bed.set({"a"});
    CHECK(a.news().back() == "b gone");
}

TEST_CASE("envelopes carry the name of the link that they came over", "[mail]") {
    Bed bed;
    bed.set({"a", "b", "c"});
    for (auto& [name, fake] : bed.fakes) {
        fake.say(MailKind::Welcome);
    }
    bed.fakes["a"].say(MailKind::Envelopes, "b", "whatever it claims");
    const auto envelopes = bed.fakes["b"].all(MailKind::Envelopes);
    REQUIRE(envelopes.size() == 1);
    CHECK(envelopes[0].peer == "a");
    CHECK(envelopes[0].body == "whatever it claims");
    CHECK(bed.fakes["c"].all(MailKind::Envelopes).empty());
    bed.fakes["b"].say(MailKind::Receipts, "a", "v");
    CHECK(bed.fakes["a"].all(MailKind::Receipts).at(0).peer == "b");
    bed.fakes["a"].say(MailKind::Hello, "b", "x");  // what only a controller says
    bed.fakes["a"].say(MailKind::Roster, "b", "x");
    CHECK(bed.fakes["b"].all(MailKind::Hello).size() == 1);
}

TEST_CASE("what cannot be passed comes back with a reason", "[mail]") {
    Bed bed;
    bed.set({"a", "b"});
    Fake& a = bed.fakes["a"];
    Fake& b = bed.fakes["b"];
    a.say(MailKind::Welcome);
    a.say(MailKind::Envelopes, "nobody", "x");
    a.say(MailKind::Envelopes, "b", "x");
    b.say(MailKind::Welcome);
    b.counts = false;  // it takes frames, and is not done with them
    const std::string large(MailLink::kWindow / 2 + 1, 'x');
    a.say(MailKind::Envelopes, "b", large);
    a.say(MailKind::Envelopes, "b", large);
    b.takes = false;
    a.say(MailKind::Envelopes, "b", "x");
    CHECK(b.all(MailKind::Envelopes).size() == 1);
    std::vector<std::string> bounced;
    for (const Fake::Said& one : a.all(MailKind::Bounce)) {
        bounced.push_back(one.peer + std::to_string(int{one.body.at(0)}));
    }
    CHECK(bounced == std::vector<std::string>{"nobody1", "b0", "b2", "b0"});
    CHECK(a.news().back() == "b away");
    a.say(MailKind::Receipts, "b", "x");
    CHECK(a.all(MailKind::Bounce).size() == 4);  // nobody waits for those
}

TEST_CASE("events go to those who listen", "[mail]") {
    Bed bed;
    bed.set({"a", "all", "deaf", "some"});
    for (auto& [name, fake] : bed.fakes) {
        fake.say(MailKind::Welcome);
    }
    bed.fakes["all"].say(MailKind::Listen, "", wire::encode_names({"*"}));
    bed.fakes["some"].say(MailKind::Listen, "", wire::encode_names({"a"}));
    bed.fakes["a"].say(MailKind::Listen, "", wire::encode_names({"*"}));
    bed.fakes["a"].say(MailKind::Events, "", "e");
    bed.fakes["a"].say(MailKind::Events, "some", "e");
    bed.fakes["a"].say(MailKind::Events, "deaf", "e");
    bed.fakes["deaf"].say(MailKind::Events, "", "e");
    CHECK(bed.fakes["all"].all(MailKind::Events).size() == 2);
    CHECK(bed.fakes["some"].all(MailKind::Events).size() == 2);
    CHECK(bed.fakes["deaf"].all(MailKind::Events).empty());
    REQUIRE(bed.fakes["a"].all(MailKind::Events).size() == 1);
    CHECK(bed.fakes["a"].all(MailKind::Events).at(0).peer == "deaf");
}

TEST_CASE("an agent that falls silent is away until it answers again", "[mail]") {
    Bed bed;
    bed.set({"a", "b"});
    bed.fakes["a"].say(MailKind::Welcome);
    bed.fakes["b"].say(MailKind::Welcome);
    const MonoTime give_up = MonoClock::now() + 20s;
    while (bed.fakes["a"].news().back() != "b away" && MonoClock::now() < give_up) {
        (void)bed.loop->turn(100ms);
        bed.fakes["a"].say(MailKind::Pong);
    }
    CHECK(bed.fakes["a"].news().back() == "b away");
    CHECK_FALSE(bed.fakes["b"].all(MailKind::Ping).empty());
    bed.fakes["b"].say(MailKind::Welcome);
    CHECK(bed.fakes["a"].news().back() == "b connected");
}
