#include <algorithm>

#include <catch2/catch.hpp>

#include "tests/unit/relay_parts.h"

// What a broker does with its clients, turn by turn, without sockets and disk.

using namespace berth;         // NOLINT(google-build-using-namespace): tests read better
using namespace berth::relay;  // NOLINT(google-build-using-namespace)
using namespace std::chrono_literals;

namespace {

using Texts = std::vector<std::string>;

AppFacts app(const std::string& id) {
    AppFacts facts;
    facts.id = id;
    return facts;
}

}  // namespace

TEST_CASE("a durable message is told of and given out when it is on the disk", "[broker]") {
    FakeLink sender;
    FakeLink receiver;
    Bench bench;
    Session& from = bench.join(sender, "from");
    bench.join(receiver, "to");
    const auto asked = bench.notify(from, "to", "one");
    bench.end_turn();
    CHECK_FALSE(sender.code_of(asked));
    CHECK(receiver.pushed().empty());
    REQUIRE(bench.batches.size() == 1);
    CHECK(bench.batches[0]->inserts.size() == 1);
    CHECK(bench.written());
    bench.end_turn();
    CHECK(sender.code_of(asked) == Code::Ok);
    CHECK(receiver.pushed() == Texts{"one"});

    Args args;
    args.to = "to";
    args.durable = false;
    CHECK(sender.code_of(bench.say(from, Verb::Notify, args, {"two"})) == Code::Ok);  // at once
    bench.end_turn();
    CHECK(receiver.pushed() == Texts{"one", "two"});
}

TEST_CASE("what the disk refuses is taken back, and its sender told", "[broker]") {
    FakeLink sender;
    FakeLink receiver;
    Bench bench;
    Session& from = bench.join(sender, "from");
    bench.join(receiver, "to");
    Args args;
    args.to = "to";
    args.dedupe = "\x01";
    const auto first = bench.say(from, Verb::Notify, args, {"one"});
    bench.end_turn();
    const auto meanwhile = bench.notify(from, "to", "two");
    CHECK(bench.written(fail(ErrorCode::Io, "the disk is full")));
    bench.end_turn();
    CHECK(sender.code_of(first) == Code::Internal);
    CHECK(sender.code_of(meanwhile) == Code::Internal);
    CHECK(receiver.pushed().empty());
    CHECK(bench.parts.boxes.find("to")->mail.empty());
    CHECK(bench.parts.boxes.find("to")->references == 0);
    const auto again = bench.say(from, Verb::Notify, args, {"one"});  // its key was not used
    bench.end_turn();
    CHECK(bench.written());
    CHECK(sender.code_of(again) == Code::Ok);
    CHECK(bench.parts.boxes.find("to")->mail.count() == 1);
}

TEST_CASE("a notify that is repeated is stored once", "[broker]") {
    FakeLink sender;
    Bench bench;
    Session& from = bench.join(sender, "from");
    Args args;
    args.to = "to";
    args.dedupe = "\x01";
    const auto first = bench.say(from, Verb::Notify, args, {"one"});
    const auto early = bench.say(from, Verb::Notify, args, {"one"});
    bench.end_turn();
    CHECK_FALSE(sender.code_of(early));  // the first one is not stored yet
    CHECK(bench.batches[0]->inserts.size() == 1);
    CHECK(bench.written());
    CHECK(sender.code_of(first) == Code::Ok);
    CHECK(sender.code_of(early) == Code::Ok);
    CHECK(sender.code_of(bench.say(from, Verb::Notify, args, {"one"})) == Code::Ok);
    CHECK(bench.parts.boxes.find("to")->mail.count() == 1);
}

TEST_CASE("events go to all who listen but the app that raises them", "[broker]") {
    FakeLink raiser;
    FakeLink listener;
    FakeLink slow;
    RelayLimits limits;
    limits.max_backlog = 10;
    Bench bench(limits);
    Session& from = bench.join(raiser, "from");
    bench.join(listener, "a");
    Session& third = bench.join(slow, "b");
    slow.unread = 11;
    Args args;
    args.type = "x";
    CHECK(raiser.code_of(bench.say(from, Verb::Raise, args, {"payload"})) == Code::Ok);
    CHECK(raiser.pushed().empty());
    CHECK(listener.pushed() == Texts{"payload"});
    CHECK(slow.pushed().empty());
    CHECK(slow.closed);
    bench.parts.subscribe(third, /*messages=*/false, /*events=*/false);
    slow.unread = 0;
    bench.say(from, Verb::Raise, args, {"second"});
    CHECK(listener.pushed() == Texts{"payload", "second"});
    CHECK(slow.pushed().empty());
}

