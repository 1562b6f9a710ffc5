#include "agent/apps/descriptor_watch.h"

#include <set>
#include <string_view>
#include <utility>

#include "shared/config/descriptor.h"
#include "shared/log/log.h"
#include "shared/os/file.h"

namespace berth::apps {

namespace {

constexpr Duration kSettle = std::chrono::milliseconds(100);  // a copy of many files is one change

}  // namespace

DescriptorWatch::DescriptorWatch(loop::EventLoop& loop, std::string repos, Owner owner)
    : loop_(loop), repos_(std::move(repos)), owner_(std::move(owner)) {
    if (auto watch = loop::FileWatch::create(loop)) {
        watch_ = std::move(*watch);
    } else {
        log::warning("changes of descriptors are seen only when somebody looks",
                     {{"why", watch.error().message}});
    }
}

void DescriptorWatch::watch_file(const std::string& file) {
    if (watch_) {
        (void)watch_->set(file, loop::FileWatch::Kind::File, [this, file](std::string_view) {
            owner_.file_changed(file);
            repos_changed();  // it may have been taken away with its folder
        });
    }
}

void DescriptorWatch::watch_repos(const Table& table) {
    if (!watch_) {
        return;
    }
    using Kind = loop::FileWatch::Kind;
    (void)watch_->set(repos_, Kind::Folder, [this](std::string_view) { repos_changed(); });
    std::set<std::string> at_home;
    for (const auto& [id, app] : table.all()) {
        const std::string& file = app->registration.descriptor;
        at_home.insert(file.substr(0, file.rfind('/')));
    }
    const auto folders = os::folders_in(repos_);
    for (const std::string& name : folders ? *folders : std::vector<std::string>()) {
        const std::string folder = repos_ + "/" + name;
        if (at_home.count(folder) != 0) {
            watch_->remove(folder);
            continue;
        }
        (void)watch_->set(folder, Kind::Folder, [this](std::string_view changed) {
            if (config::is_descriptor_name(changed)) {
                repos_changed();
            }
        });
    }
}

void DescriptorWatch::repos_changed() {
    if (!soon_.active()) {
        soon_ = loop_.after(kSettle, [this] {
            soon_.reset();
            owner_.repos_changed();
        });
    }
}

}  // namespace berth::apps
