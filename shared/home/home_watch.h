#pragma once

#include <functional>
#include <memory>
#include <string>

#include "shared/base/result.h"
#include "shared/home/places.h"
#include "shared/loop/event_loop.h"
#include "shared/loop/file_watch.h"

namespace berth::home {

// Tells who runs a home that something was done to its folders. Loop thread.
class HomeWatch {
public:
    struct Events {
        // The runtime folder was removed, or a name in it came or went.
        std::function<void()> runtime;
        // The home, or a folder that it is in, was moved or removed; nothing: not of interest.
        std::function<void()> home = nullptr;
    };

    // Of a machine whose watches are used up nothing is told, and that is said in the log.
    HomeWatch(loop::EventLoop& loop, Places places, Events events);

private:
    void watch_runtime();
    void watch_home();
    void set(const std::string& path, loop::FileWatch::Kind kind, loop::FileWatch::Changed changed);

    Places places_;
    Events events_;
    std::unique_ptr<loop::FileWatch> watch_;  // null: this machine has no more of them
    bool told_ = false;
};

}  // namespace berth::home
