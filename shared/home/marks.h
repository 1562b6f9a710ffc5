#pragma once

#include <sys/types.h>

#include <cstdint>
#include <optional>
#include <set>
#include <string>
#include <vector>

namespace berth::home {

// Every process that a keeper starts carries BERTH_RUN=MARK/ID/GENERATION in its environment, and
// its children inherit it. MARK is of the home.
struct MarkedProcess {
    pid_t pid = 0;
    std::string id;
    std::uint64_t generation = 0;
    std::string home;  // where its home was when it began; "": it does not say
};

// The mark in a keeper's file of records; nothing when there is none that can be read.
std::optional<std::string> mark_of_records(const std::string& file);

// The marks of all homes of which a process lives. Looks at every process.
std::set<std::string> living_marks();

// The living processes of one home. Looks at every process.
std::vector<MarkedProcess> processes_marked(const std::string& mark);

}  // namespace berth::home
