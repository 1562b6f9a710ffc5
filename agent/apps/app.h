#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "agent/backend/backend.h"
#include "agent/store/app_rows.h"
#include "agent/supervisor/machine.h"
#include "shared/model/app_spec.h"
#include "shared/model/app_status.h"
#include "shared/os/file.h"

namespace berth::apps {

// Somebody's request to an app, as it goes into reasons and events: "admin from the panel".
struct Actor {
    std::string text;

    // " by admin from the panel"; "" when nobody is named.
    [[nodiscard]] std::string by() const { return text.empty() ? "" : " by " + text; }
};

// One app of this home. Owned by the Table; others than the parts of this room see it const.
struct App {
    App(store::Registration registered, supervisor::Machine supervised)
        : registration(std::move(registered)),
          machine(std::move(supervised)),
          running_spec(machine.shared_spec()) {}

    [[nodiscard]] const std::string& id() const { return registration.id; }

    [[nodiscard]] const AppSpec& spec() const { return machine.spec(); }

    [[nodiscard]] AppState state() const { return supervisor::public_state(machine.state()); }

    [[nodiscard]] backend::RunName run() const { return {id(), machine.generation()}; }

    // A start of its present generation by this descriptor.
    [[nodiscard]] backend::LaunchRequest launch(const AppSpec& by) const {
        return {by, registration.folder, registration.environment, machine.generation()};
    }

    // Times, exit and the like of its present or last run.
    [[nodiscard]] AppStatus described() const {
        AppStatus status;
        machine.describe(status);
        return status;
    }

    store::Registration registration;
    supervisor::Machine machine;
    AppState noted_state = AppState::Stopped;  // as the stream of events knows it
    std::string digest;                        // of its registered descriptor

    // --- of the present run
    std::shared_ptr<const AppSpec> running_spec;  // what it was started with
    std::string started_with;                     // the digest of that
    std::string status_text;                      // STATUS=… that it gave of itself
    std::string log_note;                         // what somebody did to its log

    // --- of its descriptor's file
    std::optional<os::FileStamp> descriptor_seen;  // as it was when it was compared last
    std::string descriptor_note;                   // how it differs from what is registered

    std::uint64_t crash_due = 0;  // the run whose crash is still to be written down; 0: none
};

}  // namespace berth::apps
