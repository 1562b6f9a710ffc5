#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "controller/face/rest/route.h"

namespace berth::rest {

// The OpenAPI 3.1 document of these routes. `cookie`: the name of the session's.
std::string openapi_document(const std::vector<Route>& routes, std::string_view cookie);

}  // namespace berth::rest
