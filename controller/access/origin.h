#pragma once

#include "controller/access/site.h"
#include "controller/http/request.h"

namespace berth::access {

// Fills in who is behind a request and how it was addressed: `address`, `host` and `secure`. When
// the peer is a trusted proxy, what it says of that is believed: X-Forwarded-For, -Proto and -Host,
// or, where none of these is there, Forwarded (RFC 7239). Of a chain the last address counts that
// is no trusted proxy: those before it may be invented. What others say is passed over. Whether the
// browser speaks TLS is told by the Origin that it names, else by a trusted proxy, else by what is
// configured for this host. False: the Host is none.
bool find_origin(http::Request& request, const Site& site);

// Whether a page of this origin is one of ours: of the host that the request was sent to, or of an
// address that is configured.
bool is_ours(const Origin& origin, const http::Request& request, const Site& site);

}  // namespace berth::access
