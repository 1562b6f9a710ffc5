#include "controller/face/live/frames.h"

#include <Poco/Base64Encoder.h>
#include <Poco/SHA1Engine.h>

#include <sstream>

#include "shared/json/json_writer.h"

namespace berth::live {

namespace {

enum class Opcode : unsigned char { Text = 0x1, Close = 0x8, Ping = 0x9 };

Frame make_frame(Opcode opcode, std::string_view payload) {
    std::string frame;
    frame.reserve(payload.size() + 10);
    frame += static_cast<char>(0x80U | static_cast<unsigned>(opcode));
    const auto put = [&frame, size = payload.size()](int bytes) {
        for (int i = bytes - 1; i >= 0; --i) {
            frame += static_cast<char>((size >> (8U * static_cast<unsigned>(i))) & 0xFFU);
        }
    };
    if (payload.size() < 126) {
        put(1);
    } else if (payload.size() <= 0xFFFF) {
        frame += static_cast<char>(126);
        put(2);
    } else {
        frame += static_cast<char>(127);
        put(8);
    }
    frame += payload;
    return std::make_shared<const std::string>(std::move(frame));
}

// The members of two maps of pointers that differ: JSON of those that are new or changed, and the
// names of those that are gone.
template <class Map>
bool write_changes(json::JsonWriter& changed,
                   json::JsonWriter& removed,
                   const Map& before,
                   const Map& now) {
    bool any = false;
    changed.begin_array();
    for (const auto& [name, view] : now) {
        const auto old = before.find(name);
        if (old == before.end() ||
            (old->second != view && old->second->rendered != view->rendered)) {
            changed.raw(view->rendered);
            any = true;
        }
    }
    changed.end_array();
    removed.begin_array();
    for (const auto& [name, view] : before) {
        if (now.find(name) == now.end()) {
            removed.value(name);
            any = true;
        }
    }
    removed.end_array();
    return any;
}

}  // namespace

Frame text_frame(std::string_view text) {
    return make_frame(Opcode::Text, text);
}

Frame ping_frame() {
    return make_frame(Opcode::Ping, "");
}

Frame close_frame(unsigned code, std::string_view reason) {
    std::string payload;
    payload += static_cast<char>((code >> 8U) & 0xFFU);
    payload += static_cast<char>(code & 0xFFU);
    payload += reason.substr(0, 123);
    return make_frame(Opcode::Close, payload);
}

std::string accept_key(std::string_view key) {
    Poco::SHA1Engine engine;
    engine.update(std::string(key) + "258EAFA5-E914-47DA-95CA-C5AB0DC85B11");
    const auto& digest = engine.digest();
    std::ostringstream text;
    Poco::Base64Encoder encoder(text);
    encoder << std::string(digest.begin(), digest.end());
    encoder.close();
    return text.str();
}

std::string hello_text(std::uint64_t sequence) {
    json::JsonWriter json;
    json.begin_object().field("type", "hello").field("version", BERTH_VERSION);
    return json.field("seq", sequence).end_object().take();
}

std::string snapshot_text(std::uint64_t sequence, const fleet::FleetView& view) {
    json::JsonWriter json;
    json.begin_object()
        .field("type", "snapshot")
        .field("seq", sequence)
        .key("agents")
        .begin_array();
    for (const auto& [name, agent] : view.agents) {
        json.raw(agent->rendered);
    }
    json.end_array().key("apps").begin_array();
    for (const auto& [key, app] : view.apps) {
        json.raw(app->rendered);
    }
    return json.end_array().end_object().take();
}

std::string delta_text(std::uint64_t sequence,
                       const fleet::FleetView& before,
                       const fleet::FleetView& now) {
    json::JsonWriter agents;
    json::JsonWriter removed_agents;
    json::JsonWriter apps;
    json::JsonWriter removed;
    const bool agents_differ = write_changes(agents, removed_agents, before.agents, now.agents);
    const bool apps_differ = write_changes(apps, removed, before.apps, now.apps);
    if (!agents_differ && !apps_differ) {
        return {};
    }
    json::JsonWriter json;
    json.begin_object().field("type", "delta").field("seq", sequence);
    json.key("agents").raw(agents.take()).key("apps").raw(apps.take());
    json.key("removed").raw(removed.take()).key("removed_agents").raw(removed_agents.take());
    return json.end_object().take();
}

std::string log_text(const fleet::LogPiece& piece, std::uint64_t skipped_lines) {
    json::JsonWriter json;
    json.begin_object().field("type", "log").field("app", piece.app);
    json.key("lines").raw(piece.lines).field("skipped", skipped_lines + piece.skipped_lines);
    json.field("skipped_bytes", piece.skipped_bytes).field("reset", piece.reset);
    return json.end_object().take();
}

std::string log_error_text(const std::string& app, std::string_view error) {
    json::JsonWriter json;
    json.begin_object().field("type", "log_error").field("app", app).field("error", error);
    return json.end_object().take();
}

std::string error_text(std::string_view error) {
    json::JsonWriter json;
    return json.begin_object().field("type", "error").field("error", error).end_object().take();
}

std::string bye_text(std::string_view reason) {
    json::JsonWriter json;
    return json.begin_object().field("type", "bye").field("reason", reason).end_object().take();
}

}  // namespace berth::live
