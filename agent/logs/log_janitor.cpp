#include "agent/logs/log_janitor.h"

#include <sched.h>
#include <sys/resource.h>
#include <unistd.h>

#include "agent/logs/log_archive.h"
#include "shared/log/log.h"
#include "shared/os/file.h"
#include "shared/os/thread.h"

namespace berth::logs {

namespace {

constexpr Duration kSettle = std::chrono::seconds(2);

// This thread gets what nobody else wants of the processors.
void step_back() {
    const sched_param parameter{};
    (void)::sched_setscheduler(0, SCHED_IDLE, &parameter);  // of this thread; else nice does it
    (void)::setpriority(PRIO_PROCESS, static_cast<id_t>(::gettid()), 19);
}

}  // namespace

LogJanitor::LogJanitor(loop::EventLoop& loop, std::string logs_folder, std::uint64_t max_total)
    : loop_(loop), logs_folder_(std::move(logs_folder)), max_total_(max_total) {}

LogJanitor::~LogJanitor() {
    cancelled_ = true;
    if (worker_.joinable()) {
        worker_.join();
    }
}

void LogJanitor::rotated(const std::string& id) {
    due_.insert(id);
    arm();
}

void LogJanitor::look_through() {
    const auto names = os::list_folder(logs_folder_);
    for (const std::string& name : names ? *names : std::vector<std::string>()) {
        due_.insert(name);
    }
    arm();
}

void LogJanitor::arm() {
    if (!timer_.active() && !worker_.joinable() && !due_.empty()) {
        timer_ = loop_.after(kSettle, [this] {
            timer_.reset();
            begin();
        });
    }
}

void LogJanitor::begin() {
    auto worker = os::start_thread([this, due = due_] {
        step_back();
        for (const std::string& id : due) {
            if (auto done = compress_rotated(logs_folder_ + "/" + id, cancelled_); !done) {
                log::warning("cannot compress a log", {{"error", done.error().message}});
            }
        }
        const Trimmed trimmed = trim_logs(logs_folder_, max_total_);
        if (trimmed.files > 0) {
            log::info("old logs were deleted to keep within the total",
                      {{"files", std::to_string(trimmed.files)},
                       {"bytes", std::to_string(trimmed.bytes)}});
        }
        loop_.post([this, alive = std::weak_ptr<bool>(alive_)] {
            if (!alive.expired()) {
                finished();
            }
        });
    });
    if (!worker) {
        log::warning("cannot look after logs now", {{"error", worker.error().message}});
        return arm();
    }
    due_.clear();
    worker_ = std::move(*worker);
}

void LogJanitor::finished() {
    worker_.join();
    arm();
}

}  // namespace berth::logs
