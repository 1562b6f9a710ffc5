#include "agent/app/relay_bridge.h"

#include <sys/stat.h>

#include "agent/app/python_sdk.h"
#include "agent/app/variables.h"
#include "agent/relay/client/secrets.h"
#include "shared/log/log.h"
#include "shared/os/file.h"
#include "shared/os/os_error.h"

namespace berth::app {

namespace {

// The client library goes where pyTainer's apps look for it: HOME/ipc.
Result<void> install_python_sdk(const std::string& home) {
    const std::string folder = home + "/ipc";
    BERTH_CHECK(os::make_folders(folder));
    if (::chmod(folder.c_str(), 0755) != 0) {  // Python lists it, also for apps of other users
        return fail(os::last_error("chmod " + folder));
    }
    for (const auto& [name, text] : python_sdk()) {
        const std::string file = folder + "/" + std::string(name);
        const auto present = os::read_file(file);
        if (!present || *present != text) {
            BERTH_CHECK(os::replace_file(file, text, 0644));
        }
    }
    return {};
}

std::string variables_file(const std::string& home, const std::string& app) {
    return home + "/tmp/" + app + "_config.json";
}

}  // namespace

native::LaunchContext RelayBridge::launch_context(const std::string& agent,
                                                  const home::Places& places) {
    const std::string& home = places.home;
    native::LaunchContext context;
    context.agent = agent;
    context.home = home;
    context.runtime = places.runtime;
    context.python_path = home + "/ipc";
    context.ipc = [home, socket = places.at("app.sock")](const AppSpec& spec) {
        return native::LaunchContext::Variables{
            {"BERTH_IPC", "ipc://" + socket},
            {"BERTH_IPC_SECRET_FILE", relay::secret_file(home, spec.id)},
            {"BERTH_CONFIG_FILE", variables_file(home, spec.id)},
        };
    };
    context.ipc_files = [home](const AppSpec& spec) -> Result<std::vector<std::string>> {
        // Both are looked at again before each start.
        BERTH_CHECK(relay::ensure_secret(home, spec.id, os::Sync::Later));
        const std::string file = variables_file(home, spec.id);
        const std::string text = variables_json(spec) + "\n";
        const auto present = os::read_file(file);
        if (!present || *present != text) {  // a start costs no write
            BERTH_CHECK(os::replace_file(file, text, 0600, os::Sync::Later));
        }
        return std::vector<std::string>{relay::secret_file(home, spec.id), file};
    };
    return context;
}

Result<std::unique_ptr<RelayBridge>> RelayBridge::start(loop::EventLoop& loop,
                                                        apps::Apps& apps,
                                                        const Options& options) {
    const std::string& home = options.places.home;
    for (const char* const folder : {"/secrets", "/tmp"}) {
        BERTH_CHECK(os::make_folders(home + folder));
    }
    BERTH_CHECK(install_python_sdk(home));
    std::unique_ptr<RelayBridge> bridge(new RelayBridge(loop, apps, options.places));
    RelayBridge& self = *bridge;
    relay::Service::Options service;
    service.home = home;
    service.begin_anew = options.begin_anew;
    service.socket = options.places.at("app.sock");
    service.agent = options.agent;
    service.limits.mailbox = {options.ipc.max_messages, options.ipc.max_bytes};
    service.limits.total_bytes = std::max(service.limits.total_bytes, 4 * options.ipc.max_bytes);
    service.store_bytes = options.ipc.max_store;
    service.rules = {options.ipc.accept, options.ipc.share_events};
    for (const auto& [id, app] : apps.table().all()) {
        service.apps.push_back(self.facts(*app));
    }
    if (!options.ipc.listen.empty()) {
        service.curve.endpoint = options.ipc.listen;
        service.curve.allowed = {options.ipc.allow.begin(), options.ipc.allow.end()};
        BERTH_TRY(service.curve.keys, bus::load_or_make_keys(home + "/keys", "agent"));
    }
    BERTH_TRY(self.service_,
              relay::Service::start(
                  loop,
                  service,
                  [&self](relay::Verb verb, const auto& app, const auto& actor, const auto& done) {
                      self.control(verb, app, actor, done);
                  }));
    self.write_address();
    apps.figures().set_mailbox_of(
        [service = self.service_.get()](const std::string& app) { return service->mailbox(app); });
    return bridge;
}

void RelayBridge::write_address() const {
    if (service_->tcp_endpoint().empty()) {
        return;
    }
    if (auto written =
            os::replace_file(places_.at("ipc_endpoint"), service_->tcp_endpoint() + "\n");
        !written) {
        log::warning("cannot write down where the relay listens",
                     {{"error", written.error().message}});
    }
}

relay::AppFacts RelayBridge::facts(const apps::App& app) const {
    const AppStatus status = apps_.status(app);
    const AppSpec& spec = app.machine.spec();
    relay::AppFacts facts;
    facts.id = status.id;
    facts.name = status.name;
    facts.state = status.state;
    facts.pid = status.pid;
    facts.reason = status.reason;
    facts.restarts = status.restarts;
    facts.config = variables_packed(spec);
    facts.may_control = spec.ipc.may_control;
    facts.may_notify = spec.ipc.may_notify;
    facts.redeliver_after = spec.ipc.redeliver_after;
    facts.max_attempts = spec.ipc.max_attempts;
    return facts;
}

void RelayBridge::on_happened() {
    const auto [changed, removed] = events::changes_of(seen_.read(apps_.stream()));
    std::vector<relay::AppFacts> apps;
    for (const std::string& id : changed) {
        if (const apps::App* const app = apps_.find(id)) {
            apps.push_back(facts(*app));
        }
    }
    service_->apps_changed(std::move(apps), {removed.begin(), removed.end()});
}

void RelayBridge::control(relay::Verb verb,
                          const std::string& app,
                          const std::string& actor,
                          const std::function<void(const relay::Controlled&)>& done) {
    relay::Controlled outcome;
    outcome.found = apps_.find(app) != nullptr;
    Result<void> result;
    if (verb == relay::Verb::Start) {
        result = apps_.conductor().start(app, {actor});
    } else if (verb == relay::Verb::Stop) {
        result = apps_.conductor().stop(app, {actor});
    } else {
        result = apps_.conductor().restart(app, {actor});
    }
    if (!result) {
        outcome.error = result.error();
    }
    // The turn's commit comes first, so that what the app asks next sees what this has done.
    loop_.post([this, app, done, outcome]() mutable {
        if (const apps::App* const found = apps_.find(app)) {
            outcome.state = apps_.status(*found).state;
        }
        done(outcome);
    });
}

}  // namespace berth::app
