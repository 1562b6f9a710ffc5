#include "controller/access/password_text.h"

#include <utf8proc.h>

#include <algorithm>
#include <array>
#include <cstdlib>
#include <memory>

#include "controller/access/common_passwords.h"
#include "shared/base/text.h"

namespace berth::access {

namespace {

// What people choose that the list of common ones is too old, or too far from Berth, to have. In
// small letters; compared without regard to case.
constexpr auto kAlsoCommon = std::to_array<std::string_view>({
    "1111111111",    "11223344",   "12121212",    "12341234",    "1234512345",   "123456abc",
    "123654789",     "123qweasd",  "1q2w3e4r5t",  "1qazxsw2",    "22222222",     "55555555",
    "66666666",      "77777777",   "9876543210",  "aa123456",    "aaaaaaaa",     "abc12345",
    "abcdefgh",      "access14",   "admin123",    "admin1234",   "admin12345",   "adminadmin",
    "administrator", "berth123",   "berth1234",   "berthberth",  "changeme1",    "controller",
    "default1",      "dragon123",  "football123", "freedom1",    "letmein1",     "letmein123",
    "liverpool1",    "london123",  "master123",   "minecraft",   "p@ssw0rd",     "p@ssword",
    "pa55word",      "pass1234",   "passw0rd1",   "password!",   "password0",    "password01",
    "password1!",    "password11", "password12",  "password123", "password1234", "password99",
    "passwort",      "passwort1",  "pokemon1",    "q1w2e3r4t5",  "qazwsxedc",    "qwer1234",
    "qwerasdf",      "qwert123",   "qwerty123",   "qwerty1234",  "rootroot",     "secret123",
    "soccer123",     "summer2024", "summer2025",  "summer2026",  "superman1",    "superuser",
    "test1234",      "welcome1",   "welcome123",  "winter2024",  "winter2025",   "winter2026",
    "zaq12wsx",      "zaq1zaq1",   "zxcvbnm1",    "zxcvbnm123",
});

struct Free {
    void operator()(utf8proc_uint8_t* text) const { std::free(text); }  // NOLINT: it is malloc's
};

bool is_control(char c) {
    const auto value = static_cast<unsigned char>(c);
    return value < 0x20 || value == 0x7F;
}

std::size_t characters(std::string_view text) {
    return static_cast<std::size_t>(std::count_if(text.begin(), text.end(), [](char c) {
        return (static_cast<unsigned char>(c) & 0xC0U) != 0x80U;
    }));
}

}  // namespace

Result<void> check_password(std::string_view user, std::string_view password) {
    const auto bad = [](const char* why) { return fail(ErrorCode::InvalidArgument, why); };
    if (valid_utf8_prefix(password) != password.size()) {
        return bad("a password is text in UTF-8, and this is not");
    }
    if (std::any_of(password.begin(), password.end(), is_control)) {
        return bad("a password has no control characters such as tabs or ends of lines");
    }
    if (characters(password) < kMinPassword) {
        return bad("a password has at least 8 characters");
    }
    if (password.size() > kMaxPassword) {
        return bad("a password has at most 256 bytes");
    }
    const std::string lowered = to_lower(password);
    const bool one_character = lowered.find_first_not_of(lowered.front()) == std::string::npos;
    if (one_character || is_common_password(lowered) ||
        std::find(kAlsoCommon.begin(), kAlsoCommon.end(), lowered) != kAlsoCommon.end()) {
        return bad("this password is one of the first that everybody tries; choose another");
    }
    if (lowered == to_lower(user)) {
        return bad("the password must not be the name");
    }
    return {};
}

std::optional<std::string> composed(const std::string& password) {
    utf8proc_uint8_t* result = nullptr;
    const auto length =
        utf8proc_map(reinterpret_cast<const utf8proc_uint8_t*>(password.data()),  // NOLINT: bytes
                     static_cast<utf8proc_ssize_t>(password.size()),
                     &result,
                     static_cast<utf8proc_option_t>(UTF8PROC_STABLE | UTF8PROC_COMPOSE));
    const std::unique_ptr<utf8proc_uint8_t, Free> owner(result);
    if (length < 0) {
        return std::nullopt;
    }
    return std::string(result, result + length);
}

Result<std::string> password_of_line(std::string_view input) {
    if (!input.empty() && input.back() == '\n') {
        input.remove_suffix(1);
    }
    if (input.empty()) {
        return fail(ErrorCode::InvalidArgument, "the password is read from the input, one line");
    }
    if (input.find('\n') != std::string_view::npos) {
        return fail(ErrorCode::InvalidArgument,
                    "the input has more than one line; a password is one line alone");
    }
    if (input.find('\r') != std::string_view::npos) {
        return fail(ErrorCode::InvalidArgument,
                    "the line has a carriage return, as lines from DOS and Windows do; a password "
                    "would not be what it looks like");
    }
    return std::string(input);
}

}  // namespace berth::access
