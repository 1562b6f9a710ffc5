#pragma once

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "agent/apps/table.h"
#include "shared/loop/event_loop.h"
#include "shared/loop/file_watch.h"

namespace berth::apps {

// Tells when the descriptors of apps change, or something below repos/ comes or goes. On a machine
// that has no more watches nothing is told; then changes are seen when somebody looks. Owned by the
// Catalog. Loop thread.
class DescriptorWatch {
public:
    struct Owner {
        std::function<void(const std::string& file)> file_changed;
        std::function<void()> repos_changed;  // once for changes that come together
    };

    DescriptorWatch(loop::EventLoop& loop, std::string repos, Owner owner);

    void watch_file(const std::string& file);

    // Looks through repos/ again. A folder whose app is registered is not watched, only the
    // descriptor: what an app does in its folder wakes nobody.
    void watch_repos(const Table& table);

private:
    void repos_changed();

    loop::EventLoop& loop_;
    std::string repos_;
    Owner owner_;
    std::unique_ptr<loop::FileWatch> watch_;  // null: this machine has no more of them
    loop::Registration soon_;
};

}  // namespace berth::apps
