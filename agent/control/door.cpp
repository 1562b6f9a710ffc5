#include "agent/control/door.h"

#include <algorithm>
#include <utility>

#include "agent/control/replies.h"
#include "agent/control/verbs/table.h"
#include "shared/base/key_text.h"
#include "shared/log/log.h"
#include "shared/wire/mail.h"

namespace berth::control {

namespace {

constexpr std::size_t kMostEarly = 1000;             // requests before open()
constexpr std::size_t kMostEarlyBytes = 64U << 20U;  // of them together

constexpr const char* kListen = "control_listen";  // in the settings

// Which right a request needs.
command::Right right_of(const command::VerbRow& row, const wire::Request& request) {
    const bool more = !row.member.empty() && !request.args[row.member].as_string().empty();
    return more ? row.member_right : row.right;
}

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
                      [this](const std::string& key) { return role_of(key).has_value(); },
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

std::optional<command::Role> Door::role_of(const std::string& key) const {
    if (configured_keys_.count(key) != 0) {
        return command::Role::Admin;
    }
    const auto peers = context_.store.settings().peers();
    const auto found = std::find_if(
        peers.begin(), peers.end(), [&key](const auto& peer) { return peer.key == key; });
    return found != peers.end() ? command::kRoleNames.value(found->role) : std::nullopt;
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

void Door::answer(Client client, std::string_view frame) {
    // A key that was taken off the list is refused at its next word, not at its next connection.
    const auto role = client.local() ? command::Role::Admin : role_of(client.key);
    client.role = role.value_or(command::Role::Viewer);
    if (role && wire::decode_mail(frame)) {
        if (takes_mail_ && command::allows(*role, command::row_of(command::Verb::Message).right)) {
            context_.mail.received(client, frame);
        }
        return;
    }
    std::uint64_t id = 0;
    auto request = wire::decode_request(frame, &id);
    if (!role) {
        (void)client.reply(wire::error_reply(
            id, {ErrorCode::PermissionDenied, "this key is not allowed here", 0}));
        return;
    }
    if (!request) {
        (void)client.reply(wire::error_reply(id, request.error()));
        return;
    }
    const command::VerbRow* const row = command::find_verb(request->verb);
    if (row == nullptr) {
        return refuse(client,
                      *request,
                      {ErrorCode::NotFound, "no verb is named \"" + request->verb + "\"", 0});
    }
    if (row->from == command::From::Here && !client.local()) {
        return refuse(
            client, *request, {ErrorCode::PermissionDenied, "only over the local socket", 0});
    }
    if (const auto right = right_of(*row, *request); !command::allows(*role, right)) {
        return refuse(
            client,
            *request,
            {ErrorCode::PermissionDenied,
             "this key is a " + std::string(command::kRoleNames.name(*role)) +
                 "'s, who has not the right to " + std::string(command::kRightNames.name(right)),
             0});
    }
    verbs::answer(row->verb, context_, client, std::move(*request));
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
