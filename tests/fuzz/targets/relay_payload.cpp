#include "agent/relay/protocol/payload_preview.h"
#include "shared/json/json_value.h"
#include "tests/fuzz/targets/target.h"

// A payload for display: any bytes give one JSON value within the bounds.
void fuzz_one(std::string_view bytes) {
    using namespace berth::relay;  // NOLINT(google-build-using-namespace)
    const Preview some = preview_payload(bytes);
    fuzz_check(some.json.size() < 16U * PreviewLimits().total, "what is shown is bounded");
    for (const Preview& shown : {some, preview_payload(bytes, kFullPreview)}) {
        const auto parsed = berth::json::parse_json(shown.json, {64U << 20U, 256, 10'000'000});
        fuzz_check(parsed.has_value() || shown.json.find("\":") != std::string::npos,
                   "what is shown is JSON");  // a map may say a key twice, which we refuse
    }
}
