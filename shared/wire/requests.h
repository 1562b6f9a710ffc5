#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "shared/wire/fields.h"
#include "shared/wire/value.h"

// What is asked of an agent: a struct for each verb of shared/command/verbs.h, with what it
// answers. Times are nanoseconds since 1970 (`_ns`). What is unset was not given.
namespace berth::wire {

// hello        -> agent
// subscribe    -> agent, seq, apps; then a push "delta" {seq, apps, removed} for each change and a
//                 push "tick" {seq} every second. seq counts up by one; a gap means: subscribe again
// mailboxes    -> mailboxes (app, known, sessions, and as in an app)
// peers        -> peers (key, name, role), endpoint, public_key
struct NoArguments {
    template <class IO, class Self>
    static void fields(IO& /*io*/, Self& /*self*/) {}
};

// -> agent, apps, tails (the last lines of each, with `lines`), unmatched
struct ListRequest {
    std::vector<std::string> patterns;  // none: all apps
    bool expressions = false;           // no pattern is an id
    bool metrics = true;                // with fresh figures of processor and memory
    std::uint64_t lines = 0;

    template <class IO, class Self>
    static void fields(IO& io, Self& self) {
        io("patterns", self.patterns);
        io("expressions", self.expressions);
        io("metrics", self.metrics);
        io("lines", self.lines);
    }
};

// -> app, spec (JSON text), history, runs
struct ShowRequest {
    std::string id;
    bool secrets = false;  // shown to who administers, else masked
    std::uint64_t runs = 100;

    template <class IO, class Self>
    static void fields(IO& io, Self& self) {
        io("id", self.id);
        io("secrets", self.secrets);
        io("runs", self.runs);
    }
};

// -> state, cause, since, actor, evidence, lines, next
struct ExplainRequest {
    std::string id;

    template <class IO, class Self>
    static void fields(IO& io, Self& self) {
        io("id", self.id);
    }
};

// -> results (see ActResult), unmatched; or confirm: ids that an expression means and that would be
// lost
struct ActRequest {
    std::string verb;  // see command::Action
    std::vector<std::string> patterns;
    std::vector<std::string> ids;  // besides the patterns
    bool expressions = false;      // no pattern is an id
    std::string actor;
    std::int64_t deadline_ns = 0;            // after it nothing is done; 0: none
    std::string key;                         // what is repeated with the same key is done once
    bool wait = true;                        // else a start is answered at exec, others at once
    std::optional<std::int64_t> timeout_ms;  // unset: the apps' own limits
    bool if_needed = false;                  // what is so already is no failure
    bool reload = false;                     // read the descriptors before
    bool confirmed = false;
    // With it nothing is done: it waits for what a command of then comes to.
    std::optional<std::int64_t> since_ns;

    template <class IO, class Self>
    static void fields(IO& io, Self& self) {
        io("verb", self.verb);
        io("patterns", self.patterns);
        io("ids", self.ids);
        io("expressions", self.expressions);
        io("actor", self.actor);
        io("deadline_ns", self.deadline_ns);
        io("key", self.key);
        io("wait", self.wait);
        io("timeout_ms", self.timeout_ms);
        io("if_needed", self.if_needed);
        io("reload", self.reload);
        io("confirmed", self.confirmed);
        io("since_ns", self.since_ns);
    }
};

// -> loaded (ids), warnings, problems
struct LoadRequest {
    std::vector<std::string> paths;  // absolute
    std::string cwd;                 // absolute
    std::vector<std::string> environment;
    bool fresh = false;  // an id that is registered already is a problem
    std::string actor;

    template <class IO, class Self>
    static void fields(IO& io, Self& self) {
        io("paths", self.paths);
        io("cwd", self.cwd);
        io("environment", self.environment);
        io("fresh", self.fresh);
        io("actor", self.actor);
    }
};

// -> found (ids), problems
struct ScanRequest {
    std::string actor;

    template <class IO, class Self>
    static void fields(IO& io, Self& self) {
        io("actor", self.actor);
    }
};

// -> taken (bytes), why (not all), full (it does not read: try again with the rest)
struct InputRequest {
    std::string id;
    std::string data;
    std::uint64_t wait_ms = 0;  // for it to read

    template <class IO, class Self>
    static void fields(IO& io, Self& self) {
        io("id", self.id);
        io("data", self.data);
        io("wait_ms", self.wait_ms);
    }
};

// -> (nothing)
struct ResizeRequest {
    std::string id;
    std::uint64_t rows = 0;
    std::uint64_t columns = 0;

    template <class IO, class Self>
    static void fields(IO& io, Self& self) {
        io("id", self.id);
        io("rows", self.rows);
        io("columns", self.columns);
    }
};

// -> changed (ids)
struct ScaleRequest {
    std::string id;
    std::uint64_t count = 0;
    std::string actor;

    template <class IO, class Self>
    static void fields(IO& io, Self& self) {
        io("id", self.id);
        io("count", self.count);
        io("actor", self.actor);
    }
};

// -> apps: {id: what would keep it from starting}, notes: {id: what there is to say besides},
// unmatched
struct CheckRequest {
    std::vector<std::string> patterns;

