#pragma once

#include <string>

#include "shared/json/json_writer.h"
#include "shared/model/app_spec.h"

namespace berth::json {

// Stands for the value of a secret in everything that is shown.
inline constexpr std::string_view kMaskedSecret = "••••";

// `spec` as one JSON object for display: all fields in the tables and with the names of berth.toml,
// durations as "10s", sizes in bytes, defaults filled in, what is unset as null, secrets masked.
void write_spec(JsonWriter& json, const AppSpec& spec);

// The shortest text a descriptor could hold for `duration`: "500ms", "10s", "5m", "1h", "1.5ms".
std::string duration_text(Duration duration);

}  // namespace berth::json
