#pragma once

#include <functional>
#include <memory>
#include <string>

#include "shared/base/result.h"
#include "shared/loop/event_loop.h"
#include "shared/os/unique_fd.h"

namespace berth::relay {

// Tells when the secret of an app was removed or replaced, by whomever. In the loop's thread.
class SecretWatch {
public:
    // "": of any app; some changes were missed.
    using Changed = std::function<void(const std::string& app)>;

    // Makes the folder of the secrets when it is missing.
    static Result<std::unique_ptr<SecretWatch>> create(loop::EventLoop& loop,
                                                       const std::string& home,
                                                       Changed changed);

private:
    SecretWatch(loop::EventLoop& loop, os::UniqueFd fd, Changed changed);
    void readable();

    os::UniqueFd fd_;
    Changed changed_;
    loop::Registration registration_;
};

}  // namespace berth::relay
