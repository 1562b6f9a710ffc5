#include "controller/http/forwarded.h"

#include <algorithm>
#include <optional>
#include <vector>

#include "shared/base/text.h"

namespace berth::http {

namespace {

// What a chain of proxies says, the first one first.
struct Chain {
    std::vector<std::string> addresses;
    std::string proto;
    std::string host;
};

// The items of all fields of this name.
std::vector<std::string_view> items_of(const Request& request, std::string_view name) {
    std::vector<std::string_view> items;
    for (const auto& [field, value] : request.headers) {
        if (field == name) {
            for (const std::string_view item : split(value, ',')) {
                items.push_back(trim(item));
            }
        }
    }
    return items;
}

// "10.0.0.1", "10.0.0.1:4711", "[::1]:4711", "::1": without the port.
std::string_view without_port(std::string_view node) {
    if (!node.empty() && node.front() == '[') {
        return node.substr(0, node.find(']') + 1);
    }
    const std::size_t colon = node.find(':');
    return colon == node.rfind(':') ? node.substr(0, colon) : node;
}

Chain read_x_forwarded(const Request& request) {
    Chain chain;
    for (const std::string_view item : items_of(request, "x-forwarded-for")) {
        chain.addresses.emplace_back(without_port(item));
    }
    // Of several the first is what the browser used; who is before the trusted proxies can only
    // say it of himself.
    const auto protos = items_of(request, "x-forwarded-proto");
    const auto hosts = items_of(request, "x-forwarded-host");
    chain.proto = protos.empty() ? "" : std::string(protos.front());
    chain.host = hosts.empty() ? "" : std::string(hosts.front());
    return chain;
}

std::string unquoted(std::string_view value) {
    if (value.size() < 2 || value.front() != '"' || value.back() != '"') {
        return std::string(value);
    }
    std::string plain;
    for (std::size_t i = 1; i + 1 < value.size(); ++i) {
        i += value[i] == '\\' && i + 2 < value.size() ? 1 : 0;
        plain += value[i];
    }
    return plain;
}

Chain read_forwarded(const Request& request) {
    Chain chain;
    for (const std::string_view element : items_of(request, "forwarded")) {
        std::string node;
        for (const std::string_view pair : split(element, ';')) {
            const std::size_t equals = std::min(pair.find('='), pair.size());
            const std::string name = to_lower(trim(pair.substr(0, equals)));
            const std::string value =
                unquoted(trim(pair.substr(std::min(equals + 1, pair.size()))));
            if (name == "for") {
                node = without_port(value);
            } else if (name == "proto" && chain.proto.empty()) {
                chain.proto = value;
            } else if (name == "host" && chain.host.empty()) {
                chain.host = value;
            }
        }
        chain.addresses.push_back(std::move(node));
    }
    return chain;
}

// The last address that is no trusted proxy's. What is none ("unknown", "_hidden") ends the search:
// the proxy behind it is all that is known.
std::string client_of(const Chain& chain, const std::string& peer, const Site& site) {
    std::string client = peer;
    for (auto at = chain.addresses.rbegin(); at != chain.addresses.rend(); ++at) {
        const auto address = os::IpAddress::parse(*at);
        if (!address) {
            break;
        }
        client = address->text();
        if (!site.trusts(client)) {
            break;
        }
    }
    return client;
}

}  // namespace

bool is_ours(const Origin& origin, const Request& request, const Site& site) {
    const auto host = Host::parse(request.host);
    return (host && without_default_port(*host, origin.secure) == origin.host) ||
           std::any_of(site.urls.begin(), site.urls.end(), [&origin](const PublicUrl& url) {
               return url.origin == origin;
           });
}

bool find_origin(Request& request, const Site& site) {
    request.host = request.header("host").value_or("");
    std::optional<bool> secure;
    if (site.trusts(request.address)) {
        Chain chain = read_x_forwarded(request);
        if (chain.addresses.empty() && chain.proto.empty() && chain.host.empty()) {
            chain = read_forwarded(request);
        }
        request.address = client_of(chain, request.address, site);
        if (!chain.proto.empty()) {
            secure = to_lower(chain.proto) == "https";
        }
        if (!chain.host.empty()) {
            request.host = chain.host;
        }
    }
    if (request.host.empty()) {
        return request.http_1_0;  // HTTP/1.0 knows no Host
    }
    const auto host = Host::parse(request.host);
    if (!host) {
        return false;
    }
    request.host = host->text();
    const auto origin = Origin::parse(request.header("origin").value_or(""));
    if (origin && is_ours(*origin, request, site)) {
        secure = origin->secure;  // the browser knows best
    }
    request.secure = secure.value_or(site.is_secure(*host));
    return true;
}

}  // namespace berth::http
