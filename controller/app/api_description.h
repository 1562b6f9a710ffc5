#pragma once

#include <string>

#include "shared/base/result.h"

namespace berth::controller {

// The OpenAPI document that a controller of this build serves, but for the name of the session's
// cookie, which is each controller's own. Needs no home, starts no thread and writes nothing.
Result<std::string> api_description();

}  // namespace berth::controller
