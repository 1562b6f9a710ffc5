#include "agent/control/door.h"

#include <algorithm>
#include <array>
#include <utility>

#include "agent/control/replies.h"
#include "agent/control/verbs/verbs.h"
#include "shared/base/key_text.h"
#include "shared/log/log.h"
#include "shared/wire/mail.h"

namespace berth::control {

namespace {

constexpr std::size_t kMostEarly = 1000;             // requests before open()
constexpr std::size_t kMostEarlyBytes = 64U << 20U;  // of them together

constexpr const char* kListen = "control_listen";  // in the settings

// Where a request may come from.
enum class From : std::uint8_t {
    Anybody,  // who may reach this agent
    Here,     // the local socket: the home's owner, or root
};

struct Row {
    std::string_view name;
    From from;
    verbs::Verb* verb;
};

constexpr std::array kVerbs = {
    Row{"hello", From::Anybody, &verbs::hello},
    Row{"subscribe", From::Anybody, &verbs::subscribe},
    Row{"list", From::Anybody, &verbs::list},
    Row{"show", From::Anybody, &verbs::show},
    Row{"explain", From::Anybody, &verbs::explain},
    Row{"act", From::Anybody, &verbs::act},
    Row{"load", From::Anybody, &verbs::load},
    Row{"scan", From::Anybody, &verbs::scan},
    Row{"input", From::Anybody, &verbs::input},
    Row{"resize", From::Anybody, &verbs::resize},
    Row{"scale", From::Anybody, &verbs::scale},
    Row{"check", From::Anybody, &verbs::check},
    Row{"logs", From::Anybody, &verbs::logs},
    Row{"events", From::Anybody, &verbs::events},
    Row{"crashes", From::Anybody, &verbs::crashes},
    Row{"metrics", From::Anybody, &verbs::metrics},
    Row{"message", From::Anybody, &verbs::message},
    Row{"mailbox", From::Anybody, &verbs::mailbox},
    Row{"mailboxes", From::Anybody, &verbs::mailboxes},
    Row{"messages", From::Anybody, &verbs::messages},
    Row{"remove_message", From::Anybody, &verbs::remove_message},
    Row{"trace", From::Anybody, &verbs::trace},
    Row{"outbox", From::Anybody, &verbs::outbox},
    Row{"peers", From::Anybody, &verbs::peers},
    Row{"authorize", From::Here, &verbs::authorize},
    Row{"revoke", From::Here, &verbs::revoke},
    Row{"token", From::Here, &verbs::token},
    Row{"shutdown", From::Here, &verbs::shutdown},
    Row{"upgrade", From::Here, &verbs::upgrade},
};

consteval bool each_once() {
    for (std::size_t i = 0; i < kVerbs.size(); ++i) {
        for (std::size_t j = 0; j < i; ++j) {
            if (kVerbs[i].name == kVerbs[j].name) {
                return false;
            }
        }
    }
    return true;
}

static_assert(each_once(), "a name means one verb");

}  // namespace

Door::Door(
    bus::Context& bus, const Parts& parts, Waits waits, const DoorOptions& options, Owner owner)
    : bus_(bus),
      context_{parts.loop,
               parts.apps,
               parts.store,
               parts.relay,
               options.home,
               options.runtime,
               std::move(owner),
               Actions(parts.loop, parts.apps),
               MailGate(parts.relay),
               std::move(waits),
               Subscriptions(
                   parts.loop,
                   parts.apps,
                   [this](const std::vector<std::string>& ids) { return context_.statuses(ids); })},
      keys_(options.keys),
      configured_(!options.listen.empty()),
      seen_(parts.apps.stream().last()),
      configured_keys_(options.allowed.begin(), options.allowed.end()),
      takes_mail_(options.takes_mail) {}

Result<std::unique_ptr<Door>> Door::create(bus::Context& context,
                                           const Parts& parts,
                                           const DoorOptions& options,
                                           Owner owner) {
    BERTH_TRY(Waits waits, Waits::create(parts.loop));
    std::unique_ptr<Door> door(
        new Door(context, parts, std::move(waits), options, std::move(owner)));
    BERTH_CHECK(door->listen(options));
    return door;
}

Result<void> Door::listen_here(const std::string& path) {
    BERTH_TRY(local_,
              zmtp::Router::create(context_.loop,
                                   path,
                                   wire::kMaxMailFrame,
                                   [this](const std::string& route, std::string_view frame) {
                                       received({local_.get(), route, {}}, frame);
                                   }));
    return {};
}

Result<void> Door::open_tcp(const std::string& endpoint) {
    if (!authenticator_) {
        BERTH_TRY(authenticator_,
                  bus::Authenticator::create(
                      bus_,
                      context_.loop,
                      [this](const std::string& key) { return allowed(key); },
                      [](const std::string& key, const std::string& address) {
                          log::warning("refused a controller whose key is not allowed here",
                                       {{"key", shown_key(key)}, {"address", address}});
                      }));
    }
    BERTH_TRY(remote_,
              bus::Router::create(bus_,
                                  context_.loop,
                                  {wire::kMaxMailFrame, 1000},
                                  [this](const bus::Peer& peer, std::string_view frame) {
                                      received({remote_.get(), peer.route, peer.key}, frame);
                                  }));
    auto bound = remote_->bind_curve(endpoint, keys_);
    if (!bound) {
        remote_.reset();
        return fail(bound.error());
    }
    context_.tcp_endpoint = std::move(*bound);
    listens_on_ = endpoint;
    return {};
}

Result<void> Door::listen(const DoorOptions& options) {
    context_.public_key = options.keys.public_key;
    context_.listen = [this](const std::string& endpoint) { return listen_on(endpoint); };
    if (configured_) {
        BERTH_CHECK(open_tcp(options.listen));
    } else if (const auto kept = context_.store.settings().value(kListen); !kept.empty()) {
        // Said by `berth agent authorize --listen`. It is no reason not to begin.
        if (auto opened = open_tcp(kept); !opened) {
            log::error("controllers on other machines cannot reach this agent",
                       {{"error", opened.error().message}});
        }
    }
    // Last, for who finds this socket takes the agent for one that has begun.
    return listen_here(options.local_path);
}

Result<void> Door::listen_again() {
    return local_->listen_again();
}

Result<void> Door::listen_on(const std::string& endpoint) {
    if (endpoint == listens_on_ || endpoint == context_.tcp_endpoint) {
        return {};
    }
    if (configured_) {
        return fail(ErrorCode::WrongState,
                    "it listens at " + context_.tcp_endpoint +
                        ", as [control] listen in agent.toml says; change it there");
    }
    if (remote_) {
        return fail(ErrorCode::WrongState,
                    "it listens at " + context_.tcp_endpoint +
                        " already; another place is for [control] listen in agent.toml");
    }
    BERTH_CHECK(open_tcp(endpoint));
    context_.store.settings().set_value(kListen, endpoint);
    return {};
}

bool Door::allowed(const std::string& key) const {
    if (configured_keys_.count(key) != 0) {
        return true;
    }
    const auto peers = context_.store.settings().peers();
    return std::any_of(
        peers.begin(), peers.end(), [&key](const auto& peer) { return peer.key == key; });
}

void Door::open() {
    open_ = true;
    early_bytes_ = 0;
    for (const Early& one : std::exchange(early_, {})) {
        answer(one.client, one.frame);
    }
}

void Door::received(const Client& client, std::string_view frame) {
    if (open_) {
        return answer(client, frame);
    }
    if (early_.size() >= kMostEarly || early_bytes_ + frame.size() > kMostEarlyBytes) {
        std::uint64_t id = 0;
        (void)wire::decode_request(frame, &id);
        (void)client.reply(wire::error_reply(
            id, {ErrorCode::Unavailable, "this agent begins, and too much waits already", 0}));
        return;
    }
    early_bytes_ += frame.size();
    early_.push_back({client, std::string(frame)});
}

void Door::answer(const Client& client, std::string_view frame) {
    if (wire::decode_mail(frame) && (client.local() || allowed(client.key))) {
        if (takes_mail_) {
            context_.mail.received(client, frame);
        }
        return;
    }
    // A key that was taken off the list is refused at its next word, not at its next connection.
    std::uint64_t id = 0;
    const auto request = wire::decode_request(frame, &id);
    if (!client.local() && !allowed(client.key)) {
        (void)client.reply(wire::error_reply(
            id, {ErrorCode::PermissionDenied, "this key is not allowed here", 0}));
        return;
    }
    if (!request) {
        (void)client.reply(wire::error_reply(id, request.error()));
        return;
    }
    const auto* const row = std::find_if(
        kVerbs.begin(), kVerbs.end(), [&](const Row& one) { return one.name == request->verb; });
    if (row == kVerbs.end()) {
        return refuse(client,
                      *request,
                      {ErrorCode::NotFound, "no verb is named \"" + request->verb + "\"", 0});
    }
    if (row->from == From::Here && !client.local()) {
        return refuse(
            client, *request, {ErrorCode::PermissionDenied, "only over the local socket", 0});
    }
    row->verb(context_, client, *request);
}

void Door::on_happened() {
    const events::Changes changes = events::changes_of(seen_.read(context_.apps.stream()));
    context_.subscriptions.tell(changes);
    context_.actions.settle(changes.changed, changes.removed);
    context_.waits.on_happened();
}

void Door::on_keeper_problem() {
    if (const std::string& problem = context_.apps.backend().problem(); !problem.empty()) {
        context_.actions.give_up_all(problem);
    }
    context_.subscriptions.tell_problem();
}

}  // namespace berth::control