    template <class IO, class Self>
    static void fields(IO& io, Self& self) {
        io("patterns", self.patterns);
    }
};

// -> see LogBatch
struct LogsRequest {
    std::string id;
    Value position;  // see LogPosition; nil: from the begin, or the last `tail`
    std::optional<std::uint64_t> tail;
    std::optional<std::int64_t> since_ns;
    std::optional<std::int64_t> until_ns;
    std::uint64_t max_lines = 1000;
    std::string stream;  // stdout or stderr; "": both
    std::string grep;    // RE2, for whole lines
    std::int64_t wait_ms = 0;
    bool whole = false;  // lines; else pieces as they were written, except with grep
    bool rest = false;   // with whole: what is unfinished at the end too

    template <class IO, class Self>
    static void fields(IO& io, Self& self) {
        io("id", self.id);
        io("position", self.position);
        io("tail", self.tail);
        io("since_ns", self.since_ns);
        io("until_ns", self.until_ns);
        io("max_lines", self.max_lines);
        io("stream", self.stream);
        io("grep", self.grep);
        io("wait_ms", self.wait_ms);
        io("whole", self.whole);
        io("rest", self.rest);
    }
};

// -> events, last
struct EventsRequest {
    std::optional<std::uint64_t> after;  // unset: the last ones
    std::uint64_t limit = 100;
    std::int64_t wait_ms = 0;

    template <class IO, class Self>
    static void fields(IO& io, Self& self) {
        io("after", self.after);
        io("limit", self.limit);
        io("wait_ms", self.wait_ms);
    }
};

// -> groups, crashes (with their bundles as JSON text)
struct CrashesRequest {
    std::string id;  // "": all apps
    std::uint64_t limit = 0;

    template <class IO, class Self>
    static void fields(IO& io, Self& self) {
        io("id", self.id);
        io("limit", self.limit);
    }
};

// -> time, cpu_percent, rss_bytes, …: a list each
struct MetricsRequest {
    std::string id;
    std::optional<std::int64_t> since_ns;  // unset: an hour ago

    template <class IO, class Self>
    static void fields(IO& io, Self& self) {
        io("id", self.id);
        io("since_ns", self.since_ns);
    }
};

// -> code, info, payload: as the verb of contracts/ipc answers
struct MessageRequest {
    std::string verb;
    std::string app;  // in whose name; "": nobody's
    Value args = Value::Map{};
    std::vector<std::string> payload;

    template <class IO, class Self>
    static void fields(IO& io, Self& self) {
        io("verb", self.verb);
        io("app", self.app);
        io("args", self.args);
        io("payload", self.payload);
    }
};

// -> messages (id, from, time_ms, attempt, payload)
struct MailboxRequest {
    std::string id;
    std::uint64_t max = 1000;

    template <class IO, class Self>
    static void fields(IO& io, Self& self) {
        io("id", self.id);
        io("max", self.max);
    }
};

// -> messages (id, from, time_ms, attempt, held, durable, request, expires_ms, dead_ms, bytes,
// shown: JSON text, whole), more, mailbox (as in an app)
struct MessagesRequest {
    std::string id;
    std::uint64_t max = 100;
    std::uint64_t after = 0;
    bool full = false;  // all of each payload
    bool dead = false;  // instead its dead letters

    template <class IO, class Self>
    static void fields(IO& io, Self& self) {
        io("id", self.id);
        io("max", self.max);
        io("after", self.after);
        io("full", self.full);
        io("dead", self.dead);
    }
};

// -> (nothing); a dead letter too
struct RemoveMessageRequest {
    std::string id;
    std::uint64_t message = 0;

    template <class IO, class Self>
    static void fields(IO& io, Self& self) {
        io("id", self.id);
        io("message", self.message);
    }
};

// -> entries (see agent/relay/box/trace.h), change
struct TraceRequest {
    std::string id;                    // "": all
    std::optional<std::uint64_t> max;  // unset: all there are
    std::uint64_t after = 0;

    template <class IO, class Self>
    static void fields(IO& io, Self& self) {
        io("id", self.id);
        io("max", self.max);
        io("after", self.after);
    }
};

// -> agents (agent, state, count, bytes, in_flight, oldest_ms, refused, error); or dropped
struct OutboxRequest {
    std::string drop;  // an agent; "": look

    template <class IO, class Self>
    static void fields(IO& io, Self& self) {
        io("drop", self.drop);
    }
};

// -> endpoint, public_key
struct AuthorizeRequest {
    std::string key;
    std::string name;
    std::string listen;          // tcp://HOST:PORT, for good
    std::string role = "admin";  // see command::Role

    template <class IO, class Self>
    static void fields(IO& io, Self& self) {
        io("key", self.key);
        io("name", self.name);
        io("listen", self.listen);
        io("role", self.role);
    }
};

// -> (nothing)
struct RevokeRequest {
    std::string key;

    template <class IO, class Self>
    static void fields(IO& io, Self& self) {
        io("key", self.key);
    }
};

// -> app, secret, endpoint, file
struct TokenRequest {
    std::string app;

    template <class IO, class Self>
    static void fields(IO& io, Self& self) {
        io("app", self.app);
    }
};

// -> (nothing)
struct UpgradeRequest {
    std::string folder;

    template <class IO, class Self>
    static void fields(IO& io, Self& self) {
        io("folder", self.folder);
    }
};

// -> (nothing)
struct ShutdownRequest {
    bool keep_apps = false;

    template <class IO, class Self>
    static void fields(IO& io, Self& self) {
        io("keep_apps", self.keep_apps);
    }
};

}  // namespace berth::wire
