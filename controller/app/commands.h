#pragma once

#include "controller/app/options.h"
#include "shared/base/result.h"

namespace berth::controller {

// Carries out the command of `options` on the files of its home and tells a running controller to
// read them again. Prints what the command is to print.
Result<void> run_command(const Options& options);

// Where things lie below the home.
struct Paths {
    explicit Paths(const std::string& home)
        : root(home + "/controller"),
          database(root + "/controller.db"),
          keys(root + "/keys"),
          run(root + "/run"),
          agents(home + "/agents") {}

    std::string root;
    std::string database;
    std::string keys;
    std::string run;
    std::string agents;

    [[nodiscard]] std::string lock() const { return run + "/controller.lock"; }

    [[nodiscard]] std::string control() const { return run + "/control.sock"; }

    // The names of the remote agents, one a line.
    [[nodiscard]] std::string remote_agents() const { return run + "/remote-agents"; }

    [[nodiscard]] std::string pid() const { return run + "/controller.pid"; }

    [[nodiscard]] std::string address() const { return run + "/address"; }

    // What browsers use to reach the panel, when that is configured.
    [[nodiscard]] std::string public_url() const { return run + "/url"; }

    [[nodiscard]] std::string config() const { return root + "/controller.toml"; }

    [[nodiscard]] std::string setup_link() const { return run + "/setup-link"; }
};

}  // namespace berth::controller
