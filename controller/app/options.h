#pragma once

#include <string>
#include <vector>

#include "shared/base/result.h"

namespace berth::controller {

// What berth-controller is told on its command line.
struct Options {
    std::string command;   // "" serves; else add-user, add-agent, remove-agent or public-key
    std::string argument;  // the NAME of a command
    std::string home;      // absolute
    std::string listen = "127.0.0.1:6880";
    bool allow_remote = false;
    std::vector<std::string> hosts;  // further names that browsers may use for it
    std::string panel_dir;
    std::string ready_file;
    std::string role = "viewer";
    std::string endpoint;
    std::string key;
    bool help = false;
};

extern const char* const kUsage;

// Error: what is wrong with the arguments.
Result<Options> parse_options(const std::vector<std::string>& arguments);

}  // namespace berth::controller
