#pragma once

#include <string>
#include <vector>

#include "shared/base/result.h"

namespace berth::controller {

// What berth-controller is told on its command line.
struct Options {
    std::string command;   // "" serves; else one of those in usage()
    std::string argument;  // the NAME of a command
    std::string home;      // absolute; "": the command needs none
    std::string listen;    // "": as controller.toml says, else 127.0.0.1:6880
    bool allow_remote = false;
    bool tls = false;                // with a certificate that is made; is kept
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
    std::string timeout;  // seconds that add-agent waits for the first contact
    bool no_wait = false;
    bool help = false;
};

// What --help prints.
std::string usage();

// Error: what is wrong with the arguments.
Result<Options> parse_options(const std::vector<std::string>& arguments);

}  // namespace berth::controller
