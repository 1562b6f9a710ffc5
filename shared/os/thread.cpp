#include "shared/os/thread.h"

#include <system_error>
#include <utility>

#include "shared/os/os_error.h"

namespace berth::os {

Result<std::thread> start_thread(std::function<void()> work) {
    try {
        return std::thread(std::move(work));
    } catch (const std::system_error& error) {
        return fail(error_of(error.code().value(), "start a thread"));
    }
}

}  // namespace berth::os
