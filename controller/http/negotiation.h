#pragma once

#include <string_view>

namespace berth::http {

// Whether the media type, without its parameters, is `wanted` (in small letters).
bool is_media_type(std::string_view field, std::string_view wanted);

// Whether an Accept-Encoding field allows gzip: named, or by "*", and not with q=0.
bool accepts_gzip(std::string_view field);

// Whether an Accept field names this media type, and not with q=0.
bool accepts_media(std::string_view field, std::string_view wanted);

// Whether an If-None-Match field names this entity tag: "*", or a list. Weak tags compare like
// strong ones (RFC 9110, 13.1.2).
bool names_etag(std::string_view field, std::string_view etag);

}  // namespace berth::http
