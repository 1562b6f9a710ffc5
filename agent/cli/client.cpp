#include "agent/cli/client.h"

#include <algorithm>
#include <cerrno>

#include "agent/cli/instance.h"
#include "shared/base/text.h"
#include "shared/home/places.h"
#include "shared/os/fd.h"
#include "shared/os/file.h"
#include "shared/os/os_error.h"
#include "shared/os/process.h"
#include "shared/os/unix_socket.h"

namespace berth::cli {

namespace {

constexpr Duration kRestartWait = std::chrono::seconds(10);
constexpr Duration kSendWait = std::chrono::seconds(5);
constexpr Duration kStoppedWait = std::chrono::seconds(1);    // one that is held still for longer
constexpr Duration kPassedOnWait = std::chrono::seconds(60);  // by the controller
constexpr Duration kLook = std::chrono::milliseconds(200);
constexpr Duration kOnTheWay = std::chrono::milliseconds(20);  // between two threads of ours

// Whether somebody listens there.
bool answers(const std::string& path) {
    const auto probe = os::connect_unix(path, os::Blocking::No);
    return probe || probe.error().os_errno == EAGAIN;  // so many wait there already
}

// A keeper or an agent lives for that home: each starts the other, so in a moment one answers.
bool home_lives(const std::string& agent_home) {
    const home::Places places = home::places_of(agent_home);
    return os::is_locked(places.lock("keeper")) || os::is_locked(places.lock("agent"));
}

// Says when waiting for an agent is of no use because it is held still.
class Patience {
public:
    explicit Patience(const std::string& agent_home) : agent_home_(agent_home) {}

