#pragma once

#include <functional>
#include <thread>

#include "shared/base/result.h"

namespace berth::os {

// A thread that does `work`. Error: the system gives no more of them now.
Result<std::thread> start_thread(std::function<void()> work);

}  // namespace berth::os
