#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "agent/keeperlink/messages.h"
#include "shared/base/result.h"
#include "shared/os/process.h"
#include "shared/os/unique_fd.h"

namespace berth::keeper {

// Bump when the layout of the file changes; a file of another version is refused while its apps
// run.
inline constexpr std::uint32_t kRecordsVersion = 1;

// One slot of the file: what is known of one run. 256 bytes.
struct Record {
    std::uint32_t used;  // 0: the slot is free. Written last when taken, first when freed
    std::uint8_t phase;  // keeperlink::RunPhase
    std::uint8_t stage;  // keeperlink::StartStage, when the phase is Failed
    std::uint8_t tree_gone;
    std::uint8_t status_known;
    std::uint64_t generation;
    std::uint64_t start_ticks;
    std::int64_t started_ns;  // wall clock
    std::int64_t ended_ns;
    std::int32_t pid;
    std::int32_t wait_status;
    std::int32_t os_errno;
    std::uint8_t tty;
    char id[65];
    std::uint8_t cause;   // keeperlink::EndCause
    std::uint8_t notify;  // it was given a NOTIFY_SOCKET …
    std::uint8_t ready;   // … and has said READY=1 there
    char reserved[87];
    std::uint64_t memory_max;  // limits that the keeper looks after; 0: none
    std::uint64_t pids_max;
    std::uint64_t cause_used;
    std::uint64_t log_max_total;
    std::uint32_t log_keep;
    std::uint32_t unused;
    std::uint64_t log_max_size;
};

static_assert(sizeof(Record) == 256);

// The keeper's memory of its runs: a preallocated, memory-mapped file, so that it survives kill -9
// of the keeper and needs no room on a full disk.
//
//   0     magic "BERTHKPR", version, slots
//   16    boot id (36 characters): of the boot in which the records were written
//   64    home id (32 characters): marks the processes of this home
//   256   slot 0, 1, 2 … of 256 bytes
//
// The keeper alone writes it, in one thread.
class Records {
public:
    static constexpr std::uint32_t kSlots = 4096;

    // Opens or makes the file; a new one is for the home whose processes carry `mark`. Records that
    // the keeper cannot have written are freed, all of them when the header is gone. Records of an
    // earlier boot are turned into ended runs of unknown status: nothing of them can be alive.
    static Result<Records> open(const std::string& path, const std::string& mark);

    // Whether open() would read the file; it is only looked at. One that is missing is fine.
    static Result<void> check(const std::string& path);

    ~Records();
    Records(Records&& other) noexcept;
    Records& operator=(Records&&) = delete;
    Records(const Records&) = delete;
    Records& operator=(const Records&) = delete;

    // There was no file, or nothing in it: what lives is not in it.
    [[nodiscard]] bool made_anew() const { return made_anew_; }

    // Writes the file again when it was removed or another was put in its place. The records stay
    // where they are. True: it was.
    Result<bool> put_back();

    // Writes what is known to another file, for a keeper that does not find this one.
    [[nodiscard]] Result<void> save_to(const std::string& path) const;

    // All taken slots.
    [[nodiscard]] std::vector<Record*> all() const;

    // A fresh slot for this run, phase Spawned and pid 0. Null: all slots are taken.
    Record* take(const keeperlink::RunName& run);

    static void release(Record& record);

    // The marker that the processes of this home carry in their environment: "BERTH_RUN=…".
    [[nodiscard]] std::string marker(const keeperlink::RunName& run) const;
    [[nodiscard]] std::string home_id() const;

private:
    Records(std::string path, os::UniqueFd fd, char* base)
        : path_(std::move(path)), fd_(std::move(fd)), base_(base) {}

    [[nodiscard]] Record* slot(std::uint32_t index) const;
    Result<void> initialise(const std::string& boot, const std::string& mark);

    std::string path_;
    os::UniqueFd fd_;
    char* base_ = nullptr;
    std::uint32_t search_from_ = 0;
    bool made_anew_ = false;
};

}  // namespace berth::keeper
