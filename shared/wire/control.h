#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "shared/base/result.h"
#include "shared/model/app_status.h"
#include "shared/wire/value.h"

// The control protocol: what the CLI and the controller say to an agent.
//
// A message is one frame, a msgpack array, between DEALER and ROUTER:
//   request  [version, request id > 0, verb, args]
//   reply    [version, request id, code, info]     code 0: done; else info.error says why
//   push     [version, 0, kind, info]
//
// The verbs are in shared/command/verbs.h, with who may ask them; the members of their args, and
// what comes of each, in shared/wire/requests.h.
namespace berth::wire {

// Bump when an old peer would misread a new one; unknown members alone are no reason.
inline constexpr std::uint64_t kProtocolVersion = 1;

// The largest frame that is read. Above it the peer is disconnected by the socket.
inline constexpr std::size_t kMaxControlFrame = 16U << 20U;

enum class Code : std::uint16_t {
    Ok = 0,
    Malformed = 400,
    Unauthenticated = 401,
    Forbidden = 403,
    NotFound = 404,
    WrongState = 409,
    TooLarge = 413,
    Full = 429,
    Internal = 500,
    Stopping = 503,
    TimedOut = 504,
};
Code code_of(const Error& error);
ErrorCode error_code_of(Code code);

struct Request {
    std::uint64_t id = 0;
    std::string verb;
    Value args;
};

struct Reply {
    std::uint64_t id = 0;
    Code code = Code::Ok;
    Value info;
};

struct Push {
    std::string kind;
    Value info;
};

std::string encode_request(const Request& request);
std::string encode_reply(const Reply& reply);
std::string encode_push(const Push& push);

Reply error_reply(std::uint64_t id, const Error& error);

// Error: malformed, or another version. `id`, when given, gets the request's id as far as it could
// be read, for the answer.
Result<Request> decode_request(std::string_view frame, std::uint64_t* id = nullptr);

// A reply or a push: exactly one of both.
struct Answer {
    std::optional<Reply> reply;
    std::optional<Push> push;
};

Result<Answer> decode_answer(std::string_view frame);

// The reply's error as ours; nothing when its code is 0.
std::optional<Error> error_of(const Reply& reply);

// What came of an `act` for one app.
struct ActResult {
    std::string id;
    bool ok = false;
    Code code = Code::Ok;
    std::string message;  // why not, or what is worth knowing
    AppState state = AppState::Stopped;
    std::optional<int> exit_code = {};    // of a run that ended; minus the number of a signal
    std::string note = {};                // what there is to say besides
    std::vector<std::string> lines = {};  // of a start that failed: the last ones it wrote
};

Value to_value(const ActResult& result);
ActResult to_act_result(const Value& value);

// A place in an app's log: the number of the file and the offset in it.
struct LogPosition {
    std::uint64_t file = 0;
    std::uint64_t offset = 0;

    friend bool operator==(const LogPosition&, const LogPosition&) = default;
    friend auto operator<=>(const LogPosition&, const LogPosition&) = default;
};

Value to_value(const LogPosition& position);
LogPosition to_log_position(const Value& value);

struct LogLine {
    WallTime time;
    bool is_stderr = false;
    bool partial = false;  // not finished: the stream's next line goes on here, or has all of it
    std::string text;      // bytes as the app wrote them

    friend bool operator==(const LogLine&, const LogLine&) = default;
};

// The text as it is shown and searched: a CR before the newline (of a terminal, or of Windows) is
// no part of the line.
std::string_view shown_text(const LogLine& line);

Value to_value(const LogLine& line);
LogLine to_log_line(const Value& value);

// An answer to `logs`. `next` is where to go on. `skipped_bytes`: what was rotated away before it
// was read. `truncated`: there is more now.
struct LogBatch {
    std::vector<LogLine> lines;
    LogPosition next;
    std::uint64_t skipped_bytes = 0;
    bool truncated = false;
};

Value to_value(const LogBatch& batch);
LogBatch to_log_batch(const Value& value);

}  // namespace berth::wire
