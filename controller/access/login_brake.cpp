#include "controller/access/login_brake.h"

namespace berth::access {

namespace {

constexpr std::uint32_t kFree = 4;
constexpr std::uint32_t kFreeOfMany = 1;
constexpr std::uint32_t kManyOfAddress = 20;  // people may share an address
constexpr std::uint32_t kManyOfAccount = 50;

std::string pair_of(const LoginBrake::Try& tried) {
    return tried.account +
           (tried.device.empty() ? "\nat " + tried.address : "\nby " + tried.device);
}

}  // namespace

Duration LoginBrake::wait(const Try& tried, MonoTime now) const {
    return pairs_.wait(pair_of(tried), now);
}

void LoginBrake::failed(const Try& tried, MonoTime now) {
    std::uint32_t free = kFree;
    if (tried.device.empty()) {
        by_address_.failed(tried.address, now);
        by_account_.failed(tried.account, now);
        if (by_address_.failures(tried.address, now) > kManyOfAddress ||
            by_account_.failures(tried.account, now) > kManyOfAccount) {
            free = kFreeOfMany;
        }
    }
    pairs_.failed(pair_of(tried), now, free);
}

void LoginBrake::succeeded(const Try& tried) {
    pairs_.succeeded(pair_of(tried));
}

}  // namespace berth::access
