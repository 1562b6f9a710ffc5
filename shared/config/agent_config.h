#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "shared/base/result.h"
#include "shared/model/app_spec.h"

namespace berth::config {

// agent.toml in an agent's home. Everything has a default; the file may be missing.
//
//   [agent]
//   name = "lab"                          # the last part of the home
//   [control]
//   listen = "tcp://127.0.0.1:6883"       # none: only the local socket
//   allow = ["<public key of a controller>"]
//   [apps]
//   inherit_env = false                   # true, or names: what apps of berth.toml get of the
//                                         # agent's own environment, unless they say it themselves
//   [log]
//   max_total = "2GiB"                    # of all apps' logs together
//   [ipc]
//   listen = "tcp://127.0.0.1:6882"       # none: apps reach the relay over its local socket only
//   allow = ["<public key of a client>"]
//   max_messages = 100000                 # of one mailbox
//   max_bytes = "256MiB"                  # the same
//   max_store = "4GiB"                    # of relay.db; none: what the disk has
//   accept = ["house", "lab.*"]           # agents whose apps may write to ours; none: all of them
//   share_events = true                   # with other agents; or a list like accept
struct AgentConfig {
    std::string name;
    std::string listen;
    std::vector<std::string> allow;
    InheritEnv inherit_env;
    std::uint64_t log_max_total = 2ULL << 30U;

    struct Ipc {
        std::string listen;
        std::vector<std::string> allow;
        std::uint64_t max_messages = 100'000;
        std::uint64_t max_bytes = 256ULL << 20U;
        std::uint64_t max_store = 0;
        std::optional<std::vector<std::string>> accept;
        std::optional<std::vector<std::string>> share_events;  // unset: with all
    };

    Ipc ipc;
    std::vector<std::string> warnings;  // keys that nobody knows, and the like
};

// Errors read like those of descriptors; all of them, one a line. As there, a key that nobody knows
// is a warning.
Result<AgentConfig> parse_agent_config(const std::string& file, std::string_view text);

}  // namespace berth::config
