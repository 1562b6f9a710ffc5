#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "agent/relay/box/rights.h"
#include "agent/relay/peer/envelope.h"
#include "agent/relay/peer/outbox.h"
#include "agent/relay/peer/stream_cursor.h"
#include "shared/loop/event_loop.h"
#include "shared/wire/mail.h"

namespace berth::relay {

// What the relay does for messages that come from, or go to, apps of other agents.
class PeerHost {
public:
    PeerHost() = default;
    PeerHost(const PeerHost&) = delete;
    PeerHost& operator=(const PeerHost&) = delete;
    virtual ~PeerHost() = default;

    // A message of another agent's app.
    struct Arrival {
        std::string from;  // "AGENT/ID"
        std::string_view to;
        std::uint64_t time_ms = 0;
        std::uint64_t ttl_ms = 0;  // 0: no end
        bool durable = false;
        std::uint64_t correlation = 0;
        std::string_view payload;
    };

    // Into the mailbox, as part of this turn; gives its id. Error: as for a notify from here.
    virtual Result<std::uint64_t> deliver(const Arrival& arrival) = 0;

    // Takes a request that is answered out of the mailbox again.
    virtual void withdraw(const std::string& app, std::uint64_t id) = 0;

    [[nodiscard]] virtual bool app_known(std::string_view app) const = 0;
    virtual std::uint64_t draw_id() = 0;
    virtual std::uint64_t draw_correlation() = 0;

    // What this turn wants on the disk.
    virtual Batch& batch() = 0;
    [[nodiscard]] virtual std::uint64_t wall_ms() const = 0;

    // To a client, when it is still there.
    virtual void tell(std::uint64_t session, std::span<const std::string_view> parts) = 0;

    // To those clients that want events of this agent.
    virtual void peer_event(std::string_view agent, const PeerEvent& event) = 0;
};

// The settings of agent.toml, [ipc]. Patterns are RE2, for whole names of agents.
struct PeerRules {
    std::optional<std::vector<std::string>> accept;        // whose messages; unset: everybody's
    std::optional<std::vector<std::string>> share_events;  // who gets events; unset: everybody
};

// What waits for one other agent, for those who look at it.
struct OutboxStats {
    std::string agent;
    std::string state;  // connected | away | unknown
    std::size_t count = 0;
    std::size_t bytes = 0;
    std::size_t in_flight = 0;               // bytes on their way
    std::optional<std::uint64_t> oldest_ms;  // Unix time
    std::uint64_t refused = 0;               // since the agent's start
    std::string error;                       // the last one
};

// Messages between apps of different agents, this agent's side.
//
// Out: a message is kept, on the disk when it is durable, until the agent it is for has said that
// it has it; it is sent over the link to a controller that is connected to that agent. Whenever
// something may have been lost, all that has no receipt is sent again, in order. In: a message goes
// into the mailbox, and the number of the newest one taken of its stream with it, in one
// transaction; then the receipt is sent. So none is lost and none stored twice, whoever is killed
// when. What is on its way is bounded in bytes, per agent and per link.
//
// Links are told by number; the agent's loop owns the connections. Relay thread.
class PeerExchange {
public:
    struct Options {
        std::string agent;  // our name, as we know it
        MailboxLimits box;  // of all that waits for one agent
        std::size_t total_bytes = 1U << 30U;
        std::size_t pending_requests = 10'000;
        PeerRules rules;
        std::function<void(std::uint64_t link, std::string frame)> send;
        std::function<void(std::uint64_t link)> close;
    };

    PeerExchange(loop::EventLoop& loop, PeerHost& host, Options options);
    ~PeerExchange();
    PeerExchange(const PeerExchange&) = delete;
    PeerExchange& operator=(const PeerExchange&) = delete;

    void restore(Stored& stored);

    // --- from apps of this agent
    struct Target {
        std::string agent;
        std::string app;
    };

    // Error: Exhausted, or TooLarge, as for a mailbox.
    Result<void> check_room(const std::string& agent, std::size_t messages, std::size_t bytes);

    struct Letter {
        EnvelopeKind kind = EnvelopeKind::Notify;
        Name from;
        std::uint64_t id = 0;
        std::uint64_t ttl_ms = 0;  // 0: no end
        bool durable = false;
        std::uint64_t correlation = 0;
        std::string_view payload;
    };

    // Keeps it until it has arrived. After check_room(). Ids must rise.
    void send(const Target& to, const Letter& letter);

    // "connected", "away" or "unknown", and what the other side has told of the app.
    [[nodiscard]] std::string_view reach(const std::string& agent) const;
    [[nodiscard]] std::optional<bool> known(const Target& to) const;

    // Whether a durable message with this id has been stored.
    [[nodiscard]] bool on_disk(std::uint64_t id) const { return id <= stored_; }

    struct Asker {
        std::uint64_t session = 0;
        std::uint64_t request = 0;
        Name app;
    };

    // The answer, or the error, goes to the asker. After check_room().
    Result<void> request(const Target& to,
                         const Asker& asker,
                         std::chrono::milliseconds timeout,
                         std::string_view payload);

    // False: no request of another agent to `app` waits for this answer. `to`: whom the app means.
    bool respond(const std::string& app,
                 std::optional<std::string_view> to,
                 std::uint64_t correlation,
                 std::string_view payload);

    void raise(const PeerEvent& event);

    // Somebody wants events of these agents ("*": of all), or not any more.
    void listen(const std::vector<std::string>& agents);
    void unlisten(const std::vector<std::string>& agents);

    void session_ended(std::uint64_t session);
    void begin_stop();

    // --- the disk
    // Whether something waits for the end of this turn's batch.
    [[nodiscard]] bool waits() const { return !turn_.empty(); }

