#include <array>
#include <string>

#include "shared/config/descriptor.h"
#include "tests/fuzz/targets/target.h"

// A descriptor of any format: apps, or problems, never both and never neither.
void fuzz_one(std::string_view bytes) {
    static constexpr std::array<const char*, 8> kNames = {
        "berth.toml", "pytainer.toml", "a.toml", "a.yaml", "a.json", "Procfile", "a.yml", "b.toml"};
    if (bytes.empty() || bytes.size() > (64U << 10U)) {
        return;
    }
    const char* const name = kNames.at(static_cast<unsigned char>(bytes.front()) % kNames.size());
    const auto found = berth::config::parse_descriptor(name, bytes.substr(1));
    fuzz_check(found.apps.empty() || found.problems.empty(), "apps or problems");
    for (const auto& app : found.apps) {
        fuzz_check(!app.id.empty(), "an app has an id");
    }
}
