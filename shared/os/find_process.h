#pragma once

#include <sys/types.h>

#include <optional>
#include <string>
#include <string_view>

namespace berth::os {

// A living process other than this one whose program is called `program` and whose command line has
// `option` followed by `value`; nothing: there is none. Looks at every process.
std::optional<pid_t> find_process(std::string_view program,
                                  std::string_view option,
                                  const std::string& value);

}  // namespace berth::os
