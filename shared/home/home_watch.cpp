#include "shared/home/home_watch.h"

#include "shared/log/log.h"
#include "shared/os/file.h"

namespace berth::home {

using Kind = loop::FileWatch::Kind;

HomeWatch::HomeWatch(loop::EventLoop& loop, Places places, Events events)
    : places_(std::move(places)), events_(std::move(events)) {
    auto watch = loop::FileWatch::create(loop);
    if (!watch) {
        log::warning("nothing is noticed that is done to this home's folders",
                     {{"error", watch.error().message}});
        return;
    }
    watch_ = std::move(*watch);
    watch_runtime();
    if (events_.home) {
        watch_home();
    }
}

void HomeWatch::set(const std::string& path, Kind kind, loop::FileWatch::Changed changed) {
    if (auto set = watch_->set(path, kind, std::move(changed));
        !set && os::exists(path) && !told_) {
        told_ = true;
        log::warning("what is done to this home's folders may be missed",
                     {{"error", set.error().message}});
    }
}

// The folder itself is held open, so that its removal is told by the one that it is in.
void HomeWatch::watch_runtime() {
    set(places_.runtime, Kind::Folder, [this](std::string_view) {
        events_.runtime();
        watch_runtime();
    });
    set(places_.runtime_base, Kind::Folder, [this](std::string_view name) {
        if (name.empty() || name == places_.key) {
            watch_->remove(places_.runtime);  // the watch is of the one that is gone
            events_.runtime();
            watch_runtime();
        }
    });
}

void HomeWatch::watch_home() {
    for (std::string folder = places_.home; folder.size() > 1;
         folder = folder.substr(0, folder.rfind('/'))) {
        set(folder, Kind::Place, [this](std::string_view) { events_.home(); });
    }
}

}  // namespace berth::home
