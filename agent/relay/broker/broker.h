#pragma once

#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "agent/relay/box/box.h"
#include "agent/relay/box/known_keys.h"
#include "agent/relay/box/rights.h"
#include "agent/relay/box/trace.h"
#include "agent/relay/broker/apps_view.h"
#include "agent/relay/broker/id_source.h"
#include "agent/relay/broker/request_table.h"
#include "agent/relay/broker/session.h"
#include "agent/relay/disk/journal.h"
#include "agent/relay/peer/exchange.h"
#include "agent/relay/protocol/requests.h"
#include "shared/base/result.h"
#include "shared/loop/event_loop.h"
#include "shared/loop/heap_trimmer.h"
#include "shared/loop/poster.h"

// The relay: mailboxes, and what apps may do with them. All of it lives in one thread.
//
// A turn of the loop reads requests, changes the mailboxes in memory, and gathers what must be on
// the disk in one Batch. At the turn's end the batch goes to the Journal, when that is not busy
// with the one before, and mailboxes that got something give it to whoever waits for it. A durable
// message is given out, and its `notify` answered, only after its batch is on the disk; so an
// acknowledgement always means stored, a refusal never has been seen by anybody, and one flush of
// the disk serves everybody who asked meanwhile.
//
// What can be lost: nothing that was acknowledged. What can come twice: a message that its receiver
// has not acknowledged, with `attempt` counted up; after a crash of the agent every message counts
// as given out before.
namespace berth::relay {

struct RelayLimits {
    MailboxLimits mailbox;
    std::size_t total_bytes = 1U << 30U;
    std::size_t mailboxes = 10'000;
    std::size_t window = 1000;
    Duration redelivery = std::chrono::seconds(30);
    std::size_t known_keys = 20'000;  // dedupe keys of one sender that are remembered, the latest
    std::size_t stored_keys = 1'000'000;  // of all, on the disk
    Duration known_for = std::chrono::minutes(15);
    std::size_t pending_requests = 10'000;
    std::size_t waiting_polls = 1000;      // of one mailbox
    std::size_t backlog = 1U << 20U;       // above it, no more is pushed until the peer has read
    std::size_t max_backlog = 32U << 20U;  // above it, a peer that gets events is disconnected
};

class Broker : private PeerHost {
public:
    struct Options {
        RelayLimits limits;
        Journal::Options journal;
        AgentPort port;
        std::function<Result<std::string>(const std::string& app)> secret_of;
        PeerRules rules;
        // Over the link to a controller, by number; what comes over one goes to exchange().
        std::function<void(std::uint64_t link, std::string frame)> mail_send;
        std::function<void(std::uint64_t link)> mail_close;
    };

    static Result<std::unique_ptr<Broker>> create(loop::EventLoop& loop, Options options);
    ~Broker() override;
    Broker(const Broker&) = delete;
    Broker& operator=(const Broker&) = delete;

    // Messages from and to apps of other agents.
    [[nodiscard]] PeerExchange& exchange() { return *exchange_; }

    // --- from the endpoints
    Session& connected(Link& link);

    // The secret of an app ("": of any) may be another now, or none: who is connected with an older
    // one is cut off.
    void secret_changed(const std::string& app);
    void received(Session& session, std::span<const std::string_view> parts);
    void too_large(Session& session, std::string_view header);
    void drained(Session& session);  // its backlog is small again

    // Its peer takes nothing any more: nothing is given to it. What it said before, such as what it
    // gives back as it leaves, is still received; disconnected() is its end.
    void deafened(Session& session);
    void disconnected(Session& session);

    // --- from the agent, posted
    void apps_changed(std::vector<AppFacts> changed, const std::vector<std::string>& removed);

    // Makes `session` the operator's, who speaks for `app` ("" for himself).
    void authorize_operator(Session& session, const std::string& app);

    // Answers those who wait, and everybody from now on, with 503.
    void begin_stop();

    [[nodiscard]] std::vector<MailboxStats> stats() const;

    // A message of a mailbox, for those who look at it (broker_look.cpp).
    struct Peeked {
        MessageMeta meta;
        Payload payload;
        Name from;
        bool held = false;
        bool durable = false;
        std::optional<std::uint64_t> expires_ms;  // Unix time
        std::optional<std::uint64_t> dead_ms;     // since when it is a dead letter, Unix time
    };

    // The oldest `max` with an id above `after`; they are not given out.
    [[nodiscard]] std::vector<Peeked> peek(const std::string& app,
                                           std::size_t max,
                                           std::uint64_t after = 0) const;

    // Before the operator takes away one message, with an `ack` in the app's name: a request is
    // ended, its asker is told. Error: NotFound, or it is not on the disk yet.
    Result<void> release_for_removal(const std::string& app, std::uint64_t id);

