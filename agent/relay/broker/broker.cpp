#include "agent/relay/broker/broker.h"

#include <algorithm>
#include <array>
#include <utility>

#include "shared/log/log.h"

namespace berth::relay {

namespace {

constexpr std::size_t kBurst =
    100'000;  // messages that have gone, after which memory is given back

}  // namespace

Result<std::unique_ptr<Broker>> Broker::create(loop::EventLoop& loop, Options options) {
    std::unique_ptr<Broker> relay(new Broker(loop, std::move(options)));
    Broker& self = *relay;
    Stored stored;
    BERTH_TRY(self.journal_,
              Journal::open(self.options_.journal,
                            stored,
                            [&self, poster = self.poster_](std::unique_ptr<Batch> batch,
                                                           const Result<void>& written) {
                                // shared: a job must be copyable
                                auto held =
                                    std::make_shared<std::unique_ptr<Batch>>(std::move(batch));
                                (void)poster->post([&self, held, written] {
                                    self.stored(written, std::move(*held));
                                });
                            }));
    self.restore(std::move(stored));
    return relay;
}

Broker::Broker(loop::EventLoop& loop, Options options)
    : loop_(loop),
      booted_(loop.now().wall - loop.now().boot),
      options_(std::move(options)),
      limits_(options_.limits),
      poster_(std::make_shared<loop::Poster>(loop)),
      trimmer_(loop, kBurst),
      hook_(loop.before_sleep([this] { return end_turn(); })) {}

Broker::~Broker() {
    poster_->close();
    hook_.reset();
    if (journal_ != nullptr && !turn_.batch->empty()) {
        journal_->submit(std::move(turn_.batch));
    }
    journal_.reset();  // writes what is on its way
}

// Everything counts as given out before: whether it was, nobody knows after a crash.
void Broker::restore(Stored stored) {
    const std::uint64_t now = now_ms();
    ids_.begin_at(stored.next_id);
    for (Batch::Insert& row : stored.messages) {
        stored_id_ = row.id;
        ids_.used(row.id);
        auto& slot = boxes_[*row.to];
        if (slot == nullptr) {
            slot = std::make_unique<Box>(*row.to, total_bytes_);
            settle(*slot);
        }
        Message message;
        message.id = row.id;
        message.from = std::move(row.from);
        message.payload = std::move(row.payload);
        message.time_ms = row.time_ms;
        message.attempt = std::max<std::uint32_t>(1, row.failures);
        message.failures = row.failures;
        message.durable = true;
        if (row.dead_ms != 0) {
            slot->dead.add(std::move(message), row.dead_ms);
            continue;
        }
        if (row.expires_ms != 0) {
            const auto left =
                std::chrono::milliseconds(row.expires_ms > now ? row.expires_ms - now : 0);
            message.expires = loop_.now().mono + left;
        }
        slot->mail.add(std::move(message));
    }
    for (const std::string& packed : stored.known) {
        unpack_known(packed, [this](const Batch::Known& known) {
            note_stored_key(known);
            const std::string sender(known.key.substr(0, known.key.find('\0')));
            if (const auto box = need_box(sender)) {
                learn(**box, known_.fingerprint(known.key), known);
            }
        });
    }
    for (const Batch::Outgoing& row : stored.outgoing) {
        ids_.used(row.id);
    }
    make_exchange(stored);
    requests_.begin_at(ids_.next() << 8U);
    (void)take_ids(0);
}

std::uint64_t Broker::now_ms() const {
    return static_cast<std::uint64_t>(loop_.now().wall.time_since_epoch() /
                                      std::chrono::milliseconds(1));
}

// The same while nobody sets the clock: a jump makes no key older than it is.
std::uint64_t Broker::key_time_ms() const {
    return static_cast<std::uint64_t>((booted_ + loop_.now().boot).time_since_epoch() /
                                      std::chrono::milliseconds(1));
}

std::uint64_t Broker::take_ids(std::size_t count) {
    const std::uint64_t first = ids_.take(count);
    if (const auto reserved = ids_.reserve()) {
        turn_.batch->next_id = *reserved;
    }
    return first;
}

// --- sessions

Session& Broker::connected(Link& link) {
    auto session = std::make_unique<Session>();
    session->number = next_session_++;
    session->link = &link;
    Session& made = *session;
    sessions_.emplace(made.number, std::move(session));
    return made;
}

Session* Broker::find_session(std::uint64_t number) {
    const auto found = sessions_.find(number);
    return found == sessions_.end() ? nullptr : found->second.get();
}

// What is pushed to a session that has said hello.
void Broker::subscribe(Session& session, bool messages, bool events) {
    messages = messages && !session.deaf;
    events = events && !session.deaf;
    if (session.listening != events) {
        session.listening = events;
        if (events) {
            listeners_.push_back(&session);
        } else {
            std::erase(listeners_, &session);
        }
    }
    if (session.subscribed != messages) {
        session.subscribed = messages;
        if (messages) {
            session.box->subscribers.push_back(&session);
            touch(*session.box);
        } else {
            std::erase(session.box->subscribers, &session);
        }
    }
}

void Broker::deafened(Session& session) {
    session.deaf = true;
    subscribe(session, /*messages=*/false, /*events=*/false);
    want_far_events(session, {});
    if (session.box != nullptr) {
        std::erase_if(session.box->waiters, [&session](const std::shared_ptr<Waiter>& waiter) {
            return waiter->session == session.number;
        });
    }
}

// What it held waits again, what it waited for is forgotten.
void Broker::disconnected(Session& session) {
    deafened(session);
    exchange_->session_ended(session.number);
    if (Box* const box = session.box; box != nullptr) {
        --box->sessions;
        if (session.window > 0) {
            failed(*box, box->mail.release(session.number));
            touch(*box);
        }
    }
    for (const std::uint64_t correlation : requests_.asked_by(session.number)) {
        end_request(correlation, Code::Stopping, "its asker has gone");
    }
    sessions_.erase(session.number);
}

void Broker::drained(Session& session) {
    if (session.subscribed) {
        touch(*session.box);
    }
}

// --- requests

namespace {

constexpr std::size_t kVerbCount = kVerbNames.names.size();

// Looks at the verbs alone: under UBSan gcc 12 takes no comparison of member functions for
// constant.
template <class Row, std::size_t N>
consteval bool each_verb_once(const std::array<Row, N>& rows) {
    std::array<bool, kVerbCount> seen{};
    for (const Row& row : rows) {
        if (std::exchange(seen.at(static_cast<std::size_t>(row.verb)), true)) {
            return false;
        }
    }
    return N == kVerbCount;
}

template <class Row, std::size_t N>
consteval auto by_verb(const std::array<Row, N>& rows) {
    std::array<decltype(Row::handler), kVerbCount> handlers{};
    for (const Row& row : rows) {
        handlers.at(static_cast<std::size_t>(row.verb)) = row.handler;
    }
    return handlers;
}

}  // namespace

Broker::Handler Broker::handler_of(Verb verb) {
    struct Row {
        Verb verb;
        Handler handler;
    };

    static constexpr auto kRows = std::to_array<Row>({
        {Verb::Hello, &Broker::on_hello},     {Verb::Ping, &Broker::on_ping},
        {Verb::Version, &Broker::on_version}, {Verb::List, &Broker::on_list},
        {Verb::Notify, &Broker::on_notify},   {Verb::Poll, &Broker::on_poll},
        {Verb::Ack, &Broker::on_ack},         {Verb::Clear, &Broker::on_clear},
        {Verb::Request, &Broker::on_request}, {Verb::Respond, &Broker::on_respond},
        {Verb::Raise, &Broker::on_raise},     {Verb::Start, &Broker::on_control},
        {Verb::Stop, &Broker::on_control},    {Verb::Restart, &Broker::on_control},
        {Verb::IsRunning, &Broker::on_facts}, {Verb::IsAvailable, &Broker::on_facts},
        {Verb::Status, &Broker::on_facts},    {Verb::Config, &Broker::on_config},
        {Verb::Working, &Broker::on_working}, {Verb::Release, &Broker::on_release},
        {Verb::Resend, &Broker::on_resend},   {Verb::Drop, &Broker::on_drop},
    });
    static_assert(each_verb_once(kRows), "every verb has its handler, and none has two");
    static constexpr auto kHandlers = by_verb(kRows);
    return kHandlers.at(static_cast<std::size_t>(verb));
}

void Broker::received(Session& session, Parts parts) {
    RequestHeader request;
    const auto read = read_request(parts[0], request);
    if (session.box == nullptr && (!read || request.verb != Verb::Hello)) {
        return refuse(session, request.id, Code::Unauthenticated, "say hello first");
    }
    if (!read) {
        return refuse(session, request.id, wire::code_of(read.error()), read.error().message);
    }
    if (stopping_) {
        return refuse(session, request.id, Code::Stopping, "the agent is stopping");
    }
    (this->*handler_of(request.verb))(session, request, parts.subspan(1));
}

void Broker::too_large(Session& session, std::string_view header) {
    RequestHeader request;
    (void)read_request(header, request);  // for its id; nothing of it is done
    if (session.box == nullptr) {
        return refuse(session, request.id, Code::Unauthenticated, "say hello first");
    }
    refuse(session,
           request.id,
           Code::TooLarge,
           "a header is at most 64 KiB, a payload 64 MiB, a request 65 MiB in 10,000 payloads");
}

void Broker::answer(Session& session, std::string_view header, std::span<const Payload> payloads) {
    std::vector<std::string_view> parts;
    parts.reserve(payloads.size() + 1);
    parts.push_back(header);
    for (const Payload& payload : payloads) {
        parts.push_back(*payload);
    }
    session.link->send(parts);
}

void Broker::refuse(Session& session, std::uint64_t request, Code code, std::string_view why) {
    const std::string header = error_header(request, code, why);
    const std::string_view part = header;
    session.link->send({&part, 1});
}

void Broker::answer_stored(Session& session,
                           const RequestHeader& request,
                           std::string header,
                           std::vector<Payload> payloads,
                           bool needs_disk) {
    if (!needs_disk) {
        return answer(session, header, payloads);
    }
    turn_.answers.push_back({session.number, request.id, std::move(header), std::move(payloads)});
}

void Broker::begin_stop() {
    stopping_ = true;
    for (auto& [name, box] : boxes_) {
        for (const std::shared_ptr<Waiter>& waiter : box->waiters) {
            if (Session* const session = find_session(waiter->session)) {
                refuse(*session, waiter->request, Code::Stopping, "the agent is stopping");
            }
        }
        box->waiters.clear();
    }
    while (const auto correlation = requests_.any()) {
        end_request(*correlation, Code::Stopping, "the agent is stopping");
    }
    exchange_->begin_stop();
}

// --- boxes

Box* Broker::find_box(std::string_view app) {
    const auto found = boxes_.find(app);
    return found == boxes_.end() ? nullptr : found->second.get();
}

Result<Box*> Broker::need_box(std::string_view app) {
    if (Box* const box = find_box(app)) {
        return box;
    }
    if (boxes_.size() >= limits_.mailboxes) {
        sweep_boxes();
    }
    if (boxes_.size() >= limits_.mailboxes) {
        return fail(ErrorCode::Exhausted,
                    "there are " + std::to_string(limits_.mailboxes) + " mailboxes already");
    }
    auto box = std::make_unique<Box>(std::string(app), total_bytes_);
    settle(*box);
    Box* const made = box.get();
    boxes_.emplace(std::string(app), std::move(box));
    return made;
}

// Forgets mailboxes that nobody has anything in or to do with, and those whose keys are too old.
void Broker::sweep_boxes() {
    const std::uint64_t now = key_time_ms();
    std::erase_if(boxes_, [this, now](const auto& entry) {
        const Box& box = *entry.second;
        if (!box.mail.empty() || box.dead.count() != 0 || box.sessions != 0 ||
            box.references != 0 || box.touched ||
            (!box.keys.empty() && box.keys.back().second + known_for_ms() >= now)) {
            return false;
        }
        for (const auto& [key, time_ms] : box.keys) {
            known_.erase(key);
        }
        return true;
    });
}

void Broker::touch(Box& box) {
    if (!box.touched) {
        box.touched = true;
        touched_.push_back(&box);
    }
}

// --- what is known of apps

void Broker::apps_changed(std::vector<AppFacts> changed, const std::vector<std::string>& removed) {
    for (AppFacts& app : changed) {
        rights_.set(app.id, Rights::Kind::Control, app.may_control);
        rights_.set(app.id, Rights::Kind::Notify, app.may_notify);
        const std::string id = app.id;
        apps_[id] = std::move(app);
        if (Box* const box = find_box(id)) {
            settle(*box);
        }
    }
    for (const std::string& id : removed) {
        rights_.remove(id);
        apps_.erase(id);
        if (Box* const box = find_box(id)) {
            settle(*box);
        }
    }
}

// How its messages are given out, by the app's descriptor.
void Broker::settle(Box& box) const {
    const AppFacts* const app = facts(*box.mail.app());
    const auto own = app != nullptr ? app->redeliver_after : std::nullopt;
    box.redeliver_after = own.value_or(limits_.redelivery);
    box.max_attempts = app != nullptr ? app->max_attempts : 0;
}

const AppFacts* Broker::facts(std::string_view app) const {
    const auto found = apps_.find(app);
    return found == apps_.end() ? nullptr : &found->second;
}

bool Broker::is_known(std::string_view app) const {
    const auto found = boxes_.find(app);
    return facts(app) != nullptr || (found != boxes_.end() && found->second->seen);
}

}  // namespace berth::relay
