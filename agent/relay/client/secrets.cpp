#include "agent/relay/client/secrets.h"

#include <sys/random.h>

#include <algorithm>
#include <array>

#include "shared/base/text.h"
#include "shared/os/file.h"

namespace berth::relay {

std::string secret_file(const std::string& home, const std::string& app) {
    return home + "/secrets/" + app;
}

Result<std::string> read_secret(const std::string& home, const std::string& app) {
    constexpr std::size_t kShortest = 32;
    constexpr std::size_t kLongest = 256;
    if (!is_valid_id(app)) {
        return fail(ErrorCode::InvalidArgument, "\"" + app + "\" is no app's id");
    }
    BERTH_TRY(const std::string text, os::read_file(secret_file(home, app), kLongest));
    const std::string_view secret = trim(text);
    if (secret.size() < kShortest ||
        std::any_of(secret.begin(), secret.end(), [](char c) { return c <= ' ' || c > '~'; })) {
        return fail(ErrorCode::NotFound, secret_file(home, app) + " holds no secret");
    }
    return std::string(secret);
}

Result<std::string> ensure_secret(const std::string& home, const std::string& app, os::Sync sync) {
    auto known = read_secret(home, app);
    if (known) {
        if (sync == os::Sync::Now) {
            BERTH_CHECK(os::sync_file(secret_file(home, app)));
        }
        return known;
    }
    if (known.error().code != ErrorCode::NotFound) {
        return known;
    }
    std::array<char, 32> bytes{};
    if (::getrandom(bytes.data(), bytes.size(), 0) != static_cast<ssize_t>(bytes.size())) {
        return fail(ErrorCode::Internal, "the system gives no random bytes");
    }
    const std::string secret = to_hex({bytes.data(), bytes.size()});
    BERTH_CHECK(os::make_folders(home + "/secrets"));
    BERTH_CHECK(os::replace_file(secret_file(home, app), secret + "\n", 0600, sync));
    return secret;
}

}  // namespace berth::relay
