#pragma once

#include <atomic>
#include <cstdint>
#include <initializer_list>
#include <string>
#include <string_view>

namespace berth::log {

enum class Level : std::uint8_t { Debug, Info, Warning, Error };

struct Field {
    std::string_view key;
    std::string value;
};

// Lines below `level` are not written. Set once at start, before threads.
void set_level(Level level);

// Writes one line to stderr in one write(2): `TIME level=info msg="text" key=value`. A broken
// stderr is ignored: a log that nobody can read must not stop a supervisor. A value is cut at a
// kilobyte, a line that comes again and again is written once a minute with `repeated=COUNT` (see
// Repeats), and a file that has grown large is put aside (see LogFile). Any thread.
void write(Level level, std::string_view text, std::initializer_list<Field> fields = {});

// Whether lines are held back; they are told of at the latest when the process exits. Any thread.
bool holds_repeats();

// Writes what was held back for a minute. Cheap when nothing is due; any thread.
void tell_repeats();

// For a warning whose cause comes again and again: due at first, and then every ten seconds at
// most. Any thread.
class Seldom {
public:
    bool due();

private:
    std::atomic<std::int64_t> next_ns_ = 0;  // monotonic
};

inline void debug(std::string_view text, std::initializer_list<Field> fields = {}) {
    write(Level::Debug, text, fields);
}

inline void info(std::string_view text, std::initializer_list<Field> fields = {}) {
    write(Level::Info, text, fields);
}

inline void warning(std::string_view text, std::initializer_list<Field> fields = {}) {
    write(Level::Warning, text, fields);
}

inline void error(std::string_view text, std::initializer_list<Field> fields = {}) {
    write(Level::Error, text, fields);
}

}  // namespace berth::log
