#include <algorithm>
#include <deque>
#include <numeric>
#include <random>

#include <catch2/catch.hpp>

#include "agent/relay/peer/exchange.h"
#include "shared/wire/append.h"

// Messages between agents: what they say to each other, and two agents whose network loses things.

using namespace berth;         // NOLINT(google-build-using-namespace): tests read better
using namespace berth::relay;  // NOLINT(google-build-using-namespace)
using namespace std::chrono_literals;
using wire::MailKind;

namespace {

Envelope sample() {
    Envelope envelope;
    envelope.stream = 3;
    envelope.id = 70'000;
    envelope.before = 69'999;
    envelope.from = "a";
    envelope.to = "b.2";
    envelope.time_ms = 1'795'718'005'771;
    envelope.ttl_ms = 5;
    envelope.durable = true;
    envelope.payload = "\x01";
    return envelope;
}

std::string packed(const Envelope& envelope) {
    std::string body;
    begin_envelopes(body, {"epoch", 7});
    append_envelope(body, envelope);
    return body;
}

}  // namespace

TEST_CASE("envelopes come out as they went in, whole or not at all", "[peer]") {
    Envelope envelope = sample();
    const std::string body = packed(envelope) + packed(envelope).substr(7);
    const auto read = read_envelopes(body);
    REQUIRE(read);
    CHECK(read->origin.epoch == "epoch");
    CHECK(read->origin.life == 7);
    REQUIRE(read->envelopes.size() == 2);
    const Envelope& got = read->envelopes[1];
    CHECK(got.stream == 3);
    CHECK(got.id == 70'000);
    CHECK(got.before == 69'999);
    CHECK(got.from == "a");
    CHECK(got.to == "b.2");
    CHECK(got.time_ms == envelope.time_ms);
    CHECK(got.ttl_ms == 5);
    CHECK(got.durable);
    CHECK(got.payload == "\x01");
    const std::size_t first = packed(envelope).size();
    for (std::size_t size = 0; size < body.size(); ++size) {
        const bool whole = size == first || size == 7;  // none, or one of them
        CHECK(read_envelopes(std::string_view(body).substr(0, size)).has_value() == whole);
    }
}

TEST_CASE("envelopes that no agent sends are malformed", "[peer]") {
    const auto broken = [](auto change) {
        Envelope envelope = sample();
        change(envelope);
        return !read_envelopes(packed(envelope));
    };
    CHECK_FALSE(broken([](Envelope&) {}));
    CHECK(broken([](Envelope& p) { p.from = "other/a"; }));
    CHECK(broken([](Envelope& p) { p.to = "../b"; }));
    CHECK(broken([](Envelope& p) { p.to = ""; }));
    CHECK(broken([](Envelope& p) { p.id = 0; }));
    CHECK(broken([](Envelope& p) { p.id = ~0ULL; }));
    CHECK(broken([](Envelope& p) { p.before = p.id; }));
    CHECK(broken([](Envelope& p) { p.payload = ""; }));
    CHECK(broken([](Envelope& p) { p.correlation = 1; }));
    CHECK(broken([](Envelope& p) { p.kind = EnvelopeKind::Request; }));
    CHECK(broken([](Envelope& p) { p.kind = static_cast<EnvelopeKind>(3); }));
    const auto event = [](const PeerEvent& one) {
        std::string body;
        append_event(body, one);
        return body;
    };
    const std::string good = event({1, "x", "a", 1, "p"});
    CHECK_FALSE(read_events(event({1, std::string(300, 'x'), "a", 1, std::nullopt})));
    CHECK_FALSE(read_events(good + event({1, "x", "other/a", 1, std::nullopt})));
    CHECK(read_events(good + good)->at(1).payload == "p");
}

TEST_CASE("a cursor takes the next one, knows what it has, and sees gaps", "[peer]") {
    StreamCursors cursors(10);
    StreamCursor& cursor = cursors.need("house", "e", "a", "b");
    CHECK(StreamCursors::place(cursor, 5, 0) == StreamCursors::Place::Next);
    cursor.row.last = 5;
    CHECK(StreamCursors::place(cursor, 5, 0) == StreamCursors::Place::Known);
    CHECK(StreamCursors::place(cursor, 9, 7) == StreamCursors::Place::Gap);
    CHECK(StreamCursors::place(cursor, 7, 5) == StreamCursors::Place::Next);
    CHECK(StreamCursors::place(cursor, 7, 3) == StreamCursors::Place::Next);
    CHECK(cursors.need("house", "other epoch", "a", "b").row.last == 0);
    CHECK(cursors.need("other", "e", "a", "b").row.last == 0);
    cursor.row.used_ms = 100;
    cursor.on_the_way = 1;
    for (std::uint64_t i = 0; i < 20; ++i) {
        cursors.need("house", "e", "a", "x" + std::to_string(i)).row.used_ms = 200 + i;
    }
    const auto dropped = cursors.drop_old();
    CHECK(cursors.size() <= 10 + 2);
    CHECK(cursors.need("house", "e", "a", "b").row.last == 5);  // something of it is on its way
    CHECK(dropped.size() + cursors.size() == 23);
}

namespace {

// An agent without its apps: takes what comes into a list, its disk is a pair of vectors.
struct Agent : PeerHost, TurnBatch {
    Agent(loop::EventLoop& loop_in, const std::string& name_in) : loop(loop_in), name(name_in) {
        disk.epoch = "epoch of " + name;
        start();
    }

    void start() {
        exchange.reset();
        now = std::make_unique<Batch>();
        PeerExchange::Options options;
        options.agent = name;
        options.send = [this](std::uint64_t, std::string frame) {
            out.push_back(std::move(frame));
        };
        options.close = [](std::uint64_t) {};
        Stored copy = disk;
        const PeerExchange::Uses uses{loop, clock, trace, *this, *this};
        exchange = std::make_unique<PeerExchange>(uses, options);
        exchange->restore(copy);
    }

    Result<std::uint64_t> deliver(const std::string& agent, const Envelope& envelope) override {
        if (full) {
            return fail(ErrorCode::Exhausted, "full");
        }
        now->inserts.push_back(
            {next_id,
             std::make_shared<const std::string>(envelope.to),
             std::make_shared<const std::string>(agent + '/' + std::string(envelope.from)),
             std::make_shared<const std::string>(envelope.payload),
             envelope.time_ms,
             0});
        return next_id++;
    }

    void withdraw(const std::string&, std::uint64_t) override {}

    [[nodiscard]] bool app_known(std::string_view) const override { return true; }

    std::uint64_t take_ids(std::size_t count) override {
        return std::exchange(next_id, next_id + count);
    }

    std::uint64_t draw_correlation() override { return next_id++; }

    Batch& batch() override { return *now; }

    void tell(std::uint64_t, std::span<const std::string_view>) override {}

    void peer_event(std::string_view, const PeerEvent&) override {}

    void send_number(int number) {
        Outgoing message;
        message.id = next_id++;
        message.durable = true;
        message.payload = std::make_shared<const std::string>(std::to_string(number));
        exchange->notify({"to", "b"}, std::make_shared<const std::string>("a"), message, 0);
    }

    // The disk takes this turn's batch, or refuses it.
    void write(bool works) {
        exchange->gather(*now);
        const std::unique_ptr<Batch> batch = std::exchange(now, std::make_unique<Batch>());
        if (!works) {
            now->sent = batch->sent;
            exchange->failed({ErrorCode::Io, "refused", 0});
            return;
        }
        for (const Batch::Insert& row : batch->inserts) {
            disk.messages.push_back(row);
        }
        for (const Batch::Outgoing& row : batch->outgoing) {
            disk.outgoing.push_back(row);
        }
        std::erase_if(disk.outgoing, [&](const Batch::Outgoing& row) {
            return std::find(batch->sent.begin(), batch->sent.end(), row.id) != batch->sent.end();
        });
        for (const Batch::Cursor& row : batch->cursors) {
            std::erase_if(disk.cursors, [&](const Batch::Cursor& old) {
                return old.agent == row.agent && old.epoch == row.epoch && old.from == row.from &&
                       old.to == row.to;
            });
            disk.cursors.push_back(row);
        }
        exchange->stored(*batch);
    }

    void greet(std::uint64_t link, const std::string& other) {
        const std::string hello = wire::encode_mail_hello({"controller", name});
        exchange->received(link, wire::encode_mail({MailKind::Hello, 0, "", hello}));
        const std::string roster = wire::encode_roster(true, {{other, wire::Presence::Connected}});
        exchange->received(link, wire::encode_mail({MailKind::Roster, 0, "", roster}));
    }

    loop::EventLoop& loop;
    RelayClock clock{loop};
    Trace trace;
    std::string name;
    Stored disk;
    std::unique_ptr<Batch> now;
    std::unique_ptr<PeerExchange> exchange;
    std::deque<std::string> out;
    std::uint64_t next_id = 1;
    bool full = false;
};

// Two agents and what is between them, which forgets, restarts and repeats.
struct World {
    explicit World(unsigned seed) : chance(seed) {}

    bool happens(int in_a_hundred) { return static_cast<int>(chance() % 100) < in_a_hundred; }

    void connect(Agent& agent, const std::string& other) { agent.greet(++links, other); }

    // A frame of one reaches the other, or does not.
    void carry(Agent& one, Agent& other, int losses) {
        while (!one.out.empty()) {
            const std::string frame = std::move(one.out.front());
            one.out.pop_front();
            const auto mail = wire::decode_mail(frame);
            REQUIRE(mail);
            if (mail->kind != MailKind::Envelopes && mail->kind != MailKind::Receipts) {
                continue;
            }
            if (happens(losses)) {
                // The controller says so, mostly; else the sender has to find out.
                std::string body;
                wire::append_whole(body, 2);
                if (mail->kind == MailKind::Envelopes && happens(90)) {
                    one.exchange->received(
                        links, wire::encode_mail({MailKind::Bounce, 0, mail->peer, body}));
                }
                continue;
            }
            const std::string passed = wire::encode_mail({mail->kind, 0, one.name, mail->body});
            other.exchange->received(links, passed);
            if (happens(25)) {
                other.exchange->received(links, passed);
            }
        }
    }

    std::mt19937 chance;
    std::uint64_t links = 0;
};

std::vector<int> taken(const Agent& agent) {
    std::vector<int> numbers;
    for (const Batch::Insert& row : agent.disk.messages) {
        CHECK(*row.from == "from/a");
        numbers.push_back(std::stoi(*row.payload));
    }
    return numbers;
}

}  // namespace

TEST_CASE("each message is stored once and in order, whatever gets lost between", "[peer]") {
    const unsigned seed = GENERATE(1U, 2U, 3U, 4U, 5U, 6U);
    CAPTURE(seed);
    const auto loop = std::move(*loop::EventLoop::create());
    Agent from(*loop, "from");
    Agent to(*loop, "to");
    World world(seed);
    constexpr int kCount = 400;
    int next = 0;
    const auto give_up = std::chrono::steady_clock::now() + 30s;
    std::size_t turns = 0;
    while (to.disk.messages.size() < kCount || !from.disk.outgoing.empty()) {
        REQUIRE(std::chrono::steady_clock::now() < give_up);
        const bool calm = ++turns > 3000;
        for (int i = 0; i < 3 && next < kCount; ++i) {
            from.send_number(next++);
        }
        if (!calm && world.happens(4)) {
            next -= static_cast<int>(from.batch().outgoing.size());  // never answered, sent again
            from.start();
        }
        if (!calm && world.happens(4)) {
            to.start();
        }
        to.full = !calm && world.happens(10);
        if (calm ? turns % 100 == 1 : world.happens(20)) {
            ++world.links;
            from.greet(world.links, "to");
            to.greet(world.links, "from");
        }
        const std::size_t unsure = from.batch().outgoing.size();
        const bool from_works = calm || !world.happens(3);
        from.write(from_works);
        next -= from_works ? 0 : static_cast<int>(unsure);
        to.write(calm || !world.happens(3));
        (void)from.exchange->end_turn();
        world.carry(from, to, calm ? 0 : 10);
        (void)to.exchange->end_turn();
        world.carry(to, from, calm ? 0 : 10);
        (void)loop->turn(to.full ? 1ms : 0ms);
    }
    std::vector<int> expected(kCount);
    std::iota(expected.begin(), expected.end(), 0);
    CHECK(taken(to) == expected);
}

TEST_CASE("a stream that is full holds up no other", "[peer]") {
    const auto loop = std::move(*loop::EventLoop::create());
    std::size_t total = 0;
    std::uint64_t numbers = 0;
    OutBox box("to", total, numbers);
    const auto name = [](const char* text) { return std::make_shared<const std::string>(text); };
    for (std::uint64_t id = 1; id <= 6; ++id) {
        Outgoing message;
        message.id = id;
        message.payload = name("p");
        box.add(name("a"), name(id % 2 == 0 ? "even" : "odd"), message);
    }
    box.wake("a", "even");
    box.wake("a", "odd");
    std::vector<Outgoing> expired;
    const MonoTime now{};
    const auto first = box.next(0, now, expired);
    REQUIRE(first);
    CHECK(first->envelope.to == "even");
    CHECK(first->envelope.before == 0);
    CHECK(box.next(0, now, expired)->envelope.before == 2);
    box.again_later(first->envelope.stream, now);
    CHECK_FALSE(box.settle(first->envelope.stream, 2));  // of an attempt that does not count
    std::vector<std::uint64_t> ids;
    while (const auto due = box.next(0, now, expired)) {
        ids.push_back(due->envelope.id);
    }
    CHECK(ids == std::vector<std::uint64_t>{1, 3, 5});
    CHECK(box.unblock(now).has_value());
    CHECK_FALSE(box.unblock(now + 10s).has_value());
    const auto again = box.next(0, now, expired);
    CHECK(again->envelope.id == 2);
    CHECK(again->envelope.stream != first->envelope.stream);
    CHECK(box.settle(again->envelope.stream, 2));
    CHECK_FALSE(box.settle(again->envelope.stream, 4));  // not sent yet
    CHECK(box.count() == 5);
    CHECK(box.clear().size() == 5);
    CHECK(total == 0);
    CHECK(box.in_flight() == 0);
}

TEST_CASE("a link is known by what its controller says of it", "[peer]") {
    std::vector<std::string> sent;
    PeerLinks links([&sent](std::uint64_t, std::string frame) { sent.push_back(std::move(frame)); },
                    [](std::uint64_t) {});
    CHECK(links.reach("a") == "away");  // nobody can say
    const MonoTime now{};
    PeerLink& first = links.open(1, {"house", "me"}, now);
    PeerLink& second = links.open(2, {"yard", "me"}, now + 3s);
    CHECK(links.reach("a") == "unknown");
    PeerLinks::set_presence(second, "a", wire::Presence::Connected);
    CHECK(links.reach("a") == "connected");
    CHECK(links.route("a", 0) == &second);
    PeerLinks::set_presence(first, "a", wire::Presence::Connected);
    CHECK(links.route("a", 2) == &second);  // as long as it leads there
    PeerLinks::set_presence(second, "a", wire::Presence::Away);
    CHECK(links.route("a", 2) == &first);
    const std::string whole = wire::encode_roster(true, {{"b", wire::Presence::Away}});
    const auto changes = PeerLinks::read_roster(first, whole);
    REQUIRE(changes);
    CHECK(*changes == wire::Roster{{"b", wire::Presence::Away}, {"a", wire::Presence::Gone}});
    CHECK_FALSE(PeerLinks::read_roster(first, "?"));
    CHECK(links.of("yard") == std::vector<std::uint64_t>{2});
    CHECK(links.silent(now + 4s) == std::vector<std::uint64_t>{1});
    PeerLinks::note_frame(first, 10, {wire::MailKind::Ping, 99, "", ""}, now + 4s);
    CHECK(links.silent(now + 4s).empty());
    CHECK(first.got == 10);
    CHECK(first.taken == 0);  // it cannot have more than was sent
    links.send(first, wire::MailKind::Pong, "", "");
    CHECK(first.sent == sent.at(0).size());
    CHECK(links.forget(1));
    CHECK_FALSE(links.forget(1));
    CHECK(links.find(1) == nullptr);
}

TEST_CASE("nothing that comes over a link does harm", "[peer]") {
    const auto loop = std::move(*loop::EventLoop::create());
    Agent agent(*loop, "agent");
    agent.greet(1, "from");
    std::mt19937 chance(7);
    Envelope envelope = sample();
    for (int i = 0; i < 20'000; ++i) {
        envelope.id = 1 + chance() % 100;
        envelope.before = chance() % envelope.id;
        std::string body;
        switch (chance() % 3) {
            case 0:
                body = packed(envelope);
                break;
            case 1:
                begin_receipts(body, {"epoch of agent", chance()});
                append_receipt(body, {chance() % 9, chance() % 9, Code::Ok, true, "why"});
                break;
            default:
                append_event(body, {1, "type", "a", 1, "payload"});
        }
        for (std::size_t changes = chance() % 4; changes > 0; --changes) {
            body[chance() % body.size()] = static_cast<char>(chance());
        }
        body.resize(body.size() - chance() % 2 * chance() % body.size());
        const auto kind = static_cast<MailKind>(1 + chance() % 11);
        std::string frame = wire::encode_mail({kind, chance(), "from", body});
        if (chance() % 4 == 0) {
            frame[chance() % frame.size()] = static_cast<char>(chance());
        }
        agent.exchange->received(1 + chance() % 2, frame);
        (void)agent.exchange->end_turn();
        agent.write(chance() % 2 == 0);
        agent.out.clear();
    }
    agent.greet(3, "from");  // and it still takes what is right
    const std::size_t before = agent.disk.messages.size();
    envelope = sample();
    envelope.before = 0;
    agent.exchange->received(3,
                             wire::encode_mail({MailKind::Envelopes, 0, "new", packed(envelope)}));
    agent.write(true);
    CHECK(agent.disk.messages.size() == before + 1);
}
