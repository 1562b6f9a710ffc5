#pragma once

#include <cstdint>
#include <string>

#include "shared/json/json_writer.h"
#include "shared/model/app_spec.h"

namespace berth::json {

// Whether what looks like a secret (shared/base/secrets.h) is shown. Variables that are declared to
// be secret never are.
enum class Secrets : std::uint8_t { Masked, Shown };

// `spec` as one JSON object for display: all fields in the tables and with the names of berth.toml,
// durations as "10s", sizes in bytes, defaults filled in, what is unset as null.
void write_spec(JsonWriter& json, const AppSpec& spec, Secrets secrets);

// The shortest text a descriptor could hold for `duration`: "500ms", "10s", "5m", "1h", "1.5ms".
std::string duration_text(Duration duration);

}  // namespace berth::json