    std::optional<std::string> over() {
        const MonoTime now = MonoClock::now();
        if (agent_home_.empty() || now < next_look_) {  // one of another machine is not seen
            return std::nullopt;
        }
        next_look_ = now + kLook;
        if (auto problem = os::read_file(home::places_of(agent_home_).at("agent.problem"))) {
            return "the agent at " + agent_home_ + " cannot begin: " + std::string(trim(*problem));
        }
        auto why = held_still(agent_home_);
        if (!why) {
            since_ = now;
        }
        return now - since_ >= kStoppedWait ? why : std::nullopt;
    }

private:
    const std::string& agent_home_;
    MonoTime since_ = MonoClock::now();
    MonoTime next_look_ = since_ + kLook;
};

}  // namespace

Result<std::unique_ptr<Client>> Client::connect(loop::EventLoop& loop,
                                                const std::string& agent_home) {
    const std::string path = home::places_of(agent_home).at("control.sock");
    if (!answers(path) && !home_lives(agent_home)) {
        if (auto lost = without_lock(agent_home)) {
            return fail(ErrorCode::Unavailable, std::move(*lost));
        }
        const std::string name = agent_home.substr(agent_home.rfind('/') + 1);
        return fail(ErrorCode::Unavailable,
                    "no agent runs at " + agent_home + "; start one with: " +
                        (name == "default" ? "berth up --detach"
                                           : "berth agent run --name " + name + " --detach"));
    }
    std::unique_ptr<Client> client(
        new Client(loop, agent_home, "the agent at " + agent_home, agent_service(agent_home)));
    client->dial(path);
    return client;
}

Result<std::unique_ptr<Client>> Client::connect_through(loop::EventLoop& loop,
                                                        const std::string& home,
                                                        const std::string& agent) {
    const Service controller = controller_service(home);
    const std::string path = controller_socket(home);
    const auto pid = running_pid(controller);
    if (pid && os::is_stopped(*pid)) {
        const std::string number = std::to_string(*pid);
        return fail(ErrorCode::Unavailable,
                    "the controller at " + home + " (pid " + number + ") is stopped, `kill -CONT " +
                        number + "` lets it go on");
    }
    if (!pid || !answers(path)) {
        return fail(ErrorCode::Unavailable,
                    "no controller runs at " + home + "; start one with: berth up --detach");
    }
    std::unique_ptr<Client> client(new Client(loop, "", "the controller at " + home, controller));
    client->through_ = agent;
    client->dial(path);
    return client;
}

void Client::dial(const std::string& path) {
    dealer_ = std::make_unique<zmtp::Dealer>(
        loop_, path, wire::kMaxControlFrame, [this](std::string_view frame) { received(frame); });
}

bool Client::lives() const {
    return agent_home_.empty() ? os::is_locked(service_.lock) : home_lives(agent_home_);
}

void Client::received(std::string_view frame) {
    auto answer = wire::decode_answer(frame);
    if (!answer || !answer->reply) {
        return;  // a push: the CLI subscribes to nothing
    }
    const auto found = pending_.find(answer->reply->id);
    if (found == pending_.end()) {
        return;  // its time was over
    }
    const Answered answered = std::move(found->second);
    pending_.erase(found);
    if (auto error = wire::error_of(*answer->reply)) {
        answered(fail(std::move(*error)));
    } else {
        answered(std::move(answer->reply->info));
    }
}

void Client::send(const std::string& verb,
                  wire::Value args,
                  Answered answered,
                  std::optional<Duration> timeout) {
    const std::uint64_t id = next_++;
    const bool own = through_.empty();
    std::string frame;
    if (own) {
        frame = wire::encode_request({id, verb, std::move(args)});
    } else {
        wire::Value::Map passed{{"agent", through_}, {"verb", verb}, {"args", std::move(args)}};
        const Duration patience = timeout.value_or(kPassedOnWait);
        passed.emplace_back("timeout_ms",
                            static_cast<std::uint64_t>(patience / std::chrono::milliseconds(1)));
        frame = wire::encode_request({id, "ask", std::move(passed)});
    }
    // Connecting happens behind our back; until it has, there is nobody to send to.
    const MonoTime give_up = MonoClock::now() + (lives() ? kRestartWait : kSendWait);
    Patience patience(agent_home_);
    while (!dealer_->send(frame)) {
        if (auto why = patience.over()) {
            return answered(fail(ErrorCode::Unavailable, std::move(*why)));
        }
        if (MonoClock::now() > give_up || !loop_.turn(std::chrono::milliseconds(2))) {
            return answered(fail(ErrorCode::Unavailable, who_ + " does not answer"));
        }
    }
    pending_[id] = std::move(answered);
}

Result<wire::Value> Client::ask(const std::string& verb,
                                wire::Value args,
                                Duration timeout,
                                const bool* interrupted) {
    std::optional<Result<wire::Value>> result;
    const std::uint64_t id = next_;
    lost_ = false;
    send(
        verb,
        std::move(args),
        [&result](Result<wire::Value> answer) { result = std::move(answer); },
        timeout);
    const MonoTime give_up =
        MonoClock::now() + timeout + (through_.empty() ? Duration::zero() : kOnTheWay);
    Patience patience(agent_home_);
    std::optional<std::string> why;
    // Its end is an event; one that cannot be watched is found out by `timeout`.
    const auto end = result ? std::nullopt : watch_end(service_);
    bool ended = !result && !end && !running_pid(service_);
    const auto watch =
        end ? loop_.watch(end->get(), loop::Interest::Read, [&ended](bool, bool) { ended = true; })
            : loop::Registration();
    const bool never = false;
    const bool& stop = interrupted != nullptr ? *interrupted : never;
    while (!result && !why && !ended && !stop && MonoClock::now() < give_up) {
        (void)loop_.turn(std::min<Duration>(give_up - MonoClock::now(), kLook));
        why = patience.over();
    }
    // It may have answered before it ended.
    const MonoTime arrived = MonoClock::now() + kOnTheWay;
    while (!result && ended && MonoClock::now() < arrived) {
        (void)loop_.turn(arrived - MonoClock::now());
    }
    if (!result) {
        pending_.erase(id);
        if (ended) {
            lost_ = true;
            return fail(ErrorCode::Unavailable, who_ + " ended before it answered");
        }
        return fail(ErrorCode::TimedOut, why.value_or(who_ + " has not answered in time"));
    }
    return std::move(*result);
}

}  // namespace berth::cli
