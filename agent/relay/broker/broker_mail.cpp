#include <algorithm>

#include "agent/relay/broker/broker.h"
#include "shared/base/text.h"
#include "shared/wire/append.h"

// The part of the Broker that takes messages in: notify, and the keys that were used with it.
namespace berth::relay {

namespace {

constexpr std::uint64_t kLongestMs = 366ULL * 24 * 3600 * 1000;

std::string notified(
    std::uint64_t request, std::uint64_t first, std::uint64_t count, bool known, bool repeated) {
    std::string header;
    begin_reply(header, request, Code::Ok, repeated ? 3 : 2);
    wire::append_text(header, "ids");
    wire::append_array(header, static_cast<std::uint32_t>(count));
    for (std::uint64_t id = first; id < first + count; ++id) {
        wire::append_whole(header, id);
    }
    wire::append_text(header, "known");
    wire::append_flag(header, known);
    if (repeated) {
        wire::append_text(header, "repeated");
        wire::append_flag(header, true);
    }
    return header;
}

}  // namespace

// "ID" or "AGENT/ID" with our own agent's name.
Result<std::string_view> Broker::local_target(std::string_view to) const {
    const std::size_t slash = to.find('/');
    const bool named = slash != std::string_view::npos;
    const std::string_view agent = named ? to.substr(0, slash) : options_.port.agent;
    const std::string_view app = named ? to.substr(slash + 1) : to;
    if (!is_valid_id(app) || !is_valid_id(agent)) {
        return fail(ErrorCode::InvalidArgument,
                    "that is no ID and no AGENT/ID, each " + std::string(kIdRule));
    }
    if (agent != options_.port.agent) {
        return fail(ErrorCode::NotFound,
                    "agent \"" + std::string(agent) + "\" cannot be reached from here");
    }
    return app;
}

Result<void> Broker::check_room(const Box& box, Parts payload) const {
    std::size_t bytes = 0;
    for (const std::string_view part : payload) {
        if (part.empty()) {
            return fail(ErrorCode::InvalidArgument, "a payload frame is empty");
        }
        bytes += part.size();
    }
    if (bytes > limits_.mailbox.bytes || payload.size() > limits_.mailbox.messages) {
        return fail(ErrorCode::TooLarge, "larger than a whole mailbox may be");
    }
    if (!box.mail.has_room(
            payload.size() + box.dead.count(), bytes + box.dead.bytes(), limits_.mailbox)) {
        return fail(ErrorCode::Exhausted, "the mailbox of \"" + *box.mail.app() + "\" is full");
    }
    if (total_bytes_ + bytes > limits_.total_bytes) {
        return fail(ErrorCode::Exhausted, "the mailboxes of this agent are full");
    }
    return {};
}

void Broker::on_notify(Session& session, const RequestHeader& request, Parts payload) {
    const auto fail_with = [&](const Error& error) {
        refuse(session, request.id, wire::code_of(error), error.message);
    };
    if (!request.args.to || payload.empty()) {
        return refuse(session,
                      request.id,
                      Code::Malformed,
                      "notify needs \"to\" and at least one payload frame");
    }
    if (const auto far = far_target(*request.args.to)) {
        return notify_far(session, request, *far, payload);
    }
    const auto to = local_target(*request.args.to);
    if (!to) {
        return fail_with(to.error());
    }
    if (!session.is_operator &&
        !rights_.allowed(*session.box->mail.app(), Rights::Kind::Notify, *to)) {
        return refuse(session,
                      request.id,
                      Code::Forbidden,
                      "this app may not notify \"" + std::string(*to) + "\"");
    }
    std::optional<KnownKeys::Fingerprint> key;
    if (request.args.dedupe) {
        known_key(key_, *session.box->mail.app(), *to, *request.args.dedupe);
        key = known_.fingerprint(key_);
        if (answer_known(session, request, *key)) {
            return;
        }
    }
    const auto box = need_box(*to);
    if (!box) {
        return fail_with(box.error());
    }
    if (auto room = check_room(**box, payload); !room) {
        return fail_with(room.error());
    }
    const std::uint64_t first = ids_.next();
    accept(**box, session, request, payload);
    const bool durable = request.args.durable.value_or(true);
    if (key) {
        remember(*session.box, *key, {first, payload.size(), key_time_ms(), key_}, durable);
    }
    answer_stored(session,
                  request,
                  notified(request.id, first, payload.size(), is_known(*to), /*repeated=*/false),
                  {},
                  durable);
}

// A repeated notify gets the answer of the first one, when that is on the disk.
bool Broker::answer_known(Session& session,
                          const RequestHeader& request,
                          const KnownKeys::Fingerprint& key) {
    const KnownKeys::Use* const known = known_.find(key);
    if (known == nullptr) {
        return false;
    }
    const bool durable = request.args.durable.value_or(true);
    answer_stored(session,
                  request,
                  notified(request.id,
                           known->first_id,
                           known->count,
                           is_known(*local_target(*request.args.to)),
                           /*repeated=*/true),
                  {},
                  durable && known->first_id > stored_id_);
    return true;
}

void Broker::remember(Box& sender,
                      const KnownKeys::Fingerprint& key,
                      const Batch::Known& known,
                      bool durable) {
    learn(sender, key, known);
    if (!durable) {
        return;
    }
    turn_.batch->add_known(known);
    turn_.known.push_back(key);
    note_stored_key(known);
    const auto too_old = [this, &known](const StoredKeys& keys) {
        return keys.time_ms + known_for_ms() < known.time_ms;
    };
    while (stored_key_count_ > limits_.stored_keys || too_old(stored_keys_.front())) {
        turn_.batch->forget_known_below = stored_keys_.front().last_id + 1;
        stored_key_count_ -= stored_keys_.front().count;
        stored_keys_.pop_front();
    }
}

// Each sender's latest keys are remembered, so that a busy one does not make others forgotten.
void Broker::learn(Box& sender, const KnownKeys::Fingerprint& key, const Batch::Known& known) {
    known_.put(key, {known.first_id, known.count});
    sender.keys.emplace_back(key, known.time_ms);
    while (sender.keys.size() > limits_.known_keys ||
           sender.keys.front().second + known_for_ms() < known.time_ms) {
        known_.erase(sender.keys.front().first);
        sender.keys.pop_front();
    }
}

// What the disk holds of keys, some at a time: it forgets them in the order of their ids.
void Broker::note_stored_key(const Batch::Known& known) {
    constexpr std::size_t kTogether = 1000;
    ++stored_key_count_;
    if (!stored_keys_.empty() && stored_keys_.back().count < kTogether) {
        StoredKeys& last = stored_keys_.back();
        last = {known.first_id, last.count + 1, known.time_ms};
    } else {
        stored_keys_.push_back({known.first_id, 1, known.time_ms});
    }
}

std::uint64_t Broker::known_for_ms() const {
    return static_cast<std::uint64_t>(limits_.known_for / std::chrono::milliseconds(1));
}

void Broker::accept(Box& box, Session& session, const RequestHeader& request, Parts payload) {
    const std::uint64_t ttl = std::min(request.args.ttl_ms.value_or(0), kLongestMs);
    std::uint64_t id = take_ids(payload.size());
    for (const std::string_view part : payload) {
        Message message;
        message.id = id++;
        message.from = session.box->mail.app();
        message.payload = std::make_shared<const std::string>(part);
        message.time_ms = now_ms();
        message.durable = request.args.durable.value_or(true);
        keep(box, std::move(message), ttl);
    }
}

// Into the mailbox, and onto the disk when it is durable.
void Broker::keep(Box& box, Message message, std::uint64_t ttl_ms) {
    if (ttl_ms != 0) {
        message.expires = loop_.now().mono + std::chrono::milliseconds(ttl_ms);
    }
    if (message.durable) {
        turn_.batch->inserts.push_back({message.id,
                                        box.mail.app(),
                                        message.from,
                                        message.payload,
                                        message.time_ms,
                                        ttl_ms == 0 ? 0 : now_ms() + ttl_ms});
        turn_.added.emplace_back(&box, message.id);
        ++box.references;
    } else {
        touch(box);
    }
    note_new(box, message);
    box.mail.add(std::move(message));
}

}  // namespace berth::relay
