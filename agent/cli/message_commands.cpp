#include <algorithm>

#include "agent/cli/commands.h"
#include "agent/cli/durations.h"
#include "shared/base/text.h"
#include "shared/json/json_value.h"
#include "shared/json/json_writer.h"
#include "shared/mail/payload.h"
#include "shared/os/file.h"

namespace berth::cli {

using wire::Value;

namespace {

// A payload for people: a text as it is, anything else as JSON. What is no msgpack is shown as hex.
void write_payload(json::JsonWriter& json, const std::string& payload) {
    if (const auto value = wire::decode(payload)) {
        mail::write_value(json, *value);
    } else {
        json.begin_object().field("hex", to_hex(payload)).end_object();
    }
}

std::string payload_text(const std::string& payload) {
    const auto value = wire::decode(payload);
    if (value && value->is_string()) {
        return value->as_string();
    }
    json::JsonWriter json;
    write_payload(json, payload);
    return json.take();
}

Result<std::string> payload_of(const Session& session, const std::string& text) {
    if (!session.arguments.has("--parse")) {
        return wire::encode(Value(text));
    }
    BERTH_TRY(const json::JsonValue json, json::parse_json(text));
    return wire::encode(mail::value_of(json));
}

struct Asked {
    std::string verb;
    std::string app;  // for whom the relay is asked; "": for nobody
    Value args;
    std::vector<std::string> payload;
    Duration wait{};
};

// The relay's answer; its code as our error.
Result<Value> ask_relay(Session& session, const std::string& agent, const Asked& asked) {
    constexpr Duration kAnswer = std::chrono::seconds(15);
    BERTH_TRY(Client * client, session.client(agent));
    BERTH_TRY(const Value reply,
              client->ask("message",
                          Value::Map{{"verb", asked.verb},
                                     {"app", asked.app},
                                     {"args", asked.args},
                                     {"payload", wire::strings(asked.payload)}},
                          kAnswer + asked.wait));
    const auto code = static_cast<wire::Code>(reply["code"].as_uint());
    if (code != wire::Code::Ok) {
        return fail(wire::error_code_of(code), reply["info"]["error"].as_string());
    }
    return reply;
}

// What stands behind "message 5 waits for ID".
std::string notified_text(const Value& info, const std::string& agent) {
    const std::string& way = info["agent"].as_string();
    if (way == "unknown") {
        return "; no controller knows an agent " + agent + " now";
    }
    if (way == "away") {
        return "; the way to " + agent + " is interrupted";
    }
    return info["known"].as_bool(!way.empty()) ? "" : ", which is not installed";
}

}  // namespace

int run_notify(Session& session) {
    const std::string& to = session.arguments.words[0];
    const Target target = target_of(session, to);
    // An agent whose home is not on this machine is reached through our own.
    const bool far = !os::is_folder(session.agent_home(target.agent));
    const auto payload = payload_of(session, session.arguments.words[1]);
    if (!payload) {
        return report(payload.error());
    }
    Value::Map args = {{"to", far ? to : target.app},
                       {"durable", !session.arguments.has("--volatile")}};
    if (session.arguments.has("--ttl")) {
        const auto ttl = parse_duration(session.arguments.get("--ttl"));
        if (!ttl) {
            return report(ttl.error());
        }
        args.emplace_back("ttl_ms", std::int64_t{*ttl / std::chrono::milliseconds(1)});
    }
    const auto reply = ask_relay(
        session, far ? session.agent : target.agent, {"notify", "", args, {*payload}, {}});
    if (!reply) {
        return report(reply.error());
    }
    const Value& info = (*reply)["info"];
    const std::uint64_t id = info["ids"].at(0).as_uint();
    if (session.style.json) {
        json::JsonWriter json;
        json.begin_object().field("id", id).key("known");
        mail::write_value(json, info["known"]);
        if (far) {
            json.field("agent", info["agent"].as_string());
        }
        json.end_object();
        print_json(json);
    } else {
        print("message " + std::to_string(id) + " waits for " + (far ? to : target.app) +
              notified_text(info, target.agent) + "\n");
    }
    return kDone;
}

namespace {

struct Taken {
    Value meta;
    std::string payload;
};

Result<std::vector<Taken>> take_messages(Session& session, const Target& target) {
    BERTH_TRY(const std::size_t max, parse_count(session.arguments.get("--max", "1000")));
    BERTH_TRY(const Duration wait, parse_duration(session.arguments.get("--wait", "0s")));
    std::vector<Taken> taken;
    if (session.arguments.has("--peek")) {
        BERTH_TRY(Client * client, session.client(target.agent));
        BERTH_TRY(
            const Value info,
            client->ask("mailbox", Value::Map{{"id", target.app}, {"max", std::uint64_t{max}}}));
        for (const Value& message : info["messages"].as_array()) {
            taken.push_back({message, message["payload"].as_string()});
        }
        return taken;
    }
    BERTH_TRY(const Value reply,
              ask_relay(session,
                        target.agent,
                        {"poll",
                         target.app,
                         Value::Map{{"max", std::uint64_t{max}},
                                    {"wait_ms", std::int64_t{wait / std::chrono::milliseconds(1)}},
                                    {"auto_ack", true}},
                         {},
                         wait}));
    const Value::Array& metas = reply["info"]["messages"].as_array();
    for (std::size_t i = 0; i < metas.size(); ++i) {
        taken.push_back({metas[i], reply["payload"].at(i).as_string()});
    }
    return taken;
}

}  // namespace

int run_poll(Session& session) {
    const auto taken = take_messages(session, target_of(session, session.arguments.words[0]));
    if (!taken) {
        return report(taken.error());
    }
    json::JsonWriter json;
    json.begin_array();
    for (const Taken& message : *taken) {
        if (!session.style.json) {
            print(payload_text(message.payload) + "\n");
            continue;
        }
        const WallTime time(std::chrono::milliseconds(message.meta["time_ms"].as_uint()));
        json.begin_object().field("id", message.meta["id"].as_uint());
        json.field("from", message.meta["from"].as_string()).field("time", rfc3339_utc(time, 3));
        json.field("attempt", message.meta["attempt"].as_uint()).key("payload");
        write_payload(json, message.payload);
        json.end_object();
    }
    json.end_array();
    if (session.style.json) {
        print_json(json);
    }
    return taken->empty() ? kNothing : kDone;
}

int run_raise(Session& session) {
    const auto& words = session.arguments.words;
    Asked asked{"raise", "", Value::Map{{"type", words[0]}}, {}, {}};
    if (words.size() > 1) {
        const auto payload = payload_of(session, words[1]);
        if (!payload) {
            return report(payload.error());
        }
        asked.payload.push_back(*payload);
    }
    const auto reply = ask_relay(session, session.agent, asked);
    if (!reply) {
        return report(reply.error());
    }
    const std::uint64_t number = (*reply)["info"]["seq"].as_uint();
    if (session.style.json) {
        json::JsonWriter json;
        json.begin_object().field("seq", number).end_object();
        print_json(json);
    } else {
        print("raised event " + std::to_string(number) + "\n");
    }
    return kDone;
}

int run_token(Session& session) {
    const Target target = target_of(session, session.arguments.words[0]);
    const auto client = session.client(target.agent);
    const auto info = client ? (*client)->ask("token", Value::Map{{"app", target.app}})
                             : Result<Value>(fail(client.error()));
    if (!info) {
        return report(info.error());
    }
    if (session.style.json) {
        json::JsonWriter json;
        json.begin_object();
        for (const char* const member : {"app", "secret", "file", "endpoint"}) {
            json.field(member, (*info)[member].as_string());
        }
        json.end_object();
        print_json(json);
    } else {
        print((*info)["secret"].as_string() + "\n");
    }
    return kDone;
}

}  // namespace berth::cli