TEST_CASE("events of another agent go to those who want that agent's", "[broker]") {
    FakeLink all;
    FakeLink one;
    FakeLink none;
    Bench bench;
    bench.parts.want_peer_events(bench.join(all, "a"), {"*"});
    bench.parts.want_peer_events(bench.join(one, "b"), {"there"});
    bench.join(none, "c");
    bench.parts.events.pass_on("there", {1, "x", "app", 1, "p"});
    bench.parts.events.pass_on("elsewhere", {1, "x", "app", 1, "q"});
    CHECK(all.pushed() == Texts{"p", "q"});
    CHECK(one.pushed() == Texts{"p"});
    CHECK(none.pushed().empty());
}

TEST_CASE("the directory tells whom a message is for", "[broker]") {
    Bench bench;
    AppDirectory& apps = bench.parts.apps;
    CHECK(*apps.local_target("a") == "a");
    CHECK(*apps.local_target("here/a") == "a");
    CHECK(apps.local_target("there/a").error().code == ErrorCode::NotFound);
    CHECK(apps.local_target("../a").error().code == ErrorCode::InvalidArgument);
    CHECK_FALSE(apps.peer_target("a"));
    CHECK_FALSE(apps.peer_target("here/a"));
    CHECK_FALSE(apps.peer_target("there/.."));
    REQUIRE(apps.peer_target("there/a"));
    CHECK(apps.peer_target("there/a")->agent == "there");
    CHECK(apps.peer_target("there/a")->app == "a");
}

TEST_CASE("an app is known by its descriptor, or when somebody has proved to be it", "[broker]") {
    FakeLink link;
    Bench bench;
    AppDirectory& apps = bench.parts.apps;
    CHECK_FALSE(apps.is_known("a"));
    CHECK(apps.box("a"));
    CHECK_FALSE(apps.is_known("a"));  // that somebody has sent it something proves nothing
    bench.join(link, "a");
    CHECK(apps.is_known("a"));
    apps.changed({app("b")}, {});
    CHECK(apps.is_known("b"));
    apps.changed({}, {"b"});
    CHECK_FALSE(apps.is_known("b"));
}

TEST_CASE("a descriptor says whom an app may speak to, and how it is delivered to", "[broker]") {
    FakeLink link;
    Bench bench;
    AppDirectory& apps = bench.parts.apps;
    Session& session = bench.join(link, "a");
    const PeerAddress peer{"there", "x"};
    CHECK(apps.check_notify(session, "anybody"));
    CHECK(apps.check_control(session, "anybody"));
    CHECK(apps.check_notify_peer(session, peer, "there/x"));  // it has no descriptor
    AppFacts facts = app("a");
    apps.changed({facts}, {});
    CHECK_FALSE(apps.check_notify_peer(session, peer, "there/x"));
    CHECK(session.box->redeliver_after == 30s);
    facts.may_notify = {"b.*", "there/.*"};
    facts.may_control = std::vector<std::string>();
    facts.redeliver_after = 5s;
    facts.max_attempts = 3;
    apps.changed({facts}, {});
    CHECK(apps.check_notify(session, "b2"));
    CHECK(apps.check_notify(session, "c").error().code == ErrorCode::PermissionDenied);
    CHECK(apps.check_notify_peer(session, peer, "there/x"));
    CHECK_FALSE(apps.check_control(session, "b2"));
    CHECK(session.box->redeliver_after == 5s);
    CHECK(session.box->max_attempts == 3);
    session.is_operator = true;
    CHECK(apps.check_notify(session, "c"));
    apps.changed({}, {"a"});
    CHECK(session.box->max_attempts == 0);
}

TEST_CASE("a request ends once, with the answer of the app that it is for", "[broker]") {
    FakeLink asking;
    FakeLink answering;
    FakeLink other;
    Bench bench;
    Session& asker = bench.join(asking, "asker");
    Session& app_b = bench.join(answering, "b");
    Session& app_c = bench.join(other, "c");
    Args args;
    args.to = "b";
    const auto asked = bench.say(asker, Verb::Request, args, {"question"});
    bench.end_turn();
    CHECK(answering.pushed() == Texts{"question"});
    Args answer;
    answer.correlation = bench.parts.requests.draw() - 1;
    CHECK(other.code_of(bench.say(app_c, Verb::Respond, answer, {"forged"})) == Code::NotFound);
    CHECK_FALSE(asking.code_of(asked));
    CHECK(answering.code_of(bench.say(app_b, Verb::Respond, answer, {"answer"})) == Code::Ok);
    CHECK(asking.code_of(asked) == Code::Ok);
    CHECK(asking.messages.back().at(1) == "answer");
    CHECK(answering.code_of(bench.say(app_b, Verb::Respond, answer, {"again"})) == Code::NotFound);
    CHECK(app_b.box->mail.empty());
    CHECK(app_b.box->taken == 1);

    args.timeout_ms = 1;
    const auto late = bench.say(asker, Verb::Request, args, {"question"});
    (void)bench.loop->turn(5s);  // its time
    CHECK(asking.code_of(late) == Code::TimedOut);
    CHECK(app_b.box->mail.empty());
    CHECK(app_b.box->references == 0);
}

