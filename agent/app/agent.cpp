#include "agent/app/agent.h"

#include <signal.h>
#include <unistd.h>

#include "shared/base/key_text.h"
#include "shared/base/text.h"
#include "shared/config/agent_config.h"
#include "shared/home/identity.h"
#include "shared/log/log.h"
#include "shared/os/fd.h"
#include "shared/os/file.h"
#include "shared/os/process.h"

namespace berth::app {

namespace {

constexpr Duration kKeeperAnswer = std::chrono::seconds(2);

Result<config::AgentConfig> read_config(const std::string& home) {
    const std::string file = home + "/agent.toml";
    const auto text = os::read_file(file);
    if (!text) {
        return text.error().code == ErrorCode::NotFound
                   ? Result<config::AgentConfig>(config::AgentConfig())
                   : fail(text.error());
    }
    return config::parse_agent_config(file, *text);
}

}  // namespace

Result<std::unique_ptr<Agent>> Agent::create(loop::EventLoop& loop, const AgentOptions& options) {
    std::unique_ptr<Agent> agent(new Agent(loop, options));
    BERTH_CHECK(agent->prepare());
    return agent;
}

void Agent::run() {
    if (!over_) {
        loop_.run();
    }
}

bool Agent::close() {
    constexpr Duration kPatience = std::chrono::seconds(1);
    home_watch_.reset();
    door_.reset();
    relay_.reset();
    janitor_.reset();
    const bool done = pool_.stop_within(kPatience);
    // Nobody answers there any more: who starts the next agent waits for its socket.
    (void)os::remove_tree(places_.at("control.sock"));
    if (folder_) {
        folder_->leave(places_);
    }
    return done;
}

Result<void> Agent::prepare() {
    const std::string& home = options_.home;
    started_ = loop_.now().wall;
    clock_hook_ = loop_.on_clock_set([](Duration by) {
        log::warning("the wall clock was set",
                     {{"by", std::to_string(by / std::chrono::seconds(1)) + " s"}});
    });
    if (options_.keeper_fd >= 0 && !os::is_folder(home)) {
        return fail(ErrorCode::NotFound, home + " is not there any more");  // removed, or moved
    }
    for (const char* folder : {"/repos", "/data", "/logs"}) {
        BERTH_CHECK(os::make_folders(home + folder));
    }
    (void)::signal(SIGPIPE, SIG_IGN);  // cannot fail for a valid signal
    BERTH_TRY(signals_, os::make_signalfd({SIGTERM, SIGINT}));
    signals_watch_ =
        loop_.watch(signals_.get(), loop::Interest::Read, [this](bool, bool) { on_signals(); });
    BERTH_CHECK(take_home());
    BERTH_TRY(config::AgentConfig config, read_config(home));
    config_warnings_ = config.warnings;
    for (const std::string& line : config_warnings_) {
        log::warning("agent.toml", {{"warning", line}});
    }
    const bool anew = home::is_to_begin_anew(places_);
    if (anew) {
        BERTH_CHECK(os::remove_tree(home + "/keys"));
        log::info(
            "this home was a copy and begins anew: with keys of its own, and nothing to send");
    }
    if (!standby_.empty()) {
        log::warning(standby_notice_);
        config.listen.clear();  // the addresses are those of the home that lives
        config.ipc.listen.clear();
    }
    if (options_.name.empty()) {
        options_.name = config.name.empty() ? home.substr(home.rfind('/') + 1) : config.name;
    }
    if (!is_valid_id(options_.name)) {
        return fail(ErrorCode::InvalidArgument,
                    "\"" + options_.name + "\" cannot name an agent: " + std::string(kIdRule));
    }
    BERTH_TRY(store_, store::Store::open(home + "/agent.db"));
    store_->settle_in(home);
    BERTH_TRY(const std::string keeper, os::sibling_executable("berth-keeper"));
    keeper_ = std::make_unique<native::KeeperClient>(
        loop_,
        std::vector<std::string>{keeper, "--home", home, "--name", options_.name},
        native::KeeperClient::Events{[this](const auto& runs, std::int32_t pid) {
                                         native_->on_snapshot(runs, pid);
                                         if (options_.shutdown) {
                                             apps_->conductor().shut_down();
                                         }
                                     },
                                     [this](const keeperlink::Message& fact) { on_fact(fact); },
                                     [this] { native_->on_problem(); },
                                     [this] {
                                         over_ = true;
                                         loop_.stop();
                                     }});
    native::LaunchContext launch = RelayBridge::launch_context(options_.name, places_);
    launch.inherit_env = config.inherit_env;
    native_ = std::make_unique<native::NativeBackend>(loop_, *keeper_, std::move(launch));
    BERTH_TRY(apps_,
              apps::Apps::create(loop_,
                                 *store_,
                                 *native_,
                                 pool_,
                                 {options_.name, home, home + "/metrics.db", standby_},
                                 {[this] { on_happened(); },
                                  [this] { finish(/*end_keeper=*/true); },
                                  // The keeper starts the next one.
                                  [this] { loop_.post([this] { loop_.stop(); }); },
                                  [this] { door_->on_keeper_problem(); }}));
    native_->tell(apps_->facts());
    config::AgentConfig::Ipc ipc = config.ipc;
    ipc.allow = keys_in("ipc.allow", config.ipc.allow);
    BERTH_TRY(relay_,
              RelayBridge::start(loop_, *apps_, {places_, options_.name, std::move(ipc), anew}));
    janitor_ = std::make_unique<logs::LogJanitor>(loop_, home + "/logs", config.log_max_total);
    janitor_->look_through();
    if (anew) {
        BERTH_CHECK(home::has_begun_anew(places_));
    }
    BERTH_CHECK(listen(config));  // what is wrong is said before the keeper counts on us
    BERTH_CHECK(connect_keeper());
    hear_keeper();
    door_->open();
    return {};
}

// A keeper of the version before, which has started us, goes on in the old layout until it is
// replaced by ours.
Result<void> Agent::take_home() {
    places_ = home::places_of(options_.home);
    BERTH_TRY(lock_, os::lock_file(places_.lock("agent")));
    places_ = home::places_of(options_.home);  // it may have been moved while we waited
    if (!places_.old_layout || !os::is_locked(places_.lock("keeper"))) {
        BERTH_TRY(const home::Being being, home::being_of(places_));
        mark_ = being.identity.mark;
        standby_ = home::reason_to_stand_by(being);
        standby_notice_ = home::standby_notice(being);
        BERTH_TRY(folder_, home::RuntimeFolder::open(places_, mark_));
        home_watch_ = std::make_unique<home::HomeWatch>(
            loop_, places_, home::HomeWatch::Events{[this] { look_after_runtime(); }});
    }
    return os::replace_file(places_.pid_file("agent"), std::to_string(::getpid()));
}

// Somebody removed what is in it, or all of it.
void Agent::look_after_runtime() {
    if (over_ || !door_) {
        return;
    }
    auto made = folder_->look_after(places_, mark_);
    if (made && !os::exists(places_.pid_file("agent"))) {
        if (auto written = os::replace_file(places_.pid_file("agent"), std::to_string(::getpid()));
            !written) {
            made = fail(written.error());
        }
        write_address();
        relay_->write_address();
    }
    if (auto again = door_->listen_again(); made && !again) {
        made = fail(again.error());
    }
    relay_->service().listen_again();
    if (!made) {
        log::error("what was removed from the runtime folder cannot be made again",
                   {{"error", made.error().message}});
    }
}

// A keeper that does not answer is seen by those who ask us, so it does not hold us up for long.
void Agent::hear_keeper() {
    const MonoTime end = MonoClock::now() + kKeeperAnswer;
    for (MonoTime now = MonoClock::now(); !over_ && !keeper_->ready() && now < end;
         now = MonoClock::now()) {
        (void)loop_.turn(end - now);  // over_ says that it is to stop
    }
}

Result<void> Agent::listen(const config::AgentConfig& config) {
    const std::string& home = options_.home;
    control::DoorOptions door;
    door.home = home;
    door.runtime = places_.runtime;
    door.local_path = places_.at("control.sock");
    door.listen = config.listen;
    door.allowed = keys_in("control.allow", config.allow);
    door.takes_mail = standby_.empty();
    BERTH_TRY(door.keys, bus::load_or_make_keys(home + "/keys", "agent"));
    BERTH_TRY(door_,
              control::Door::create(context_,
                                    {loop_, *apps_, *store_, relay_->service()},
                                    door,
                                    {[this] { return info(); },
                                     [this](bool keep_apps) { begin_shutdown(keep_apps); },
                                     [this](const std::string& folder, auto answered) {
                                         upgrade(folder, std::move(answered));
                                     }}));
    write_address();
    return {};
}

// The keys of agent.toml in the form that libzmq takes. One that is none is warned of: it lets
// nobody in.
std::vector<std::string> Agent::keys_in(const std::string& where,
                                        const std::vector<std::string>& texts) {
    std::vector<std::string> keys;
    for (const std::string& text : texts) {
        if (const auto key = parse_key(text)) {
            keys.push_back(*key);
        } else {
            config_warnings_.push_back(options_.home + "/agent.toml: " + where + ": \"" + text +
                                       "\" is no key, which is " + std::string(kKeyRule));
            log::warning("agent.toml", {{"warning", config_warnings_.back()}});
        }
    }
    return keys;
}

void Agent::on_happened() {
    trimmer_.worked(seen_.read(apps_->stream()).events.size());
    relay_->on_happened();
    door_->on_happened();
}

void Agent::on_fact(const keeperlink::Message& fact) {
    if (const auto* const rotated = std::get_if<keeperlink::LogRotated>(&fact)) {
        janitor_->rotated(rotated->run.id);
    } else if (const auto* const answer = std::get_if<keeperlink::UpgradeAnswer>(&fact)) {
        on_upgrade_answer(*answer);
    } else {
        native_->on_fact(fact);
    }
}

Result<void> Agent::connect_keeper() {
    if (options_.keeper_fd < 0) {
        return keeper_->start_keeper();
    }
    keeper_->connect(os::take_inherited(options_.keeper_fd));
    return {};
}

// Where others reach us, for those who set up a controller.
void Agent::write_address() const {
    if (door_->tcp_endpoint().empty()) {
        return;
    }
    if (auto written = os::replace_file(places_.at("endpoint"), door_->tcp_endpoint() + "\n");
        !written) {
        log::warning("cannot write down where this agent listens",
                     {{"error", written.error().message}});
    }
    log::info("listening", {{"endpoint", door_->tcp_endpoint()}});
}

void Agent::on_signals() {
    while (os::next_signal(signals_.get())) {
        begin_shutdown(/*keep_apps=*/false);
    }
}

void Agent::begin_shutdown(bool keep_apps) {
    if (keep_apps) {
        loop_.post([this] { finish(/*end_keeper=*/false); });  // after the answer has gone out
        return;
    }
    apps_->conductor().shut_down();
}

void Agent::finish(bool end_keeper) {
    apps_->end_turn();
    keeper_->leave();
    keeper_->send(keeperlink::Leave{end_keeper});
    keeper_->flush();
    over_ = true;
    loop_.stop();
}

void Agent::upgrade(const std::string& folder, std::function<void(Result<void>)> answered) {
    if (upgrade_answered_ || !keeper_->ready()) {
        return answered(fail(ErrorCode::WrongState,
                             upgrade_answered_ ? "an upgrade is under way" : "the keeper is away"));
    }
    upgrade_answered_ = std::move(answered);
    keeper_->send(keeperlink::Upgrade{folder});
}

// After a yes this agent ends, when the answer has gone out; the keeper starts the next one.
void Agent::on_upgrade_answer(const keeperlink::UpgradeAnswer& answer) {
    const auto answered = std::exchange(upgrade_answered_, nullptr);
    if (!answer.refusal.empty()) {
        if (answered) {
            answered(fail(ErrorCode::WrongState, answer.refusal));
        }
        return;
    }
    if (answered) {
        answered({});
    }
    loop_.post([this] {
        apps_->end_turn();
        keeper_->leave();
        keeper_->flush();
        loop_.stop();
    });
}

AgentInfo Agent::info() const {
    AgentInfo info;
    info.name = options_.name;
    info.version = BERTH_VERSION;
    info.home = options_.home;
    info.host = os::host_name();
    info.pid = ::getpid();
    info.keeper_pid = keeper_->keeper_pid();
    info.started = started_;
    info.controllers = keeper_->controllers();
    info.problem = keeper_->problem();
    info.complaints = apps_->complaints();
    info.complaints.insert(info.complaints.end(), config_warnings_.begin(), config_warnings_.end());
    if (!standby_notice_.empty()) {
        info.complaints.insert(info.complaints.begin(), standby_notice_);
    }
    return info;
}

}  // namespace berth::app
