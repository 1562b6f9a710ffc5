#include "controller/access/secrets.h"

#include <sodium.h>

#include <array>
#include <vector>

#include "shared/base/ensure.h"
#include "shared/base/text.h"

namespace berth::access {

namespace {

constexpr std::size_t kHashBytes = 32;
constexpr std::size_t kSignatureBytes = 24;

std::string base64(const std::vector<unsigned char>& raw) {
    constexpr int kVariant = sodium_base64_VARIANT_URLSAFE_NO_PADDING;
    std::string text(sodium_base64_encoded_len(raw.size(), kVariant), '\0');
    (void)sodium_bin2base64(text.data(), text.size(), raw.data(), raw.size(), kVariant);
    text.resize(text.find('\0'));
    return text;
}

}  // namespace

std::string random_token(std::size_t bytes) {
    ENSURE(sodium_init() >= 0, "the system has a source of randomness");
    std::vector<unsigned char> raw(bytes);
    randombytes_buf(raw.data(), raw.size());
    return base64(raw);
}

std::string signature(std::string_view text, std::string_view key) {
    std::vector<unsigned char> hash(kSignatureBytes);
    const std::vector<unsigned char> bytes(text.begin(), text.end());
    const std::vector<unsigned char> secret(key.begin(), key.end());
    ENSURE(
        crypto_generichash(
            hash.data(), hash.size(), bytes.data(), bytes.size(), secret.data(), secret.size()) ==
            0,
        "the sizes are allowed ones");
    return base64(hash);
}

std::string token_hash(std::string_view token) {
    std::array<unsigned char, kHashBytes> hash{};
    std::vector<unsigned char> bytes(token.begin(), token.end());
    (void)crypto_generichash(hash.data(), hash.size(), bytes.data(), bytes.size(), nullptr, 0);
    std::string raw(hash.begin(), hash.end());
    return to_hex(raw);
}

bool same_secret(std::string_view a, std::string_view b) {
    return a.size() == b.size() && sodium_memcmp(a.data(), b.data(), a.size()) == 0;
}

}  // namespace berth::access
