#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "agent/store/turn.h"
#include "agent/supervisor/machine.h"
#include "shared/base/result.h"

namespace berth::store {

// An app of this home as it is registered.
struct Registration {
    std::string id;
    std::string descriptor;  // path of its file
    std::string text;        // what the file said when it was loaded
    std::string folder;      // the app's directory
    std::vector<std::string>
        environment;         // "NAME=VALUE" of the shell that loaded it; empty: the agent's
    bool installed = false;  // lives below repos/
};

// All that is stored of it.
struct AppRow : Registration {
    std::string started_with;     // a digest of what the present run was started with
    std::uint64_t crash_due = 0;  // the run whose crash is still to be written down; 0: none
    supervisor::Machine::Memory memory;
};

// The apps of this home. Loop thread.
class AppRows {
public:
    explicit AppRows(Turn& turn) : turn_(turn) {}

    [[nodiscard]] Result<std::vector<AppRow>> load();
    // Paths below one folder become the same below another.
    void move_paths(const std::string& from, const std::string& to);

    void save(const AppRow& app);         // all of it; waits for the disk
    void save_memory(const AppRow& app);  // what changes while it runs

    // With its runs and crashes; waits for the disk.
    void remove(const std::string& id);

private:
    Turn& turn_;
};

}  // namespace berth::store
