#pragma once

#include "agent/cli/session.h"

// One function a command: does it, prints, gives the exit code.
namespace berth::cli {

int run_list(Session& session);
int run_status(Session& session);
int run_verb(Session& session);  // start, stop, restart, kill, reload, clean
int run_load(Session& session);
int run_scan(Session& session);
int run_is_state(Session& session);  // is-active, is-failed
int run_explain(Session& session);

int run_history(Session& session);
int run_crashes(Session& session);
int run_check(Session& session);
int run_scale(Session& session);
int run_top(Session& session);

int run_logs(Session& session);
int run_connect(Session& session);
int run_events(Session& session);

int run_notify(Session& session);
int run_poll(Session& session);
int run_outbox(Session& session);
int run_raise(Session& session);
int run_token(Session& session);
int run_messages(Session& session);
int run_trace(Session& session);

// Asks an agent to leave, and waits until it has: it alone, or with its apps in order and its
// keeper.
Result<void> end_agent(Session& session, const std::string& name, bool keep_apps);

int run_home(Session& session);
int run_up(Session& session);
int run_down(Session& session);
int run_agent_run(Session& session);
int run_agent_stop(Session& session);
int run_agent_keys(Session& session);  // authorize, revoke, peers
int run_controller(Session& session);
int run_doctor(Session& session);
int run_service_install(Session& session);
int run_agent_upgrade(Session& session);

int run_completion(Session& session);
int run_help(Session& session);
int run_man(Session& session);

// `berth NAME` for every command of the table; the test walks it.
using Run = int (*)(Session&);
Run find_run(std::string_view command);

// As `spmi`: its command line, messages and formats.
int run_spmi(const std::vector<std::string>& all);

}  // namespace berth::cli
