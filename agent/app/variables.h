#pragma once

#include <string>

#include "shared/model/app_spec.h"

namespace berth::app {

// An app's config variables with their types: as a JSON object, and as a msgpack map.
std::string variables_json(const AppSpec& spec);
std::string variables_packed(const AppSpec& spec);

}  // namespace berth::app
