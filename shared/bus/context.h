#pragma once

#include <memory>
#include <string>

#include "shared/base/result.h"

namespace zmq {
class context_t;
}

namespace berth::bus {

// A CURVE key pair, in Z85 (40 characters each).
struct KeyPair {
    std::string public_key;
    std::string secret_key;
};

// The pair in FOLDER/NAME.key and FOLDER/NAME.pub, made when missing. The secret file must be ours
// and closed to others (0600), else PermissionDenied.
Result<KeyPair> load_or_make_keys(const std::string& folder, const std::string& name);

// Whether those that are there can be used; none is fine.
Result<void> check_keys(const std::string& folder, const std::string& name);

// Owns ZeroMQ's I/O threads; sockets must be gone before it. One a process.
class Context {
public:
    Context();
    ~Context();
    Context(const Context&) = delete;
    Context& operator=(const Context&) = delete;

    [[nodiscard]] zmq::context_t& get() { return *context_; }

private:
    std::unique_ptr<zmq::context_t> context_;
};

}  // namespace berth::bus
