#include <algorithm>
#include <deque>
#include <numeric>
#include <random>

#include <catch2/catch.hpp>

#include "agent/relay/peer/across.h"
#include "shared/wire/append.h"

// Messages between agents: what they say to each other, and two agents whose network loses things.

using namespace berth;         // NOLINT(google-build-using-namespace): tests read better
using namespace berth::relay;  // NOLINT(google-build-using-namespace)
using namespace std::chrono_literals;
using wire::MailKind;

namespace {

Parcel sample() {
    Parcel parcel;
    parcel.lane = 3;
    parcel.id = 70'000;
    parcel.before = 69'999;
    parcel.from = "a";
    parcel.to = "b.2";
    parcel.time_ms = 1'795'718'005'771;
    parcel.ttl_ms = 5;
    parcel.durable = true;
    parcel.payload = "\x01";
    return parcel;
}

std::string packed(const Parcel& parcel) {
    std::string body;
    begin_parcels(body, {"epoch", 7});
    append_parcel(body, parcel);
    return body;
}

}  // namespace

TEST_CASE("parcels come out as they went in, whole or not at all", "[across]") {
    Parcel parcel = sample();
    const std::string body = packed(parcel) + packed(parcel).substr(7);
    const auto read = read_parcels(body);
    REQUIRE(read);
    CHECK(read->origin.epoch == "epoch");
    CHECK(read->origin.life == 7);
    REQUIRE(read->parcels.size() == 2);
    const Parcel& got = read->parcels[1];
    CHECK(got.lane == 3);
    CHECK(got.id == 70'000);
    CHECK(got.before == 69'999);
    CHECK(got.from == "a");
    CHECK(got.to == "b.2");
    CHECK(got.time_ms == parcel.time_ms);
    CHECK(got.ttl_ms == 5);
    CHECK(got.durable);
    CHECK(got.payload == "\x01");
    const std::size_t first = packed(parcel).size();
    for (std::size_t size = 0; size < body.size(); ++size) {
        const bool whole = size == first || size == 7;  // none, or one of them
        CHECK(read_parcels(std::string_view(body).substr(0, size)).has_value() == whole);
    }
}

TEST_CASE("parcels that no agent sends are malformed", "[across]") {
    const auto broken = [](auto change) {
        Parcel parcel = sample();
        change(parcel);
        return !read_parcels(packed(parcel));
    };
    CHECK_FALSE(broken([](Parcel&) {}));
    CHECK(broken([](Parcel& p) { p.from = "other/a"; }));
    CHECK(broken([](Parcel& p) { p.to = "../b"; }));
    CHECK(broken([](Parcel& p) { p.to = ""; }));
    CHECK(broken([](Parcel& p) { p.id = 0; }));
    CHECK(broken([](Parcel& p) { p.id = ~0ULL; }));
    CHECK(broken([](Parcel& p) { p.before = p.id; }));
    CHECK(broken([](Parcel& p) { p.payload = ""; }));
    CHECK(broken([](Parcel& p) { p.correlation = 1; }));
    CHECK(broken([](Parcel& p) { p.kind = ParcelKind::Request; }));
    CHECK(broken([](Parcel& p) { p.kind = static_cast<ParcelKind>(3); }));
    const auto event = [](const FarEvent& one) {
        std::string body;
        append_event(body, one);
        return body;
    };
    const std::string good = event({1, "x", "a", 1, "p"});
    CHECK_FALSE(read_events(event({1, std::string(300, 'x'), "a", 1, std::nullopt})));
    CHECK_FALSE(read_events(good + event({1, "x", "other/a", 1, std::nullopt})));
    CHECK(read_events(good + good)->at(1).payload == "p");
}

TEST_CASE("a lane takes the next one, knows what it has, and sees gaps", "[across]") {
    Lanes lanes(10);
    Lane& lane = lanes.need("house", "e", "a", "b");
    CHECK(Lanes::place(lane, 5, 0) == Lanes::Place::Next);
    lane.row.last = 5;
    CHECK(Lanes::place(lane, 5, 0) == Lanes::Place::Known);
    CHECK(Lanes::place(lane, 9, 7) == Lanes::Place::Gap);
    CHECK(Lanes::place(lane, 7, 5) == Lanes::Place::Next);
    CHECK(Lanes::place(lane, 7, 3) == Lanes::Place::Next);
    CHECK(lanes.need("house", "other epoch", "a", "b").row.last == 0);
    CHECK(lanes.need("other", "e", "a", "b").row.last == 0);
    lane.row.used_ms = 100;
    lane.on_the_way = 1;
    for (std::uint64_t i = 0; i < 20; ++i) {
        lanes.need("house", "e", "a", "x" + std::to_string(i)).row.used_ms = 200 + i;
    }
    const auto dropped = lanes.drop_old();
    CHECK(lanes.size() <= 10 + 2);
    CHECK(lanes.need("house", "e", "a", "b").row.last == 5);  // something of it is on its way
    CHECK(dropped.size() + lanes.size() == 23);
}

namespace {

// An agent without its apps: takes what comes into a list, its disk is a pair of vectors.
struct Agent : AcrossHost {
    Agent(loop::EventLoop& loop_in, const std::string& name_in) : loop(loop_in), name(name_in) {
        disk.epoch = "epoch of " + name;
        start();
    }

    void start() {
        across.reset();

        now = std::make_unique<Batch>();
        Across::Options options;
        options.agent = name;
        options.send = [this](std::uint64_t, std::string frame) {
            out.push_back(std::move(frame));
        };
        options.close = [](std::uint64_t) {};
        Stored copy = disk;
        across = std::make_unique<Across>(loop, *this, std::move(options));
        across->restore(copy);
    }

    Result<std::uint64_t> deliver(const Arrival& arrival) override {
        if (full) {
            return fail(ErrorCode::Exhausted, "full");
        }
        now->inserts.push_back({next_id,
                                std::make_shared<const std::string>(arrival.to),
                                std::make_shared<const std::string>(arrival.from),
                                std::make_shared<const std::string>(arrival.payload),
                                arrival.time_ms,
                                0});
        return next_id++;
    }

    void withdraw(const std::string&, std::uint64_t) override {}

    [[nodiscard]] bool app_known(std::string_view) const override { return true; }

    std::uint64_t draw_id() override { return next_id++; }

    std::uint64_t draw_correlation() override { return next_id++; }

    Batch& batch() override { return *now; }

    [[nodiscard]] std::uint64_t wall_ms() const override { return 1; }

    void tell(std::uint64_t, std::span<const std::string_view>) override {}

    void far_event(std::string_view, const FarEvent&) override {}

    void send_number(int number) {
        Across::Letter letter;
        letter.from = std::make_shared<const std::string>("a");
        letter.id = next_id++;
        letter.durable = true;
        const std::string payload = std::to_string(number);
        letter.payload = payload;
        across->send({"to", "b"}, letter);
    }

    // The disk takes this turn's batch, or refuses it.
    void write(bool works) {
        across->submitted(*now);
        const std::unique_ptr<Batch> batch = std::exchange(now, std::make_unique<Batch>());
        if (!works) {
            now->sent = batch->sent;
            across->failed();
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
        for (const Batch::Lane& row : batch->lanes) {
            std::erase_if(disk.lanes, [&](const Batch::Lane& old) {
                return old.agent == row.agent && old.epoch == row.epoch && old.from == row.from &&
                       old.to == row.to;
            });
            disk.lanes.push_back(row);
        }
        across->stored();
    }

    void greet(std::uint64_t link, const std::string& other) {
        const std::string hello = wire::encode_mail_hello({"controller", name});
        across->received(link, wire::encode_mail({MailKind::Hello, 0, "", hello}));
        const std::string roster = wire::encode_roster(true, {{other, wire::Presence::Connected}});
        across->received(link, wire::encode_mail({MailKind::Roster, 0, "", roster}));
    }

    loop::EventLoop& loop;
    std::string name;
    Stored disk;
    std::unique_ptr<Batch> now;
    std::unique_ptr<Across> across;
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
            if (mail->kind != MailKind::Parcels && mail->kind != MailKind::Verdicts) {
                continue;
            }
            if (happens(losses)) {
                // The controller says so, mostly; else the sender has to find out.
                std::string body;
                wire::append_whole(body, 2);
                if (mail->kind == MailKind::Parcels && happens(90)) {
                    one.across->received(
                        links, wire::encode_mail({MailKind::Bounce, 0, mail->peer, body}));
                }
                continue;
            }
            const std::string passed = wire::encode_mail({mail->kind, 0, one.name, mail->body});
            other.across->received(links, passed);
            if (happens(25)) {
                other.across->received(links, passed);
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

TEST_CASE("each message is stored once and in order, whatever gets lost between", "[across]") {
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
        (void)from.across->end_turn();
        world.carry(from, to, calm ? 0 : 10);
        (void)to.across->end_turn();
        world.carry(to, from, calm ? 0 : 10);
        (void)loop->turn(to.full ? 1ms : 0ms);
    }
    std::vector<int> expected(kCount);
    std::iota(expected.begin(), expected.end(), 0);
    CHECK(taken(to) == expected);
}

TEST_CASE("a stream that is full holds up no other", "[across]") {
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
    CHECK(first->parcel.to == "even");
    CHECK(first->parcel.before == 0);
    CHECK(box.next(0, now, expired)->parcel.before == 2);
    box.again_later(first->parcel.lane, now);
    CHECK_FALSE(box.settle(first->parcel.lane, 2));  // of an attempt that does not count
    std::vector<std::uint64_t> ids;
    while (const auto due = box.next(0, now, expired)) {
        ids.push_back(due->parcel.id);
    }
    CHECK(ids == std::vector<std::uint64_t>{1, 3, 5});
    CHECK(box.unblock(now).has_value());
    CHECK_FALSE(box.unblock(now + 10s).has_value());
    const auto again = box.next(0, now, expired);
    CHECK(again->parcel.id == 2);
    CHECK(again->parcel.lane != first->parcel.lane);
    CHECK(box.settle(again->parcel.lane, 2));
    CHECK_FALSE(box.settle(again->parcel.lane, 4));  // not sent yet
    CHECK(box.count() == 5);
    CHECK(box.clear().size() == 5);
    CHECK(total == 0);
    CHECK(box.in_flight() == 0);
}

TEST_CASE("nothing that comes over a link does harm", "[across]") {
    const auto loop = std::move(*loop::EventLoop::create());
    Agent agent(*loop, "agent");
    agent.greet(1, "from");
    std::mt19937 chance(7);
    Parcel parcel = sample();
    for (int i = 0; i < 20'000; ++i) {
        parcel.id = 1 + chance() % 100;
        parcel.before = chance() % parcel.id;
        std::string body;
        switch (chance() % 3) {
            case 0:
                body = packed(parcel);
                break;
            case 1:
                begin_verdicts(body, {"epoch of agent", chance()});
                append_verdict(body, {chance() % 9, chance() % 9, Code::Ok, true, "why"});
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
        agent.across->received(1 + chance() % 2, frame);
        (void)agent.across->end_turn();
        agent.write(chance() % 2 == 0);
        agent.out.clear();
    }
    agent.greet(3, "from");  // and it still takes what is right
    const std::size_t before = agent.disk.messages.size();
    parcel = sample();
    parcel.before = 0;
    agent.across->received(3, wire::encode_mail({MailKind::Parcels, 0, "new", packed(parcel)}));
    agent.write(true);
    CHECK(agent.disk.messages.size() == before + 1);
}
