// The roles of the relay's bench; run.py starts and joins them. Each prints one line of JSON.
//
//   relay_bench broker ENDPOINT                             the bare ROUTER, to compare with
//   relay_bench send     VIA ENDPOINT APP SECRET TO COUNT SIZE FRAMES DURABLE
//   relay_bench receive  VIA ENDPOINT APP SECRET COUNT      prints "ready" first
//   relay_bench single   VIA ENDPOINT APP SECRET TO COUNT SIZE DURABLE   one notify at a time
//   relay_bench echo     VIA ENDPOINT APP SECRET            sends each message back; prints "ready"
//   relay_bench trip     VIA ENDPOINT APP SECRET TO COUNT SIZE DURABLE   there and back
//
// VIA is "berth", "bare", "redis" or "nats". A bare message is [to][payload]; the broker hands
// [from][payload] on and answers the sender with [""], as the relay answers each notify.

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <memory>
#include <string>
#include <unordered_map>
#include <vector>

#include <zmq.hpp>

#include "agent/sdk/cpp/berth/ipc.hpp"
#include "tests/bench/relay/peers.h"
#include "tests/bench/relay/way.h"

namespace {

using berth::bench::Spec;
using berth::bench::Way;
using Clock = std::chrono::steady_clock;
constexpr std::size_t kWindow = 1000;

double now_us() {
    return std::chrono::duration<double, std::micro>(Clock::now().time_since_epoch()).count();
}

class BerthWay : public Way {
public:
    BerthWay(const Spec& spec, bool subscribe)
        : spec_(spec),
          client_({spec.app, spec.secret, spec.endpoint, subscribe, std::chrono::seconds(60)}) {
        options_.durable = spec.durable;
        if (spec.durable) {
            options_.dedupe.clear();
        }
        client_.ping();
    }

    void send(const std::string& payload) override {
        const std::vector<std::string_view> frames(spec_.frames, payload);
        asked_.push_back(client_.submit_notify(spec_.to, frames, options_));
    }

    void drain(std::size_t unanswered) override {
        while (asked_.size() > unanswered) {
            (void)client_.wait(asked_.front());
            asked_.pop_front();
        }
    }

    std::string receive() override {
        auto message = client_.next_message(std::chrono::seconds(60));
        from_ = message->from;
        done_.push_back(message->id);
        if (done_.size() >= 100) {
            (void)client_.submit_ack(done_);
            done_.clear();
        }
        return std::move(message->payload);
    }

    std::size_t receive_many() override {
        const auto messages = client_.poll(std::chrono::seconds(60), 1000, done_);
        done_.clear();
        for (const auto& message : messages) {
            done_.push_back(message.id);
        }
        return messages.size();
    }

    void reply(const std::string& payload) override {
        asked_.push_back(client_.submit_notify(from_, {payload}, options_));
        client_.flush();
    }

private:
    Spec spec_;
    berth::ipc::Client client_;
    berth::ipc::NotifyOptions options_;
    std::deque<std::uint64_t> asked_;
    std::vector<std::uint64_t> done_;
    std::string from_;
};

class BareWay : public Way {
public:
    explicit BareWay(const Spec& spec) : spec_(spec), socket_(context_, zmq::socket_type::dealer) {
        socket_.set(zmq::sockopt::linger, 0);
        socket_.set(zmq::sockopt::sndhwm, 0);
        socket_.set(zmq::sockopt::rcvhwm, 0);
        socket_.set(zmq::sockopt::routing_id, spec.app);
        socket_.connect(spec.endpoint);
        put("", spec.app);  // a greeting, that the broker answers
        zmq::message_t answer;
        (void)socket_.recv(answer);
    }

    void send(const std::string& payload) override {
        put(spec_.to, payload);
        ++unanswered_;
    }

    void drain(std::size_t unanswered) override {
        zmq::message_t part;
        while (unanswered_ > unanswered) {
            (void)socket_.recv(part);
            --unanswered_;
        }
    }

    std::string receive() override {
        zmq::message_t part;
        for (;;) {
            (void)socket_.recv(part);
            if (!part.more()) {
                --unanswered_;
                continue;
            }
            from_ = part.to_string();
            (void)socket_.recv(part);
            return part.to_string();
        }
    }

    std::size_t receive_many() override {
        (void)receive();
        return 1;
    }

    void reply(const std::string& payload) override {
        put(from_, payload);
        ++unanswered_;
    }

private:
    void put(const std::string& to, const std::string& payload) {
        (void)socket_.send(zmq::buffer(to), zmq::send_flags::sndmore);
        (void)socket_.send(zmq::buffer(payload), zmq::send_flags::none);
    }

