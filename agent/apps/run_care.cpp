#include "agent/apps/run_care.h"

#include <utility>

namespace berth::apps {

using supervisor::State;

namespace {

checks::ProbeResult probe_result(const backend::BesideResult& result) {
    switch (result.end) {
        case backend::BesideResult::End::Succeeded:
            return {checks::Verdict::Good, result.text};
        case backend::BesideResult::End::Failed:
            return {checks::Verdict::Bad, result.text};
        case backend::BesideResult::End::Unknown:
            break;
    }
    return {checks::Verdict::Unknown, result.text};
}

}  // namespace

RunCare::RunCare(loop::EventLoop& loop,
                 backend::Backend& backend,
                 std::unique_ptr<logs::LogWatch> log_watch,
                 Owner owner)
    : loop_(loop),
      backend_(backend),
      owner_(std::move(owner)),
      resolver_(loop),
      log_watch_(std::move(log_watch)) {}

Result<std::unique_ptr<RunCare>> RunCare::create(loop::EventLoop& loop,
                                                 backend::Backend& backend,
                                                 Owner owner) {
    BERTH_TRY(auto log_watch, logs::LogWatch::create(loop));
    return std::unique_ptr<RunCare>(
        new RunCare(loop, backend, std::move(log_watch), std::move(owner)));
}

void RunCare::follow(const App& app) {
    const State state = app.machine.state();
    const bool ready = state == State::Starting;
    const checks::Purpose purpose = ready ? checks::Purpose::Ready : checks::Purpose::Health;
    const AppSpec& spec = app.spec();
    const std::string& id = app.id();
    if ((!ready && state != State::Running) ||
        !checks::Check::wanted(purpose, spec.ready, spec.health)) {
        checks_.erase(id);
        return;
    }
    const std::uint64_t generation = app.machine.generation();
    std::unique_ptr<checks::Check>& check = checks_[id];
    if (check && check->is_for(purpose, generation)) {
        return;
    }
    const checks::Subject subject{generation,
                                  app.machine.started().value_or(loop_.now().wall),
                                  owner_.log_folder(id),
                                  spec.ready,
                                  spec.health};
    check = std::make_unique<checks::Check>(
        checks::CheckContext{loop_, resolver_, *log_watch_},
        purpose,
        subject,
        checks::CheckEvents{[this, id, generation](
                                const std::string& line, Duration timeout, checks::ProbeDone done) {
                                run_probe(id, generation, line, timeout, std::move(done));
                            },
                            [this, id, generation, purpose](const std::string& why) {
                                decided(id, generation, purpose, why);
                            },
                            [this](const std::function<void()>& told) {
                                backend_.confirm([told](Duration /*took*/) { told(); });
                            },
                            [this, id] { owner_.seen(id); }});
}

void RunCare::decided(const std::string& id,
                      std::uint64_t generation,
                      checks::Purpose purpose,
                      const std::string& why) {
    const auto found = checks_.find(id);
    if (found != checks_.end() && found->second->is_for(purpose, generation)) {
        owner_.decided(id, purpose, why);
    }
}

void RunCare::said(const std::string& id, const backend::Notified& said) {
    const auto found = checks_.find(id);
    if (found == checks_.end()) {
        return;
    }
    checks::Check& check = *found->second;
    if (said.ready) {
        check.said_ready();
    }
    if (said.watchdog) {
        check.said_alive();
    }
    if (said.watchdog_failed) {
        check.said_trouble();
    }
}

void RunCare::was_deaf() {
    for (const auto& [id, check] : checks_) {
        check->said_alive();
    }
}

void RunCare::run_stop_command(const App& app,
                               std::function<void(const std::string& failure)> done) {
    const StopSpec& stop = app.spec().stop;
    backend_.beside(
        app.launch(app.spec()),
        stop.command,
        stop.timeout,
        [this, run = app.run(), done = std::move(done)](const backend::BesideResult& result) {
            const App* const still = owner_.find(run.id);
            if (still == nullptr || still->machine.generation() != run.generation ||
                still->machine.state() != State::Stopping) {
                return;
            }
            const bool failed = result.end == backend::BesideResult::End::Failed;
            done(failed ? result.text : std::string());
        });
}

void RunCare::run_probe(const std::string& id,
                        std::uint64_t generation,
                        const std::string& line,
                        Duration timeout,
                        checks::ProbeDone done) {
    const App* const app = owner_.find(id);
    if (app == nullptr || app->machine.generation() != generation) {
        loop_.post([done = std::move(done), text = line + ": its run is over"] {
            done({checks::Verdict::Unknown, text});
        });
        return;
    }
    backend_.beside(app->launch(app->spec()),
                    line,
                    timeout,
                    [done = std::move(done)](const backend::BesideResult& result) {
                        done(probe_result(result));
                    });
}

std::string RunCare::evidence(const std::string& id) const {
    const auto found = checks_.find(id);
    return found != checks_.end() ? found->second->evidence() : std::string();
}

}  // namespace berth::apps