TEST_CASE("the operator sees what waits, and may take it away", "[broker]") {
    FakeLink asking;
    FakeLink receiver;
    Bench bench;
    Session& from = bench.join(asking, "from");
    bench.join(receiver, "to", /*subscribe=*/false);
    OperatorView& view = bench.parts.view;
    CHECK(view.peek("nobody", 10, 0).empty());
    bench.notify(from, "to", "one");
    CHECK(view.release_for_removal("to", view.peek("to", 1, 0).at(0).id).error().code ==
          ErrorCode::WrongState);  // it is not on the disk yet
    bench.end_turn();
    CHECK(bench.written());
    Args args;
    args.to = "to";
    const auto asked = bench.say(from, Verb::Request, args, {"two"});
    const auto waiting = view.peek("to", 10, 0);
    REQUIRE(waiting.size() == 2);
    CHECK(*waiting[0].payload == "one");
    CHECK(*waiting[0].from == "from");
    CHECK(waiting[0].holder == 0);
    CHECK(waiting[0].expires == MonoTime::max());
    CHECK(waiting[1].expires != MonoTime::max());
    CHECK(view.peek("to", 1, 0).size() == 1);
    CHECK(view.peek("to", 10, waiting[0].id).size() == 1);
    CHECK(*view.release_for_removal("to", waiting[0].id) == Verb::Ack);
    CHECK(*view.release_for_removal("to", waiting[1].id) == Verb::Ack);
    CHECK(asking.code_of(asked) == Code::WrongState);  // its asker is told
    CHECK(view.release_for_removal("to", 999).error().code == ErrorCode::NotFound);
    const auto stats = view.stats();
    const auto found = std::find_if(
        stats.begin(), stats.end(), [](const MailboxStats& one) { return one.app == "to"; });
    REQUIRE(found != stats.end());
    CHECK(found->waiting == 1);
    CHECK(found->received == 2);
    CHECK(view.trace("to", 10, 0).entries.size() == 2);
}

TEST_CASE("what fails too often is a dead letter, until it is sent again or dropped", "[broker]") {
    FakeLink sender;
    FakeLink receiver;
    Bench bench;
    AppFacts facts = app("to");
    facts.max_attempts = 1;
    bench.parts.apps.changed({facts}, {});
    Session& from = bench.join(sender, "from");
    Session& to = bench.join(receiver, "to");
    bench.notify(from, "to", "one");
    bench.end_turn();
    CHECK(bench.written());
    bench.end_turn();
    CHECK(receiver.pushed() == Texts{"one"});
    bench.parts.delivery.release(*to.box, to);  // as when its receiver ends
    to.window = 0;
    bench.end_turn();
    OperatorView& view = bench.parts.view;
    CHECK(view.peek("to", 10, 0).empty());
    const auto dead = view.dead_letters("to", 10, 0);
    REQUIRE(dead.size() == 1);
    CHECK(dead[0].dead_ms != 0);
    CHECK(*view.release_for_removal("to", dead[0].id) == Verb::Drop);
    const auto resent = bench.say(to, Verb::Resend, {});
    bench.end_turn();
    while (bench.written()) {
        bench.end_turn();
    }
    CHECK(receiver.code_of(resent) == Code::Ok);
    CHECK(view.dead_letters("to", 10, 0).empty());
    CHECK(view.peek("to", 10, 0).at(0).dead_ms == 0);
}

TEST_CASE("who has gone is not answered, and what it held is given to another", "[broker]") {
    FakeLink sender;
    FakeLink first;
    FakeLink second;
    Bench bench;
    Session& from = bench.join(sender, "from");
    Session& one = bench.join(first, "to");
    bench.notify(from, "to", "m");
    bench.end_turn();
    CHECK(bench.written());
    bench.end_turn();
    CHECK(first.pushed() == Texts{"m"});
    bench.join(second, "to");
    bench.parts.subscribe(one, false, false);
    bench.parts.delivery.release(*one.box, one);
    bench.end_turn();
    CHECK(second.pushed() == Texts{"m"});
    bench.notify(from, "to", "last");
    const std::size_t heard = sender.messages.size();
    bench.end_turn();
    bench.parts.events.listen(from, false);
    std::erase(from.box->subscribers, &from);
    bench.parts.sessions.remove(from);
    CHECK(bench.written());
    CHECK(sender.messages.size() == heard);
}
