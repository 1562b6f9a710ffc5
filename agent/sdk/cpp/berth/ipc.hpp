// Messages between the apps of a Berth agent, for C++17. This header and POSIX are all it needs.
//
//     #include <berth/ipc.hpp>
//     int main() {
//         berth::ipc::Client ipc;  // who we are and where the relay is: from the environment
//         ipc.notify("printer", berth::ipc::pack("a.pdf"));
//         for (const auto& message : ipc.poll(std::chrono::seconds(10))) {
//             std::cout << message.from << ": " << berth::ipc::text(message.payload) << '\n';
//             ipc.ack({message.id});
//         }
//     }
//
// Payloads are msgpack bytes; pack() and text() do for plain values, any msgpack library for
// others. A Client is for one thread at a time. It connects at its first call, and again after the
// agent was away; what may be said twice is then said again. Every call ends within its timeout.
#pragma once

#include <fcntl.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <cerrno>
#include <chrono>
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <deque>
#include <fstream>
#include <map>
#include <optional>
#include <random>
#include <stdexcept>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace berth::ipc {

using Duration = std::chrono::nanoseconds;

// The relay has refused (403 not allowed, 404 unknown, 429 full, …), could not be reached (503), or
// did not answer in time (504).
class Error : public std::runtime_error {
public:
    Error(int code, const std::string& text)
        : std::runtime_error(std::to_string(code) + ": " + text), code_(code) {}

    [[nodiscard]] int code() const { return code_; }

private:
    int code_;
};

struct Message {
    std::uint64_t id = 0;
    std::string from;
    std::uint64_t time_ms = 0;      // Unix time
    std::uint64_t attempt = 0;      // 1: given out for the first time
    std::uint64_t correlation = 0;  // of a request, for respond(); else 0
    std::string payload;
};

struct Event {
    std::string type;
    std::string from;
    std::uint64_t seq = 0;  // counts up by one, per agent
    std::string payload;    // empty: none
    std::string agent;      // where it was raised
};

struct Sent {
    std::vector<std::uint64_t> ids;
    bool known = false;  // whether there is such an app
    bool told = true;    // false: the other agent has not said yet whether it is known
    std::string agent;   // to an app of another agent: "connected", "away" or "unknown"
};

struct NotifyOptions {
    bool durable = true;  // false: in memory alone, faster
    std::uint64_t ttl_ms = 0;
    std::string dedupe;  // a repeated notify with this key is known as the same; durable ones have
                         // one of their own when it is empty
};

namespace detail {

// --- msgpack, as much as headers need

inline void put_number(std::string& out, unsigned type, std::uint64_t value, int size) {
    out += static_cast<char>(type);
    for (int shift = 8 * (size - 1); shift >= 0; shift -= 8) {
        out += static_cast<char>(value >> shift & 0xFFU);
    }
}

inline void put_whole(std::string& out, std::uint64_t value) {
    if (value < 0x80) {
        out += static_cast<char>(value);
    } else if (value <= 0xFF) {
        put_number(out, 0xCC, value, 1);
    } else if (value <= 0xFFFF) {
        put_number(out, 0xCD, value, 2);
    } else if (value <= 0xFFFFFFFF) {
        put_number(out, 0xCE, value, 4);
    } else {
        put_number(out, 0xCF, value, 8);
    }
}

inline void put_text(std::string& out, std::string_view text) {
    if (text.size() < 32) {
        out += static_cast<char>(0xA0U | text.size());
    } else if (text.size() <= 0xFF) {
        put_number(out, 0xD9, text.size(), 1);
    } else if (text.size() <= 0xFFFF) {
        put_number(out, 0xDA, text.size(), 2);
    } else {
        put_number(out, 0xDB, text.size(), 4);
    }
    out += text;
}

inline void put_array(std::string& out, std::size_t count) {
    if (count < 16) {
        out += static_cast<char>(0x90U | count);
    } else {
        put_number(out, 0xDD, count, 4);
    }
}

inline void put_flag(std::string& out, bool value) {
    out += value ? '\xC3' : '\xC2';
}

// Reads a value at a time. The relay is believed in what it says, not in lengths.
class Reader {
public:
    explicit Reader(std::string_view bytes) : bytes_(bytes) {}

