#pragma once

#include <string>
#include <vector>

#include "shared/base/result.h"

namespace berth::controller {

// What berth-controller is told on its command line.
struct Options {
    std::string command;   // "" serves; else one of those in kUsage
    std::string argument;  // the NAME of a command
    std::string home;      // absolute
    std::string listen;    // "": as controller.toml says, else 127.0.0.1:6880
    bool allow_remote = false;
    int report_fd = -1;              // where to say how the start went, see os/start_report.h
    bool quiet = false;              // do not print the address: somebody else does
    std::vector<std::string> hosts;  // further names that browsers may use for it
    // What controller.toml is to say from now on, when it is given; "none" alone: nothing.
    std::vector<std::string> urls;
    std::vector<std::string> trusted_proxies;
    std::string panel_dir;
    std::string ready_file;
    std::string role = "viewer";
    std::string endpoint;
    std::string key;
    std::string timeout = "20";  // seconds that add-agent waits for the first contact
    bool no_wait = false;
    bool help = false;
};

inline constexpr const char* kUsage =
    "usage: berth-controller [--home DIR] [--listen HOST:PORT] [--allow-remote] [--host NAME]…\n"
    "                        [--url URL]… [--trusted-proxy ADDRESS]…\n"
    "                        [--panel-dir DIR] [--ready-file FILE] [--quiet]\n"
    "       berth-controller add-user NAME [--role viewer|operator|admin] [--home DIR]\n"
    "       berth-controller change-password NAME [--home DIR]\n"
    "       berth-controller reset-password NAME [--home DIR]\n"
    "       berth-controller add-agent NAME --endpoint tcp://HOST:PORT --key KEY\n"
    "                        [--timeout SECONDS | --no-wait] [--home DIR]\n"
    "       berth-controller remove-agent NAME [--home DIR]\n"
    "       berth-controller public-key [--home DIR]\n"
    "\n"
    "Serves the panel and the API of the agents in DIR/agents and of those that were added.\n"
    "DIR is $BERTH_HOME when --home is not given. add-user and\n"
    "reset-password read the password from their input, one line; change-password the present one\n"
    "and the new one, two lines.\n"
    "--listen takes port 0 for a free one; another address than loopback needs --allow-remote.\n"
    "--url is what browsers use to reach the panel through a proxy, --trusted-proxy who may say\n"
    "who is behind it; both are kept in DIR/controller/controller.toml, and none forgets them.\n";

// Error: what is wrong with the arguments.
Result<Options> parse_options(const std::vector<std::string>& arguments);

}  // namespace berth::controller
