#pragma once

#include <string>

#include "shared/base/result.h"

namespace berth::store {

// What lets somebody in, or is known, without a password. Durable when a call has returned. Any
// thread, but no loop: a call may take long.
class Tokens {
public:
    Tokens() = default;
    virtual ~Tokens() = default;
    Tokens(const Tokens&) = delete;
    Tokens& operator=(const Tokens&) = delete;

    // The hash of the one-time setup token; "" when there is none. Users::add_first() uses it up.
    virtual Result<std::string> setup_token_hash() = 0;
    virtual Result<void> set_setup_token_hash(const std::string& hash) = 0;

    // The key that known browsers are told by. The first one that is offered is kept.
    virtual Result<std::string> device_key(const std::string& offered) = 0;
};

}  // namespace berth::store