    enum class Kind { Nil, Flag, Whole, Negative, Float, Text, Array, Map };

    struct Value {
        Kind kind = Kind::Nil;
        std::uint64_t number = 0;  // value, or count
        std::string_view text;
    };

    Value next() {
        const unsigned type = byte();
        if (type < 0x80) {
            return {Kind::Whole, type, {}};
        }
        if (type < 0x90) {
            return {Kind::Map, type & 15U, {}};
        }
        if (type < 0xA0) {
            return {Kind::Array, type & 15U, {}};
        }
        if (type < 0xC0) {
            return sized(type & 31U);
        }
        if (type >= 0xE0) {
            return {Kind::Negative, 256U - type, {}};
        }
        switch (type) {
            case 0xC0:
                return {};
            case 0xC2:
            case 0xC3:
                return {Kind::Flag, type & 1U, {}};
            case 0xC4:
            case 0xD9:
                return sized(number(1));
            case 0xC5:
            case 0xDA:
                return sized(number(2));
            case 0xC6:
            case 0xDB:
                return sized(number(4));
            case 0xCA:
                return {Kind::Float, number(4), {}};
            case 0xCB:
                return {Kind::Float, number(8), {}};
            case 0xCC:
            case 0xCD:
            case 0xCE:
            case 0xCF:
                return {Kind::Whole, number(1 << (type - 0xCC)), {}};
            case 0xD0:
            case 0xD1:
            case 0xD2:
            case 0xD3:
                return {Kind::Negative, number(1 << (type - 0xD0)), {}};
            case 0xDC:
                return {Kind::Array, number(2), {}};
            case 0xDD:
                return {Kind::Array, number(4), {}};
            case 0xDE:
                return {Kind::Map, number(2), {}};
            case 0xDF:
                return {Kind::Map, number(4), {}};
            default:
                throw Error(400, "the relay sent what is not understood");
        }
    }

    void skip() { skip(next()); }

    void skip(const Value& value) {
        const std::uint64_t below = value.kind == Kind::Array ? value.number
                                    : value.kind == Kind::Map ? 2 * value.number
                                                              : 0;
        for (std::uint64_t i = 0; i < below; ++i) {
            skip();
        }
    }

    [[nodiscard]] std::string_view rest() const { return bytes_.substr(at_); }

    [[nodiscard]] std::size_t at() const { return at_; }

private:
    unsigned byte() {
        if (at_ == bytes_.size()) {
            throw Error(400, "the relay sent something cut short");
        }
        return static_cast<unsigned char>(bytes_[at_++]);
    }

    std::uint64_t number(int size) {
        std::uint64_t value = 0;
        for (int i = 0; i < size; ++i) {
            value = value << 8U | byte();
        }
        return value;
    }

    Value sized(std::uint64_t size) {
        if (bytes_.size() - at_ < size) {
            throw Error(400, "the relay sent something cut short");
        }
        const std::string_view text = bytes_.substr(at_, size);
        at_ += size;
        return {Kind::Text, size, text};
    }

    std::string_view bytes_;
    std::size_t at_ = 0;
};

// Calls use(key, reader) for each entry of the map that comes next; use takes the value.
template <class Use>
void for_each_entry(Reader& reader, Use use) {
    const Reader::Value map = reader.next();
    if (map.kind != Reader::Kind::Map) {
        throw Error(400, "the relay sent no map");
    }
    for (std::uint64_t i = 0; i < map.number; ++i) {
        const std::string_view key = reader.next().text;
        use(key, reader);
    }
}

inline void put_frame(std::string& out, std::string_view body, bool more) {
    if (body.size() < 256) {
        out += static_cast<char>(more ? 1 : 0);
        out += static_cast<char>(body.size());
    } else {
        put_number(out, more ? 3 : 2, body.size(), 8);
    }
    out += body;
}

}  // namespace detail