    void submitted(Batch& batch);  // this turn's batch is on its way
    void stored();
    void failed();  // nor is what came meanwhile

    // --- links
    void received(std::uint64_t link, std::string_view frame);
    void closed(std::uint64_t link);

    // Sends what is due. True: something was done.
    bool end_turn();

    // --- for people
    [[nodiscard]] std::vector<OutboxStats> stats() const;
    std::size_t drop(const std::string& agent);  // gives up what waits for it; how many that were

private:
    struct Link {
        std::uint64_t number = 0;
        std::string controller;
        std::string name;  // under which it shows us
        MonoTime heard;
        std::uint64_t got = 0;
        std::map<std::string, wire::Presence, std::less<>> roster;
        std::uint64_t sent = 0;                     // bytes
        std::uint64_t taken = 0;                    // of those, by the controller
        std::map<std::string, std::string> events;  // to be sent, by receiver; "": all who listen
        std::size_t event_bytes = 0;
        MonoTime next_events;  // none are sent before
        bool lost_events = false;
    };

    struct Box {
        Box(std::string agent, std::size_t& total, std::uint64_t& numbers)
            : mail(std::move(agent), total, numbers) {}

        OutBox mail;
        std::uint64_t link = 0;  // what was sent last went over it; 0: nothing was
        MonoTime progress;       // the last receipt, or when the first of what has none was sent
        MonoTime busy_until;
        std::uint32_t setbacks = 0;  // in a row
        std::size_t frames = 0;      // sent since the last receipt
        std::map<std::string, bool, std::less<>> known;
        std::uint64_t refused = 0;
        std::string error;
    };

    // A request of ours.
    struct Asked {
        Asker asker;
        Target to;
        loop::Registration timeout;
    };

    // A request of another agent.
    struct Asking {
        std::string agent;
        std::string from;
        std::string app;
        std::uint64_t correlation = 0;  // the asker's
        std::uint64_t message = 0;
        loop::Registration timeout;
    };

    // Whose envelopes these are.
    struct Sender {
        std::uint64_t link = 0;
        std::string agent;
        std::string epoch;
        std::uint64_t life = 0;

        friend auto operator<=>(const Sender&, const Sender&) = default;
    };

    // A receipt that waits for the disk.
    struct Due {
        std::shared_ptr<const Sender> sender;
        StreamCursor* cursor = nullptr;
        std::uint64_t number = 0;  // the sender's, of the cursor
        std::uint64_t id = 0;
        bool taken = false;  // by this turn; else it was taken before
    };

    struct Added {
        std::string agent;
        Name from;
        std::string to;
        std::uint64_t id = 0;
    };

    struct Turn {
        std::vector<Due> receipts;
        std::vector<Added> added;

        [[nodiscard]] bool empty() const { return receipts.empty() && added.empty(); }
    };

    [[nodiscard]] Origin origin() const { return {epoch_, life_}; }

    // links
    Link* find_link(std::uint64_t number);
    void on_hello(std::uint64_t number, const wire::MailFrame& mail);
    void on_roster(Link& link, std::string_view body);
    void set_presence(Link& link, const std::string& agent, wire::Presence presence);
    void on_bounce(Link& link, const wire::MailFrame& mail);
    void send_frame(Link& link, wire::MailKind kind, std::string_view peer, std::string_view body);
    void send_listen();
    void tick();
    void keep_ticking();

    // out
    Box& need_box(const std::string& agent);
    Box* find_box(std::string_view agent);
    Link* route(Box& box);
    void rewind(Box& box);
    void set_back(Box& box);
    void pump();
    void send_box(Box& box, Link& link, std::size_t& in_flight);
    void on_receipts(std::string_view agent, std::string_view body);
    void on_receipt(Box& box, const Receipt& receipt);
    void on_refused(Box& box, const Receipt& receipt);
    void discard(const std::vector<Outgoing>& messages);
    void end_asked(std::uint64_t correlation, Code code, std::string_view why);

    // in
    void on_envelopes(Link& link, const wire::MailFrame& mail);
    void on_envelope(const std::shared_ptr<const Sender>& sender, const Envelope& envelope);
    std::optional<Error> take(const Sender& sender, const Envelope& envelope);
    Result<std::uint64_t> take_request(const Sender& sender, const Envelope& envelope);
    void take_answer(const Sender& sender, const Envelope& envelope);
    StreamCursor& cursor_of(const Sender& sender, const Envelope& envelope);
    void say(const Sender& sender, const Receipt& receipt);
    void on_events(const wire::MailFrame& mail);
    void gather(Link& link, const std::string& receiver, const PeerEvent& event);
    void send_events(Link& link);

    loop::EventLoop& loop_;
    PeerHost& host_;
    Options options_;
    Rights rules_;
    std::string epoch_;
    std::uint64_t life_ = 0;
    std::map<std::uint64_t, std::unique_ptr<Link>> links_;
    std::map<std::string, std::unique_ptr<Box>, std::less<>> boxes_;
    std::size_t total_ = 0;
    std::uint64_t numbers_ = 0;
    std::uint64_t stored_ = 0;  // durable messages up to it are on the disk
    StreamCursors cursors_;
    StreamCursor* last_cursor_ = nullptr;
    std::vector<StreamCursor*> dirty_;
    std::map<std::uint64_t, Asked> asked_;    // by correlation
    std::map<std::uint64_t, Asking> asking_;  // by correlation
    std::map<std::string, std::size_t> wanted_events_;
    Turn turn_;
    Turn in_flight_;
    std::map<Sender, std::string> replies_;  // receipts to be sent at the turn's end
    bool pump_ = false;
    loop::Registration tick_;
    loop::Registration later_events_;
    std::uint64_t ticks_ = 0;
};

}  // namespace berth::relay
