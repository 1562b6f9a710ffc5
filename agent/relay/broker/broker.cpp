#include "agent/relay/broker/broker.h"

#include <utility>

#include "agent/relay/broker/verbs/verbs.h"
#include "shared/log/log.h"

namespace berth::relay {

namespace {

constexpr std::size_t kBurst =
    100'000;  // messages that have gone, after which memory is given back

}  // namespace

Result<std::unique_ptr<Broker>> Broker::create(loop::EventLoop& loop, BrokerOptions options) {
    std::unique_ptr<Broker> broker(new Broker(loop, std::move(options)));
    BERTH_TRY(Stored stored, broker->parts_.turn.open(broker->parts_.options.journal));
    broker->restore(std::move(stored));
    return broker;
}

Broker::Broker(loop::EventLoop& loop, BrokerOptions options)
    : parts_(loop, std::move(options)),
      trimmer_(loop, kBurst),
      hook_(loop.before_sleep([this] { return end_turn(); })) {}

void Broker::restore(Stored stored) {
    IdSource& ids = parts_.turn.ids();
    ids.begin_at(stored.next_id);
    for (Batch::Insert& row : stored.messages) {
        ids.used(row.id);
        Box& box = parts_.apps.restore_box(*row.to);
        parts_.intake.restore(box, std::move(row));
    }
    for (const std::string& packed : stored.known) {
        unpack_known(packed, [this](const UsedKey& used) {
            parts_.dedupe.note_stored(used);
            if (const auto box = parts_.apps.box(used.key.substr(0, used.key.find('\0')))) {
                parts_.dedupe.remember((*box)->keys, parts_.dedupe.fingerprint(used.key), used);
            }
        });
    }
    for (const Batch::Outgoing& row : stored.outgoing) {
        ids.used(row.id);
    }
    parts_.exchange.restore(stored);
    parts_.requests.begin_at(ids.next() << 8U);
    (void)parts_.turn.take_ids(0);  // reserves some
}

// --- sessions

Session& Broker::connected(Link& link) {
    return parts_.sessions.add(link);
}

void Broker::secret_changed(const std::string& app) {
    std::vector<Session*> revoked;
    parts_.sessions.for_each([&](Session& session) {
        if (session.box == nullptr || session.is_operator ||
            (!app.empty() && *session.box->mail.app() != app)) {
            return;
        }
        const auto secret = parts_.options.secret_of(*session.box->mail.app());
        if (!secret || *secret != session.secret) {
            revoked.push_back(&session);
        }
    });
    for (Session* const session : revoked) {
        log::warning("the secret of a client was revoked; its connection is closed",
                     {{"app", *session->box->mail.app()}});
        session->link->close();
    }
}

void Broker::authorize_operator(Session& session, const std::string& app) {
    if (const auto box = parts_.apps.box(app)) {
        session.box = *box;
        ++session.box->sessions;
        session.is_operator = true;
    }
}

void Broker::deafened(Session& session) {
    session.deaf = true;
    parts_.subscribe(session, /*messages=*/false, /*events=*/false);
    parts_.want_peer_events(session, {});
    if (session.box != nullptr) {
        std::erase_if(session.box->waiters, [&session](const std::shared_ptr<Waiter>& waiter) {
            return waiter->session == session.number;
        });
    }
}

// What it held waits again, what it waited for is forgotten.
void Broker::disconnected(Session& session) {
    deafened(session);
    parts_.exchange.session_ended(session.number);
    if (Box* const box = session.box; box != nullptr) {
        --box->sessions;
        if (session.window > 0) {
            parts_.delivery.release(*box, session);
        }
    }
    parts_.requests.session_ended(session);
    parts_.sessions.remove(session);
}

void Broker::drained(Session& session) {
    if (session.subscribed) {
        parts_.boxes.touch(*session.box);
    }
}

// --- requests

void Broker::received(Session& session, std::span<const std::string_view> parts) {
    RequestHeader request;
    const auto read = read_request(parts[0], request);
    if (session.box == nullptr && (!read || request.verb != Verb::Hello)) {
        return parts_.replies.refuse(session, request.id, Code::Unauthenticated, "say hello first");
    }
    if (!read) {
        return parts_.replies.refuse(session, request.id, read.error());
    }
    if (stopping_) {
        return parts_.replies.refuse(session, request.id, Code::Stopping, "the agent is stopping");
    }
    verbs::handler_of(request.verb)(parts_, session, request, parts.subspan(1));
}

void Broker::too_large(Session& session, std::string_view header) {
    RequestHeader request;
    (void)read_request(header, request);  // for its id; nothing of it is done
    if (session.box == nullptr) {
        return parts_.replies.refuse(session, request.id, Code::Unauthenticated, "say hello first");
    }
    parts_.replies.refuse(
        session,
        request.id,
        Code::TooLarge,
        "a header is at most 64 KiB, a payload 64 MiB, a request 65 MiB in 10,000 payloads");
}

// --- the agent

void Broker::apps_changed(std::vector<AppFacts> changed, const std::vector<std::string>& removed) {
    parts_.apps.changed(std::move(changed), removed);
}

void Broker::begin_stop() {
    stopping_ = true;
    parts_.boxes.for_each([this](Box& box) {
        for (const std::shared_ptr<Waiter>& waiter : box.waiters) {
            if (Session* const session = parts_.sessions.find(waiter->session)) {
                parts_.replies.refuse(
                    *session, waiter->request, Code::Stopping, "the agent is stopping");
            }
        }
        box.waiters.clear();
    });
    parts_.requests.begin_stop();
    parts_.exchange.begin_stop();
}

bool Broker::end_turn() {
    trimmer_.worked(parts_.delivery.take_removed());
    const bool exchanged = parts_.exchange.end_turn();
    const bool gave = parts_.delivery.give_out_touched();
    parts_.turn.end_turn();
    return exchanged || gave;
}

}  // namespace berth::relay