// msgpack bytes of plain values.
inline std::string pack(std::string_view text) {
    std::string out;
    detail::put_text(out, text);
    return out;
}

inline std::string pack(const char* text) {
    return pack(std::string_view(text));
}

inline std::string pack(std::int64_t value) {
    std::string out;
    if (value >= 0) {
        detail::put_whole(out, static_cast<std::uint64_t>(value));
    } else {
        detail::put_number(out, 0xD3, static_cast<std::uint64_t>(value), 8);
    }
    return out;
}

inline std::string pack(double value) {
    std::uint64_t bits = 0;
    std::memcpy(&bits, &value, sizeof bits);
    std::string out;
    detail::put_number(out, 0xCB, bits, 8);
    return out;
}

// The text that a payload is; "" when it is none.
inline std::string text(std::string_view payload) {
    return std::string(detail::Reader(payload).next().text);
}

class Client {
public:
    struct Options {
        std::string app;         // $BERTH_APP
        std::string secret;      // what is in $BERTH_IPC_SECRET_FILE
        std::string endpoint;    // $BERTH_IPC, ipc://PATH
        bool subscribe = false;  // messages and events are pushed, see next_message()
        Duration timeout = std::chrono::seconds(30);
        std::vector<std::string> agents = {};  // whose events too; "*": those of all other agents
    };

    // An answer of the relay: its map, still packed, and payload frames.
    struct Answer {
        int code = 0;
        std::string info;
        std::vector<std::string> payload;
    };

    Client() : Client(Options()) {}

    explicit Client(Options options) : options_(std::move(options)) {
        const auto from_environment = [](std::string& value, const char* name) {
            const char* const found = std::getenv(name);
            if (value.empty() && found != nullptr) {
                value = found;
            }
        };
        from_environment(options_.app, "BERTH_APP");
        from_environment(options_.endpoint, "BERTH_IPC");
        if (options_.secret.empty()) {
            std::string file;
            from_environment(file, "BERTH_IPC_SECRET_FILE");
            std::ifstream(file) >> options_.secret;
        }
        if (options_.app.empty() || options_.secret.empty() ||
            options_.endpoint.rfind("ipc://", 0) != 0) {
            throw Error(400,
                        "not started by Berth: give app, secret and endpoint (ipc://PATH), see "
                        "`berth token app ID`");
        }
        std::random_device random;
        nonce_ = std::to_string(random()) + std::to_string(random()) + "-";
    }

    ~Client() { disconnect(); }

    Client(const Client&) = delete;
    Client& operator=(const Client&) = delete;

    // Its socket, to wait with poll() until there is something to take; -1 while it is not
    // connected. Another one after a reconnection.
    [[nodiscard]] int fd() const { return fd_; }

    // How long a call may take that does not say otherwise.
    void set_timeout(Duration timeout) { options_.timeout = timeout; }

    // --- messages

    // Stored when it returns.
    Sent notify(std::string_view to, std::string_view payload, const NotifyOptions& options = {}) {
        return sent(wait(submit_notify(to, {payload}, options)));
    }

    Sent notify(std::string_view to,
                const std::vector<std::string_view>& payloads,
                const NotifyOptions& options = {}) {
        return sent(wait(submit_notify(to, payloads, options)));
    }

