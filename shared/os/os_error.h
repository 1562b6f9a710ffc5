#pragma once

#include <string>

#include "shared/base/result.h"

namespace berth::os {

// The error that errno says, right after the failed call: "CONTEXT: No such file or directory".
Error last_error(const std::string& context);

// The same for a known number.
Error error_of(int number, const std::string& context);

// Whether it says that this process or the machine has run out of descriptors, processes or memory.
bool means_exhausted(int number);

// "No such file or directory" for ENOENT.
std::string error_text(int number);

}  // namespace berth::os