    // The dead letters of an app, as peek() has the others.
    [[nodiscard]] std::vector<Peeked> peek_dead(const std::string& app,
                                                std::size_t max,
                                                std::uint64_t after = 0) const;

    [[nodiscard]] bool is_dead(const std::string& app, std::uint64_t id) const;

    [[nodiscard]] const Trace& trace() const { return trace_; }

    // How often stats() may have changed; for those who show them.
    [[nodiscard]] std::uint64_t changes() const { return changes_; }

private:
    using Parts = std::span<const std::string_view>;
    using Handler = void (Broker::*)(Session&, const RequestHeader&, Parts);

    // An answer that waits for its batch; `frames` is a whole message.
    struct Deferred {
        std::uint64_t session;
        std::uint64_t request_id;
        std::string header;
        std::vector<Payload> payloads;
    };

    // What happens when a batch is on the disk, or is not.
    struct Turn {
        std::unique_ptr<Batch> batch = std::make_unique<Batch>();
        std::vector<Deferred> answers;
        std::vector<std::pair<Box*, std::uint64_t>> added;
        std::vector<KnownKeys::Fingerprint> known;  // keys that this turn has used
    };

    // Keys that the disk holds, a thousand at most; `last_id` is of the latest.
    struct StoredKeys {
        std::uint64_t last_id = 0;
        std::size_t count = 0;
        std::uint64_t time_ms = 0;
    };

    Broker(loop::EventLoop& loop, Options options);
    void restore(Stored stored);

    void on_hello(Session& session, const RequestHeader& request, Parts payload);
    void on_ping(Session& session, const RequestHeader& request, Parts payload);
    void on_version(Session& session, const RequestHeader& request, Parts payload);
    void on_list(Session& session, const RequestHeader& request, Parts payload);
    void on_notify(Session& session, const RequestHeader& request, Parts payload);
    void on_poll(Session& session, const RequestHeader& request, Parts payload);
    void on_ack(Session& session, const RequestHeader& request, Parts payload);
    void on_clear(Session& session, const RequestHeader& request, Parts payload);
    void on_working(Session& session, const RequestHeader& request, Parts payload);
    void on_release(Session& session, const RequestHeader& request, Parts payload);
    void on_resend(Session& session, const RequestHeader& request, Parts payload);
    void on_drop(Session& session, const RequestHeader& request, Parts payload);
    void on_request(Session& session, const RequestHeader& request, Parts payload);
    void on_respond(Session& session, const RequestHeader& request, Parts payload);
    void on_raise(Session& session, const RequestHeader& request, Parts payload);
    void on_control(Session& session, const RequestHeader& request, Parts payload);
    void on_facts(Session& session, const RequestHeader& request, Parts payload);
    void on_config(Session& session, const RequestHeader& request, Parts payload);

    [[nodiscard]] static Handler handler_of(Verb verb);
    void answer(Session& session, std::string_view header, std::span<const Payload> payloads = {});
    void refuse(Session& session, std::uint64_t request, Code code, std::string_view why);

    // Answers when the present batch is on the disk; at once when nothing of it needs the disk.
    void answer_stored(Session& session,
                       const RequestHeader& request,
                       std::string header,
                       std::vector<Payload> payloads,
                       bool needs_disk);

    // with other agents, in broker_peer.cpp
    Result<std::uint64_t> deliver(const Arrival& arrival) override;
    void withdraw(const std::string& app, std::uint64_t id) override;

    [[nodiscard]] bool app_known(std::string_view app) const override { return is_known(app); }

    std::uint64_t draw_id() override { return take_ids(1); }

    std::uint64_t draw_correlation() override { return requests_.draw(); }

    Batch& batch() override { return *turn_.batch; }

    [[nodiscard]] std::uint64_t wall_ms() const override { return now_ms(); }

    void tell(std::uint64_t session, std::span<const std::string_view> parts) override;
    void peer_event(std::string_view agent, const PeerEvent& event) override;
    void make_exchange(Stored& stored);
    [[nodiscard]] std::optional<PeerExchange::Target> far_target(std::string_view to) const;
    Result<void> check_far(const Session& session,
                           const RequestHeader& request,
                           const PeerExchange::Target& to,
                           Parts payload);
    void notify_far(Session& session,
                    const RequestHeader& request,
                    const PeerExchange::Target& to,
                    Parts payload);
    void request_far(Session& session,
                     const RequestHeader& request,
                     const PeerExchange::Target& to,
                     Parts payload);
    void want_far_events(Session& session, std::vector<std::string> agents);
    void push_event(Parts parts, const std::function<bool(const Session&)>& wanted);