    // The same without waiting: wait() for the number that it gives. For throughput; what is not
    // sent yet goes out with flush() or the next wait.
    std::uint64_t submit_notify(std::string_view to,
                                const std::vector<std::string_view>& payloads,
                                const NotifyOptions& options = {}) {
        const bool keyed = options.durable || !options.dedupe.empty();
        std::string args;
        put_args(
            args,
            1U + (options.durable ? 0U : 1U) + (options.ttl_ms != 0 ? 1U : 0U) + (keyed ? 1U : 0U));
        put_entry(args, "to", to);
        if (!options.durable) {
            detail::put_text(args, "durable");
            detail::put_flag(args, false);
        }
        if (options.ttl_ms != 0) {
            put_entry(args, "ttl_ms", options.ttl_ms);
        }
        if (keyed) {
            put_entry(
                args,
                "dedupe",
                options.dedupe.empty() ? nonce_ + std::to_string(next_key_++) : options.dedupe);
        }
        return submit("notify", args, payloads, keyed);
    }

    // The waiting messages, oldest first; waits for the first one. They come again until ack().
    // `done`: ids to acknowledge on the way.
    std::vector<Message> poll(Duration wait_for = {},
                              std::size_t max = 1000,
                              const std::vector<std::uint64_t>& done = {}) {
        return messages(wait(submit_poll(wait_for, max, done), options_.timeout + wait_for));
    }

    std::uint64_t submit_poll(Duration wait_for,
                              std::size_t max,
                              const std::vector<std::uint64_t>& done) {
        std::string args;
        put_args(args, done.empty() ? 2 : 3);
        put_entry(args, "max", max);
        put_entry(
            args, "wait_ms", static_cast<std::uint64_t>(wait_for / std::chrono::milliseconds(1)));
        if (!done.empty()) {
            put_ids(args, "ack", done);
        }
        return submit("poll", args, {}, true);
    }

    void ack(const std::vector<std::uint64_t>& ids) { wait(submit_ack(ids)); }

    std::uint64_t submit_ack(const std::vector<std::uint64_t>& ids) {
        std::string args;
        put_args(args, 1);
        put_ids(args, "ids", ids);
        return submit("ack", args, {}, true);
    }

    // Throws away what waits; gives how many messages those were.
    std::uint64_t clear() {
        return number_in(wait(submit("clear", no_args(), {}, true)), "removed");
    }

    // Asks an app and gives its answer.
    std::string request(std::string_view to, std::string_view payload, Duration timeout) {
        std::string args;
        put_args(args, 2);
        put_entry(args, "to", to);
        put_entry(
            args, "timeout_ms", static_cast<std::uint64_t>(timeout / std::chrono::milliseconds(1)));
        Answer answer =
            wait(submit("request", args, {payload}, false), timeout + std::chrono::seconds(1));
        return answer.payload.empty() ? std::string() : std::move(answer.payload[0]);
    }

    // Answers a Message that is a request.
    void respond(const Message& message, std::string_view payload) {
        std::string args;
        put_args(args, 2);
        put_entry(args, "to", message.from);
        put_entry(args, "correlation", message.correlation);
        wait(submit("respond", args, {payload}, false));
    }

    // Tells every other app that has subscribed. Gives the event's number.
    std::uint64_t raise(std::string_view type, std::string_view payload = {}) {
        std::string args;
        put_args(args, 1);
        put_entry(args, "type", type);
        std::vector<std::string_view> payloads;
        if (!payload.empty()) {
            payloads.push_back(payload);
        }
        return number_in(wait(submit("raise", args, payloads, false)), "seq");
    }

    // The next message that is pushed; nothing when there is none in time. Needs `subscribe`.
    std::optional<Message> next_message(Duration timeout) { return next_of(messages_, timeout); }

    std::optional<Event> next_event(Duration timeout) { return next_of(events_, timeout); }

    // --- apps. Error 404: there is none such, 403: not allowed, 409: not in its state.

    std::string start(std::string_view app) { return state_after("start", app); }

    std::string stop(std::string_view app) { return state_after("stop", app); }

    std::string restart(std::string_view app) { return state_after("restart", app); }

    bool is_running(std::string_view app) { return flag_of("is_running", app, "running"); }

    bool is_available(std::string_view app) { return flag_of("is_available", app, "found"); }

