#include "agent/relay/peer/incoming.h"

#include <algorithm>
#include <utility>

#include "shared/log/log.h"

namespace berth::relay {

namespace {

constexpr std::uint64_t kLongestRequestMs = 3'600'000;

std::string full_name(const std::string& agent, std::string_view app) {
    return agent + '/' + std::string(app);
}

}  // namespace

IncomingMail::IncomingMail(const Uses& uses, Options options)
    : uses_(uses), options_(std::move(options)) {
    rules_.set("accept", Rights::Kind::Notify, options_.accept);
}

void IncomingMail::restore(const std::vector<Batch::Cursor>& cursors) {
    for (const Batch::Cursor& row : cursors) {
        cursors_.restore(row);
    }
}

void IncomingMail::received(const PeerLink& link,
                            std::string_view agent,
                            std::string_view envelopes) {
    const auto read = read_envelopes(envelopes);
    if (!read) {
        return log::warning("parcels of another agent are malformed",
                            {{"agent", std::string(agent)}});
    }
    const auto sender = std::make_shared<const Sender>(Sender{
        link.number, std::string(agent), std::string(read->origin.epoch), read->origin.life});
    for (const Envelope& envelope : read->envelopes) {
        on_envelope(sender, envelope);
    }
}

StreamCursor& IncomingMail::cursor_of(const Sender& sender, const Envelope& envelope) {
    if (last_cursor_ != nullptr && last_cursor_->row.to == envelope.to &&
        last_cursor_->row.from == envelope.from && last_cursor_->row.epoch == sender.epoch &&
        last_cursor_->row.agent == sender.agent) {
        return *last_cursor_;
    }
    last_cursor_ = &cursors_.need(sender.agent, sender.epoch, envelope.from, envelope.to);
    return *last_cursor_;
}

void IncomingMail::say(const Sender& sender, const Receipt& receipt) {
    std::string& body = replies_[sender];
    if (body.empty()) {
        begin_receipts(body, {sender.epoch, sender.life});
    }
    append_receipt(body, receipt);
}

void IncomingMail::on_envelope(const std::shared_ptr<const Sender>& sender,
                               const Envelope& envelope) {
    StreamCursor& cursor = cursor_of(*sender, envelope);
    cursor.row.used_ms = uses_.clock.unix_ms();
    const auto place = StreamCursors::place(cursor, envelope.id, envelope.before);
    if (place == StreamCursors::Place::Gap) {
        return say(*sender, {envelope.stream, envelope.id, Code::WrongState, false, ""});
    }
    if (place == StreamCursors::Place::Known) {
        if (envelope.id == cursor.refused) {
            return say(*sender, {envelope.stream, envelope.id, cursor.code, false, cursor.why});
        }
        // What is not on the disk yet counts only when it is; later ones go there with it.
        if (envelope.id > cursor.settled && cursor.on_the_way > 0) {
            turn_.push_back({sender, &cursor, envelope.stream, envelope.id, false});
            return;
        }
        return say(*sender,
                   {envelope.stream, envelope.id, Code::Ok, uses_.host.app_known(envelope.to), ""});
    }
    if (const auto error = take(*sender, envelope)) {
        const Code code = wire::code_of(*error);
        if (code != Code::Full) {
            cursor.row.last = envelope.id;
            cursor.refused = envelope.id;
            cursor.code = code;
            cursor.why = error->message;
        }
        return say(*sender, {envelope.stream, envelope.id, code, false, error->message});
    }
    cursor.row.last = envelope.id;
    if (!envelope.durable) {
        cursor.settled = cursor.on_the_way == 0 ? envelope.id : cursor.settled;
        return say(*sender,
                   {envelope.stream, envelope.id, Code::Ok, uses_.host.app_known(envelope.to), ""});
    }
    ++cursor.on_the_way;
    if (!cursor.dirty) {
        cursor.dirty = true;
        dirty_.push_back(&cursor);
    }
    turn_.push_back({sender, &cursor, envelope.stream, envelope.id, true});
}

std::optional<Error> IncomingMail::take(const Sender& sender, const Envelope& envelope) {
    if (envelope.kind == EnvelopeKind::Answer) {
        uses_.asked.answered(sender.agent, envelope);
        return std::nullopt;
    }
    if (!rules_.allowed("accept", Rights::Kind::Notify, sender.agent)) {
        return Error{ErrorCode::PermissionDenied,
                     "agent \"" + options_.agent + "\" does not accept messages of yours",
                     0};
    }
    const auto taken = envelope.kind == EnvelopeKind::Request
                           ? deliver_request(sender, envelope)
                           : uses_.host.deliver(sender.agent, envelope);
    return taken ? std::nullopt : std::optional(taken.error());
}

Result<std::uint64_t> IncomingMail::deliver_request(const Sender& sender,
                                                    const Envelope& envelope) {
    if (!uses_.host.app_known(envelope.to)) {
        return fail(ErrorCode::NotFound,
                    "no app has the id \"" + full_name(options_.agent, envelope.to) + "\"");
    }
    if (requests_.size() >= options_.pending_requests) {
        return fail(ErrorCode::Exhausted, "too many requests wait for an answer");
    }
    const std::uint64_t correlation = uses_.host.draw_correlation();
    Envelope ours = envelope;
    ours.ttl_ms =
        envelope.ttl_ms == 0 ? kLongestRequestMs : std::min(envelope.ttl_ms, kLongestRequestMs);
    ours.durable = false;
    ours.correlation = correlation;
    BERTH_TRY(const std::uint64_t id, uses_.host.deliver(sender.agent, ours));
    PeerRequest& request = requests_[correlation];
    request.asker = {sender.agent, std::string(envelope.from)};
    request.app = envelope.to;
    request.correlation = envelope.correlation;
    request.message = id;
    request.timeout = uses_.loop.after(std::chrono::milliseconds(ours.ttl_ms),
                                       [this, correlation] { requests_.erase(correlation); });
    return id;
}

std::optional<PeerRequest> IncomingMail::take_request(const std::string& app,
                                                      std::optional<std::string_view> to,
                                                      std::uint64_t correlation) {
    const auto found = requests_.find(correlation);
    if (found == requests_.end() || found->second.app != app ||
        (to && *to != full_name(found->second.asker.agent, found->second.asker.app))) {
        return std::nullopt;
    }
    PeerRequest request = std::move(found->second);
    requests_.erase(found);
    return request;
}

void IncomingMail::link_closed(std::uint64_t link) {
    std::erase_if(replies_, [link](const auto& reply) { return reply.first.link == link; });
}

bool IncomingMail::end_turn() {
    const auto replies = std::exchange(replies_, {});
    for (const auto& [sender, body] : replies) {
        if (PeerLink* const link = uses_.links.find(sender.link)) {
            uses_.links.send(*link, wire::MailKind::Receipts, sender.agent, body);
        }
    }
    return !replies.empty();
}

void IncomingMail::forget_old() {
    last_cursor_ = nullptr;
    for (Batch::Cursor& cursor : cursors_.drop_old()) {
        uses_.turn.batch().forgotten.push_back(std::move(cursor));
    }
}

void IncomingMail::gather(Batch& batch) {
    for (StreamCursor* const cursor : dirty_) {
        if (cursor->dirty) {
            cursor->dirty = false;
            batch.cursors.push_back(cursor->row);
        }
    }
    dirty_.clear();
    in_flight_ = std::exchange(turn_, {});
}

void IncomingMail::stored() {
    const std::vector<Due> turn = std::exchange(in_flight_, {});
    for (const Due& due : turn) {
        if (due.taken) {
            due.cursor->settled = std::max(due.cursor->settled, due.id);
            --due.cursor->on_the_way;
        }
        const bool known = uses_.host.app_known(due.cursor->row.to);
        say(*due.sender, {due.number, due.id, Code::Ok, known, std::string_view()});
    }
}

void IncomingMail::failed() {
    for (std::vector<Due>* const turn : {&in_flight_, &turn_}) {
        for (const Due& due : *turn) {
            due.cursor->row.last = due.cursor->settled;
            due.cursor->on_the_way = 0;
            due.cursor->dirty = false;
            say(*due.sender, {due.number, due.id, Code::Full, false, "the disk refuses it"});
        }
        turn->clear();
    }
    dirty_.clear();
}

}  // namespace berth::relay
