#include "controller/auth/password.h"

#include <sodium.h>

#include <algorithm>
#include <array>
#include <semaphore>

#include "controller/auth/secrets.h"
#include "shared/base/text.h"

namespace berth::auth {

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

// What people choose first, of those with at least eight characters (shorter ones are refused
// anyway). Lower case; compared without regard to case.
constexpr auto kCommon = std::to_array<std::string_view>({
    "00000000",   "11111111",   "1111111111",  "11223344",      "12121212",   "123123123",
    "1234512345", "12341234",   "12345678",    "123456789",     "1234567890", "12345678910",
    "123456abc",  "1234qwer",   "123654789",   "123qweasd",     "147258369",  "1q2w3e4r",
    "1q2w3e4r5t", "1qaz2wsx",   "1qazxsw2",    "22222222",      "55555555",   "66666666",
    "77777777",   "87654321",   "88888888",    "987654321",     "9876543210", "99999999",
    "aa123456",   "aaaaaaaa",   "abc12345",    "abcd1234",      "abcdefgh",   "access14",
    "admin123",   "admin1234",  "admin12345",  "administrator", "adminadmin", "asdf1234",
    "asdfasdf",   "asdfghjk",   "asdfghjkl",   "babygirl",      "baseball",   "basketball",
    "berthberth", "berth123",   "berth1234",   "blink182",      "butterfly",  "changeme",
    "changeme1",  "charlie1",   "chocolate",   "christian",     "computer",   "controller",
    "corvette",   "december",   "default1",    "dragon123",     "einstein",   "elephant",
    "fernando",   "football",   "football1",   "football123",   "freedom1",   "fuckyou1",
    "garfield",   "iloveyou",   "iloveyou1",   "internet",      "jennifer",   "jonathan",
    "jordan23",   "letmein1",   "letmein123",  "liverpool",     "liverpool1", "london123",
    "lovelove",   "manchester", "marlboro",    "master123",     "maverick",   "metallica",
    "michael1",   "michelle",   "midnight",    "minecraft",     "mustang1",   "november",
    "p@ssw0rd",   "p@ssword",   "pa55word",    "pass1234",      "passw0rd",   "passw0rd1",
    "password",   "password!",  "password0",   "password01",    "password1",  "password1!",
    "password11", "password12", "password123", "password1234",  "password2",  "password99",
    "passwort",   "passwort1",  "pokemon1",    "princess",      "princess1",  "q1w2e3r4",
    "q1w2e3r4t5", "qazwsxedc",  "qwer1234",    "qwerasdf",      "qwert123",   "qwerty12",
    "qwerty123",  "qwerty1234", "qwertyui",    "qwertyuiop",    "remember",   "rootroot",
    "samantha",   "secret123",  "september",   "slipknot",      "soccer123",  "spiderman",
    "starwars",   "steelers",   "summer2024",  "summer2025",    "summer2026", "sunshine",
    "sunshine1",  "superman",   "superman1",   "superuser",     "swordfish",  "test1234",
    "testtest",   "trustno1",   "victoria",    "welcome1",      "welcome123", "whatever",
    "william1",   "winter2024", "winter2025",  "winter2026",    "zaq12wsx",   "zaq1zaq1",
    "zxcvbnm1",   "zxcvbnm123",
});

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

Result<void> check_password(std::string_view user, std::string_view password) {
    if (password.size() < kMinPassword) {
        return fail(ErrorCode::InvalidArgument, "a password has at least 8 characters");
    }
    if (password.size() > kMaxPassword) {
        return fail(ErrorCode::InvalidArgument, "a password has at most 256 bytes");
    }
    const std::string lowered = to_lower(password);
    const bool one_character = lowered.find_first_not_of(lowered.front()) == std::string::npos;
    if (one_character || std::find(kCommon.begin(), kCommon.end(), lowered) != kCommon.end()) {
        return fail(ErrorCode::InvalidArgument,
                    "this password is one of the first that everybody tries; choose another");
    }
    if (lowered == to_lower(user)) {
        return fail(ErrorCode::InvalidArgument, "the password must not be the name");
    }
    return {};
}

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

}  // namespace berth::auth
