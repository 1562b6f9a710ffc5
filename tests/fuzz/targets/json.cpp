#include "shared/json/json_value.h"
#include "tests/fuzz/targets/target.h"

// The JSON reader: any text is read or refused, with a place inside the text.
void fuzz_one(std::string_view bytes) {
    using namespace berth::json;  // NOLINT(google-build-using-namespace)
    const auto parsed = parse_json_text(bytes, JsonLimits());
    if (parsed) {
        fuzz_check(parsed->offset() <= bytes.size(), "a value begins inside the text");
    } else {
        fuzz_check(parsed.error().offset <= bytes.size() && !parsed.error().reason.empty(),
                   "a refusal says where and why");
    }
    (void)parse_json(bytes);
}