    // --- the relay

    void ping() { wait(submit("ping", no_args(), {}, true)); }

    std::string version() {
        return text_in(wait(submit("version", no_args(), {}, true)), "version");
    }

    // The config variables, a msgpack map.
    std::string config() {
        const Answer answer = wait(submit("config", no_args(), {}, true));
        detail::Reader reader(answer.info);
        std::string variables;
        detail::for_each_entry(reader, [&](std::string_view, detail::Reader& value) {
            const std::size_t begin = value.at();
            value.skip();
            variables = answer.info.substr(begin, value.at() - begin);
        });
        return variables;
    }

    // The answer to what was submitted. Error: its code is not 0, or it did not come in time.
    Answer wait(std::uint64_t number) { return wait(number, options_.timeout); }

    Answer wait(std::uint64_t number, Duration timeout) {
        const auto deadline = Clock::now() + timeout;
        while (answers_.count(number) == 0) {
            if (!receive(deadline)) {
                pending_.erase(number);
                throw Error(504, "no answer in time");
            }
        }
        Answer answer = std::move(answers_.at(number));
        answers_.erase(number);
        if (answer.code != 0) {
            throw Error(answer.code, text_in(answer, "error"));
        }
        return answer;
    }

    // Sends what was submitted.
    void flush() { flush_until(Clock::now() + options_.timeout); }

    // How many answers are still to come.
    [[nodiscard]] std::size_t unanswered() const { return pending_.size(); }

    // Reads "messages" of a poll's answer.
    static std::vector<Message> messages(Answer answer) {
        std::vector<Message> found;
        detail::Reader reader(answer.info);
        detail::for_each_entry(reader, [&](std::string_view key, detail::Reader& value) {
            const detail::Reader::Value list = value.next();
            if (key != "messages") {
                value.skip(list);
                return;
            }
            for (std::uint64_t i = 0; i < list.number && i < answer.payload.size(); ++i) {
                found.push_back(read_message(value, std::move(answer.payload[i])));
            }
        });
        return found;
    }

    static Sent sent(const Answer& answer) {
        Sent result;
        detail::Reader reader(answer.info);
        detail::for_each_entry(reader, [&](std::string_view key, detail::Reader& value) {
            const detail::Reader::Value first = value.next();
            if (key == "ids") {
                for (std::uint64_t i = 0; i < first.number; ++i) {
                    result.ids.push_back(value.next().number);
                }
            } else if (key == "known") {
                result.known = first.number != 0;
                result.told = first.kind != detail::Reader::Kind::Nil;
            } else if (key == "agent") {
                result.agent = first.text;
            } else {
                value.skip(first);
            }
        });
        return result;
    }

private:
    using Clock = std::chrono::steady_clock;

    struct Pending {
        std::string bytes;  // to be sent again after a reconnection; empty: that is not harmless
    };

    static constexpr std::size_t kSendAt = 64U << 10U;
    static constexpr std::uint64_t kHello = 1ULL << 62U;

    static std::string no_args() { return "\x80"; }

    static void put_args(std::string& out, unsigned count) {
        out += static_cast<char>(0x80U | count);
    }

    static void put_entry(std::string& out, std::string_view key, std::string_view value) {
        detail::put_text(out, key);
        detail::put_text(out, value);
    }

    static void put_entry(std::string& out, std::string_view key, std::uint64_t value) {
        detail::put_text(out, key);
        detail::put_whole(out, value);
    }

    static void put_ids(std::string& out,
                        std::string_view key,
                        const std::vector<std::uint64_t>& ids) {
        detail::put_text(out, key);
        detail::put_array(out, ids.size());
        for (const std::uint64_t id : ids) {
            detail::put_whole(out, id);
        }
    }

    static std::string header(std::uint64_t number, std::string_view verb, std::string_view args) {
        std::string out = "\x94\x01";
        detail::put_whole(out, number);
        detail::put_text(out, verb);
        out += args;
        return out;
    }

