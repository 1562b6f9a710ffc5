#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "shared/base/result.h"
#include "shared/os/unique_fd.h"

namespace berth::os {

struct FdPair {
    UniqueFd first;
    UniqueFd second;
};

enum class SocketKind : std::uint8_t { Stream, SeqPacket };

enum class IoStatus : std::uint8_t { Done, WouldBlock, Closed, Failed };

// The outcome of one read or write; EINTR is retried inside.
struct IoOutcome {
    IoStatus status;
    std::size_t bytes;
    int os_errno;
};

// open(2) with O_CLOEXEC added.
Result<UniqueFd> open_file(const std::string& path, int flags, unsigned mode = 0600);
Result<UniqueFd> make_eventfd();
Result<FdPair> make_socketpair(SocketKind kind);
Result<FdPair> make_pipe();  // first is for reading, second for writing
Result<void> set_nonblocking(int fd);

// A descriptor that a parent of ours has passed on, closed to our own children from now on.
UniqueFd take_inherited(int fd);

// Blocks `signals` in this thread and gives a descriptor that is readable when one is pending.
// Closes all descriptors from 3 on but `keep` (-1: none). For the begin of main().
void close_others(int keep);

Result<UniqueFd> make_signalfd(const std::vector<int>& signals);

struct PendingSignal {
    int number;
    int pid;  // who sent it; for SIGCHLD one who has ended, of several perhaps. 0: not known
};

// The next pending signal, nothing when there is none.
std::optional<PendingSignal> next_signal(int signalfd);

IoOutcome read_some(int fd, char* buffer, std::size_t size);
IoOutcome write_some(int fd, std::string_view data);

// For sockets: never raises SIGPIPE.
IoOutcome send_some(int fd, std::string_view data);

void signal_eventfd(int fd);
void clear_eventfd(int fd);

// An exclusive lock (open file description lock) on `path`, made when missing, held until the
// descriptor and all its duplicates are closed. Nothing: somebody else holds it.
Result<std::optional<UniqueFd>> try_lock_file(const std::string& path);

// Whether somebody holds that lock. Only looks: never in the way of one who wants to take it. False
// when there is no such file.
bool is_locked(const std::string& path);

// Takes the lock, waiting until it is free.
Result<UniqueFd> lock_file(const std::string& path);

}  // namespace berth::os
