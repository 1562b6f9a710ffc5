#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "shared/base/result.h"

namespace berth::config {

// controller.toml in a controller's folder. The file may be missing.
//
//   [http]
//   url = "https://panel.example.org/berth/"   # or a list: what browsers use to reach the panel
//   trusted_proxies = ["127.0.0.1", "::1"]     # who may say who is behind them; or 10.0.0.0/8
//   listen = "127.0.0.1:6880"                  # where the panel is served
//   allow_remote = false                       # whether that may be reached by other machines
//
//   [tls]
//   cert = "/etc/ssl/berth.pem"                # the certificate with its chain; or below the folder
//   key = "/etc/ssl/private/berth.key"         # its private key
//   self_signed = true                         # instead: one that is made at the first start
struct ControllerConfig {
    std::vector<std::string> urls;
    std::vector<std::string> trusted_proxies;
    std::vector<std::string> warnings;  // keys that nobody reads
    std::string listen;
    bool allow_remote = false;
    std::string tls_certificate;
    std::string tls_key;
    bool tls_self_signed = false;
};

// Errors read like those of descriptors; all of them, one a line.
Result<ControllerConfig> parse_controller_config(const std::string& file, std::string_view text);

}  // namespace berth::config
