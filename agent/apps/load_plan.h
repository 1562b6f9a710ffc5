#pragma once

#include <map>
#include <optional>
#include <string>
#include <vector>

#include "agent/apps/table.h"
#include "shared/config/descriptor.h"
#include "shared/config/instances.h"
#include "shared/model/app_spec.h"
#include "shared/os/file.h"

namespace berth::apps {

struct LoadRequest {
    std::vector<std::string> paths;        // absolute
    std::string cwd;                       // of the shell that loads
    std::vector<std::string> environment;  // of that shell; SPMI's apps get it
    bool fresh = false;                    // an id that is known already is a problem, as for SPMI
};

// A descriptor as it was found on the disk.
struct DescriptorFile {
    std::string file;
    config::Descriptor descriptor;
    std::vector<std::string> warnings;                  // about the file, not its text
    std::optional<os::FileStamp> stamp = std::nullopt;  // of before it was read
};

// Reads what these paths mean. One that means nothing is a problem of its entry. Touches nothing
// but the disk, so that any thread may do it.
std::vector<DescriptorFile> read_for_load(const std::vector<std::string>& paths);

// What a load comes to.
struct LoadPlan {
    struct App {
        std::string file;
        std::string text;
        AppSpec spec;
        std::optional<os::FileStamp> stamp = std::nullopt;  // of the file that was read
    };

    std::map<std::string, App> apps;           // by id
    std::map<std::string, std::string> files;  // by the id that stands in them
    std::vector<std::string> problems;         // not empty: nothing is to be done
    std::vector<std::string> warnings;
};

// Pure. Each id once, from one file, without cycles of requirements. `scaled`: how many instances
// somebody wants of an app.
LoadPlan plan_load(const Table& table,
                   const std::vector<DescriptorFile>& files,
                   const LoadRequest& request,
                   const config::ScaledTo& scaled);

// "FILE: "web" is already registered, from OTHER".
std::string registered_elsewhere(const std::string& file, const App& known);

// What `descriptor` declares for this id, its instances counted; nothing: it does not declare it.
std::optional<AppSpec> declared(const config::Descriptor& descriptor,
                                const std::string& id,
                                const config::ScaledTo& scaled);

}  // namespace berth::apps