    Spec spec_;
    zmq::context_t context_{1};
    zmq::socket_t socket_;
    std::size_t unanswered_ = 0;
    std::string from_;
};

std::unique_ptr<Way> way_of(const Spec& spec, bool subscribe) {
    if (spec.via == "bare") {
        return std::make_unique<BareWay>(spec);
    }
    if (spec.via == "redis") {
        return berth::bench::redis_way(spec);
    }
    if (spec.via == "nats") {
        return berth::bench::nats_way(spec);
    }
    return std::make_unique<BerthWay>(spec, subscribe);
}

void print_times(std::vector<double>& times) {
    std::sort(times.begin(), times.end());
    (void)std::printf("{\"p50_us\": %.1f, \"p99_us\": %.1f}\n",
                      times[times.size() / 2],
                      times[times.size() * 99 / 100]);
}

void say_ready() {
    (void)std::puts("ready");
    (void)std::fflush(stdout);
}

int run_broker(const std::string& endpoint) {
    zmq::context_t context(1);
    zmq::socket_t socket(context, zmq::socket_type::router);
    socket.set(zmq::sockopt::sndhwm, 0);
    socket.set(zmq::sockopt::rcvhwm, 0);
    socket.bind(endpoint);
    say_ready();
    zmq::message_t from;
    zmq::message_t to;
    zmq::message_t payload;
    for (;;) {
        (void)socket.recv(from);
        (void)socket.recv(to);
        (void)socket.recv(payload);
        if (to.size() != 0) {
            (void)socket.send(to, zmq::send_flags::sndmore);
            (void)socket.send(zmq::buffer(from.data(), from.size()), zmq::send_flags::sndmore);
            (void)socket.send(payload, zmq::send_flags::none);
        }
        (void)socket.send(from, zmq::send_flags::sndmore);
        (void)socket.send(zmq::message_t(), zmq::send_flags::none);
    }
}

void run_send(const Spec& spec) {
    const auto way = way_of(spec, false);
    const std::string payload(spec.size, 'x');
    const double began = now_us();
    for (std::size_t i = 0; i < spec.count; i += spec.frames) {
        way->send(payload);
        way->drain(std::max<std::size_t>(kWindow / spec.frames, 4));
    }
    way->drain(0);
    (void)std::printf("{\"began_us\": %.1f, \"ended_us\": %.1f}\n", began, now_us());
}

void run_receive(const Spec& spec) {
    const auto way = way_of(spec, false);
    say_ready();
    for (std::size_t got = 0; got < spec.count;) {
        got += way->receive_many();
    }
    (void)std::printf("{\"ended_us\": %.1f}\n", now_us());
}

void run_single(const Spec& spec) {
    const auto way = way_of(spec, false);
    const std::string payload(spec.size, 'x');
    std::vector<double> times;
    for (std::size_t i = 0; i < spec.count; ++i) {
        const double began = now_us();
        way->send(payload);
        way->drain(0);
        times.push_back(now_us() - began);
    }
    print_times(times);
}

void run_echo(const Spec& spec) {
    const auto way = way_of(spec, true);
    say_ready();
    for (;;) {
        way->reply(way->receive());
        if (spec.via == "berth") {
            way->drain(100);
        }
    }
}

void run_trip(const Spec& spec) {
    const auto way = way_of(spec, true);
    const std::string payload(spec.size, 'x');
    std::vector<double> times;
    for (std::size_t i = 0; i < spec.count; ++i) {
        const double began = now_us();
        way->send(payload);
        if (spec.via == "berth") {
            way->drain(0);
        }
        (void)way->receive();
        times.push_back(now_us() - began);
    }
    print_times(times);
}

}  // namespace

int main(int argc, char** argv) {
    const std::vector<std::string> words(argv + 1, argv + argc);
    const auto word = [&words](std::size_t i) {
        return i < words.size() ? words[i] : std::string();
    };
    const auto number = [&word](std::size_t i) {
        return static_cast<std::size_t>(std::strtoull(word(i).c_str(), nullptr, 10));
    };
    if (word(0) == "broker") {
        return run_broker(word(1));
    }
    Spec spec{word(1), word(2), word(3), word(4), word(5), number(6), number(7), 1, false};
    if (word(0) == "send") {
        spec.frames = number(8);
        spec.durable = word(9) == "1";
        run_send(spec);
    } else if (word(0) == "receive") {
        spec.count = number(5);
        spec.to.clear();
        run_receive(spec);
    } else if (word(0) == "single" || word(0) == "trip") {
        spec.durable = word(8) == "1";
        word(0) == "single" ? run_single(spec) : run_trip(spec);
    } else if (word(0) == "echo") {
        run_echo(spec);
    } else {
        return 2;
    }
    return 0;
}