    Box* find_box(std::string_view app);
    Result<Box*> need_box(std::string_view app);
    void sweep_boxes();
    Result<std::string_view> local_target(std::string_view to) const;
    [[nodiscard]] const AppFacts* facts(std::string_view app) const;
    [[nodiscard]] bool is_known(std::string_view app) const;
    Result<void> check_room(const Box& box, Parts payload) const;
    bool answer_known(Session& session,
                      const RequestHeader& request,
                      const KnownKeys::Fingerprint& key);
    void remember(Box& sender,
                  const KnownKeys::Fingerprint& key,
                  const Batch::Known& known,
                  bool durable);
    void learn(Box& sender, const KnownKeys::Fingerprint& key, const Batch::Known& known);
    void note_stored_key(const Batch::Known& known);
    [[nodiscard]] std::uint64_t known_for_ms() const;
    void accept(Box& box, Session& session, const RequestHeader& request, Parts payload);
    void keep(Box& box, Message message, std::uint64_t ttl_ms);
    std::uint64_t take_ids(std::size_t count);

    void touch(Box& box);
    void give_out(Box& box);
    bool serve(Box& box, Waiter& waiter);  // false: nothing is there for it
    void push_to(Box& box, Session& receiver);
    Message* next(Box& box);
    void give(Box& box, Message& message, Session& receiver);
    bool acknowledge(Session& session, const IdList& ids);         // whether that must be stored
    bool take_away(Box& box, std::uint64_t id, TraceOutcome why);  // the same
    void note_new(Box& box, const Message& message);
    void note_far(const PeerExchange::Target& to, const PeerExchange::Letter& letter);
    void note_event(const Name& from, std::string_view type, Parts payload);
    void note_taken(Box& box, std::uint64_t id, TraceOutcome why);
    void redeliver(Box& box);
    void redeliver_at(Box& box, MonoTime due);
    void settle(Box& box) const;
    void let_go(std::uint64_t holder, std::uint64_t id);
    void failed(Box& box, const std::vector<std::uint64_t>& ids);
    void wait_for_messages(Box& box, std::shared_ptr<Waiter> waiter, std::uint64_t wait_ms);
    void end_request(std::uint64_t correlation, Code code, std::string_view why);
    void answer_request(const PendingRequest& pending, std::string_view header, Parts payload);
    void subscribe(Session& session, bool messages, bool events);

    bool end_turn();
    void gather_more(std::size_t answered);
    void stored(const Result<void>& written, std::unique_ptr<Batch> batch);
    void fail_turn(Turn& turn, const Error& error);
    Session* find_session(std::uint64_t number);
    [[nodiscard]] std::uint64_t now_ms() const;
    [[nodiscard]] std::uint64_t key_time_ms() const;

    loop::EventLoop& loop_;
    WallTime booted_;  // by the wall clock of our begin
    Options options_;
    RelayLimits limits_;
    std::map<std::string, AppFacts, std::less<>> apps_;
    Rights rights_;

    struct Hash {
        using is_transparent = void;

        std::size_t operator()(std::string_view text) const {
            return std::hash<std::string_view>()(text);
        }
    };

    std::unordered_map<std::string, std::unique_ptr<Box>, Hash, std::equal_to<>> boxes_;
    std::unordered_map<std::uint64_t, std::unique_ptr<Session>> sessions_;
    RequestTable requests_;
    KnownKeys known_;
    std::string key_;                     // known_key() of the present request, if it has one
    std::deque<StoredKeys> stored_keys_;  // oldest first
    std::size_t stored_key_count_ = 0;
    std::vector<Box*> touched_;
    std::vector<Session*> listeners_;  // for events
    std::uint64_t next_session_ = 1;
    IdSource ids_;
    std::uint64_t stored_id_ = 0;  // durable messages up to it are on the disk
    std::uint64_t next_seq_ = 1;
    std::size_t total_bytes_ = 0;
    std::uint64_t changes_ = 0;
    Trace trace_;
    std::string scratch_;
    Turn turn_;                        // what the present turn wants stored
    std::unique_ptr<Turn> in_flight_;  // what the journal is writing
    MonoTime submitted_;               // when that was
    loop::Registration gather_;     // the next one waits a moment for those who were just answered
    std::size_t gather_until_ = 0;  // so many answers
    loop::Registration retry_;
    bool retry_later_ = false;  // the disk refused; nothing is tried until the timer
    bool stopping_ = false;
    std::shared_ptr<loop::Poster> poster_;
    loop::HeapTrimmer trimmer_;
    std::uint64_t removed_ = 0;  // messages, in this turn
    std::unique_ptr<PeerExchange> exchange_;
    Name last_far_;  // the sender of the latest message from another agent
    std::unique_ptr<Journal> journal_;
    loop::Registration hook_;
};

}  // namespace berth::relay
