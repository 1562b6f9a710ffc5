#pragma once

#include "controller/app/options.h"
#include "shared/base/result.h"
#include "shared/home/places.h"

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
          places(home::places_of(root)),
          agents(home + "/agents") {}

    std::string root;
    std::string database;
    std::string keys;
    home::Places places;
    std::string agents;

    [[nodiscard]] std::string lock() const { return places.lock("controller"); }

    [[nodiscard]] std::string control() const { return places.at("control.sock"); }

    // The names of the remote agents, one a line.
    [[nodiscard]] std::string remote_agents() const { return places.at("remote-agents"); }

    [[nodiscard]] std::string pid() const { return places.pid_file("controller"); }

    [[nodiscard]] std::string address() const { return places.at("address"); }

    // What browsers use to reach the panel, when that is configured.
    [[nodiscard]] std::string public_url() const { return places.at("url"); }

    // SHA-256 of the certificate that the panel is served with.
    [[nodiscard]] std::string fingerprint() const { return places.at("fingerprint"); }

    [[nodiscard]] std::string config() const { return root + "/controller.toml"; }

    [[nodiscard]] std::string setup_link() const { return places.at("setup-link"); }
};

}  // namespace berth::controller