    std::uint64_t submit(std::string_view verb,
                         std::string_view args,
                         const std::vector<std::string_view>& payloads,
                         bool again) {
        const std::uint64_t number = next_number_++;
        if (fd_ < 0) {
            connect(Clock::now() + options_.timeout);
        }
        const std::size_t begin = out_.size();
        detail::put_frame(out_, header(number, verb, args), !payloads.empty());
        for (std::size_t i = 0; i < payloads.size(); ++i) {
            detail::put_frame(out_, payloads[i], i + 1 < payloads.size());
        }
        pending_[number].bytes = again ? out_.substr(begin) : std::string();
        if (out_.size() - sent_ >= kSendAt) {
            flush();
        }
        return number;
    }

    static Message read_message(detail::Reader& reader, std::string payload) {
        Message message;
        message.payload = std::move(payload);
        detail::for_each_entry(reader, [&](std::string_view key, detail::Reader& value) {
            const detail::Reader::Value it = value.next();
            if (key == "id") {
                message.id = it.number;
            } else if (key == "from") {
                message.from = it.text;
            } else if (key == "time_ms") {
                message.time_ms = it.number;
            } else if (key == "attempt") {
                message.attempt = it.number;
            } else if (key == "correlation") {
                message.correlation = it.number;
            } else {
                value.skip(it);
            }
        });
        return message;
    }

    static std::uint64_t number_in(const Answer& answer, std::string_view name) {
        std::uint64_t found = 0;
        detail::Reader reader(answer.info);
        detail::for_each_entry(reader, [&](std::string_view key, detail::Reader& value) {
            const detail::Reader::Value it = value.next();
            value.skip(it);
            found = key == name ? it.number : found;
        });
        return found;
    }

    static std::string text_in(const Answer& answer, std::string_view name) {
        std::string found;
        detail::Reader reader(answer.info);
        detail::for_each_entry(reader, [&](std::string_view key, detail::Reader& value) {
            const detail::Reader::Value it = value.next();
            value.skip(it);
            if (key == name) {
                found = it.text;
            }
        });
        return found;
    }

    Answer ask_about(std::string_view verb, std::string_view app, bool again) {
        std::string args;
        put_args(args, 1);
        put_entry(args, "app", app);
        return wait(submit(verb, args, {}, again));
    }

    std::string state_after(std::string_view verb, std::string_view app) {
        return text_in(ask_about(verb, app, false), "state");
    }

    bool flag_of(std::string_view verb, std::string_view app, std::string_view name) {
        return number_in(ask_about(verb, app, true), name) != 0;
    }

    template <class T>
    std::optional<T> next_of(std::deque<T>& queue, Duration timeout) {
        const auto deadline = Clock::now() + timeout;
        if (fd_ < 0) {
            connect(deadline);
        }
        while (queue.empty()) {
            if (!receive(deadline)) {
                return std::nullopt;
            }
        }
        T first = std::move(queue.front());
        queue.pop_front();
        return first;
    }

    // --- the connection

    static int left_ms(Clock::time_point deadline) {
        const auto left =
            std::chrono::ceil<std::chrono::milliseconds>(deadline - Clock::now()).count();
        return left < 0 ? 0 : left > 1'000'000 ? 1'000'000 : static_cast<int>(left);
    }

    void disconnect() {
        if (fd_ >= 0) {
            ::close(fd_);
        }
        fd_ = -1;
        in_.clear();
        read_ = 0;
        out_.clear();
        sent_ = 0;
        parts_.clear();
        greeted_ = false;
    }

    // Connects, says hello, and says again what has no answer yet.
    void connect(Clock::time_point deadline) {
        for (int delay = 20;; delay = delay < 1000 ? delay * 2 : 1000) {
            try {
                connect_once(deadline);
                return;
            } catch (const Error& error) {
                disconnect();
                if (error.code() != 503 || Clock::now() >= deadline) {
                    throw;
                }
            }
            const int wait = left_ms(deadline);
            (void)::poll(nullptr, 0, delay < wait ? delay : wait);
        }
    }

