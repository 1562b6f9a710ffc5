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
// agent was away; what may be said twice is then said again. Every call ends within its own time:
// with Error 503 when the agent was away all the while, with 504 when it was there and did not
// answer. In a forked child a Client is one of its own: with a new connection, and told nothing
// until next_message() or next_event() is called there.
#pragma once

#include <fcntl.h>
#include <poll.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <chrono>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <deque>
#include <fstream>
#include <map>
#include <new>
#include <optional>
#include <random>
#include <stdexcept>
#include <string>
#include <string_view>
#include <type_traits>
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

inline void put_signed(std::string& out, std::int64_t value) {
    const auto bits = static_cast<std::uint64_t>(value);
    if (value >= 0) {
        put_whole(out, bits);
    } else if (value >= -32) {
        out += static_cast<char>(value);
    } else if (value >= INT8_MIN) {
        put_number(out, 0xD0, bits, 1);
    } else if (value >= INT16_MIN) {
        put_number(out, 0xD1, bits, 2);
    } else if (value >= INT32_MIN) {
        put_number(out, 0xD2, bits, 4);
    } else {
        put_number(out, 0xD3, bits, 8);
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

    enum class Kind { Nil, Flag, Whole, Negative, Float, Text, Bytes, Array, Map, Other };

    struct Value {
        Kind kind = Kind::Nil;
        std::uint64_t number = 0;  // value, its bits as std::int64_t or double, or count
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
            return signed_value(static_cast<std::int8_t>(type));
        }
        switch (type) {
            case 0xC0:
                return {};
            case 0xC2:
            case 0xC3:
                return {Kind::Flag, type & 1U, {}};
            case 0xC4:
            case 0xC5:
            case 0xC6:
                return sized(number(1 << (type - 0xC4)), Kind::Bytes);
            case 0xC7:
            case 0xC8:
            case 0xC9:
                return sized(number(1 << (type - 0xC7)) + 1, Kind::Other);
            case 0xCA: {
                const auto bits = static_cast<std::uint32_t>(number(4));
                float value = 0;
                std::memcpy(&value, &bits, sizeof value);
                return float_value(value);
            }
            case 0xCB:
                return {Kind::Float, number(8), {}};
            case 0xCC:
            case 0xCD:
            case 0xCE:
            case 0xCF:
                return {Kind::Whole, number(1 << (type - 0xCC)), {}};
            case 0xD0:
                return signed_value(static_cast<std::int8_t>(number(1)));
            case 0xD1:
                return signed_value(static_cast<std::int16_t>(number(2)));
            case 0xD2:
                return signed_value(static_cast<std::int32_t>(number(4)));
            case 0xD3:
                return signed_value(static_cast<std::int64_t>(number(8)));
            case 0xD4:
            case 0xD5:
            case 0xD6:
            case 0xD7:
            case 0xD8:
                return sized((1U << (type - 0xD4)) + 1, Kind::Other);
            case 0xD9:
            case 0xDA:
            case 0xDB:
                return sized(number(1 << (type - 0xD9)));
            case 0xDC:
                return {Kind::Array, number(2), {}};
            case 0xDD:
                return {Kind::Array, number(4), {}};
            case 0xDE:
                return {Kind::Map, number(2), {}};
            case 0xDF:
                return {Kind::Map, number(4), {}};
            default:
                throw Error(400, "this is no msgpack");
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
            throw Error(400, "msgpack that is cut short");
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

    static Value signed_value(std::int64_t value) {
        return {value < 0 ? Kind::Negative : Kind::Whole, static_cast<std::uint64_t>(value), {}};
    }

    static Value float_value(double value) {
        Value found{Kind::Float, 0, {}};
        std::memcpy(&found.number, &value, sizeof value);
        return found;
    }

    Value sized(std::uint64_t size, Kind kind = Kind::Text) {
        if (bytes_.size() - at_ < size) {
            throw Error(400, "msgpack that is cut short");
        }
        const std::string_view text = bytes_.substr(at_, size);
        at_ += size;
        return {kind, size, text};
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

// The process that this is, without a system call for each message: the number is in a page that
// the kernel wipes in a child, whoever has forked it and however.
inline pid_t this_process() {
    static std::atomic<pid_t>* const known = []() -> std::atomic<pid_t>* {
        void* page = MAP_FAILED;
#ifdef MADV_WIPEONFORK
        const auto size = static_cast<std::size_t>(::sysconf(_SC_PAGESIZE));
        page = ::mmap(nullptr, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
        if (page != MAP_FAILED && ::madvise(page, size, MADV_WIPEONFORK) != 0) {
            (void)::munmap(page, size);  // a kernel before 4.14
            page = MAP_FAILED;
        }
#endif
        return page == MAP_FAILED ? nullptr : new (page) std::atomic<pid_t>(0);
    }();
    if (known == nullptr) {
        return ::getpid();
    }
    pid_t pid = known->load(std::memory_order_relaxed);
    if (pid == 0) {
        pid = ::getpid();
        known->store(pid, std::memory_order_relaxed);
    }
    return pid;
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

inline std::string pack(std::nullptr_t /*nil*/) {
    return "\xC0";
}

// true and false, whole numbers of any size and sign, floating ones; a char is a text.
template <class T, std::enable_if_t<std::is_arithmetic_v<T>, int> = 0>
std::string pack(T value) {
    std::string out;
    if constexpr (std::is_same_v<T, bool>) {
        detail::put_flag(out, value);
    } else if constexpr (std::is_same_v<T, char>) {
        detail::put_text(out, std::string_view(&value, 1));
    } else if constexpr (std::is_floating_point_v<T>) {
        const auto number = static_cast<double>(value);
        std::uint64_t bits = 0;
        std::memcpy(&bits, &number, sizeof bits);
        detail::put_number(out, 0xCB, bits, 8);
    } else if constexpr (std::is_signed_v<T>) {
        detail::put_signed(out, value);
    } else {
        detail::put_whole(out, value);
    }
    return out;
}

namespace detail {

// The shortest text that is read as the same number.
inline std::string float_text(double value) {
    char text[32];
    for (int digits = 15; digits <= 17; ++digits) {
        (void)std::snprintf(text, sizeof text, "%.*g", digits, value);
        if (std::strtod(text, nullptr) == value) {
            break;
        }
    }
    return text;
}

inline void quote(std::string& out, std::string_view text) {
    out += '"';
    for (const char c : text) {
        if (c == '"' || c == '\\') {
            out += '\\';
            out += c;
        } else if (static_cast<unsigned char>(c) < 0x20) {
            char escaped[8];
            (void)std::snprintf(escaped, sizeof escaped, "\\u%04x", static_cast<unsigned>(c));
            out += escaped;
        } else {
            out += c;
        }
    }
    out += '"';
}

// As JSON has it; a text on the outside stands for itself.
inline void show(std::string& out, Reader& reader, int depth) {
    constexpr int kDeepest = 64;
    const Reader::Value value = reader.next();
    switch (value.kind) {
        case Reader::Kind::Nil:
            out += depth == 0 ? "" : "null";
            return;
        case Reader::Kind::Flag:
            out += value.number != 0 ? "true" : "false";
            return;
        case Reader::Kind::Whole:
            out += std::to_string(value.number);
            return;
        case Reader::Kind::Negative:
            out += std::to_string(static_cast<std::int64_t>(value.number));
            return;
        case Reader::Kind::Float: {
            double number = 0;
            std::memcpy(&number, &value.number, sizeof number);
            out += depth == 0 || std::isfinite(number) ? float_text(number) : "null";
            return;
        }
        case Reader::Kind::Text:
        case Reader::Kind::Bytes:
        case Reader::Kind::Other:
            if (depth == 0) {
                out += value.text;
            } else {
                quote(out, value.text);
            }
            return;
        case Reader::Kind::Array:
        case Reader::Kind::Map:
            break;
    }
    if (depth == kDeepest) {
        throw Error(400, "msgpack that is nested too deep");
    }
    const bool map = value.kind == Reader::Kind::Map;
    out += map ? '{' : '[';
    for (std::uint64_t i = 0; i < value.number; ++i) {
        out += i == 0 ? "" : ",";
        if (map) {
            std::string key;
            show(key, reader, depth + 1);
            if (!key.empty() && key[0] == '"') {
                out += key;
            } else {
                quote(out, key);
            }
            out += ':';
        }
        show(out, reader, depth + 1);
    }
    out += map ? '}' : ']';
}

}  // namespace detail

// A payload as text: a text or bytes as they are, numbers in decimal, true or false, "" for nil;
// lists and maps as JSON.
inline std::string text(std::string_view payload) {
    std::string out;
    detail::Reader reader(payload);
    detail::show(out, reader, 0);
    return out;
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
        bool events = false;  // events alone are pushed, see next_event(); messages wait for poll()
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
        draw_identity();
    }

    // What was pushed and never taken goes back to the relay: that was no attempt.
    ~Client() {
        leave();
        disconnect();
    }

    Client(const Client&) = delete;
    Client& operator=(const Client&) = delete;

    // Its socket, to wait with poll() until there is something to take; -1 while it is not
    // connected, until next_message() is called again. Another one after a reconnection.
    [[nodiscard]] int fd() const { return pid_ == detail::this_process() ? fd_ : -1; }

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
        same_process();  // before a key is drawn
        constexpr std::size_t kRoom = 128;
        const bool keyed = options.durable || !options.dedupe.empty();
        std::string args;
        args.reserve(kRoom);
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
        return queue("notify", args, payloads, keyed);
    }

    // The waiting messages, oldest first; waits for the first one. They come again until ack().
    // `done`: ids to acknowledge on the way. What was pushed and not taken is given first. One that
    // waits ends in that time, with Error 503 when the agent was away all the while.
    std::vector<Message> poll(Duration wait_for = {},
                              std::size_t max = 1000,
                              const std::vector<std::uint64_t>& done = {}) {
        same_process();
        if (std::vector<Message> pushed = take_pushed(max); !pushed.empty()) {
            if (!done.empty()) {
                ack(done);
            }
            return pushed;
        }
        const std::uint64_t number = submit_poll(wait_for, max, done);
        const bool waits = wait_for > Duration::zero();
        const Duration least = std::min<Duration>(options_.timeout, std::chrono::seconds(1));
        const bool answered = await(number,
                                    waits ? std::max(wait_for, least) : options_.timeout,
                                    waits ? kGrace : Duration::zero(),
                                    [this] { return !messages_.empty(); });
        if (!answered) {  // something was pushed instead; the next one takes the answer
            pending_.erase(number);
            return take_pushed(max);
        }
        return messages(take_answer(number));
    }

    std::uint64_t submit_poll(Duration wait_for,
                              std::size_t max,
                              const std::vector<std::uint64_t>& done) {
        std::string args;
        put_args(args, done.empty() ? 2 : 3);
        put_entry(args, "max", max);
        put_entry(args, "wait_ms", milliseconds(wait_for));
        if (!done.empty()) {
            put_ids(args, "ack", done);
        }
        return submit("poll", args, {}, true);
    }

    void ack(const std::vector<std::uint64_t>& ids) { wait(submit_ack(ids)); }

    std::uint64_t submit_ack(const std::vector<std::uint64_t>& ids) {
        return submit("ack", ids_args(ids), {}, true);
    }

    // Still at these: they are not offered again for another claim_time(). Any client of the app
    // may say so.
    void working(const std::vector<std::uint64_t>& ids) {
        wait(submit("working", ids_args(ids), {}, true));
    }

    // Gives these back: they are offered again at once. `unseen`: nobody has looked at them, so
    // that was no attempt.
    void release(const std::vector<std::uint64_t>& ids, bool unseen = false) {
        std::string args;
        put_args(args, 2);
        put_ids(args, "ids", ids);
        detail::put_text(args, "unseen");
        detail::put_flag(args, unseen);
        wait(submit("release", args, {}, true));
    }

    // Nothing is pushed any more, until next_message() or next_event() is called again.
    void unsubscribe() {
        quiet_ = true;
        wait(submit("hello", hello_args(), {}, true));
    }

    // After this time a message that was given out is offered again, unless working() is said
    // before. 0 while it was never connected.
    [[nodiscard]] Duration claim_time() const { return claim_; }

    // Throws away what waits; gives how many messages those were.
    std::uint64_t clear() {
        return number_in(wait(submit("clear", no_args(), {}, true)), "removed");
    }

    // Asks an app and gives its answer.
    std::string request(std::string_view to, std::string_view payload, Duration timeout) {
        std::string args;
        put_args(args, 2);
        put_entry(args, "to", to);
        put_entry(args, "timeout_ms", milliseconds(timeout));
        const std::uint64_t number = submit("request", args, {payload}, false);
        (void)await(number, timeout, kGrace, [] { return false; });
        Answer answer = take_answer(number);
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

    // The next message that is pushed; nothing when there is none in time, also while the agent is
    // away. Needs `subscribe`. With no time at all it takes what is there, and goes on with
    // connecting.
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
        (void)await(number, timeout, Duration::zero(), [] { return false; });
        return take_answer(number);
    }

    // Sends what was submitted. Error: the agent is away, or takes no more.
    void flush() {
        same_process();
        flush_out();
    }

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
        std::string bytes;   // of what is not sent, or is sent again after a reconnection
        bool again = false;  // whether that is harmless
        bool sent = false;
    };

    // Of the connection: there is none, its hello has no answer yet, it is of use.
    enum class Phase { Away, Greeting, Ready };

    static constexpr std::size_t kSendAt = 64U << 10U;
    static constexpr std::uint64_t kHello = 1ULL << 62U;
    static constexpr Duration kGrace =
        std::chrono::seconds(2);  // for an answer, when the relay itself waits

    static Clock::time_point after(Duration timeout) {
        const auto now = Clock::now();
        return timeout > Clock::time_point::max() - now ? Clock::time_point::max() : now + timeout;
    }

    static std::uint64_t milliseconds(Duration duration) {
        return static_cast<std::uint64_t>(std::max(duration, Duration::zero()) /
                                          std::chrono::milliseconds(1));
    }

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

    static std::string ids_args(const std::vector<std::uint64_t>& ids) {
        std::string args;
        put_args(args, 1);
        put_ids(args, "ids", ids);
        return args;
    }

    static std::string header(std::uint64_t number, std::string_view verb, std::string_view args) {
        constexpr std::size_t kRoom = 32;  // for what is before the arguments
        std::string out;
        out.reserve(kRoom + args.size());
        out += "\x94\x01";
        detail::put_whole(out, number);
        detail::put_text(out, verb);
        out += args;
        return out;
    }

    std::uint64_t submit(std::string_view verb,
                         std::string_view args,
                         const std::vector<std::string_view>& payloads,
                         bool again) {
        same_process();
        return queue(verb, args, payloads, again);
    }

    // The same, by who has looked at the process already.
    std::uint64_t queue(std::string_view verb,
                        std::string_view args,
                        const std::vector<std::string_view>& payloads,
                        bool again) {
        const std::uint64_t number = next_number_++;
        Pending& pending = pending_.try_emplace(pending_.end(), number)->second;
        pending.again = again;
        pending.sent = phase_ == Phase::Ready;  // else when it is
        std::string& out = pending.sent ? out_ : pending.bytes;
        const std::size_t begin = out.size();
        detail::put_frame(out, header(number, verb, args), !payloads.empty());
        for (std::size_t i = 0; i < payloads.size(); ++i) {
            detail::put_frame(out, payloads[i], i + 1 < payloads.size());
        }
        if (pending.sent && again) {
            pending.bytes = out_.substr(begin);
        }
        if (out_.size() - sent_ >= kSendAt) {
            flush_out();
        }
        return number;
    }

    void flush_out() {
        const auto deadline = after(options_.timeout);
        while (phase_ != Phase::Ready || !send_out() || !out_.empty()) {
            if (!progress(deadline) && Clock::now() >= deadline) {
                throw phase_ == Phase::Ready ? Error(504, "the relay takes no more") : away();
            }
        }
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
        same_process();
        if (std::exchange(quiet_, false) && phase_ != Phase::Away) {
            (void)submit("hello", hello_args(), {}, true);
        }
        const auto deadline = after(timeout);
        while (queue.empty()) {
            if (!progress(deadline) && Clock::now() >= deadline) {
                return std::nullopt;
            }
        }
        T first = std::move(queue.front());
        queue.pop_front();
        return first;
    }

    std::vector<Message> take_pushed(std::size_t max) {
        std::vector<Message> found;
        while (!messages_.empty() && found.size() < max) {
            found.push_back(std::move(messages_.front()));
            messages_.pop_front();
        }
        return found;
    }

    // Until there is an answer: true; or until enough(): false. `grace`: so much longer once the
    // relay is there, which then waits itself. Error: neither in time.
    template <class Enough>
    bool await(std::uint64_t number, Duration timeout, Duration grace, Enough enough) {
        const auto deadline = after(timeout);
        while (answers_.count(number) == 0) {
            if (enough()) {
                return false;
            }
            const bool ready = phase_ == Phase::Ready;
            const bool longer = ready && deadline < Clock::time_point::max() - grace;
            const auto until = longer ? deadline + grace : deadline;
            if (!progress(until) && Clock::now() >= until && ready == (phase_ == Phase::Ready)) {
                pending_.erase(number);
                throw ready ? Error(504, "no answer in time") : away();
            }
        }
        return true;
    }

    Answer take_answer(std::uint64_t number) {
        const auto found = answers_.find(number);
        Answer answer = std::move(found->second);
        answers_.erase(found);
        if (answer.code != 0) {
            throw Error(answer.code, text_in(answer, "error"));
        }
        return answer;
    }

    // --- who we are

    void draw_identity() {
        constexpr std::string_view kDigits =
            "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz-_";
        std::random_device random;
        nonce_.clear();
        for (int draw = 0; draw < 3; ++draw) {
            unsigned bits = random();
            for (int digit = 0; digit < 5; ++digit, bits >>= 6U) {
                nonce_ += kDigits[bits & 63U];
            }
        }
        pid_ = detail::this_process();
    }

    // In a forked child: the connection, the answers, and the names of what was sent are the
    // parent's.
    void same_process() {
        if (pid_ == detail::this_process()) {
            return;
        }
        disconnect();
        for (const auto& [number, pending] : pending_) {
            answers_.emplace(number, lost_answer());
        }
        pending_.clear();
        messages_.clear();
        events_.clear();
        quiet_ = true;
        draw_identity();
    }

    static Answer lost_answer() {
        return {503,
                std::string("\x81\xA5"
                            "error\xB4the connection ended",
                            28),
                {}};
    }

    // --- the connection

    static int left_ms(Clock::time_point deadline) {
        constexpr std::int64_t kLongest = 1'000'000;  // those who wait look again then
        const auto left =
            std::chrono::ceil<std::chrono::milliseconds>(deadline - Clock::now()).count();
        return static_cast<int>(std::clamp<std::int64_t>(left, 0, kLongest));
    }

    [[nodiscard]] Error away() const {
        return Error(problem_code_,
                     problem_code_ == 503 ? "the agent is not there: " + problem_ : problem_);
    }

    // What was pushed and not taken, and what is on its way, is for others. As far as the socket
    // takes it without waiting.
    void leave() {
        const bool pushed = options_.subscribe || !messages_.empty();
        if (pid_ != detail::this_process() || phase_ != Phase::Ready || !pushed) {
            return;
        }
        std::vector<std::uint64_t> ids;
        for (const Message& message : messages_) {
            ids.push_back(message.id);
        }
        quiet_ = true;  // else they would be pushed to us again
        std::string args;
        put_args(args, 3);
        put_ids(args, "ids", ids);
        detail::put_text(args, "unseen");
        detail::put_flag(args, true);
        put_entry(args, "read", read_messages_);
        detail::put_frame(out_, header(next_number_++, "hello", hello_args()), false);
        detail::put_frame(out_, header(next_number_++, "release", args), false);
        (void)send_out();
    }

    void disconnect() {
        if (fd_ >= 0) {
            ::close(fd_);
        }
        fd_ = -1;
        phase_ = Phase::Away;
        read_messages_ = 0;
        in_.clear();
        read_ = 0;
        out_.clear();
        sent_ = 0;
        parts_.clear();
        greeted_ = false;
    }

    // The connection has ended, or none could be made: another is tried a moment later.
    void lost(int code, const std::string& why) {
        disconnect();
        problem_code_ = code;
        problem_ = why;
        next_try_ = Clock::now() + std::chrono::milliseconds(delay_ms_);
        delay_ms_ = std::min(delay_ms_ * 2, 1000);
        for (auto at = pending_.begin(); at != pending_.end();) {
            Pending& pending = at->second;
            if (pending.sent && !pending.again) {
                answers_.emplace(at->first, lost_answer());
                at = pending_.erase(at);
            } else {
                pending.sent = false;
                ++at;
            }
        }
    }

    // Connects and says hello, without waiting for an answer.
    void connect() {
        const std::string path = options_.endpoint.substr(6);
        sockaddr_un address{};
        if (path.size() >= sizeof address.sun_path) {
            throw Error(400, "the endpoint's path is too long");
        }
        address.sun_family = AF_UNIX;
        std::memcpy(address.sun_path, path.data(), path.size());
        fd_ = ::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
        if (fd_ < 0 ||
            ::connect(fd_, reinterpret_cast<const sockaddr*>(&address), sizeof address) != 0) {
            return lost(503, std::strerror(errno));
        }
        phase_ = Phase::Greeting;
        out_ = std::string("\xFF\0\0\0\0\0\0\0\0\x7F\x03\0NULL", 16) + std::string(48, '\0');
        out_ += std::string(
            "\x04\x1C\x05READY\x0BSocket-Type\0\0\0\x06"
            "DEALER",
            30);
        detail::put_frame(out_, header(kHello, "hello", hello_args()), false);
    }

    [[nodiscard]] std::string hello_args() const {
        const bool told = !quiet_ && (options_.subscribe || options_.events);
        std::string args;
        put_args(args, 5);
        put_entry(args, "app", options_.app);
        put_entry(args, "secret", options_.secret);
        detail::put_text(args, "subscribe");
        detail::put_flag(args, told && options_.subscribe);
        detail::put_text(args, "events");
        detail::put_flag(args, told);
        detail::put_text(args, "agent");
        detail::put_number(args, 0xDC, told ? options_.agents.size() : 0, 2);  // a list
        if (told) {
            for (const std::string& agent : options_.agents) {
                detail::put_text(args, agent);
            }
        }
        return args;
    }

    // The answer to hello.
    void greeted(const Answer& hello) {
        if (hello.code != 0) {
            const std::string why = text_in(hello, "error");
            lost(hello.code == 503 ? 503 : hello.code, why);
            if (hello.code == 400 || hello.code == 401 || hello.code == 409) {
                throw Error(hello.code, why);  // it would be refused again
            }
            return;
        }
        claim_ = std::chrono::milliseconds(number_in(hello, "redeliver_ms"));
        phase_ = Phase::Ready;
        delay_ms_ = kFirstDelayMs;
        for (auto& [number, pending] : pending_) {
            out_ += pending.bytes;
            pending.sent = true;
            if (!pending.again) {
                pending.bytes = {};
            }
        }
    }

    // Sends what the socket takes. False: the connection is lost.
    bool send_out() {
        while (sent_ < out_.size()) {
            const ssize_t put = ::send(fd_, out_.data() + sent_, out_.size() - sent_, MSG_NOSIGNAL);
            if (put > 0) {
                sent_ += static_cast<std::size_t>(put);
            } else if (errno == EAGAIN) {
                return true;
            } else if (errno != EINTR) {
                lost(503, std::strerror(errno));
                return false;
            }
        }
        out_.clear();
        sent_ = 0;
        return true;
    }

    // Goes on: connects, sends, takes in what comes. False: nothing came before `deadline`.
    bool progress(Clock::time_point deadline) {
        same_process();
        if (fd_ < 0) {
            if (Clock::now() < next_try_) {
                const auto until = std::min(next_try_, deadline);
                (void)::poll(nullptr, 0, left_ms(until));
                if (Clock::now() < next_try_) {
                    return false;
                }
            }
            connect();
            if (fd_ < 0) {
                return false;
            }
        }
        if (!send_out()) {
            return false;
        }
        const bool all = out_.empty();
        pollfd entry{fd_, static_cast<short>(all ? POLLIN : POLLIN | POLLOUT), 0};
        if (::poll(&entry, 1, left_ms(deadline)) <= 0) {
            return false;
        }
        return (entry.revents & (POLLIN | POLLERR | POLLHUP)) == 0 || take();
    }

    // Takes in what has come. False: the connection is lost.
    bool take() {
        constexpr std::size_t kRead = 256U << 10U;
        buffer_.resize(kRead);
        const ssize_t got = ::recv(fd_, buffer_.data(), kRead, 0);
        if (got == 0 || (got < 0 && errno != EAGAIN && errno != EINTR)) {
            lost(503, got == 0 ? "it has closed the connection" : std::strerror(errno));
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
                const int connection = fd_;
                dispatch();
                if (fd_ != connection) {
                    return;  // that was the end of it
                }
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
            Answer answer;
            answer.code = static_cast<int>(third.number);
            answer.info = reader.rest();
            answer.payload.assign(std::make_move_iterator(parts_.begin() + 1),
                                  std::make_move_iterator(parts_.end()));
            if (number == kHello) {
                greeted(answer);
            } else if (answer.code == 401) {
                lost(503, "it does not know this connection any more");
            } else if (pending_.erase(number) == 1) {
                answers_.emplace(number, std::move(answer));
            } else if (answer.code == 0 && !answer.payload.empty()) {
                take_late(std::move(answer));
            }
        } else if (third.text == "message") {
            messages_.push_back(read_message(reader, std::move(payload)));
            ++read_messages_;
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

    // What a poll brings that nobody waits for any more: the next one gives it.
    void take_late(Answer answer) {
        detail::Reader reader(answer.info);
        const detail::Reader::Value map = reader.next();
        if (map.number == 1 && reader.next().text == "messages") {
            for (Message& message : messages(std::move(answer))) {
                messages_.push_back(std::move(message));
            }
        }
    }

    static constexpr int kFirstDelayMs = 20;

    Options options_;
    pid_t pid_ = 0;       // whose connection it is
    bool quiet_ = false;  // has not asked to be told, in a forked child or since unsubscribe()
    Phase phase_ = Phase::Away;
    Clock::time_point next_try_;  // to connect
    int delay_ms_ = kFirstDelayMs;
    int problem_code_ = 503;
    std::string problem_ = "it was not asked yet";
    Duration claim_{};
    int fd_ = -1;
    std::string buffer_;  // what one read fills
    std::string in_;
    std::size_t read_ = 0;
    std::string out_;
    std::size_t sent_ = 0;
    std::vector<std::string> parts_;
    bool greeted_ = false;
    std::uint64_t next_number_ = 1;
    std::uint64_t next_key_ = 1;
    std::string
        nonce_;  // short: it is on the disk with each message. Of fixed length: a number follows
    std::map<std::uint64_t, Pending> pending_;
    std::map<std::uint64_t, Answer> answers_;
    std::deque<Message> messages_;
    std::uint64_t read_messages_ = 0;  // that were pushed over this connection
    std::deque<Event> events_;
};

}  // namespace berth::ipc
