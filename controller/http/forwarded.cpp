#include "controller/http/forwarded.h"

#include <algorithm>
#include <string_view>

#include "shared/base/text.h"

namespace berth::http {

namespace {

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

Forwarded read_x_forwarded(const Request& request) {
    Forwarded chain;
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

Forwarded read_standard(const Request& request) {
    Forwarded chain;
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

}  // namespace

Forwarded read_forwarded(const Request& request) {
    Forwarded chain = read_x_forwarded(request);
    return chain.empty() ? read_standard(request) : chain;
}

}  // namespace berth::http
