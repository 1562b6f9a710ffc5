#include "controller/fleet/agent_link.h"

#include <algorithm>
#include <utility>

#include "shared/log/log.h"
#include "shared/wire/status.h"

namespace berth::fleet {

namespace {

constexpr Duration kFirstSend = std::chrono::milliseconds(40);  // between tries to send at all
constexpr Duration kMissedTick = std::chrono::milliseconds(1600);
constexpr Duration kAskAgain = std::chrono::milliseconds(800);
constexpr Duration kClocksDiffer = std::chrono::seconds(1);  // less is the way between them
constexpr Duration kLook = std::chrono::milliseconds(400);
constexpr Duration kMaxRetry = std::chrono::seconds(2);
constexpr std::size_t kMaxPending = 4096;
constexpr std::size_t kMaxApps = 20'000;  // of one agent: what it says more of is not shown

Error away() {
    return {ErrorCode::Unavailable, "the agent does not answer", 0};
}

// Of what was sent before the answers ceased.
Error lost(const std::string& why) {
    return {ErrorCode::TimedOut, why, 0};
}

}  // namespace

AgentLink::AgentLink(loop::EventLoop& loop, Connect connect, Listener listener)
    : loop_(loop),
      connect_(std::move(connect)),
      listener_(std::move(listener)),
      since_(loop.now().wall) {
    clock_hook_ = loop_.on_clock_set([this](Duration by) {
        since_ += by;
        if (last_seen_) {
            *last_seen_ += by;
            heard_at_->store(last_seen_->time_since_epoch().count());
        }
        listener_.state_changed();
    });
}

AgentLink::~AgentLink() {
    fail_pending(lost("the agent was removed"));
}

void AgentLink::start() {
    connect();
}

void AgentLink::connect() {
    drop_transport();
    last_frame_ = loop_.now().mono;
    auto transport = connect_([this](std::string_view frame) { received(frame); });
    if (!transport) {
        set_state(LinkState::Unreachable, transport.error().message);
        return check_at(loop_.now().mono + kMaxRetry);
    }
    transport_ = std::move(*transport);
    subscribe();
    check_at(loop_.now().mono + kFirstSend);
}

void AgentLink::subscribe() {
    const std::uint64_t id = next_request_++;
    if (transport_->send(wire::encode_request({id, "subscribe", wire::Value::Map{}}))) {
        subscriptions_.insert(id);
        subscribed_at_ = loop_.now().mono;
    }
}

void AgentLink::check_at(MonoTime when) {
    check_ = loop_.at(when, [this] { check(); });
}

// The link's only timer. It alone replaces the transport, so that none is destroyed by a frame of
// its own.
void AgentLink::check() {
    const MonoTime now = loop_.now().mono;
    if (!transport_) {
        return connect();
    }
    if (now >= last_frame_ + kSilence) {
        if (state_ != LinkState::Refused || transport_->is_refused()) {
            const std::string problem = transport_->problem();
            const std::string silence =
                info_ ? "the agent has stopped answering" : "the agent does not answer";
            set_state(transport_->is_refused() ? LinkState::Refused : LinkState::Unreachable,
                      problem.empty() ? silence : problem);
        }
        if (!heard_ && now < last_frame_ + kTry && !transport_->is_refused()) {
            return say_subscribe(now);
        }
        drop_transport();
        fail_pending(lost("the agent has stopped answering"));
        const Duration wait =
            std::min<Duration>(kMaxRetry, (1U << std::min(tries_, 4U)) * kAskAgain / 4);
        ++tries_;
        return check_at(now + wait);
    }
    if (subscriptions_.empty() && state_ != LinkState::Connected) {
        return say_subscribe(now);
    }
    // A tick is missing: the agent hangs, or was replaced by one that does not know us. Answers do
    // not count: the new one gives those too.
    if (now >= last_push_ + kMissedTick && now >= subscribed_at_ + kAskAgain) {
        subscribe();
    }
    check_at(std::min(now + kLook, last_frame_ + kSilence));
}

// The first one of a transport, as soon as that is connected.
void AgentLink::say_subscribe(MonoTime now) {
    if (subscriptions_.empty()) {
        subscribe();
    }
    const bool soon = subscriptions_.empty() && now < last_frame_ + kSilence;
    check_at(now + (soon ? kFirstSend : kLook));
}

void AgentLink::drop_transport() {
    transport_.reset();
    subscriptions_.clear();
    connection_.clear();
    heard_ = false;
}

void AgentLink::received(std::string_view frame) {
    const auto answer = wire::decode_answer(frame);
    last_frame_ = loop_.now().mono;
    heard_ = true;
    last_seen_ = loop_.now().wall;
    heard_at_->store(last_seen_->time_since_epoch().count());
    if (!answer) {
        return set_state(LinkState::Refused, answer.error().message);
    }
    if (answer->reply) {
        return on_reply(*answer->reply);
    }
    last_push_ = last_frame_;
    // While a subscribe is under way its snapshot is what counts.
    if (!subscriptions_.empty() || state_ != LinkState::Connected) {
        return;
    }
    if (answer->push->kind == "delta") {
        on_delta(answer->push->info);
    } else if (answer->push->kind == "tick") {
        on_tick(answer->push->info);
    }
}

void AgentLink::on_tick(const wire::Value& info) {
    if (!info["time"].is_nil()) {
        clock_ahead_ = wire::to_wall_time(info["time"]) - loop_.now().wall;
    }
    if (info["seq"].as_uint() != sequence_) {
        return subscribe();
    }
    const std::string problem = info["problem"].as_string();
    auto complaints = info["complaints"].as_strings();
    if (info_ && (info_->problem != problem || info_->complaints != complaints)) {
        info_->problem = problem;
        info_->complaints = std::move(complaints);
        listener_.state_changed();
    }
}

void AgentLink::on_reply(const wire::Reply& reply) {
    // Any that was asked for tells more than what has come before it; over a long way the next one
    // is asked for before the first is here.
    if (const auto asked = subscriptions_.find(reply.id); asked != subscriptions_.end()) {
        subscriptions_.erase(subscriptions_.begin(), std::next(asked));
        note_connection(reply);
        return on_subscribed(reply);
    }
    const auto found = pending_.find(reply.id);
    if (found == pending_.end()) {
        return;  // it came after its deadline
    }
    const Pending pending = std::move(found->second);
    pending_.erase(found);
    if (auto error = wire::error_of(reply)) {
        pending.answer(fail(std::move(*error)));
    } else {
        pending.answer(reply.info);
    }
}

void AgentLink::on_subscribed(const wire::Reply& reply) {
    if (const auto error = wire::error_of(reply)) {
        const bool refused =
            error->code == ErrorCode::PermissionDenied || error->code == ErrorCode::Unauthenticated;
        return set_state(refused ? LinkState::Refused : LinkState::Unreachable, error->message);
    }
    take_snapshot(reply.info);
}

// A transport connects anew by itself, and what it had sent before may be lost: nobody answers it.
void AgentLink::note_connection(const wire::Reply& reply) {
    const std::string before = std::exchange(connection_, reply.info["connection"].as_string());
    if (before.empty() || before == connection_) {
        return;
    }
    std::map<std::uint64_t, Pending> lost_ones;
    while (!pending_.empty() && pending_.begin()->first < reply.id) {
        lost_ones.insert(pending_.extract(pending_.begin()));
    }
    for (const auto& [id, one] : lost_ones) {
        one.answer(fail(lost("the connection to the agent was interrupted")));
    }
}

void AgentLink::take_snapshot(const wire::Value& info) {
    AgentInfo agent = wire::to_agent_info(info["agent"]);
    if (info_ && (info_->pid != agent.pid || info_->started != agent.started)) {
        fail_pending(lost("the agent was started again meanwhile"));
    }
    const bool news = state_ != LinkState::Connected || info_ != agent;
    info_ = std::move(agent);
    sequence_ = info["seq"].as_uint();
    last_push_ = last_frame_;
    tries_ = 0;
    std::set<std::string> changed;
    std::map<std::string, AppStatus> before;
    before.swap(apps_);
    for (const wire::Value& app : info["apps"].as_array()) {
        update(app, changed);
    }
    for (const auto& [id, status] : before) {
        const auto now = apps_.find(id);
        if (now == apps_.end()) {
            changed.insert(id);
        } else if (now->second == status && state_ == LinkState::Connected) {
            changed.erase(id);
        }
    }
    if (news) {
        set_state(LinkState::Connected, "");
        listener_.state_changed();
    }
    if (!changed.empty()) {
        listener_.apps_changed(changed);
    }
}

void AgentLink::on_delta(const wire::Value& info) {
    const std::uint64_t sequence = info["seq"].as_uint();
    if (sequence <= sequence_) {
        return;  // a repetition
    }
    if (sequence != sequence_ + 1) {
        return subscribe();
    }
    sequence_ = sequence;
    std::set<std::string> changed;
    for (const wire::Value& app : info["apps"].as_array()) {
        update(app, changed);
    }
    for (const std::string& id : info["removed"].as_strings()) {
        if (apps_.erase(id) != 0) {
            changed.insert(id);
        }
    }
    if (!changed.empty()) {
        listener_.apps_changed(changed);
    }
}

void AgentLink::update(const wire::Value& app, std::set<std::string>& changed) {
    auto status = wire::to_app_status(app);
    if (!status) {
        log::warning("an agent reports an app that is not understood",
                     {{"agent", info_ ? info_->name : ""}, {"error", status.error().message}});
        return;
    }
    if (apps_.size() >= kMaxApps && apps_.count(status->id) == 0) {
        log::warning("an agent has more apps than are shown",
                     {{"agent", info_ ? info_->name : ""}, {"shown", std::to_string(kMaxApps)}});
        return;
    }
    changed.insert(status->id);
    std::string id = status->id;
    apps_.insert_or_assign(std::move(id), std::move(*status));
}

void AgentLink::set_state(LinkState state, std::string error) {
    const bool news = std::exchange(error_, std::move(error)) != error_;
    if (state_ == state) {
        if (news && state != LinkState::Connected) {
            listener_.state_changed();  // another reason
        }
        return;
    }
    state_ = state;
    since_ = loop_.now().wall;
    if (state != LinkState::Connected) {
        fail_pending(lost(error_));
    }
    listener_.state_changed();
}

void AgentLink::request(const std::string& verb,
                        wire::Value args,
                        Duration deadline,
                        Answer answer) {
    if (state_ != LinkState::Connected || !transport_) {
        return answer(fail(away()));
    }
    if (pending_.size() >= kMaxPending) {
        return answer(fail(ErrorCode::Exhausted, "too many requests to this agent are under way"));
    }
    const std::uint64_t id = next_request_++;
    if (!transport_->send(wire::encode_request({id, verb, by_its_clock(std::move(args))}))) {
        return answer(fail(away()));
    }
    Pending pending;
    pending.answer = std::move(answer);
    pending.timeout = loop_.after(deadline, [this, id] {
        const auto found = pending_.find(id);
        if (found != pending_.end()) {
            const Pending late = std::move(found->second);
            pending_.erase(found);
            late.answer(fail(lost("the agent did not answer in time")));
        }
    });
    pending_.emplace(id, std::move(pending));
}

// The agent compares the deadline of a command with a clock of its own, on a machine of its own.
wire::Value AgentLink::by_its_clock(wire::Value args) const {
    if (std::chrono::abs(clock_ahead_) < kClocksDiffer || args["deadline_ns"].is_nil()) {
        return args;
    }
    wire::Value::Map translated = args.as_map();
    for (auto& [name, value] : translated) {
        if (name == "deadline_ns") {
            value = value.as_int() + std::int64_t{clock_ahead_.count()};
        }
    }
    return translated;
}

void AgentLink::fail_pending(const Error& error) {
    std::map<std::uint64_t, Pending> pending;
    pending.swap(pending_);
    for (const auto& [id, one] : pending) {
        one.answer(fail(error));
    }
}

}  // namespace berth::fleet