    void connect_once(Clock::time_point deadline) {
        const std::string path = options_.endpoint.substr(6);
        sockaddr_un address{};
        if (path.size() >= sizeof address.sun_path) {
            throw Error(400, "the endpoint's path is too long");
        }
        address.sun_family = AF_UNIX;
        std::memcpy(address.sun_path, path.data(), path.size());
        fd_ = ::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
        if (fd_ < 0 ||
            ::connect(fd_, reinterpret_cast<const sockaddr*>(&address), sizeof address) != 0) {
            throw Error(503, std::string("the agent is not there: ") + std::strerror(errno));
        }
        (void)::fcntl(fd_, F_SETFL, O_NONBLOCK);
        out_ = std::string("\xFF\0\0\0\0\0\0\0\0\x7F\x03\0NULL", 16) + std::string(48, '\0');
        out_ += std::string(
            "\x04\x1C\x05READY\x0BSocket-Type\0\0\0\x06"
            "DEALER",
            30);
        std::string args;
        put_args(args, 4);
        put_entry(args, "app", options_.app);
        put_entry(args, "secret", options_.secret);
        detail::put_text(args, "subscribe");
        detail::put_flag(args, options_.subscribe);
        detail::put_text(args, "agent");
        detail::put_number(args, 0xDC, options_.agents.size(), 2);  // a list
        for (const std::string& agent : options_.agents) {
            detail::put_text(args, agent);
        }
        detail::put_frame(out_, header(kHello, "hello", args), false);
        answers_.erase(kHello);
        connecting_ = true;
        while (answers_.count(kHello) == 0) {
            if (!receive(deadline)) {
                connecting_ = false;
                throw Error(503, "the agent does not answer");
            }
        }
        connecting_ = false;
        const Answer hello = std::move(answers_.at(kHello));
        answers_.erase(kHello);
        if (hello.code != 0) {
            throw Error(hello.code, text_in(hello, "error"));
        }
        for (auto at = pending_.begin(); at != pending_.end();) {
            if (at->second.bytes.empty()) {
                Answer lost{503,
                            std::string("\x81\xA5"
                                        "error\xAFthe agent ended",
                                        23),
                            {}};
                answers_.emplace(at->first, std::move(lost));
                at = pending_.erase(at);
            } else {
                out_ += at->second.bytes;
                ++at;
            }
        }
    }

    // The connection has ended.
    void lost(Clock::time_point deadline) {
        if (connecting_) {
            throw Error(503, "the agent has closed the connection");
        }
        disconnect();
        connect(deadline);
    }

    void flush_until(Clock::time_point deadline) {
        while (sent_ < out_.size()) {
            const ssize_t put = ::send(fd_, out_.data() + sent_, out_.size() - sent_, MSG_NOSIGNAL);
            if (put > 0) {
                sent_ += static_cast<std::size_t>(put);
            } else if (errno == EAGAIN) {
                pollfd entry{fd_, POLLIN | POLLOUT, 0};
                const int ready = ::poll(&entry, 1, left_ms(deadline));
                if (ready == 0) {
                    throw Error(504, "the relay takes no more");
                }
                if ((entry.revents & POLLIN) != 0) {
                    (void)take(deadline);
                }
            } else if (errno != EINTR) {
                lost(deadline);  // all that has no answer yet is queued again
            }
        }
        out_.clear();
        sent_ = 0;
    }

    // Waits for something to come, and takes it in. False: nothing came in time.
    bool receive(Clock::time_point deadline) {
        if (fd_ < 0) {
            connect(deadline);
        }
        flush_until(deadline);
        pollfd entry{fd_, POLLIN, 0};
        const int ready = ::poll(&entry, 1, left_ms(deadline));
        if (ready == 0) {
            return false;
        }
        (void)take(deadline);
        return true;
    }

