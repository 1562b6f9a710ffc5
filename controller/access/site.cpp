#include "controller/access/site.h"

#include <algorithm>

#include "shared/base/text.h"

namespace berth::access {

namespace {

constexpr std::uint16_t kHttp = 80;
constexpr std::uint16_t kHttps = 443;
constexpr std::size_t kLongestName = 255;

bool is_name_character(char c) {
    return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '-' || c == '.' || c == '_';
}

// Those which the panel, or the API, has at its root: below a prefix of this name a proxy that cuts
// the prefix off and one that leaves it could not be told from each other.
bool is_ours(std::string_view first_part) {
    static constexpr std::string_view kOurs[] = {
        "agents", "api", "apps", "assets", "favicon.svg", "healthz", "login", "readyz", "setup"};
    return std::find(std::begin(kOurs), std::end(kOurs), first_part) != std::end(kOurs);
}

bool is_prefix(std::string_view prefix) {
    const auto parts = split(prefix.substr(1), '/');
    return std::all_of(parts.begin(), parts.end(), [](std::string_view part) {
        return !part.empty() && part.front() != '.' &&
               std::all_of(part.begin(), part.end(), [](char c) {
                   return is_name_character(c) || (c >= 'A' && c <= 'Z') || c == '~';
               });
    });
}

}  // namespace

std::optional<Host> Host::parse(std::string_view text) {
    std::string lowered = to_lower(text);
    std::string_view rest = lowered;
    Host host;
    if (!rest.empty() && rest.front() == '[') {
        const std::size_t end = std::min(rest.find(']'), rest.size() - 1);
        const auto address = os::IpAddress::parse(rest.substr(0, end + 1));
        if (!address || rest.find('%') != std::string_view::npos) {
            return std::nullopt;
        }
        host.name = '[' + address->text() + ']';
        rest.remove_prefix(end + 1);
    } else {
        const std::string_view name = rest.substr(0, rest.find(':'));
        rest.remove_prefix(name.size());
        host.name = name.substr(0, name.size() - (name.size() > 1 && name.back() == '.' ? 1 : 0));
        if (host.name.empty() || host.name.size() > kLongestName || host.name.front() == '.' ||
            !std::all_of(host.name.begin(), host.name.end(), is_name_character)) {
            return std::nullopt;
        }
    }
    if (rest.empty() || rest == ":") {
        return host;
    }
    const bool digits = rest.front() == ':' && rest.size() <= 6;
    host.port = digits ? parse_integer<std::uint16_t>(rest.substr(1)) : std::nullopt;
    return host.port ? std::optional(host) : std::nullopt;
}

std::string Host::text() const {
    return port ? name + ':' + std::to_string(*port) : name;
}

Host without_default_port(Host host, bool secure) {
    if (host.port == (secure ? kHttps : kHttp)) {
        host.port.reset();
    }
    return host;
}

std::optional<Origin> Origin::parse(std::string_view text) {
    const std::size_t end = std::min(text.find("://"), text.size());
    const std::string scheme = to_lower(text.substr(0, end));
    if (end == text.size() || (scheme != "http" && scheme != "https")) {
        return std::nullopt;
    }
    const bool secure = scheme == "https";
    auto host = Host::parse(text.substr(end + 3));
    return host ? std::optional(Origin{secure, without_default_port(std::move(*host), secure)})
                : std::nullopt;
}

std::string Origin::text() const {
    return (secure ? "https://" : "http://") + host.text();
}

Result<PublicUrl> PublicUrl::parse(std::string_view text) {
    const auto bad = [text](const std::string& why) {
        return fail(ErrorCode::InvalidArgument,
                    "\"" + printable(text) + "\" is no address of a panel, such as " +
                        "https://panel.example.org/berth/: " + why);
    };
    const std::size_t scheme = text.find("://");
    if (scheme == std::string_view::npos) {
        return bad("it must begin with https:// or http://");
    }
    if (text.find_first_of("?#") != std::string_view::npos) {
        return bad("it ends with its path, without ? and #");
    }
    const std::size_t slash = std::min(text.find('/', scheme + 3), text.size());
    auto origin = Origin::parse(text.substr(0, slash));
    if (!origin) {
        return bad("between // and the path stands a name or an address, perhaps with a port");
    }
    std::string_view path = text.substr(slash);
    while (!path.empty() && path.back() == '/') {
        path.remove_suffix(1);
    }
    if (!path.empty() && !is_prefix(path)) {
        return bad("its path may have letters, digits and . _ - ~ between single slashes");
    }
    if (!path.empty() && is_ours(split(path, '/')[1])) {
        return bad("the panel has pages of its own below /" + std::string(split(path, '/')[1]) +
                   ", so choose another path");
    }
    return PublicUrl{std::move(*origin), std::string(path)};
}

bool Site::knows(const Host& host) const {
    return hosts.empty() || std::any_of(hosts.begin(), hosts.end(), [&host](const Host& known) {
               return known.name == host.name;
           });
}

std::string Site::known_origins() const {
    std::vector<std::string> texts;
    for (const PublicUrl& url : urls) {
        texts.push_back(url.origin.text());
    }
    return join(texts, ", ");
}

bool Site::trusts(std::string_view address) const {
    const auto parsed = os::IpAddress::parse(address);
    return parsed &&
           std::any_of(trusted_proxies.begin(),
                       trusted_proxies.end(),
                       [&parsed](const auto& network) { return network.contains(*parsed); });
}

bool Site::is_secure(const Host& host) const {
    return std::any_of(urls.begin(), urls.end(), [&host](const PublicUrl& url) {
        return url.origin.secure && url.origin.host == without_default_port(host, true);
    });
}

}  // namespace berth::access
