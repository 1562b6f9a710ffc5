#include "controller/app/local_door.h"

#include <algorithm>
#include <utility>

#include "shared/base/text.h"
#include "shared/command/verbs.h"

namespace berth::controller {

using wire::Value;

namespace {

constexpr std::uint64_t kDefaultMs = 15'000;
constexpr std::uint64_t kLongestMs = 24ULL * 3'600'000;

// Whether the audit log has to know of it.
bool is_change(const std::string& verb, const Value& args) {
    const command::VerbRow* const row = command::find_verb(verb);
    return row != nullptr && (row->audit == command::Audit::Yes ||
                              (!row->member.empty() && !args[row->member].as_string().empty()));
}

// What a change is about, for the audit log.
std::string target_of(const std::string& agent, const Value& args) {
    std::vector<std::string> words = args["patterns"].as_strings();
    for (const std::string& id : args["ids"].as_strings()) {
        words.push_back(id);
    }
    if (words.empty()) {
        words.push_back(args["id"].as_string());
    }
    return shortened(agent + "/" + join(words, " "), 200);
}

}  // namespace

Result<std::unique_ptr<LocalDoor>> LocalDoor::open(loop::EventLoop& loop,
                                                   fleet::Fleet& fleet,
                                                   const std::string& path,
                                                   Asked asked) {
    std::unique_ptr<LocalDoor> door(new LocalDoor(fleet, std::move(asked)));
    LocalDoor* const self = door.get();
    BERTH_TRY(door->router_,
              zmtp::Router::create(loop,
                                   path,
                                   wire::kMaxControlFrame,
                                   [self](const std::string& route, std::string_view frame) {
                                       self->received(route, frame);
                                   }));
    return door;
}

void LocalDoor::received(const std::string& route, std::string_view frame) {
    std::uint64_t id = 0;
    const auto request = wire::decode_request(frame, &id);
    if (!request) {
        return answer(route, wire::error_reply(id, request.error()));
    }
    if (request->verb == "agents") {
        return answer(route, {id, wire::Code::Ok, agents()});
    }
    if (request->verb == "ask") {
        return ask(route, *request);
    }
    answer(route,
           wire::error_reply(
               id, {ErrorCode::NotFound, "no verb is named \"" + request->verb + "\"", 0}));
}

Value LocalDoor::agents() const {
    Value::Array agents;
    for (const auto& [name, agent] : fleet_.view()->agents) {
        agents.push_back(
            Value::Map{{"name", name},
                       {"endpoint", agent->endpoint},
                       {"local", agent->local},
                       {"state", std::string(fleet::kLinkStateNames.name(agent->state))},
                       {"error", agent->error}});
    }
    return Value::Map{{"agents", std::move(agents)}};
}

void LocalDoor::ask(const std::string& route, const wire::Request& request) {
    const std::string agent = request.args["agent"].as_string();
    const std::string verb = request.args["verb"].as_string();
    const Value& args = request.args["args"];
    const bool timed = !request.args["timeout_ms"].is_nil();
    const std::uint64_t ms = std::clamp<std::uint64_t>(
        timed ? request.args["timeout_ms"].as_uint() : kDefaultMs, 1, kLongestMs);
    if (is_change(verb, args)) {
        const std::string what = verb == "act" ? args["verb"].as_string() : verb;
        asked_(args["actor"].as_string(), shortened(what, 40), target_of(agent, args));
    }
    fleet_.request(agent,
                   verb,
                   args,
                   std::chrono::milliseconds(ms),
                   [this, route, id = request.id](Result<Value> info) {
                       answer(route,
                              info ? wire::Reply{id, wire::Code::Ok, std::move(*info)}
                                   : wire::error_reply(id, info.error()));
                   });
}

void LocalDoor::answer(const std::string& route, const wire::Reply& reply) {
    (void)router_->send(route, wire::encode_reply(reply));  // who has gone needs no answer
}

}  // namespace berth::controller
