#include "agent/keeper/records.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>

#include <array>
#include <atomic>
#include <cstring>

#include "shared/base/ensure.h"
#include "shared/base/text.h"
#include "shared/os/fd.h"
#include "shared/os/file.h"
#include "shared/os/os_error.h"

namespace berth::keeper {

namespace {

constexpr std::size_t kHeader = 256;
constexpr std::size_t kFileSize = kHeader + Records::kSlots * sizeof(Record);
constexpr std::string_view kMagic = "BERTHKPR";
constexpr std::size_t kBootAt = 16;
constexpr std::size_t kHomeAt = 64;
constexpr std::size_t kMarkSize = 32;

// Keeps the compiler from moving stores of a record over each other: after kill -9 the kernel has
// those that were made, in program order.
void store_barrier() {
    std::atomic_signal_fence(std::memory_order_seq_cst);
}

struct Header {
    std::array<char, 8> magic;
    std::uint32_t version;
    std::uint32_t slots;
};

// Whether the keeper could have written it: a bad disk or a stranger's editor could write anything.
bool is_sound(const Record& record) {
    const std::string_view id(record.id, ::strnlen(record.id, sizeof record.id));
    return id.size() < sizeof record.id && is_valid_id(id) &&
           record.phase <= static_cast<std::uint8_t>(keeperlink::RunPhase::Failed) &&
           record.stage <= static_cast<std::uint8_t>(keeperlink::StartStage::KeeperDied) &&
           record.cause <= static_cast<std::uint8_t>(keeperlink::EndCause::OverPids);
}

// A file of records at `path`, with its room reserved.
Result<os::UniqueFd> reserve(const std::string& path, int flags) {
    BERTH_TRY(os::UniqueFd fd, os::open_file(path, O_RDWR | O_CREAT | flags, 0600));
    const int allocated = ::posix_fallocate(fd.get(), 0, kFileSize);
    if (allocated != 0) {
        return fail(
            os::error_of(allocated, "reserve " + std::to_string(kFileSize) + " bytes for " + path));
    }
    return fd;
}

}  // namespace

Result<Records> Records::open(const std::string& path, const std::string& mark) {
    ENSURE(mark.size() == kMarkSize, "marks are made by us");
    BERTH_TRY(const std::string boot, os::boot_id());
    BERTH_TRY(os::UniqueFd fd, reserve(path, 0));
    void* const base = ::mmap(nullptr, kFileSize, PROT_READ | PROT_WRITE, MAP_SHARED, fd.get(), 0);
    if (base ==
        MAP_FAILED) {  // NOLINT(performance-no-int-to-ptr,cppcoreguidelines-pro-type-cstyle-cast)
        return fail(os::last_error("map " + path));
    }
    Records records(path, std::move(fd), static_cast<char*>(base));
    if (auto ready = records.initialise(boot, mark); !ready) {
        return fail(ready.error().within(path));
    }
    return records;
}

// The new file is filled before it has the name, and mapped over the old one: who has the address
// of a record keeps it.
Result<bool> Records::put_back() {
    struct stat open {};

    struct stat there {};

    if (::fstat(fd_.get(), &open) == 0 && ::stat(path_.c_str(), &there) == 0 &&
        open.st_ino == there.st_ino && open.st_dev == there.st_dev) {
        return false;
    }
    const std::string made = path_ + ".new";
    BERTH_TRY(os::UniqueFd fd, reserve(made, O_TRUNC));
    for (std::size_t done = 0; done < kFileSize;) {
        const ssize_t wrote =
            ::pwrite(fd.get(), base_ + done, kFileSize - done, static_cast<off_t>(done));
        if (wrote < 0) {
            return fail(os::last_error("write " + made));
        }
        done += static_cast<std::size_t>(wrote);
    }
    if (::mmap(base_, kFileSize, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_FIXED, fd.get(), 0) ==
            MAP_FAILED ||  // NOLINT(performance-no-int-to-ptr,cppcoreguidelines-pro-type-cstyle-cast)
        ::rename(made.c_str(), path_.c_str()) != 0) {
        return fail(os::last_error("put back " + path_));
    }
    fd_ = std::move(fd);
    return true;
}

Result<void> Records::save_to(const std::string& path) const {
    return os::replace_file(path, {base_, kFileSize});
}

Result<void> Records::check(const std::string& path) {
    const auto fd = os::open_file(path, O_RDONLY);
    if (!fd) {
        return fd.error().code == ErrorCode::NotFound ? Result<void>() : fail(fd.error());
    }
    Header header{};
    const os::IoOutcome got =
        os::read_some(fd->get(), reinterpret_cast<char*>(&header), sizeof header);
    if (got.bytes != sizeof header || std::string_view(header.magic.data(), 8) != kMagic ||
        header.version != kRecordsVersion || header.slots != kSlots) {
        return fail(
            ErrorCode::InvalidArgument,
            path + ": not a keeper's record file of version " + std::to_string(kRecordsVersion));
    }
    return {};
}

Result<void> Records::initialise(const std::string& boot, const std::string& mark) {
    Header header{};
    std::memcpy(&header, base_, sizeof header);
    const bool fresh = header.magic == std::array<char, 8>{};
    if (fresh) {
        // What stands below a header that is gone is nobody's.
        for (Record* const record : all()) {
            *record = Record{};
        }
        made_anew_ = true;
        std::memcpy(base_ + kBootAt, boot.data(), boot.size());
        std::memcpy(base_ + kHomeAt, mark.data(), mark.size());
        header = {{}, kRecordsVersion, kSlots};
        std::memcpy(header.magic.data(), kMagic.data(), kMagic.size());
        store_barrier();
        std::memcpy(base_, &header, sizeof header);
        return {};
    }
    if (std::string_view(header.magic.data(), 8) != kMagic || header.version != kRecordsVersion ||
        header.slots != kSlots) {
        return fail(ErrorCode::InvalidArgument,
                    "not a keeper's record file of version " + std::to_string(kRecordsVersion));
    }
    for (Record* const record : all()) {
        if (!is_sound(*record)) {
            release(*record);
        }
    }
    if (std::string_view(base_ + kBootAt, 36) != boot) {
        for (Record* const record : all()) {
            const auto phase = static_cast<keeperlink::RunPhase>(record->phase);
            if (phase == keeperlink::RunPhase::Spawned || phase == keeperlink::RunPhase::Running) {
                record->status_known = 0;
                record->phase = static_cast<std::uint8_t>(keeperlink::RunPhase::Exited);
            }
            record->tree_gone = 1;
        }
        std::memcpy(base_ + kBootAt, boot.data(), boot.size());
    }
    return {};
}

Records::Records(Records&& other) noexcept
    : path_(std::move(other.path_)),
      fd_(std::move(other.fd_)),
      base_(std::exchange(other.base_, nullptr)),
      search_from_(other.search_from_),
      made_anew_(other.made_anew_) {}

Records::~Records() {
    if (base_ != nullptr) {
        (void)::munmap(base_, kFileSize);  // cannot fail for a mapping of ours
    }
}

Record* Records::slot(std::uint32_t index) const {
    // The mapping is page-aligned and slots begin at multiples of 256.
    return reinterpret_cast<Record*>(base_ + kHeader + index * sizeof(Record));
}

std::vector<Record*> Records::all() const {
    std::vector<Record*> taken;
    for (std::uint32_t i = 0; i < kSlots; ++i) {
        if (slot(i)->used != 0) {
            taken.push_back(slot(i));
        }
    }
    return taken;
}

Record* Records::take(const keeperlink::RunName& run) {
    ENSURE(run.id.size() < sizeof(Record::id), "ids are validated before they get here");
    for (std::uint32_t n = 0; n < kSlots; ++n) {
        const std::uint32_t index = (search_from_ + n) % kSlots;
        Record* const record = slot(index);
        if (record->used != 0) {
            continue;
        }
        search_from_ = index + 1;
        *record = Record{};
        std::memcpy(record->id, run.id.data(), run.id.size());
        record->generation = run.generation;
        record->status_known = 1;
        store_barrier();
        record->used = 1;
        return record;
    }
    return nullptr;
}

void Records::release(Record& record) {
    record.used = 0;
    store_barrier();
}

std::string Records::home_id() const {
    return {base_ + kHomeAt, kMarkSize};
}

std::string Records::marker(const keeperlink::RunName& run) const {
    return "BERTH_RUN=" + home_id() + "/" + run.id + "/" + std::to_string(run.generation);
}

}  // namespace berth::keeper
