#include <array>
#include <utility>

#include "agent/cli/commands.h"

namespace berth::cli {

namespace {

int run_version(Session& session) {
    if (session.style.json) {
        json::JsonWriter json;
        json.begin_object().field("version", BERTH_VERSION).end_object();
        print(json.take() + "\n");
    } else {
        print("berth " BERTH_VERSION "\n");
    }
    return kDone;
}

constexpr std::array<std::pair<std::string_view, Run>, 51> kRuns = {{
    {"notify", run_notify},
    {"poll", run_poll},
    {"outbox", run_outbox},
    {"raise", run_raise},
    {"messages", run_messages},
    {"trace", run_trace},
    {"token app", run_token},
    {"up", run_up},
    {"down", run_down},
    {"load", run_load},
    {"start", run_verb},
    {"stop", run_verb},
    {"restart", run_verb},
    {"kill", run_verb},
    {"reload", run_verb},
    {"clean", run_verb},
    {"scan", run_scan},
    {"list", run_list},
    {"status", run_status},
    {"logs", run_logs},
    {"connect", run_connect},
    {"explain", run_explain},
    {"history", run_history},
    {"crashes", run_crashes},
    {"check", run_check},
    {"scale", run_scale},
    {"top", run_top},
    {"events", run_events},
    {"is-active", run_is_state},
    {"is-failed", run_is_state},
    {"agent run", run_agent_run},
    {"agent stop", run_agent_stop},
    {"agent authorize", run_agent_keys},
    {"agent revoke", run_agent_keys},
    {"agent peers", run_agent_keys},
    {"controller run", run_controller},
    {"controller add-user", run_controller},
    {"controller change-password", run_controller},
    {"controller reset-password", run_controller},
    {"controller add-agent", run_controller},
    {"controller remove-agent", run_controller},
    {"controller public-key", run_controller},
    {"home", run_home},
    {"service install", run_service_install},
    {"doctor", run_doctor},
    {"agent upgrade", run_agent_upgrade},
    {"completion", run_completion},
    {"help", run_help},
    {"man", run_man},
    {"version", run_version},
    {"", run_help},
}};

}  // namespace

Run find_run(std::string_view command) {
    for (const auto& [name, run] : kRuns) {
        if (name == command) {
            return run;
        }
    }
    return nullptr;
}

}  // namespace berth::cli
