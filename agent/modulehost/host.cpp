#include "agent/modulehost/host.h"

#include <dlfcn.h>
#include <poll.h>
#include <signal.h>
#include <unistd.h>

#include <cstdio>
#include <cstdlib>
#include <thread>

namespace berth::modulehost {

namespace {

constexpr int kNoModule = 78;  // EX_CONFIG of sysexits.h
constexpr int kTerminated = 128 + SIGTERM;
constexpr std::size_t kTogether = 64;          // messages that are acknowledged at once
constexpr std::chrono::milliseconds kSoon(5);  // after which they are, if not before

Host* the_host = nullptr;       // NOLINT: for functions of C that have nothing else
int signal_pipe[2] = {-1, -1};  // NOLINT: for the signal handler

void on_signal(int /*number*/) {
    const int before = errno;
    (void)!::write(signal_pipe[1], "x", 1);  // full: one is on its way already
    errno = before;
}

std::string_view view_of(const void* payload, std::size_t size) {
    return {static_cast<const char*>(payload), size};
}

void say(const std::string& text) {
    (void)std::fprintf(stderr, "berth-module-host: %s\n", text.c_str());
}

std::string variable(const char* name) {
    const char* const found = std::getenv(name);
    return found == nullptr ? "" : found;
}

std::string file_text(const std::string& file) {
    std::ifstream opened(file);
    std::string text{std::istreambuf_iterator<char>(opened), {}};
    while (!text.empty() && text.back() == '\n') {
        text.pop_back();
    }
    return text;
}

// Calls into the module; what it throws is told. False: it threw.
template <class Call>
bool guarded(const char* name, Call call) {
    try {
        call();
        return true;
    } catch (const std::exception& error) {
        say(std::string(name) + " threw: " + error.what());
    } catch (...) {
        say(std::string(name) + " threw");
    }
    return false;
}

}  // namespace

Host::Host(int argc, char** argv) : argc_(argc), argv_(argv) {
    the_host = this;
}

Host& Host::of(const berth_app* /*app*/) {
    return *the_host;
}

int Host::run() {
    (void)std::setvbuf(stdout, nullptr, _IOLBF, 0);  // its output is a pipe: lines come at once
    if (::pipe2(wake_, O_CLOEXEC | O_NONBLOCK) != 0 || ::pipe2(signal_pipe, O_CLOEXEC) != 0) {
        say(std::string("no pipe: ") + std::strerror(errno));
        return EXIT_FAILURE;
    }
    (void)::fcntl(signal_pipe[1], F_SETFL, O_NONBLOCK);
    if (!load()) {
        return kNoModule;
    }
    fill_app();
    watch_signals();
    int code = EXIT_FAILURE;
    if (!guarded("berth_module_init", [&] { code = init_(&app_); })) {
        return EXIT_FAILURE;
    }
    if (code == BERTH_MODULE_SERVE) {
        return serve();
    }
    std::unique_lock lock(mutex_);  // its berth_module_stop() is let finish
    changed_.wait(lock, [this] { return !stopping_ || stop_done_; });
    return code;
}

bool Host::load() {
    char* const real = ::realpath(argv_[1], nullptr);
    if (real == nullptr) {
        say(std::string(argv_[1]) + ": " + std::strerror(errno));
        return false;
    }
    file_ = real;
    ::free(real);  // NOLINT: realpath's
    folder_ = file_.substr(0, file_.rfind('/'));
    void* const library = ::dlopen(file_.c_str(), RTLD_NOW | RTLD_LOCAL);
    if (library == nullptr) {
        say(::dlerror());
        return false;
    }
    const auto* const abi = static_cast<const std::uint32_t*>(::dlsym(library, "berth_module_abi"));
    if (abi == nullptr) {
        say(file_ + " is no module of Berth: BERTH_MODULE is missing in it");
        return false;
    }
    if (*abi != BERTH_MODULE_ABI) {
        say(file_ + " is for version " + std::to_string(*abi) + " of berth/module.h, this is " +
            std::to_string(BERTH_MODULE_ABI));
        return false;
    }
    init_ = reinterpret_cast<Init>(::dlsym(library, "berth_module_init"));
    stop_ = reinterpret_cast<Stop>(::dlsym(library, "berth_module_stop"));
    on_message_ = reinterpret_cast<OnMessage>(::dlsym(library, "berth_module_on_message"));
    on_event_ = reinterpret_cast<OnEvent>(::dlsym(library, "berth_module_on_event"));
    if (init_ == nullptr) {
        say(file_ + " has no berth_module_init()");
    }
    return init_ != nullptr;
}

void Host::fill_app() {
    static const std::string id = variable("BERTH_APP");
    static const std::string agent = variable("BERTH_AGENT");
    config_ = file_text(variable("BERTH_CONFIG_FILE"));
    if (config_.empty()) {
        config_ = "{}";
    }
    app_.size = sizeof app_;
    app_.id = id.c_str();
    app_.agent = agent.c_str();
    app_.folder = folder_.c_str();
    app_.config = config_.c_str();
    app_.argc = argc_ - 1;
    app_.argv = argv_ + 1;
    app_.stopping = [](const berth_app* app) {
        Host& host = of(app);
        const std::lock_guard lock(host.mutex_);
        return host.stopping_ ? 1 : 0;
    };
    app_.wait = [](const berth_app* app, std::uint32_t ms) {
        Host& host = of(app);
        std::unique_lock lock(host.mutex_);
        return host.changed_.wait_for(
                   lock, std::chrono::milliseconds(ms), [&host] { return host.stopping_; })
                   ? 1
                   : 0;
    };
    app_.notify = [](berth_app* app, const char* to, const void* payload, std::size_t size) {
        return of(app).talk(
            [&](ipc::Client& client) { client.notify(to, view_of(payload, size)); });
    };
    app_.request = [](berth_app* app,
                      const char* to,
                      const void* payload,
                      std::size_t size,
                      std::uint32_t timeout_ms,
                      void (*answer)(void*, const void*, std::size_t),
                      void* context) {
        std::string answered;
        const int code = of(app).talk([&](ipc::Client& client) {
            answered =
                client.request(to, view_of(payload, size), std::chrono::milliseconds(timeout_ms));
        });
        if (code == 0 && answer != nullptr) {
            answer(context, answered.data(), answered.size());
        }
        return code;
    };
    app_.respond =
        [](berth_app* app, const berth_message* message, const void* payload, std::size_t size) {
            return of(app).talk([&](ipc::Client& client) {
                ipc::Message request;
                request.from = message->from;
                request.correlation = message->correlation;
                client.respond(request, view_of(payload, size));
            });
        };
    app_.raise = [](berth_app* app, const char* type, const void* payload, std::size_t size) {
        return of(app).talk(
            [&](ipc::Client& client) { client.raise(type, view_of(payload, size)); });
    };
}

int Host::talk(const std::function<void(ipc::Client&)>& work) {
    const std::lock_guard lock(talking_);
    try {
        if (!client_) {
            client_.emplace();
        }
        work(*client_);
        return 0;
    } catch (const ipc::Error& error) {
        return error.code();
    } catch (const std::exception&) {
        return 500;
    }
}

// --- ending

// A thread waits for SIGTERM. It is not blocked instead: what the module starts would inherit that.
void Host::watch_signals() {
    std::thread([this] {
        char byte = 0;
        while (::read(signal_pipe[0], &byte, 1) < 0 && errno == EINTR) {
        }
        begin_stop();
        while (::read(signal_pipe[0], &byte, 1) < 0 && errno == EINTR) {
        }
        ::_exit(kTerminated);  // said twice
    }).detach();

    struct sigaction action {};

    action.sa_handler = on_signal;
    action.sa_flags = SA_RESTART;
    (void)::sigaction(SIGTERM, &action, nullptr);  // fails for no such signal alone
}

void Host::begin_stop() {
    bool serving = false;
    {
        const std::lock_guard lock(mutex_);
        stopping_ = true;
        serving = phase_ == Phase::Serving;
    }
    changed_.notify_all();
    (void)!::write(wake_[1], "x", 1);
    if (serving) {
        return;  // the main thread sees to the rest
    }
    if (stop_ == nullptr) {
        ::_exit(kTerminated);
    }
    call_stop();
}

void Host::call_stop() {
    std::unique_lock lock(mutex_);
    if (stop_ == nullptr) {
        return;
    }
    if (std::exchange(stop_called_, true)) {
        changed_.wait(lock, [this] { return stop_done_; });
        return;
    }
    lock.unlock();
    (void)guarded("berth_module_stop", [this] { stop_(&app_); });
    lock.lock();
    stop_done_ = true;
    changed_.notify_all();
}

// --- serving

// While handlers run, their messages and those behind them are not offered to others. Over a
// connection of its own: the others may be in the middle of a call.
void Host::keep_claims() {
    ipc::Client client;
    std::unique_lock lock(mutex_);
    while (!served_) {
        changed_.wait(lock, [this] {
            return served_ || (!claimed_.empty() && claim_ > ipc::Duration::zero());
        });
        if (changed_.wait_for(lock, claim_ / 3, [this] { return served_; }) || claimed_.empty()) {
            continue;
        }
        const std::vector<std::uint64_t> ids(claimed_.begin(), claimed_.end());
        client.set_timeout(claim_ / 3);
        lock.unlock();
        try {
            client.working(ids);
        } catch (const ipc::Error&) {
            // The agent is away: then nobody else is offered them either.
        }
        lock.lock();
    }
}

int Host::serve() {
    bool stopped = false;
    {
        const std::lock_guard lock(mutex_);
        phase_ = Phase::Serving;
        stopped = stopping_;
    }
    if (!stopped && (on_message_ != nullptr || on_event_ != nullptr)) {
        constexpr int kRetryMs = 1000;
        std::optional<ipc::Client> client;
        bool told = false;
        std::thread claims;
        if (on_message_ != nullptr) {
            claims = std::thread([this] { keep_claims(); });
        }
        for (;;) {
            int wait = -1;
            try {
                if (!client) {
                    ipc::Client::Options options;
                    options.subscribe = on_message_ != nullptr;
                    options.events = on_event_ != nullptr;
                    client.emplace(options);
                }
                if (!serve_waiting(*client)) {
                    break;
                }
                told = false;
                wait = client->fd() < 0 ? 0 : -1;  // it was lost: at once again
            } catch (const ipc::Error& error) {
                if (!std::exchange(told, true)) {
                    say(error.what());
                }
                wait = kRetryMs;
            }
            pollfd entries[2] = {{wake_[0], POLLIN, 0}, {client ? client->fd() : -1, POLLIN, 0}};
            (void)::poll(entries, wait < 0 ? 2 : 1, wait);
            if ((entries[0].revents & POLLIN) != 0) {
                break;
            }
        }
        {
            const std::lock_guard lock(mutex_);
            served_ = true;
        }
        changed_.notify_all();
        if (claims.joinable()) {
            claims.join();
        }
    } else if (!stopped) {
        pollfd entry{wake_[0], POLLIN, 0};
        while (::poll(&entry, 1, -1) < 0 && errno == EINTR) {
        }
    }
    call_stop();
    return EXIT_SUCCESS;
}

// Hands over all that has come. Error: the agent is away.
bool Host::serve_waiting(ipc::Client& client) {
    constexpr std::chrono::milliseconds kConnect(500);  // a stop must not wait longer
    constexpr std::chrono::seconds kAnswer(10);
    if (client.fd() < 0) {
        client.set_timeout(kConnect);
        client.ping();
        client.set_timeout(kAnswer);
    }
    acknowledge(client);  // of before a reconnection
    for (bool more = true; more;) {
        while (auto message = client.next_message({})) {
            claim(std::move(*message), client.claim_time());
        }
        more = !waiting_.empty();
        if (more) {
            const ipc::Message message = std::move(waiting_.front());
            waiting_.pop_front();
            if (handle(message)) {
                done_.push_back(message.id);
            } else {
                let_go({message.id});
            }
        }
        if (auto event = client.next_event({})) {
            more = true;
            handle(*event);
        }
        if (done_.size() >= kTogether ||
            std::chrono::steady_clock::now() - acknowledged_ >= kSoon) {
            acknowledge(client);
        }
        if (app_.stopping(&app_) != 0) {
            acknowledge(client);
            give_back(client);
            return false;
        }
    }
    acknowledge(client);
    return true;
}

void Host::acknowledge(ipc::Client& client) {
    if (!done_.empty()) {
        client.ack(done_);
        let_go(done_);
        done_.clear();
    }
    acknowledged_ = std::chrono::steady_clock::now();
}

// What was not handled is for the app's next run, which is its first attempt then.
void Host::give_back(ipc::Client& client) {
    std::vector<std::uint64_t> ids;
    for (const ipc::Message& message : waiting_) {
        ids.push_back(message.id);
    }
    if (!ids.empty()) {
        client.unsubscribe();  // else they would be pushed to us again
        client.release(ids, /*unseen=*/true);
    }
}

// One that was pushed again after a reconnection is here already.
void Host::claim(ipc::Message message, ipc::Duration claim) {
    {
        const std::lock_guard lock(mutex_);
        claim_ = claim;
        if (!claimed_.insert(message.id).second) {
            return;
        }
    }
    changed_.notify_all();
    waiting_.push_back(std::move(message));
}

void Host::let_go(const std::vector<std::uint64_t>& ids) {
    const std::lock_guard lock(mutex_);
    for (const std::uint64_t id : ids) {
        claimed_.erase(id);
    }
}

bool Host::handle(const ipc::Message& message) {
    if (on_message_ == nullptr) {
        return false;
    }
    const berth_message shown{message.id,
                              message.from.c_str(),
                              message.time_ms,
                              message.attempt,
                              message.correlation,
                              message.payload.data(),
                              message.payload.size()};
    int result = -1;
    (void)guarded("berth_module_on_message", [&] { result = on_message_(&app_, &shown); });
    if (result != 0) {
        say("message " + std::to_string(message.id) + " of \"" + message.from +
            "\" failed; it comes again later, and those behind it are not held back");
    }
    return result == 0 && message.correlation == 0;
}

void Host::handle(const ipc::Event& event) {
    if (on_event_ == nullptr) {
        return;
    }
    const berth_event shown{event.type.c_str(),
                            event.from.c_str(),
                            event.seq,
                            event.payload.empty() ? nullptr : event.payload.data(),
                            event.payload.size()};
    (void)guarded("berth_module_on_event", [&] { on_event_(&app_, &shown); });
}

}  // namespace berth::modulehost
