#include "agent/backend/native/limits.h"

#include <algorithm>
#include <array>
#include <charconv>

namespace berth::native {

namespace {

std::string number_text(double number) {
    std::array<char, 32> text{};
    const auto done = std::to_chars(text.data(), text.data() + text.size(), number);
    return {text.data(), done.ptr};
}

std::string rounded_mebibytes(std::uint64_t bytes) {
    return std::to_string((bytes + (1U << 19U)) >> 20U) + "MiB";
}

}  // namespace

std::vector<LimitStatus> limits_of(const LimitsSpec& limits,
                                   const std::vector<std::string>& controllers) {
    const auto by = [&controllers](const char* controller, const char* otherwise) {
        const bool held =
            std::find(controllers.begin(), controllers.end(), controller) != controllers.end();
        return std::string(held ? "cgroup" : otherwise);
    };
    std::vector<LimitStatus> result;
    if (limits.memory_bytes) {
        result.push_back({"memory", size_text(*limits.memory_bytes), by("memory", "walk")});
    }
    if (limits.cpus) {
        result.push_back({"cpu", number_text(*limits.cpus), by("cpu", "not enforced")});
    }
    if (limits.pids) {
        result.push_back({"pids", std::to_string(*limits.pids), by("pids", "walk")});
    }
    if (limits.nofile) {
        result.push_back({"nofile", std::to_string(*limits.nofile), "rlimit"});
    }
    if (limits.core_bytes) {
        result.push_back({"core", size_text(*limits.core_bytes), "rlimit"});
    }
    return result;
}

std::string cause_text(keeperlink::EndCause cause, std::uint64_t used, const LimitsSpec& limits) {
    const std::string memory =
        limits.memory_bytes ? "limit " + size_text(*limits.memory_bytes) : "limit unknown";
    switch (cause) {
        case keeperlink::EndCause::None:
            break;
        case keeperlink::EndCause::OutOfMemory:
            return "the kernel: out of memory (" + memory + ")";
        case keeperlink::EndCause::OverMemory:
            return "Berth: over its memory limit (used " + rounded_mebibytes(used) + ", " + memory +
                   ")";
        case keeperlink::EndCause::OverPids:
            return "Berth: too many processes (" + std::to_string(used) + ", limit " +
                   (limits.pids ? std::to_string(*limits.pids) : "unknown") + ")";
    }
    return {};
}

}  // namespace berth::native
