#pragma once

#include <condition_variable>
#include <functional>
#include <mutex>
#include <set>
#include <string>

#include "agent/sdk/cpp/berth/ipc.hpp"
#include "agent/sdk/cpp/berth/module.h"

namespace berth::modulehost {

// Runs one module in this process: see berth/module.h. One of it in a process; run() is called
// once, in the main thread.
class Host {
public:
    Host(int argc, char** argv);
    Host(const Host&) = delete;
    Host& operator=(const Host&) = delete;

    // The exit code of the process.
    int run();

private:
    using Init = int (*)(berth_app*);
    using Stop = void (*)(berth_app*);
    using OnMessage = int (*)(berth_app*, const berth_message*);
    using OnEvent = void (*)(berth_app*, const berth_event*);

    enum class Phase : std::uint8_t { Init, Serving };

    bool load();  // false: it is no module; stderr says why
    void fill_app();
    int serve();
    bool serve_waiting(ipc::Client& client);  // false: the app is to end
    void keep_claims();
    void claim(ipc::Message message, ipc::Duration claim);
    void let_go(const std::vector<std::uint64_t>& ids);
    void acknowledge(ipc::Client& client);
    void give_back(ipc::Client& client);
    bool handle(const ipc::Message& message);
    void handle(const ipc::Event& event);
    void watch_signals();
    void begin_stop();
    void call_stop();  // once; returns when that one call has

    static Host& of(const berth_app* app);
    int talk(const std::function<void(ipc::Client&)>& work);

    int argc_;
    char** argv_;
    std::string file_;
    std::string folder_;
    std::string config_;
    berth_app app_{};
    Init init_ = nullptr;
    Stop stop_ = nullptr;
    OnMessage on_message_ = nullptr;
    OnEvent on_event_ = nullptr;

    std::mutex mutex_;  // of what follows
    std::condition_variable changed_;
    bool stopping_ = false;
    bool stop_called_ = false;
    bool stop_done_ = false;
    bool served_ = false;  // the serving has ended
    Phase phase_ = Phase::Init;
    std::set<std::uint64_t> claimed_;  // messages that are ours, until the relay has forgotten them
    ipc::Duration claim_{};            // after which others are offered them

    std::deque<ipc::Message> waiting_;                    // of the main thread: not handled yet
    std::vector<std::uint64_t> done_;                     // the same: handled, not acknowledged
    std::chrono::steady_clock::time_point acknowledged_;  // when that was done last

    int wake_[2] = {-1, -1};  // a byte in it: the app is to end

    std::mutex talking_;  // of the client for what the module sends
    std::optional<ipc::Client> client_;
};

}  // namespace berth::modulehost
