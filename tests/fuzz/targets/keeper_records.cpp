#include <fcntl.h>
#include <sys/mman.h>
#include <unistd.h>

#include <set>
#include <string>

#include "agent/keeper/records.h"
#include "agent/keeperlink/messages.h"
#include "shared/base/text.h"
#include "tests/fuzz/targets/target.h"

// The keeper's file of records after a crash, a bad disk or a stranger's editor.
void fuzz_one(std::string_view bytes) {
    using namespace berth;  // NOLINT(google-build-using-namespace)
    if (bytes.size() > (1U << 20U)) {
        return;
    }
    static const int file = ::memfd_create("records", MFD_CLOEXEC);
    static const std::string path = "/proc/self/fd/" + std::to_string(file);
    fuzz_check(::ftruncate(file, 0) == 0 && ::pwrite(file, bytes.data(), bytes.size(), 0) ==
                                                static_cast<ssize_t>(bytes.size()),
               "the file can be made");
    auto records = keeper::Records::open(path, std::string(32, 'a'));
    if (!records) {
        return;
    }
    for (const keeper::Record* const record : records->all()) {
        const std::string id(record->id);
        fuzz_check(id.size() < sizeof record->id && is_valid_id(id), "an id has an end");
        fuzz_check(record->phase <= static_cast<int>(keeperlink::RunPhase::Failed), "a phase");
        fuzz_check(record->stage <= static_cast<int>(keeperlink::StartStage::KeeperDied),
                   "a stage");
        fuzz_check(record->cause <= static_cast<int>(keeperlink::EndCause::OverPids), "a cause");
        (void)records->marker({id, record->generation});
    }
    if (keeper::Record* const taken = records->take({"fuzz", 1})) {
        keeper::Records::release(*taken);
    }
}
