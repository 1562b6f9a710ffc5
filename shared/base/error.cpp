#include "shared/base/error.h"

#include <cstdio>
#include <cstdlib>

#include "shared/base/ensure.h"

namespace berth {

Error Error::within(std::string_view context) const {
    return Error{code, std::string(context) + ": " + message, os_errno};
}

void ensure_failed(const char* condition, const char* why, const char* file, int line) {
    (void)std::fprintf(stderr, "%s:%d: broken: %s (%s)\n", file, line, condition, why);
    std::abort();
}

}  // namespace berth
