#include "shared/log/log.h"

#include <unistd.h>

#include <atomic>
#include <cstdlib>
#include <vector>

#include "shared/base/guarded.h"
#include "shared/base/text.h"
#include "shared/log/log_file.h"
#include "shared/log/repeats.h"
#include "shared/time/clock.h"

namespace berth::log {

namespace {

constexpr Duration kSeldom = std::chrono::seconds(10);

constexpr std::uint64_t kLargestFile = 8U << 20U;
constexpr Duration kLook = std::chrono::seconds(1);
constexpr std::size_t kLongestValue = 1024;

// NOLINTBEGIN(cppcoreguidelines-avoid-non-const-global-variables): a process has one stderr
std::atomic<Level> threshold{Level::Info};
std::atomic<bool> holding{false};
std::atomic<std::int64_t> next_look_ns{0};

// NOLINTEND(cppcoreguidelines-avoid-non-const-global-variables)

// What a process remembers of its log: one, because its stderr is.
struct State {
    Repeats repeats;
    LogFile file{STDERR_FILENO, kLargestFile};
};

// Never destroyed: threads may log while the process exits.
Guarded<State>& state() {
    // NOLINTNEXTLINE(cppcoreguidelines-owning-memory,cppcoreguidelines-avoid-non-const-global-variables)
    static auto* const one = new Guarded<State>;
    return *one;
}

std::string_view level_name(Level level) {
    switch (level) {
        case Level::Debug:
            return "debug";
        case Level::Info:
            return "info";
        case Level::Warning:
            return "warning";
        case Level::Error:
            break;
    }
    return "error";
}

void append_value(std::string& line, std::string_view value) {
    const bool plain =
        !value.empty() && value.find_first_of(" \"=\\\n\t\r") == std::string_view::npos;
    const std::string safe = printable(shortened(value, kLongestValue));
    if (plain) {
        line += safe;
        return;
    }
    line += '"';
    for (const char c : safe) {
        if (c == '"') {
            line += '\\';
        }
        line += c;
    }
    line += '"';
}

void put(WallTime time, const std::string& line) {
    const std::string text = rfc3339_utc(time, 3) + line + '\n';
    const ssize_t written = ::write(STDERR_FILENO, text.data(), text.size());
    (void)written;  // see the header
}

void put(WallTime time, const std::vector<Repeats::Held>& due) {
    for (const Repeats::Held& held : due) {
        put(time, held.line + " repeated=" + std::to_string(held.count));
    }
}

void collect(bool all) {
    const Now now = read_clocks();
    std::vector<Repeats::Held> due;
    state().with([&](State& state) {
        state.repeats.collect(now.mono, all, due);
        holding = state.repeats.holding();
        if (!due.empty()) {
            state.file.look_after();
        }
    });
    put(now.wall, due);
}

// Now something is held back: nothing of it may be lost when the process exits.
void tell_at_exit() {
    static const bool registered = std::atexit([] { collect(/*all=*/true); }) == 0;
    (void)registered;  // it has room for more than one
}

}  // namespace

void set_level(Level level) {
    threshold = level;
}

void write(Level level, std::string_view text, std::initializer_list<Field> fields) {
    if (level < threshold.load()) {
        return;
    }
    std::string line = " level=";
    line += level_name(level);
    line += " msg=";
    append_value(line, text);
    const std::size_t like = line.size();
    for (const Field& field : fields) {
        line += ' ';
        line += field.key;
        line += '=';
        append_value(line, field.value);
    }
    const Now now = read_clocks();
    std::vector<Repeats::Held> due;
    const bool admitted = state().with([&](State& state) {
        const bool is_new =
            state.repeats.admit(std::string_view(line).substr(0, like), line, now.mono, due);
        holding = state.repeats.holding();
        if (is_new || !due.empty()) {
            state.file.look_after();
        }
        return is_new;
    });
    put(now.wall, due);
    if (admitted) {
        put(now.wall, line);
    } else {
        tell_at_exit();
    }
}

bool holds_repeats() {
    return holding.load();
}

void tell_repeats() {
    const std::int64_t now = Duration(read_clocks().mono.time_since_epoch()).count();
    std::int64_t next = next_look_ns.load();
    if (now >= next && next_look_ns.compare_exchange_strong(next, now + kLook.count())) {
        collect(/*all=*/false);
    }
}

bool Seldom::due() {
    const std::int64_t now = Duration(read_clocks().mono.time_since_epoch()).count();
    std::int64_t next = next_ns_.load();
    return now >= next && next_ns_.compare_exchange_strong(next, now + kSeldom.count());
}

}  // namespace berth::log
