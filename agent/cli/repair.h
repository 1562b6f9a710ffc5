#pragma once

#include <string>
#include <vector>

#include "agent/cli/session.h"

namespace berth::cli {

// What to say behind an error that names a file which `berth doctor --repair` can put aside; "": it
// names none.
std::string repair_hint(const std::string& error);

// A file of a home that is not what it should be.
struct BrokenFile {
    std::string path;
    std::string problem;
    std::string loss;  // what is lost with it
};

// Asks the programs that use them. Of homes that run nothing is looked at: they use them.
std::vector<BrokenFile> broken_files(Session& session);

// Puts it aside, with what belongs to it. Gives its new path.
Result<std::string> put_aside(const BrokenFile& file);

}  // namespace berth::cli
