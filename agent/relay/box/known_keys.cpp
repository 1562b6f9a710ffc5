#include "agent/relay/box/known_keys.h"

#include <sodium.h>

#include <cstring>

namespace berth::relay {

namespace {

constexpr float kLoad = 0.25F;  // mostly a key is new: that is seen from an empty place

static_assert(sizeof(KnownKeys::Fingerprint) == crypto_shorthash_siphashx24_BYTES);

}  // namespace

KnownKeys::KnownKeys() {
    static_assert(sizeof secret_ == crypto_shorthash_siphashx24_KEYBYTES);
    randombytes_buf(secret_.data(), secret_.size());
    uses_.max_load_factor(kLoad);
}

KnownKeys::Fingerprint KnownKeys::fingerprint(std::string_view key) const {
    std::array<unsigned char, crypto_shorthash_siphashx24_BYTES> bytes{};
    (void)crypto_shorthash_siphashx24(bytes.data(),
                                      reinterpret_cast<const unsigned char*>(key.data()),
                                      key.size(),
                                      secret_.data());  // cannot fail
    Fingerprint result;
    std::memcpy(&result, bytes.data(), sizeof result);
    return result;
}

const KnownKeys::Use* KnownKeys::find(const Fingerprint& key) const {
    const auto found = uses_.find(key);
    return found == uses_.end() ? nullptr : &found->second;
}

void KnownKeys::put(const Fingerprint& key, const Use& use) {
    uses_.insert_or_assign(key, use);
}

void KnownKeys::erase(const Fingerprint& key) {
    uses_.erase(key);
}

}  // namespace berth::relay
