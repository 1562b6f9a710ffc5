#pragma once

#include <cstdint>
#include <string>

namespace berth::log {

// The file that a process writes its log to, as its stderr and perhaps its stdout, together with
// other processes. When it has grown too large it becomes FILE.1, in the place of an older one, and
// a new one is begun; who else writes to it notices at the next line. Only a file that is appended
// to and is named *.log is meant: nothing else is ours to rename. One thread at a time.
class LogFile {
public:
    // `fd`: stderr. `largest`: bytes.
    LogFile(int fd, std::uint64_t largest) : fd_(fd), largest_(largest) {}

    // Before a line is written.
    void look_after();

private:
    void begin();
    void reopen() const;
    void rotate() const;

    int fd_;
    std::uint64_t largest_;
    bool begun_ = false;
    std::string path_;  // "" when there is none to look after
};

}  // namespace berth::log
