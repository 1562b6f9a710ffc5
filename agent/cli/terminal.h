#pragma once

#include <termios.h>

#include <cstdint>
#include <string>
#include <utility>

#include "shared/base/result.h"

namespace berth::cli {

// Changes the terminal on stdin for its lifetime. Raw: every key goes to the app, which echoes.
// Lines: the terminal edits and echoes lines, but Ctrl-P and Ctrl-Q come through at once.
class RawTerminal {
public:
    enum class Mode : std::uint8_t { Raw, Lines };
    explicit RawTerminal(Mode mode);
    ~RawTerminal();
    RawTerminal(const RawTerminal&) = delete;
    RawTerminal& operator=(const RawTerminal&) = delete;

private:
    termios saved_{};
    bool changed_ = false;
};

// Ends this process as the signal does that it was told with, so that a shell's script ends with
// it.
[[noreturn]] void end_by_signal(int number);

// Rows and columns; 24 and 80 when unknown.
std::pair<std::uint32_t, std::uint32_t> terminal_size();

// Columns of the terminal on stdout; 0: it is none.
std::size_t output_width();

// A line from the terminal without echo, or from stdin when that is none.
Result<std::string> read_password(const std::string& prompt);

}  // namespace berth::cli
