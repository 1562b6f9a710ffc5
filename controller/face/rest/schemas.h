#pragma once

#include <string_view>

namespace berth::rest {

// schemas.json: the objects of the API, as JSON Schema, components of the OpenAPI document. Defined
// by the generated source.
std::string_view schemas_json();

}  // namespace berth::rest
