#pragma once

#include <functional>
#include <map>
#include <memory>
#include <string>

#include "agent/apps/app.h"
#include "agent/apps/figures/sampler.h"
#include "agent/apps/ledger.h"
#include "agent/apps/table.h"
#include "shared/loop/event_loop.h"

namespace berth::apps {

// Writes down ends that nobody wanted: how, when, what it said last, what it used. That reads a
// log, so it is done once the next start is on its way; App::crash_due says on the disk that it is
// owed. Owned by Apps. Loop thread.
class CrashBook {
public:
    using LogFolder = std::function<std::string(const std::string& id)>;

    CrashBook(loop::EventLoop& loop,
              Table& table,
              Ledger& ledger,
              const figures::Sampler& sampler,
              LogFolder log_folder);

    // The run that `status` describes has crashed; soon it is written down.
    void crashed(App& app, AppStatus status);

    // The agent died between the end of a run and writing down its crash.
    void recall(App& app);

    // The app is no more.
    void remove(const std::string& id) { due_.erase(id); }

private:
    struct Crash {
        AppStatus status;
        std::shared_ptr<const AppSpec> spec;
    };

    void write_soon();
    void write(const std::string& id);

    loop::EventLoop& loop_;
    Table& table_;
    Ledger& ledger_;
    const figures::Sampler& sampler_;
    LogFolder log_folder_;
    std::map<std::string, Crash> due_;  // by app
    loop::Registration soon_;
};

}  // namespace berth::apps
