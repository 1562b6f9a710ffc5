#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "shared/base/result.h"
#include "shared/os/ip_network.h"

namespace berth::access {

// Name and port as a Host field or an authority has them.
struct Host {
    std::string name;  // in small letters, without a final dot; an IPv6 address in brackets
    std::optional<std::uint16_t> port;

    // Nothing: it is no host. Whoever is named before an "@" is none either.
    static std::optional<Host> parse(std::string_view text);

    [[nodiscard]] std::string text() const;

    bool operator==(const Host&) const = default;
};

// Where something is served from: "https://panel.example.org". The port that the scheme has anyway
// counts as none.
struct Origin {
    bool secure = false;
    Host host;

    static std::optional<Origin> parse(std::string_view text);

    [[nodiscard]] std::string text() const;

    bool operator==(const Origin&) const = default;
};

// `host` without the port that `secure` or plain HTTP has anyway.
Host without_default_port(Host host, bool secure);

// An address that people use for the panel.
struct PublicUrl {
    Origin origin;
    std::string prefix;  // "/berth", or "" for none

    // Error: what is wrong with it.
    static Result<PublicUrl> parse(std::string_view text);

    // With a slash at the end.
    [[nodiscard]] std::string text() const { return origin.text() + prefix + '/'; }
};

// How the panel is reached: what it is called, below which path it is, and which proxies may say
// who is behind them. Immutable; any thread.
struct Site {
    std::vector<Host> hosts;  // names that the Host field may have, whatever the port; none: all
    std::vector<PublicUrl> urls;
    std::string prefix;  // of all urls
    std::vector<os::IpNetwork> trusted_proxies;

    [[nodiscard]] bool knows(const Host& host) const;

    // The origins that pages of ours have, for a sentence.
    [[nodiscard]] std::string known_origins() const;

    [[nodiscard]] bool trusts(std::string_view address) const;

    // Whether browsers reach this host over TLS by what is configured.
    [[nodiscard]] bool is_secure(const Host& host) const;
};

}  // namespace berth::access
