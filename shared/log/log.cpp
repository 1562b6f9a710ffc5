#include "shared/log/log.h"

#include <unistd.h>

#include <atomic>

#include "shared/base/text.h"
#include "shared/time/clock.h"

namespace berth::log {

namespace {

constexpr Duration kSeldom = std::chrono::seconds(10);

std::atomic<Level> threshold{
    Level::Info};  // NOLINT(cppcoreguidelines-avoid-non-const-global-variables)

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
    const std::string safe = printable(value);
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

}  // namespace

void set_level(Level level) {
    threshold = level;
}

void write(Level level, std::string_view text, std::initializer_list<Field> fields) {
    if (level < threshold.load()) {
        return;
    }
    std::string line = rfc3339_utc(read_clocks().wall, 3);
    line += " level=";
    line += level_name(level);
    line += " msg=";
    append_value(line, text);
    for (const Field& field : fields) {
        line += ' ';
        line += field.key;
        line += '=';
        append_value(line, field.value);
    }
    line += '\n';
    const ssize_t written = ::write(STDERR_FILENO, line.data(), line.size());
    (void)written;  // see the header
}

bool Seldom::due() {
    const std::int64_t now = Duration(read_clocks().mono.time_since_epoch()).count();
    std::int64_t next = next_ns_.load();
    return now >= next && next_ns_.compare_exchange_strong(next, now + kSeldom.count());
}

}  // namespace berth::log
