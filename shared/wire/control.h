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
// Verbs and their args:
//   hello                                     -> agent
//   subscribe                                 -> agent, seq, apps; then a push "delta" for each change
//             {seq, apps, removed} and a push "tick" {seq} every second. seq counts up by one; a
//             gap means: subscribe again
//   list      patterns, metrics               -> agent, apps, unmatched
//   act       verb, patterns, ids, expressions, actor, deadline_ns, key, wait, timeout_ms, if_needed,
//             reload, confirmed, since_ns     -> results (see ActResult), unmatched; or confirm:
//             ids that an expression means and that would be lost. `expressions`: no pattern is an
//             id. Without `wait` a start is answered at exec, others at once. Without timeout_ms
//             the apps' own limits hold. With since_ns nothing is done: it waits for what a command
//             of then comes to.
//   load      paths, cwd, environment, actor  -> loaded (ids), warnings; error: problems
//   show      id, secrets (shown, else masked)  -> app, spec (JSON text), history
//   logs      id, position | tail, since_ns, until_ns, max_lines, stream, grep, wait_ms,
//             whole (lines; else pieces as they were written, except with grep), rest (with whole:
//             what is unfinished at the end too)    -> see LogBatch
//   input     id, data, wait_ms (0)           -> taken (bytes), why (not all), full (it does not
//             read: try again with the rest); waits so long for it to read
//   resize    id, rows, columns               -> (nothing)
//   events    after, limit, wait_ms           -> events, last
//   explain   id                              -> state, cause, since, actor, evidence, lines, next
//   crashes   id ("": all apps), limit        -> groups, crashes (with their bundles as JSON text)
//   check     patterns                        -> apps: {id: what would keep it from starting},
//                                                notes: {id: what there is to say besides}
//   metrics   id, since_ns (an hour ago)      -> time, cpu_percent, rss_bytes, …: a list each
//   scale     id, count, actor                -> changed (ids)
//   authorize key, name, listen (tcp://HOST:PORT, for good) -> endpoint, public_key; only over the
//             local socket, as revoke
//   revoke    key                             -> (nothing)
//   peers                                     -> peers (key, name), endpoint, public_key
//   upgrade   folder                          -> (nothing); only over the local socket
//   message   verb, app, args, payload        -> code, info, payload: any verb of contracts/ipc, as app
//             ("": as nobody)
//   mailbox   id, max                         -> messages (id, from, time_ms, attempt, payload)
//   mailboxes                                 -> mailboxes (app, known, sessions, and as in an app)
//   messages  id, max, after, full, dead      -> messages (id, from, time_ms, attempt, held, bytes,
//             (instead its dead letters)         durable, request, expires_ms, dead_ms, shown: JSON
//                                              text, whole), more, mailbox (as in an app)
//   remove_message  id, message               -> (nothing); a dead letter too
//   trace     id ("": all), max, after        -> entries (see agent/relay/trace.h), change
//   outbox    drop (an agent; none: look)     -> agents (agent, state, count, bytes, in_flight,
//             oldest_ms, refused, error), or dropped
//   token     app                             -> secret, endpoint, file; only over the local socket
//   shutdown  keep_apps                       -> (nothing); only over the local socket
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
