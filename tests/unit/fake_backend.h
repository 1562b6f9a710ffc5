#pragma once

#include <functional>
#include <map>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "agent/backend/backend.h"

namespace berth::test {

// A backend that runs nothing: it notes what it is asked for, and says as facts what the test tells
// it to. Like a real one it knows its runs until it is told to forget them, and keeps them while
// the agent is away.
class FakeBackend final : public backend::Backend {
public:
    struct Signal {
        backend::RunName run;
        int number;

        friend bool operator==(const Signal&, const Signal&) = default;
    };

    struct Line {
        backend::RunName run;
        std::string line;
        std::vector<std::string> variables;  // of a hook
        BesideDone done;                     // of one beside a run
    };

    // --- what was asked for
    std::vector<backend::RunName> starts;
    std::vector<backend::Effort> efforts;
    std::vector<Signal> signals;
    std::vector<Line> hooks;
    std::vector<Line> lines;
    std::vector<std::pair<std::string, InputDone>> inputs;
    std::vector<backend::RunName> forgotten;

    // --- how it is
    std::vector<backend::Obstacle> obstacles;                  // of every start
    std::optional<std::string> hook_problem;                   // hooks cannot run
    std::optional<Duration> answers_after = Duration::zero();  // confirm(); unset: it hangs
    std::string trouble;
    std::map<backend::RunName, backend::RunFact> runs;
    std::function<WallTime()> now;
    backend::Session session{"boot-1", "session-1"};
    backend::Facts* facts = nullptr;
    std::int32_t next_pid = 100;

    // --- facts
    void say_snapshot() {
        std::vector<backend::RunFact> known;
        for (const auto& [run, fact] : runs) {
            known.push_back(fact);
        }
        facts->snapshot(known, session);
    }

    // The last start of this app was carried out.
    void exec(const std::string& id) {
        const backend::RunName run = last_of(id);
        backend::RunFact& fact = runs.at(run);
        fact.phase = backend::RunFact::Phase::Running;
        fact.pid = next_pid++;
        fact.started = now();
        facts->started(run, {fact.pid, fact.started});
    }

    void queue(const std::string& id, const std::string& reason) {
        const backend::RunName run = last_of(id);
        runs.at(run).phase = backend::RunFact::Phase::Queued;
        runs.at(run).problem = reason;
        facts->queued(run, reason);
    }

    void fail_start(const std::string& id, const std::string& problem) {
        const backend::RunName run = last_of(id);
        runs.at(run).phase = backend::RunFact::Phase::Failed;
        runs.at(run).problem = problem;
        facts->start_failed(run, {problem});
    }

    // Its last run ends; `heard`: the agent is there to hear it.
    void end(const std::string& id,
             const ExitStatus& exit = {ExitKind::Code, 0, false},
             bool tree_gone = true,
             bool heard = true) {
        const backend::RunName run = last_of(id);
        backend::RunFact& fact = runs.at(run);
        fact.phase = backend::RunFact::Phase::Ended;
        fact.end = {exit, now(), tree_gone};
        if (heard) {
            facts->ended(run, fact.end);
        }
    }

    void empty_tree(const std::string& id) {
        runs.at(last_of(id)).end.tree_gone = true;
        facts->tree_gone(last_of(id));
    }

    void notify(const std::string& id, const backend::Notified& said) {
        facts->notified(last_of(id), said);
    }

    // The newest run of this app that it knows.
    [[nodiscard]] backend::RunName last_of(const std::string& id) const {
        backend::RunName last;
        for (const auto& [run, fact] : runs) {
            if (run.id == id) {
                last = run;
            }
        }
        return last;
    }

    [[nodiscard]] bool knows(const std::string& id) const { return !last_of(id).id.empty(); }

    // --- backend::Backend
    [[nodiscard]] std::vector<backend::Obstacle> preflight(
        const backend::LaunchRequest& /*request*/) const override {
        return obstacles;
    }

    [[nodiscard]] std::vector<std::string> remarks(
        const backend::LaunchRequest& /*request*/) const override {
        return {};
    }

    std::optional<backend::Refusal> start(const backend::LaunchRequest& request,
                                          backend::Effort effort) override {
        if (!obstacles.empty()) {
            bool hopeless = false;
            for (const backend::Obstacle& obstacle : obstacles) {
                hopeless = hopeless || !obstacle.may_pass;
            }
            return backend::Refusal{backend::in_words(obstacles), hopeless};
        }
        starts.push_back(request.run());
        efforts.push_back(effort);
        accept(request.run());
        return std::nullopt;
    }

    std::optional<backend::Refusal> start_line(const backend::LaunchRequest& request,
                                               const std::string& line,
                                               const std::vector<std::string>& variables) override {
        if (hook_problem) {
            return backend::Refusal{*hook_problem};
        }
        hooks.push_back({request.run(), line, variables, {}});
        accept(request.run());
        return std::nullopt;
    }

    void signal(const backend::RunName& run, int number, backend::Scope /*scope*/) override {
        signals.push_back({run, number});
    }

    void input(const backend::RunName& /*run*/,
               std::string data,
               Duration /*patience*/,
               InputDone done) override {
        inputs.emplace_back(std::move(data), std::move(done));
    }

    void resize(const backend::RunName& /*run*/,
                std::uint32_t /*rows*/,
                std::uint32_t /*columns*/) override {}

    void beside(const backend::LaunchRequest& request,
                const std::string& line,
                Duration /*timeout*/,
                BesideDone done) override {
        lines.push_back({request.run(), line, {}, std::move(done)});
    }

    void forget(const backend::RunName& run) override {
        forgotten.push_back(run);
        runs.erase(run);
    }

    [[nodiscard]] backend::Sample sample(const backend::RunName& /*run*/,
                                         std::int32_t pid,
                                         const backend::Sample& /*before*/,
                                         MonoTime at,
                                         backend::Detail /*detail*/) const override {
        backend::Sample sample;
        sample.leader = pid;
        sample.at = at;
        sample.rss_bytes = 1'000'000;
        sample.cpu_percent = 12.5;
        sample.processes = 1;
        return sample;
    }

    [[nodiscard]] std::vector<LimitStatus> limits(const LimitsSpec& /*limits*/) const override {
        return {};
    }

    void confirm(Confirmed confirmed) override {
        if (answers_after) {
            confirmed(*answers_after);
        }
    }

    void watch(bool /*watched*/) override {}

    [[nodiscard]] const std::string& problem() const override { return trouble; }

    [[nodiscard]] std::string id_of(const backend::RunName& run) const override {
        return "fake-" + std::to_string(run.generation);
    }

private:
    void accept(const backend::RunName& run) {
        backend::RunFact fact;
        fact.run = run;
        fact.phase = backend::RunFact::Phase::Accepted;
        runs.emplace(run, fact);  // one that is known already is not started again
    }
};

}  // namespace berth::test
