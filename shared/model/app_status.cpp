#include "shared/model/app_status.h"

#include <array>
#include <charconv>
#include <utility>

#include "shared/base/text.h"

namespace berth {

namespace {

struct SignalName {
    int number;
    std::string_view name;
};

// Linux, x86 and arm numbering (signal(7)).
constexpr std::array<SignalName, 31> kSignals = {{
    {1, "SIGHUP"},     {2, "SIGINT"},   {3, "SIGQUIT"},   {4, "SIGILL"},   {5, "SIGTRAP"},
    {6, "SIGABRT"},    {7, "SIGBUS"},   {8, "SIGFPE"},    {9, "SIGKILL"},  {10, "SIGUSR1"},
    {11, "SIGSEGV"},   {12, "SIGUSR2"}, {13, "SIGPIPE"},  {14, "SIGALRM"}, {15, "SIGTERM"},
    {16, "SIGSTKFLT"}, {17, "SIGCHLD"}, {18, "SIGCONT"},  {19, "SIGSTOP"}, {20, "SIGTSTP"},
    {21, "SIGTTIN"},   {22, "SIGTTOU"}, {23, "SIGURG"},   {24, "SIGXCPU"}, {25, "SIGXFSZ"},
    {26, "SIGVTALRM"}, {27, "SIGPROF"}, {28, "SIGWINCH"}, {29, "SIGIO"},   {30, "SIGPWR"},
    {31, "SIGSYS"},
}};

// As glibc numbers them: the two below are its own.
constexpr int kFirstRealTime = 34;
constexpr int kLastRealTime = 64;

// 37 for "RTMIN+3", 63 for "RTMAX-1".
std::optional<int> real_time_signal(std::string_view name) {
    const bool from_first = name.starts_with("RTMIN");
    if (!from_first && !name.starts_with("RTMAX")) {
        return std::nullopt;
    }
    const std::string_view rest = name.substr(5);
    int offset = 0;
    if (!rest.empty()) {
        const auto [end, error] =
            std::from_chars(rest.data() + 1, rest.data() + rest.size(), offset);
        if (rest.front() != (from_first ? '+' : '-') || error != std::errc() || offset < 0 ||
            end != rest.data() + rest.size()) {
            return std::nullopt;
        }
    }
    const int number = from_first ? kFirstRealTime + offset : kLastRealTime - offset;
    return number >= kFirstRealTime && number <= kLastRealTime ? std::optional(number)
                                                               : std::nullopt;
}

}  // namespace

std::string signal_name(int signal) {
    if (signal == kFirstRealTime) {
        return "SIGRTMIN";
    }
    if (signal > kFirstRealTime && signal <= kLastRealTime) {
        return "SIGRTMIN+" + std::to_string(signal - kFirstRealTime);
    }
    for (const SignalName& known : kSignals) {
        if (known.number == signal) {
            return std::string(known.name);
        }
    }
    return "signal " + std::to_string(signal);
}

std::optional<int> signal_number(std::string_view name) {
    for (const SignalName& known : kSignals) {
        if (name == known.name || name == known.name.substr(3)) {
            return known.number;
        }
    }
    if (const auto real_time = real_time_signal(name.starts_with("SIG") ? name.substr(3) : name)) {
        return real_time;
    }
    const auto number = parse_integer<int>(name);
    return number && *number >= 1 && *number <= 64 ? number : std::nullopt;
}

std::string size_text(std::uint64_t bytes) {
    constexpr std::array<std::pair<std::uint64_t, std::string_view>, 3> kUnits = {
        {{1ULL << 30U, "GiB"}, {1ULL << 20U, "MiB"}, {1ULL << 10U, "KiB"}}};
    for (const auto& [unit, name] : kUnits) {
        if (bytes >= unit && bytes % unit == 0) {
            return std::to_string(bytes / unit) + std::string(name);
        }
    }
    return std::to_string(bytes) + " bytes";
}

std::string describe(const ExitStatus& status) {
    if (!status.cause.empty()) {
        return "killed by " + status.cause;
    }
    switch (status.kind) {
        case ExitKind::Code:
            return "exited " + std::to_string(status.value);
        case ExitKind::Signal:
            return "killed by " + signal_name(status.value) +
                   (status.core_dumped ? " (core dumped)" : "");
        case ExitKind::Unknown:
            break;
    }
    return "ended, its exit status is unknown";
}

std::optional<std::string> ending_signal(const std::optional<ExitStatus>& status) {
    return status && status->kind == ExitKind::Signal ? std::optional(signal_name(status->value))
                                                      : std::nullopt;
}

std::optional<int> spmi_exit_code(const std::optional<ExitStatus>& status) {
    if (!status || status->kind == ExitKind::Unknown) {
        return std::nullopt;
    }
    return status->kind == ExitKind::Code ? status->value : -status->value;
}

}  // namespace berth
