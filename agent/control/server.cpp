#include "agent/control/server.h"

#include <algorithm>

#include "agent/control/explain.h"
#include "agent/control/replies.h"
#include "agent/control/targets.h"
#include "shared/base/text.h"
#include "shared/json/json_writer.h"
#include "shared/json/spec_json.h"
#include "shared/log/log.h"
#include "shared/wire/mail.h"
#include "shared/wire/status.h"

namespace berth::control {

using wire::Value;

namespace {

constexpr Duration kTick = std::chrono::seconds(1);
constexpr std::uint64_t kTicksPerSample = 2;
constexpr Duration kFreshSample = std::chrono::milliseconds(900);

}  // namespace

Server::Server(loop::EventLoop& loop,
               apps::Apps& apps,
               store::Store& store,
               Owner owner)
    : loop_(loop),
      apps_(apps),
      store_(store),
      owner_(std::move(owner)),
      actions_(loop, apps), seen_(apps.stream().last()) {}

Result<std::unique_ptr<Server>> Server::create(bus::Context& context,
                                               loop::EventLoop& loop,
                                               apps::Apps& apps,
                                               store::Store& store,
                                               const ServerOptions& options,
                                               Owner owner) {
    std::unique_ptr<Server> server(new Server(loop, apps, store, std::move(owner)));
    Server& self = *server;
    self.configured_keys_.insert(options.allowed.begin(), options.allowed.end());
    BERTH_TRY(self.log_watch_, logs::LogWatch::create(loop));
    if (self.owner_.relay != nullptr) {
        self.mail_ = std::make_unique<MailGate>(*self.owner_.relay);
    }
    const auto make_router = [&](std::unique_ptr<bus::Router>& router) -> Result<void> {
        BERTH_TRY(
            router,
            bus::Router::create(context,
                                loop,
                                {wire::kMaxMailFrame, 1000},
                                [&self, &router](const bus::Peer& peer, std::string_view frame) {
                                    self.received(*router, peer, frame);
                                }));
        return {};
    };
    if (!options.listen.empty()) {
        BERTH_TRY(self.authenticator_,
                  bus::Authenticator::create(
                      context,
                      loop,
                      [&self](const std::string& key) { return self.allowed(key); },
                      [](const std::string& key, const std::string& address) {
                          log::warning("refused a controller whose key is not allowed here",
                                       {{"key", key}, {"address", address}});
                      }));
        BERTH_CHECK(make_router(self.remote_));
        BERTH_TRY(self.tcp_endpoint_, self.remote_->bind_curve(options.listen, options.keys));
    }
    // Last, for who finds this socket takes the agent for one that has begun.
    BERTH_CHECK(make_router(self.local_));
    BERTH_CHECK(self.local_->bind_local(options.local_path));
    return server;
}

bool Server::allowed(const std::string& key) const {
    if (configured_keys_.count(key) != 0) {
        return true;
    }
    const auto peers = store_.settings().peers();
    return std::any_of(
        peers.begin(), peers.end(), [&key](const auto& peer) { return peer.key == key; });
}

void Server::open() {
    open_ = true;
    for (const Early& one : std::exchange(early_, {})) {
        answer(*one.router, one.peer, one.frame);
    }
}

void Server::received(bus::Router& router, const bus::Peer& peer, std::string_view frame) {
    if (open_) {
        answer(router, peer, frame);
    } else {
        early_.push_back({&router, peer, std::string(frame)});
    }
}

void Server::answer(bus::Router& router, const bus::Peer& peer, std::string_view frame) {
    static constexpr std::array<std::pair<std::string_view, Handler>, 29> kHandlers = {{
        {"hello", &Server::on_hello},         {"subscribe", &Server::on_subscribe},
        {"list", &Server::on_list},           {"act", &Server::on_act},
        {"load", &Server::on_load},           {"scan", &Server::on_scan},
        {"show", &Server::on_show},           {"logs", &Server::on_logs},
        {"input", &Server::on_input},         {"resize", &Server::on_resize},
        {"events", &Server::on_events},       {"explain", &Server::on_explain},
        {"authorize", &Server::on_authorize}, {"revoke", &Server::on_revoke},
        {"peers", &Server::on_peers},         {"shutdown", &Server::on_shutdown},
        {"crashes", &Server::on_crashes},     {"check", &Server::on_check},
        {"metrics", &Server::on_metrics},     {"scale", &Server::on_scale},
        {"upgrade", &Server::on_upgrade},     {"message", &Server::on_message},
        {"mailbox", &Server::on_mailbox},     {"token", &Server::on_token},
        {"mailboxes", &Server::on_mailboxes}, {"messages", &Server::on_messages},
        {"trace", &Server::on_trace},         {"remove_message", &Server::on_remove_message},
        {"outbox", &Server::on_outbox},
    }};
    const Client client{&router, peer.route, peer.key};
    if (mail_ && wire::decode_mail(frame) && (client.local() || allowed(peer.key))) {
        return mail_->received(client, frame);
    }
    // A key that was taken off the list is refused at its next word, not at its next connection.
    std::uint64_t id = 0;
    const auto request = wire::decode_request(frame, &id);
    if (!client.local() && !allowed(peer.key)) {
        (void)client.reply(wire::error_reply(
            id, {ErrorCode::PermissionDenied, "this key is not allowed here", 0}));
        return;
    }
    if (!request) {
        (void)client.reply(wire::error_reply(id, request.error()));
        return;
    }
    const auto* const handler =
        std::find_if(kHandlers.begin(), kHandlers.end(), [&](const auto& entry) {
            return entry.first == request->verb;
        });
    if (handler == kHandlers.end()) {
        return refuse(client,
                      *request,
                      {ErrorCode::NotFound, "no verb is named \"" + request->verb + "\"", 0});
    }
    (this->*handler->second)(client, *request);
}

void Server::ok(const Client& client, const wire::Request& request, Value info) const {
    (void)client.reply({request.id, wire::Code::Ok, std::move(info)});
}

void Server::refuse(const Client& client, const wire::Request& request, const Error& error) const {
    (void)client.reply(wire::error_reply(request.id, error));
}

std::vector<std::string> Server::all_ids() const {
    std::vector<std::string> ids;
    for (const auto& [id, app] : apps_.table().all()) {
        ids.push_back(id);
    }
    return ids;
}

Value Server::statuses(const std::vector<std::string>& ids) const {
    Value::Array apps;
    for (const std::string& id : ids) {
        if (const apps::App* const app = apps_.find(id)) {
            apps.push_back(wire::to_value(status_of(*app)));
        }
    }
    return apps;
}

// --- reading
// ---------------------------------------------------------------------------------------

void Server::on_hello(const Client& client, const wire::Request& request) {
    ok(client, request, Value::Map{{"agent", wire::to_value(owner_.info())}});
}

void Server::on_subscribe(const Client& client, const wire::Request& request) {
    apps_.figures().sample(kFreshSample);
    subscribers_.insert(client);
    apps_.figures().watch(true);
    ok(client,
       request,
       Value::Map{{"agent", wire::to_value(owner_.info())},
                  {"seq", sequence_},
                  {"time", wire::to_value(loop_.now().wall)},
                  {"connection", to_hex(client.route)},
                  {"apps", statuses(all_ids())}});
    if (!tick_.active()) {
        tick_ = loop_.after(kTick, [this] { tick(); });
    }
}

void Server::on_list(const Client& client, const wire::Request& request) {
    const auto found =
        match_apps(apps_,
                   request.args["patterns"].as_strings(),
                   request.args["expressions"].as_bool() ? Naming::Expressions : Naming::IdsFirst);
    if (!found) {
        return refuse(client, request, found.error());
    }
    apps_.ledger().look_after_store();
    apps_.catalog().look_at_descriptors(
        found->ids, [this, client, request, matches = *found] { list(client, request, matches); });
}

void Server::list(const Client& client, const wire::Request& request, const Targets& matches) {
    if (request.args["metrics"].as_bool(true)) {
        apps_.figures().sample(kFreshSample);
    }
    Value::Map tails;
    const auto lines = std::min<std::uint64_t>(request.args["lines"].as_uint(), 1000);
    for (const std::string& id : lines > 0 ? matches.ids : std::vector<std::string>()) {
        Value::Array tail;
        for (const wire::LogLine& line : last_lines(id, lines)) {
            tail.push_back(wire::to_value(line));
        }
        tails.emplace_back(id, std::move(tail));
    }
    ok(client,
       request,
       Value::Map{{"agent", wire::to_value(owner_.info())},
                  {"apps", statuses(matches.ids)},
                  {"tails", std::move(tails)},
                  {"unmatched", wire::strings(matches.unmatched)}});
}

void Server::on_show(const Client& client, const wire::Request& request) {
    const std::string id = request.args["id"].as_string();
    if (apps_.find(id) == nullptr) {
        return refuse(client, request, no_app(id));
    }
    apps_.catalog().look_at_descriptors({id}, [this, client, request] { show(client, request); });
}

void Server::show(const Client& client, const wire::Request& request) {
    const std::string id = request.args["id"].as_string();
    const apps::App* const app = apps_.find(id);
    if (app == nullptr) {
        return refuse(client, request, no_app(id));
    }
    json::JsonWriter spec;
    // The controller asks for its admins; over the local socket it is the home's owner, or root.
    const bool shown = request.args["secrets"].as_bool();
    json::write_spec(
        spec, app->machine.spec(), shown ? json::Secrets::Shown : json::Secrets::Masked);
    Value::Array history;
    for (const store::EventRow& event : store_.history().events_of(id, 200)) {
        history.push_back(event_value(event));
    }
    Value::Array runs;
    for (const store::RunRow& run : store_.history().runs(id, request.args["runs"].as_uint(100))) {
        const auto code = spmi_exit_code(run.exit);
        runs.push_back(Value::Map{{"generation", run.generation},
                                  {"started", wire::to_value(run.started)},
                                  {"ended", wire::to_value(run.ended)},
                                  {"exit_code", code ? Value(*code) : Value()},
                                  {"how", run.how}});
    }
    ok(client,
       request,
       Value::Map{{"app", wire::to_value(status_of(*app))},
                  {"spec", spec.take()},
                  {"history", std::move(history)},
                  {"runs", std::move(runs)}});
}

std::vector<wire::LogLine> Server::last_lines(const std::string& id, std::size_t count) const {
    logs::LogQuery query;
    query.form = logs::LogForm::AndRest;
    query.tail = count;
    query.max_lines = count * 2 + 2;
    query.max_bytes = 8 * logs::kMaxLine;
    query.runs = [this, &id] { return apps_.run_starts(id); };
    const auto batch = logs::LogReader(apps_.catalog().log_folder(id)).read(query);
    return batch ? batch->lines : std::vector<wire::LogLine>();
}

void Server::on_explain(const Client& client, const wire::Request& request) {
    const std::string id = request.args["id"].as_string();
    if (apps_.find(id) == nullptr) {
        return refuse(client, request, no_app(id));
    }
    apps_.catalog().look_at_descriptors({id},
                                        [this, client, request] { tell_why(client, request); });
}

void Server::tell_why(const Client& client, const wire::Request& request) {
    const std::string id = request.args["id"].as_string();
    const apps::App* const app = apps_.find(id);
    if (app == nullptr) {
        return refuse(client, request, no_app(id));
    }
    const AppSpec& spec = app->machine.spec();
    ok(client,
       request,
       wire::to_value(explain({apps_.status(*app),
                               spec.kind,
                               spec.restart.policy,
                               spec.schedule.timezone,
                               app->machine.outlook(),
                               apps_.awaited(*app),
                               last_lines(id, 3),
                               loop_.now().wall,
                               apps_.backend().problem()})));
}

// --- telling
// ---------------------------------------------------------------------------------------

void Server::on_happened() {
    const auto [changed, removed] = events::changes_of(seen_.read(apps_.stream()));
    if (!subscribers_.empty()) {
        ++sequence_;
        publish({"delta",
                 Value::Map{{"seq", sequence_},
                            {"apps", statuses({changed.begin(), changed.end()})},
                            {"removed", wire::strings({removed.begin(), removed.end()})}}});
    }
    actions_.settle(changed, removed);
    for (auto entry = waiting_.begin(); entry != waiting_.end();) {
        const bool answered =
            entry->second.request.verb == "events" &&
            answer_events(entry->second.client, entry->second.request, /*last_chance=*/false);
        entry = answered ? waiting_.erase(entry) : std::next(entry);
    }
}

void Server::on_keeper_problem() {
    if (const std::string& problem = apps_.backend().problem(); !problem.empty()) {
        actions_.give_up_all(problem);
    }
    publish(tick_push());
}

wire::Push Server::tick_push() const {
    return {"tick",
            Value::Map{{"seq", sequence_},
                       {"time", wire::to_value(loop_.now().wall)},
                       {"problem", apps_.backend().problem()},
                       {"complaints", wire::strings(apps_.complaints())}}};
}

// A subscriber that has gone, or does not read, is dropped; it notices the gap and subscribes
// again.
void Server::publish(const wire::Push& push) {
    const std::string frame = wire::encode_push(push);
    std::erase_if(subscribers_, [&frame](const Client& client) {
        return !client.router->send(client.route, frame);
    });
}

// Once a second while somebody is subscribed: proves that we live, and carries fresh figures.
void Server::tick() {
    if (++ticks_ % kTicksPerSample == 0) {
        apps_.figures().sample(kFreshSample);
        const auto updated = apps_.figures().untold();
        if (!updated.empty()) {
            ++sequence_;
            publish({"delta",
                     Value::Map{{"seq", sequence_},
                                {"apps", statuses({updated.begin(), updated.end()})}}});
        }
    }
    publish(tick_push());
    if (subscribers_.empty()) {
        apps_.figures().watch(false);
        tick_.reset();
    } else {
        tick_ = loop_.after(kTick, [this] { tick(); });
    }
}

}  // namespace berth::control
