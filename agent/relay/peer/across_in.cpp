#include <utility>

#include "agent/relay/peer/across.h"
#include "shared/log/log.h"

// The part of Across that receives: messages, requests and events of other agents.
namespace berth::relay {

namespace {

using wire::MailKind;

constexpr std::uint64_t kAnswerTtlMs = 60'000;
constexpr std::uint64_t kLongestRequestMs = 3'600'000;

std::string full_name(const std::string& agent, std::string_view app) {
    return agent + '/' + std::string(app);
}

}  // namespace

void Across::on_parcels(Link& link, const wire::MailFrame& mail) {
    const auto read = read_parcels(mail.body);
    if (!read) {
        return log::warning("parcels of another agent are malformed",
                            {{"agent", std::string(mail.peer)}});
    }
    const auto sender = std::make_shared<const Sender>(Sender{
        link.number, std::string(mail.peer), std::string(read->origin.epoch), read->origin.life});
    for (const Parcel& parcel : read->parcels) {
        on_parcel(sender, parcel);
    }
}

Lane& Across::lane_of(const Sender& sender, const Parcel& parcel) {
    if (last_lane_ != nullptr && last_lane_->row.to == parcel.to &&
        last_lane_->row.from == parcel.from && last_lane_->row.epoch == sender.epoch &&
        last_lane_->row.agent == sender.agent) {
        return *last_lane_;
    }
    last_lane_ = &lanes_.need(sender.agent, sender.epoch, parcel.from, parcel.to);
    return *last_lane_;
}

void Across::say(const Sender& sender, const Verdict& verdict) {
    std::string& body = replies_[sender];
    if (body.empty()) {
        begin_verdicts(body, {sender.epoch, sender.life});
    }
    append_verdict(body, verdict);
}

void Across::on_parcel(const std::shared_ptr<const Sender>& sender, const Parcel& parcel) {
    Lane& lane = lane_of(*sender, parcel);
    lane.row.used_ms = host_.wall_ms();
    const auto place = Lanes::place(lane, parcel.id, parcel.before);
    if (place == Lanes::Place::Gap) {
        return say(*sender, {parcel.lane, parcel.id, Code::WrongState, false, ""});
    }
    if (place == Lanes::Place::Known) {
        if (parcel.id == lane.refused) {
            return say(*sender, {parcel.lane, parcel.id, lane.code, false, lane.why});
        }
        // What is not on the disk yet counts only when it is; later ones go there with it.
        if (parcel.id > lane.settled && lane.on_the_way > 0) {
            turn_.verdicts.push_back({sender, &lane, parcel.lane, parcel.id, false});
            return;
        }
        return say(*sender, {parcel.lane, parcel.id, Code::Ok, host_.app_known(parcel.to), ""});
    }
    if (const auto error = take(*sender, parcel)) {
        const Code code = wire::code_of(*error);
        if (code != Code::Full) {
            lane.row.last = parcel.id;
            lane.refused = parcel.id;
            lane.code = code;
            lane.why = error->message;
        }
        return say(*sender, {parcel.lane, parcel.id, code, false, error->message});
    }
    lane.row.last = parcel.id;
    if (!parcel.durable) {
        lane.settled = lane.on_the_way == 0 ? parcel.id : lane.settled;
        return say(*sender, {parcel.lane, parcel.id, Code::Ok, host_.app_known(parcel.to), ""});
    }
    ++lane.on_the_way;
    if (!lane.dirty) {
        lane.dirty = true;
        dirty_.push_back(&lane);
    }
    turn_.verdicts.push_back({sender, &lane, parcel.lane, parcel.id, true});
}

std::optional<Error> Across::take(const Sender& sender, const Parcel& parcel) {
    if (parcel.kind == ParcelKind::Answer) {
        take_answer(sender, parcel);
        return std::nullopt;
    }
    if (!rules_.allowed("accept", Rights::Kind::Notify, sender.agent)) {
        return Error{ErrorCode::PermissionDenied,
                     "agent \"" + options_.agent + "\" does not accept messages of yours",
                     0};
    }
    const auto taken = parcel.kind == ParcelKind::Request
                           ? take_request(sender, parcel)
                           : host_.deliver({full_name(sender.agent, parcel.from),
                                            parcel.to,
                                            parcel.time_ms,
                                            parcel.ttl_ms,
                                            parcel.durable,
                                            0,
                                            parcel.payload});
    return taken ? std::nullopt : std::optional(taken.error());
}

Result<std::uint64_t> Across::take_request(const Sender& sender, const Parcel& parcel) {
    if (!host_.app_known(parcel.to)) {
        return fail(ErrorCode::NotFound,
                    "no app has the id \"" + full_name(options_.agent, parcel.to) + "\"");
    }
    if (asking_.size() >= options_.pending_requests) {
        return fail(ErrorCode::Exhausted, "too many requests wait for an answer");
    }
    const std::uint64_t correlation = host_.draw_correlation();
    const std::uint64_t ttl_ms =
        parcel.ttl_ms == 0 ? kLongestRequestMs : std::min(parcel.ttl_ms, kLongestRequestMs);
    BERTH_TRY(const std::uint64_t id,
              host_.deliver({full_name(sender.agent, parcel.from),
                             parcel.to,
                             parcel.time_ms,
                             ttl_ms,
                             false,
                             correlation,
                             parcel.payload}));
    Asking& asking = asking_[correlation];
    asking.agent = sender.agent;
    asking.from = parcel.from;
    asking.app = parcel.to;
    asking.correlation = parcel.correlation;
    asking.message = id;
    asking.timeout = loop_.after(std::chrono::milliseconds(ttl_ms),
                                 [this, correlation] { asking_.erase(correlation); });
    return id;
}

// Only from whom the request went to.
void Across::take_answer(const Sender& sender, const Parcel& parcel) {
    const auto found = asked_.find(parcel.correlation);
    if (found == asked_.end() || found->second.to.agent != sender.agent ||
        found->second.to.app != parcel.from || *found->second.asker.app != parcel.to) {
        return;  // too late, or not meant for us
    }
    const Asker asker = found->second.asker;
    asked_.erase(found);
    const std::string header = ok_reply(asker.request);
    const std::array<std::string_view, 2> parts = {header, parcel.payload};
    host_.tell(asker.session, parts);
}

bool Across::respond(const std::string& app,
                     std::optional<std::string_view> to,
                     std::uint64_t correlation,
                     std::string_view payload) {
    const auto found = asking_.find(correlation);
    if (found == asking_.end() || found->second.app != app ||
        (to && *to != full_name(found->second.agent, found->second.from))) {
        return false;
    }
    const Asking asking = std::move(found->second);
    asking_.erase(found);
    host_.withdraw(asking.app, asking.message);
    Letter letter;
    letter.kind = ParcelKind::Answer;
    letter.from = std::make_shared<const std::string>(app);
    letter.id = host_.draw_id();
    letter.ttl_ms = kAnswerTtlMs;
    letter.correlation = asking.correlation;
    letter.payload = payload;
    send({asking.agent, asking.from}, letter);
    return true;
}

// --- events

void Across::raise(const FarEvent& event) {
    const auto& share = options_.rules.share_events;
    for (auto& [number, link] : links_) {
        if (!share) {
            gather(*link, "", event);
            continue;
        }
        for (const auto& [agent, presence] : link->roster) {
            if (presence == wire::Presence::Connected && agent != link->name &&
                rules_.allowed("share", Rights::Kind::Notify, agent)) {
                gather(*link, agent, event);
            }
        }
    }
}

// Events are no messages: what a controller does not take in time it does not get.
void Across::gather(Link& link, const std::string& receiver, const FarEvent& event) {
    constexpr std::size_t kMost = 4U << 20U;  // bytes that wait, and that are on their way
    const std::size_t size = event.payload ? event.payload->size() : 0;
    const bool alone = link.event_bytes == 0 && link.sent - link.taken < kMost;
    if (!alone && (link.event_bytes + size > kMost || link.sent - link.taken > kMost)) {
        if (!std::exchange(link.lost_events, true)) {
            log::warning("other agents miss events: there are too many", {});
        }
        return;
    }
    std::string& body = link.events[receiver];
    link.event_bytes -= body.size();
    append_event(body, event);
    link.event_bytes += body.size();
}

// Few large frames rather than many small ones: a socket's queue counts frames.
void Across::send_events(Link& link) {
    constexpr Duration kPause = std::chrono::milliseconds(10);
    const MonoTime now = loop_.now().mono;
    if (link.events.empty()) {
        return;
    }
    if (now < link.next_events) {
        if (!later_events_.active()) {
            later_events_ = loop_.at(link.next_events, [this] { later_events_.reset(); });
        }
        return;
    }
    for (const auto& [receiver, body] : link.events) {
        send_frame(link, MailKind::Events, receiver, body);
    }
    link.events.clear();
    link.event_bytes = 0;
    link.lost_events = false;
    link.next_events = now + kPause;
}

void Across::on_events(const wire::MailFrame& mail) {
    const auto events = read_events(mail.body);
    if (!events) {
        return log::warning("events of another agent are malformed",
                            {{"agent", std::string(mail.peer)}});
    }
    for (const FarEvent& event : *events) {
        host_.far_event(mail.peer, event);
    }
}

}  // namespace berth::relay
