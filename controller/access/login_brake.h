#pragma once

#include <string>

#include "controller/access/throttle.h"

namespace berth::access {

// Slows down who guesses passwords, and nobody else. What counts is the account together with where
// the try comes from: a browser that has logged in to this account before, or else an address. So
// guesses shut out neither other people, nor the owner elsewhere or in a browser that is known. An
// address that guesses at many accounts, and an account that is guessed at from many addresses,
// have one free try for each pair instead of four. Success forgets the pair alone: logging in to
// one's own account frees no guesses at others. One thread at a time.
class LoginBrake {
public:
    struct Try {
        std::string account;
        std::string address;  // whose, see os::IpAddress::owner()
        std::string device;   // of a known browser, "" for strangers
    };

    // How long this has to wait before the next try; zero: it may try.
    [[nodiscard]] Duration wait(const Try& tried, MonoTime now) const;

    void failed(const Try& tried, MonoTime now);

    void succeeded(const Try& tried);

private:
    Throttle pairs_;
    Throttle by_address_;
    Throttle by_account_;
};

}  // namespace berth::access