    // False: the connection was lost, and is a new one now.
    bool take(Clock::time_point deadline) {
        constexpr std::size_t kRead = 256U << 10U;
        buffer_.resize(kRead);
        const ssize_t got = ::recv(fd_, buffer_.data(), kRead, 0);
        if (got == 0 || (got < 0 && errno != EAGAIN && errno != EINTR)) {
            lost(deadline);
            return false;
        }
        in_.append(buffer_, 0, got > 0 ? static_cast<std::size_t>(got) : 0U);
        parse();
        return true;
    }

    void parse() {
        if (!greeted_) {
            if (in_.size() < 64) {
                return;
            }
            if (in_[0] != '\xFF' || in_[10] < 3) {
                throw Error(400, "what listens there does not speak ZMTP 3");
            }
            greeted_ = true;
            read_ = 64;
        }
        while (in_.size() - read_ >= 2) {
            const auto flags = static_cast<unsigned char>(in_[read_]);
            std::size_t head = 2;
            std::uint64_t size = static_cast<unsigned char>(in_[read_ + 1]);
            if ((flags & 2U) != 0) {
                head = 9;
                if (in_.size() - read_ < head) {
                    break;
                }
                size = 0;
                for (std::size_t i = 1; i < head; ++i) {
                    size = size << 8U | static_cast<unsigned char>(in_[read_ + i]);
                }
            }
            if (in_.size() - read_ - head < size) {
                break;
            }
            const std::size_t begin = read_ + head;
            read_ = begin + size;
            if ((flags & 4U) != 0) {
                continue;  // READY; nothing else is sent to us
            }
            parts_.emplace_back(in_, begin, size);
            if ((flags & 1U) == 0) {
                dispatch();
                parts_.clear();
            }
        }
        in_.erase(0, read_);
        read_ = 0;
    }

    void dispatch() {
        detail::Reader reader(parts_[0]);
        if (reader.next().number != 4) {
            return;
        }
        reader.skip();  // the version
        const std::uint64_t number = reader.next().number;
        const detail::Reader::Value third = reader.next();
        std::string payload =
            parts_.size() > 1 && number == 0 ? std::move(parts_[1]) : std::string();
        if (number != 0) {
            if (number == kHello || pending_.erase(number) == 1) {
                Answer answer;
                answer.code = static_cast<int>(third.number);
                answer.info = reader.rest();
                answer.payload.assign(std::make_move_iterator(parts_.begin() + 1),
                                      std::make_move_iterator(parts_.end()));
                answers_.emplace(number, std::move(answer));
            }
        } else if (third.text == "message") {
            messages_.push_back(read_message(reader, std::move(payload)));
        } else if (third.text == "event") {
            Event event;
            event.payload = std::move(payload);
            detail::for_each_entry(reader, [&](std::string_view key, detail::Reader& value) {
                const detail::Reader::Value it = value.next();
                value.skip(it);
                if (key == "type") {
                    event.type = it.text;
                } else if (key == "from") {
                    event.from = it.text;
                } else if (key == "agent") {
                    event.agent = it.text;
                } else if (key == "seq") {
                    event.seq = it.number;
                }
            });
            events_.push_back(std::move(event));
        }
    }

    Options options_;
    int fd_ = -1;
    std::string buffer_;  // what one read fills
    std::string in_;
    std::size_t read_ = 0;
    std::string out_;
    std::size_t sent_ = 0;
    std::vector<std::string> parts_;
    bool greeted_ = false;
    bool connecting_ = false;
    std::uint64_t next_number_ = 1;
    std::uint64_t next_key_ = 1;
    std::string nonce_;
    std::map<std::uint64_t, Pending> pending_;
    std::map<std::uint64_t, Answer> answers_;
    std::deque<Message> messages_;
    std::deque<Event> events_;
};

}  // namespace berth::ipc
