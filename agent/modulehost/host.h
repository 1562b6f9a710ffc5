#pragma once

#include <condition_variable>
#include <functional>
#include <mutex>
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
    Phase phase_ = Phase::Init;
    int wake_[2] = {-1, -1};  // a byte in it: the app is to end

    std::mutex talking_;  // of the client for what the module sends
    std::optional<ipc::Client> client_;
};

}  // namespace berth::modulehost
