#include <signal.h>

#include <algorithm>

#include "agent/backend/native/preflight.h"
#include "agent/apps/registry.h"
#include "shared/base/text.h"
#include "shared/log/log.h"
#include "shared/os/os_error.h"

namespace berth::apps {

// The part of the Registry that begins and ends runs, and looks after them meanwhile: hooks,
// checks, notifications, the stop command.

using supervisor::Event;
using supervisor::Input;
using supervisor::State;

native::LaunchRequest Registry::launch_request(const App& app) const {
    return {app.machine.spec(), app.row.folder, app.row.environment, app.machine.generation()};
}

void Registry::spawn(App& app) {
    app.running_spec = app.machine.shared_spec();
    app.sample = {};
    app.told = {};
    app.said.clear();
    app.log_note.clear();
    if (app.machine.spec().backend == BackendType::Slurm) {
        return refuse_spawn(app, "this version has no slurm backend", /*hopeless=*/true);
    }
    std::optional<keeperlink::Start> start;
    if (app.machine.first_try()) {
        // Somebody waits for the answer: all that is wrong is said at once.
        native::Preflight flight = native::preflight(launch_, launch_request(app));
        if (!flight.start) {
            const bool hopeless = std::any_of(
                flight.obstacles.begin(), flight.obstacles.end(), [](const auto& obstacle) {
                    return !obstacle.may_pass;
                });
            return refuse_spawn(app, native::in_words(flight.obstacles), hopeless);
        }
        start = std::move(flight.start);
    } else {
        auto plan = native::plan_launch(launch_, launch_request(app));
        if (!plan) {
            return refuse_spawn(app, plan.error().message, /*hopeless=*/false);
        }
        start = std::move(*plan);
    }
    if (auto made = native::prepare_launch(launch_, app.machine.spec(), *start); !made) {
        return refuse_spawn(app, made.error().message, /*hopeless=*/false);
    }
    app.row.started_with = app.digest;
    // The keeper sets one end aside that is not stored. After a crash there may be two: that of the
    // run before the one which the agent before us had just begun.
    const auto ends = std::count_if(to_forget_.begin(), to_forget_.end(), [&app](const auto& run) {
        return run.id == app.row.id;
    });
    if (ends > 1) {
        commit();
    }
    keeper_.send(*start);
}

void Registry::refuse_spawn(App& app, const std::string& problem, bool hopeless) {
    Input failed;
    failed.event = Event::SpawnFailed;
    failed.problem = problem;
    failed.hopeless = hopeless;
    fill_needs(app, failed);
    feed(app, failed);
}

void Registry::spawn_hook(App& app) {
    auto start = native::plan_line(launch_, launch_request(app), app.machine.spec().post_stop);
    if (!start) {
        tell(app, "hooks.post_stop cannot run: " + start.error().message);
        Input failed;
        failed.event = Event::SpawnFailed;
        fill_needs(app, failed);
        return feed(app, failed);
    }
    AppStatus status;
    app.machine.describe(status);
    if (const auto code = spmi_exit_code(status.exit)) {
        start->environment.push_back("BERTH_EXIT_CODE=" + std::to_string(*code));
    }
    keeper_.send(*start);
}

void Registry::end_hook(App& app) {
    to_forget_.push_back({app.row.id, app.machine.generation()});
}

// The stop signal, after the stop command where there is one.
void Registry::end_tree(App& app, int number) {
    const bool asked = app.machine.state() == State::Stopping;
    if (asked && !app.machine.spec().stop.command.empty()) {
        stop_command(app, number);
    } else {
        signal(app, number);
    }
}

void Registry::stop_command(App& app, int then) {
    const std::string id = app.row.id;
    const std::uint64_t generation = app.machine.generation();
    const StopSpec stop = app.machine.spec().stop;
    run_beside(id,
               generation,
               stop.command,
               stop.timeout,
               [this, id, generation, then](const checks::ProbeResult& result) {
                   App* const still = find_mutable(id);
                   if (still == nullptr || still->machine.generation() != generation ||
                       still->machine.state() != State::Stopping) {
                       return;
                   }
                   if (result.verdict == checks::Verdict::Bad) {
                       tell(*still, "its stop command did not succeed: " + result.text);
                   }
                   signal(*still, then);
               });
}

// Begins and ends the checks that belong to the state.
void Registry::care(App& app) {
    const State state = app.machine.state();
    const bool ready = state == State::Starting;
    const checks::Purpose purpose = ready ? checks::Purpose::Ready : checks::Purpose::Health;
    const AppSpec& spec = app.machine.spec();
    if ((!ready && state != State::Running) ||
        !checks::Check::wanted(purpose, spec.ready, spec.health)) {
        app.check.reset();
        return;
    }
    const std::uint64_t generation = app.machine.generation();
    if (app.check && app.check->is_for(purpose, generation)) {
        return;
    }
    const std::string id = app.row.id;
    AppStatus status;
    app.machine.describe(status);
    const checks::Subject subject{generation,
                                  status.started.value_or(loop_.now().wall),
                                  log_folder(id),
                                  spec.ready,
                                  spec.health};
    const auto decided = [this, id, generation, purpose](const std::string& problem) {
        App* const found = find_mutable(id);
        if (found == nullptr || !found->check || !found->check->is_for(purpose, generation)) {
            return;
        }
        Input input;
        input.event = purpose == checks::Purpose::Ready ? Event::Ready : Event::Unhealthy;
        input.problem = problem;
        feed(*found, input);
    };
    app.check = std::make_unique<checks::Check>(
        checks::CheckContext{loop_, resolver_, *log_watch_},
        purpose,
        subject,
        checks::CheckEvents{[this, id, generation](
                                const std::string& line, Duration timeout, checks::ProbeDone done) {
                                run_beside(id, generation, line, timeout, std::move(done));
                            },
                            decided,
                            [this](const std::function<void()>& told) {
                                keeper_.confirm([told](Duration /*took*/) { told(); });
                            },
                            [this, id] { changed_.insert(id); }});
}

void Registry::run_beside(const std::string& id,
                          std::uint64_t generation,
                          const std::string& line,
                          Duration timeout,
                          checks::ProbeDone done) {
    const App* const app = find(id);
    auto start = app == nullptr || app->machine.generation() != generation || !keeper_.ready()
                     ? Result<keeperlink::Start>(fail(ErrorCode::Unavailable, "not now"))
                     : native::plan_line(launch_, launch_request(*app), line);
    if (!start) {
        const auto verdict = start.error().code == ErrorCode::Unavailable ? checks::Verdict::Unknown
                                                                          : checks::Verdict::Bad;
        loop_.post([done = std::move(done),
                    result = checks::ProbeResult{verdict, line + ": " + start.error().message}] {
            done(result);
        });
        return;
    }
    const auto ms = std::chrono::duration_cast<std::chrono::milliseconds>(timeout).count();
    keeperlink::Exec exec;
    exec.token = next_token_++;
    exec.start = std::move(*start);
    exec.timeout_ms = static_cast<std::uint64_t>(std::max<std::int64_t>(ms, 1));
    execs_[exec.token] =
        [line, timeout, done = std::move(done)](const checks::ProbeResult& result) {
            const std::string late = "no end within " + short_duration(timeout);
            done({result.verdict, line + ": " + (result.text.empty() ? late : result.text)});
        };
    keeper_.send(exec);
}

void Registry::on_exec_done(const keeperlink::ExecDone& message) {
    const auto found = execs_.find(message.token);
    if (found == execs_.end()) {
        return;
    }
    const checks::ProbeDone done = std::move(found->second);
    execs_.erase(found);
    std::string_view output = trim(message.output);
    if (const std::size_t last = output.rfind('\n'); last != std::string_view::npos) {
        output.remove_prefix(last + 1);  // the last line says most
    }
    const std::string said =
        output.empty() ? "" : ": " + printable(shortened(std::string(output), 200));
    checks::ProbeResult result;
    switch (message.end) {
        case keeperlink::ExecEnd::Ended: {
            const ExitStatus exit = exit_status(message.wait_status, /*known=*/true);
            const bool good = exit == ExitStatus{ExitKind::Code, 0, false};
            result.verdict = good ? checks::Verdict::Good : checks::Verdict::Bad;
            result.text = berth::describe(exit) + said;
            break;
        }
        case keeperlink::ExecEnd::NotStarted:
            if (os::means_exhausted(message.os_errno)) {
                result.verdict = checks::Verdict::Unknown;
            }
            result.text = "cannot run: " + os::error_text(message.os_errno);
            break;
        case keeperlink::ExecEnd::TimedOut:
            result.text = {};
            break;
        case keeperlink::ExecEnd::NoRun:
            result.verdict = checks::Verdict::Unknown;
            result.text = "it does not run any more";
            break;
    }
    done(result);
}

// What ran beside the apps has died with the keeper.
void Registry::keeper_gone() {
    for (const auto& [token, done] : std::exchange(execs_, {})) {
        done({checks::Verdict::Unknown, "the keeper was away"});
    }
    for (const auto& [id, app] : apps_) {
        if (app->check) {
            app->check->said_alive();  // if it did, we could not hear it
        }
    }
}

void Registry::on_notified(const keeperlink::Notified& said) {
    App* const app = find_mutable(said.run.id);
    if (app == nullptr || app->machine.generation() != said.run.generation) {
        return;
    }
    if (said.extend_usec > 0) {
        constexpr std::uint64_t kMost = 24ULL * 3600 * 1'000'000;
        app->machine.extend(std::chrono::microseconds(std::min(said.extend_usec, kMost)),
                            loop_.now());
        arm(*app);
    }
    if (!said.status.empty() && said.status != app->said) {
        app->said = printable(said.status);
        changed_.insert(said.run.id);
    }
    if (!app->check) {
        return;
    }
    if (said.ready) {
        app->check->said_ready();
    }
    if (said.watchdog) {
        app->check->said_alive();
    }
    if (said.watchdog_failed) {
        app->check->said_trouble();
    }
}

}  // namespace berth::apps
