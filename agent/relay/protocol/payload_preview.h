#pragma once

#include <cstddef>
#include <string>
#include <string_view>

namespace berth::relay {

// How much of a payload is shown.
struct PreviewLimits {
    std::size_t text = 512;    // bytes of one string
    std::size_t total = 4096;  // bytes of JSON, about
    std::size_t items = 100;   // of one list or map
    std::size_t depth = 8;
};

// What `full` shows: still bounded.
inline constexpr PreviewLimits kFullPreview{256U << 10U, 1U << 20U, 100'000, 64};

// A payload for people.
struct Preview {
    std::string json;   // one whole JSON value
    bool whole = true;  // false: something of it was left out
};

// A msgpack payload as JSON. Bytes are {"bytes": length, "hex": …}, an extension also has "ext";
// whole numbers beyond 2^53, which many readers of JSON would round, are {"int":
// "9007199254740993"}; keys that are no strings are written as they would be as values, lists and
// maps as bytes. What is no msgpack is shown as bytes. The values of keys that look like secrets
// ("password", "apiKey", "authorization"…) are masked, also inside a string that is JSON itself;
// limits do not change that. Any input, no errors.
Preview preview_payload(std::string_view payload, const PreviewLimits& limits = {});

}  // namespace berth::relay
