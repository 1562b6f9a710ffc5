#include "agent/cli/terminal.h"

#include <signal.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include <cstdio>

#include "shared/os/fd.h"
#include "shared/os/os_error.h"

namespace berth::cli {

RawTerminal::RawTerminal(Mode mode) {
    if (::tcgetattr(STDIN_FILENO, &saved_) != 0) {
        return;
    }
    termios changed = saved_;
    if (mode == Mode::Raw) {
        ::cfmakeraw(&changed);
    } else {
        // Ctrl-Q would be eaten by flow control; Ctrl-P ends a line, so that it is seen at once.
        changed.c_iflag &= ~static_cast<tcflag_t>(IXON);
        changed.c_cc[VEOL] = 0x10;
        changed.c_cc[VEOL2] = 0x11;
    }
    changed_ = ::tcsetattr(STDIN_FILENO, TCSANOW, &changed) == 0;
}

RawTerminal::~RawTerminal() {
    if (changed_) {
        (void)::tcsetattr(STDIN_FILENO, TCSANOW, &saved_);
    }
}

void end_by_signal(int number) {
    sigset_t only{};
    (void)::sigemptyset(&only);
    (void)::sigaddset(&only, number);
    (void)::signal(number, SIG_DFL);
    (void)::raise(number);
    (void)::pthread_sigmask(SIG_UNBLOCK, &only, nullptr);  // and here it comes
    ::_exit(128 + number);
}

std::pair<std::uint32_t, std::uint32_t> terminal_size() {
    winsize size{};
    if (::ioctl(STDIN_FILENO, TIOCGWINSZ, &size) != 0 || size.ws_row == 0) {
        return {24, 80};
    }
    return {size.ws_row, size.ws_col};
}

std::size_t output_width() {
    winsize size{};
    if (::isatty(STDOUT_FILENO) == 0) {
        return 0;
    }
    return ::ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_col > 0 ? size.ws_col : 80;
}

Result<std::string> read_password(const std::string& prompt) {
    termios saved{};
    const bool terminal = ::tcgetattr(STDIN_FILENO, &saved) == 0;
    if (terminal) {
        termios silent = saved;
        silent.c_lflag &= ~static_cast<tcflag_t>(ECHO);
        (void)::tcsetattr(STDIN_FILENO, TCSANOW, &silent);
        (void)std::fputs(prompt.c_str(), stderr);
    }
    std::string line;
    char c = 0;
    os::IoOutcome outcome{};
    while ((outcome = os::read_some(STDIN_FILENO, &c, 1)).status == os::IoStatus::Done &&
           c != '\n') {
        line += c;
    }
    if (terminal) {
        (void)::tcsetattr(STDIN_FILENO, TCSANOW, &saved);
        (void)std::fputs("\n", stderr);
    }
    if (line.empty()) {
        return fail(ErrorCode::InvalidArgument, "no password was given");
    }
    return line;
}

}  // namespace berth::cli
