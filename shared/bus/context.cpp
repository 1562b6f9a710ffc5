#include "shared/bus/context.h"

#include <sys/stat.h>
#include <unistd.h>

#include <array>

#include <zmq.hpp>

#include "shared/base/key_text.h"
#include "shared/base/text.h"
#include "shared/os/file.h"
#include "shared/os/os_error.h"

namespace berth::bus {

namespace {

constexpr std::size_t kKeyLength = 40;

Result<void> check_private(const std::string& path) {
    struct stat info {};

    if (::stat(path.c_str(), &info) != 0) {
        return fail(os::last_error(path));
    }
    if (info.st_uid != ::geteuid() || (info.st_mode & 077U) != 0) {
        return fail(
            ErrorCode::PermissionDenied,
            path + ": a secret key must belong to the user of this process, with mode 0600");
    }
    return {};
}

}  // namespace

Result<void> check_keys(const std::string& folder, const std::string& name) {
    if (!os::exists(folder + "/" + name + ".key")) {
        return {};
    }
    const auto keys = load_or_make_keys(folder, name);
    return keys ? Result<void>() : fail(keys.error());
}

Result<KeyPair> load_or_make_keys(const std::string& folder, const std::string& name) {
    BERTH_CHECK(os::make_folders(folder));
    const std::string secret_path = folder + "/" + name + ".key";
    const std::string public_path = folder + "/" + name + ".pub";
    if (os::exists(secret_path)) {
        BERTH_CHECK(check_private(secret_path));
        BERTH_TRY(const std::string secret, os::read_file(secret_path));
        const std::string key(trim(secret));
        std::array<char, kKeyLength + 1> derived{};
        if (!is_key(key) || zmq_curve_public(derived.data(), key.c_str()) != 0) {
            return fail(ErrorCode::InvalidArgument, secret_path + ": is no CURVE secret key");
        }
        return KeyPair{derived.data(), key};
    }
    std::array<char, kKeyLength + 1> public_key{};
    std::array<char, kKeyLength + 1> secret_key{};
    if (zmq_curve_keypair(public_key.data(), secret_key.data()) != 0) {
        return fail(ErrorCode::Internal, "this ZeroMQ has no CURVE");
    }
    BERTH_CHECK(os::replace_file(secret_path, std::string(secret_key.data()) + "\n", 0600));
    BERTH_CHECK(os::replace_file(public_path, std::string(public_key.data()) + "\n", 0644));
    return KeyPair{public_key.data(), secret_key.data()};
}

Context::Context() : context_(std::make_unique<zmq::context_t>(1)) {}

Context::~Context() = default;

}  // namespace berth::bus
