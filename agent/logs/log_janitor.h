#pragma once

#include <atomic>
#include <cstdint>
#include <memory>
#include <set>
#include <string>
#include <thread>

#include "shared/loop/event_loop.h"

namespace berth::logs {

// Compresses rotated logs and keeps all logs of the agent within their total. It learns from the
// keeper of each rotation, waits a little so that a flood makes one round of many, and does the
// work in a thread of the lowest priority, which exists only while there is work. Owned by the
// Agent, in its loop's thread.
class LogJanitor {
public:
    LogJanitor(loop::EventLoop& loop, std::string logs_folder, std::uint64_t max_total);

    // Ends the thread, within a block's time.
    ~LogJanitor();
    LogJanitor(const LogJanitor&) = delete;
    LogJanitor& operator=(const LogJanitor&) = delete;

    // A file of this app's log will not be written to any more.
    void rotated(const std::string& id);

    // Looks through all logs: after a start, for what an earlier agent has left undone.
    void look_through();

private:
    void arm();
    void begin();
    void finished();

    loop::EventLoop& loop_;
    std::string logs_folder_;
    std::uint64_t max_total_;
    std::set<std::string> due_;
    std::thread worker_;
    std::atomic<bool> cancelled_ = false;
    std::shared_ptr<bool> alive_ = std::make_shared<bool>(true);
    loop::Registration timer_;
};

}  // namespace berth::logs
