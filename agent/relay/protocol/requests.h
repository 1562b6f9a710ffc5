#pragma once

#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "shared/base/enum_names.h"
#include "shared/base/result.h"
#include "shared/wire/control.h"
#include "shared/wire/cursor.h"

// The header frames of contracts/ipc: read in place, written piece by piece. A message through the
// relay costs no allocation here.
namespace berth::relay {

using wire::Code;

inline constexpr std::uint64_t kIpcVersion = 1;  // bump when an old client would misread us

enum class Verb : std::uint8_t {
    Hello,
    Ping,
    Version,
    List,
    Notify,
    Poll,
    Ack,
    Clear,
    Request,
    Respond,
    Raise,
    Start,
    Stop,
    Restart,
    IsRunning,
    IsAvailable,
    Status,
    Config,
    Working,
    Release,
    Resend,
    Drop,
};
inline constexpr auto kVerbNames = enum_names<Verb>("hello",
                                                    "ping",
                                                    "version",
                                                    "list",
                                                    "notify",
                                                    "poll",
                                                    "ack",
                                                    "clear",
                                                    "request",
                                                    "respond",
                                                    "raise",
                                                    "start",
                                                    "stop",
                                                    "restart",
                                                    "is_running",
                                                    "is_available",
                                                    "status",
                                                    "config",
                                                    "working",
                                                    "release",
                                                    "resend",
                                                    "drop");

// The ids of an `ack`, still packed.
class IdList {
public:
    IdList() = default;

    IdList(std::string_view packed, std::uint32_t count) : packed_(packed), count_(count) {}

    [[nodiscard]] bool empty() const { return count_ == 0; }

    [[nodiscard]] std::size_t size() const { return count_; }

    template <class Use>
    void for_each(Use use) const {
        wire::Cursor cursor(packed_);
        for (std::uint32_t i = 0; i < count_; ++i) {
            use(cursor.whole().value_or(0));
        }
    }

private:
    std::string_view packed_;  // whole numbers, checked
    std::uint32_t count_ = 0;
};

// Every argument that any verb knows; unset when it was not given or was nil.
struct Args {
    std::optional<std::string_view> app;
    std::optional<std::string_view> secret;
    std::optional<std::string_view> to;
    std::optional<std::string_view> type;
    std::optional<std::string_view> dedupe;  // the packed value of a string or number
    std::optional<std::string_view> agents;  // the packed value of a string or a list
    std::optional<bool> subscribe;
    std::optional<bool> events;
    std::optional<bool> durable;
    std::optional<bool> auto_ack;
    std::optional<bool> unseen;
    std::optional<std::uint64_t> ttl_ms;
    std::optional<std::uint64_t> max;
    std::optional<std::uint64_t> wait_ms;
    std::optional<std::uint64_t> timeout_ms;
    std::optional<std::uint64_t> correlation;
    // Of `release`: how many messages that were pushed over this connection its client has read.
    // Those pushed after them are given back too, as unseen.
    std::optional<std::uint64_t> read;
    IdList ids;  // "ids" of ack, "ack" of poll
};

struct RequestHeader {
    std::uint64_t id = 0;
    Verb verb = Verb::Ping;
    Args args;  // views of the frame
};

// Error: InvalidArgument says what is wrong, NotFound that there is no such verb. `out.id` is set
// as soon as it was readable.
Result<void> read_request(std::string_view frame, RequestHeader& out);

// A dedupe key with who uses it, towards whom.
void known_key(std::string& out, std::string_view from, std::string_view to, std::string_view key);

// How long the asker of a request waits.
std::chrono::milliseconds request_timeout(const Args& args);

// [1, id, code, and then a map of `members` entries, which the caller appends.
void begin_reply(std::string& out, std::uint64_t id, Code code, std::uint32_t members);
std::string ok_reply(std::uint64_t id);
std::string error_header(std::uint64_t id, Code code, std::string_view why);

// What a receiver is told of a message.
struct MessageMeta {
    std::uint64_t id = 0;
    std::string_view from;
    std::uint64_t time_ms = 0;
    std::uint32_t attempt = 1;
    std::uint64_t correlation = 0;  // of a request that waits for an answer; else 0
};

void append_meta(std::string& out, const MessageMeta& meta);

struct EventMeta {
    std::uint64_t seq = 0;  // counts per raising agent
    std::string_view type;
    std::string_view from;
    std::uint64_t time_ms = 0;
    std::string_view agent;  // where it was raised
};

// The names in an argument that is one or a list of them. Nothing: it is neither.
std::optional<std::vector<std::string>> read_names(std::string_view packed);

std::string event_header(const EventMeta& meta);
void append_message_header(std::string& out, const MessageMeta& meta);

}  // namespace berth::relay
