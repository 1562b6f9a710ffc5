#pragma once

#include <string_view>

namespace berth::access {

// Whether a password, in small letters, is one of the about 3,500 commonest; defined by the
// generated source.
bool is_common_password(std::string_view lowered);

}  // namespace berth::access
