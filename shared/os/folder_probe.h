#pragma once

#include <string>

#include "shared/base/result.h"

namespace berth::os {

// Whether a file can be made in `folder` and written, by trying it with one that has no name where
// the file system has such files, else with one that is removed at once. Permissions alone do not
// tell: a file system may be read-only or full, or one that keeps no files, as /proc. Error: why
// not.
Result<void> can_make_files(const std::string& folder);

}  // namespace berth::os
