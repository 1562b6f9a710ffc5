#include "controller/access/origin.h"

#include <algorithm>
#include <optional>
#include <vector>

#include "controller/http/forwarded.h"
#include "shared/base/text.h"

namespace berth::access {

namespace {

// The last address that is no trusted proxy's. What is none ("unknown", "_hidden") ends the search:
// the proxy behind it is all that is known.
std::string client_of(const http::Forwarded& chain, const std::string& peer, const Site& site) {
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

bool is_ours(const Origin& origin, const http::Request& request, const Site& site) {
    const auto host = Host::parse(request.host);
    return (host && without_default_port(*host, origin.secure) == origin.host) ||
           std::any_of(site.urls.begin(), site.urls.end(), [&origin](const PublicUrl& url) {
               return url.origin == origin;
           });
}

bool find_origin(http::Request& request, const Site& site) {
    request.host = request.header("host").value_or("");
    std::optional<bool> secure;
    if (site.trusts(request.address)) {
        const http::Forwarded chain = http::read_forwarded(request);
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
    request.secure = secure.value_or(request.secure || site.is_secure(*host));
    return true;
}

}  // namespace berth::access
