#include "controller/access/password.h"

#include <sodium.h>

#include <array>
#include <semaphore>

#include "controller/access/secrets.h"

namespace berth::access {

namespace {

constexpr unsigned long long kPasses = 2;
constexpr std::size_t kMemory = 19U << 20U;

// Two at once keep 38 MiB and both processors busy; more would only wait for each other.
std::counting_semaphore<2>& hashing_slots() {
    static std::counting_semaphore<2> slots(2);
    return slots;
}

class Slot {
public:
    Slot() { hashing_slots().acquire(); }

    ~Slot() { hashing_slots().release(); }

    Slot(const Slot&) = delete;
    Slot& operator=(const Slot&) = delete;
};

// The hash of a password that nobody knows: made once, with the same cost as real ones.
const std::string& nobodys_hash() {
    static const std::string hash = [] {
        std::array<char, crypto_pwhash_STRBYTES> text{};
        const std::string password = random_token();
        const int done =
            crypto_pwhash_str(text.data(), password.data(), password.size(), kPasses, kMemory);
        return done == 0 ? std::string(text.data()) : std::string();
    }();
    return hash;
}

}  // namespace

Result<std::string> hash_password(const std::string& password) {
    const Slot slot;
    std::array<char, crypto_pwhash_STRBYTES> text{};
    if (crypto_pwhash_str(text.data(), password.data(), password.size(), kPasses, kMemory) != 0) {
        return fail(ErrorCode::Exhausted, "there is not enough memory to hash a password");
    }
    return std::string(text.data());
}

bool verify_password(const std::string& hash, const std::string& password) {
    const Slot slot;
    const std::string& against = hash.empty() ? nobodys_hash() : hash;
    const bool same =
        crypto_pwhash_str_verify(against.c_str(), password.data(), password.size()) == 0;
    return same && !hash.empty();
}

}  // namespace berth::access
