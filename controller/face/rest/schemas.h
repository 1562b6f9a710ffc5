#pragma once

#include <string>
#include <string_view>

namespace berth::rest {

// The objects of the API, as JSON Schema, components of the OpenAPI document: those of
// schemas.json, and those that come from the structs they show.
std::string schemas_json();

// schemas.json alone. Defined by the generated source.
std::string_view embedded_schemas();

}  // namespace berth::rest
