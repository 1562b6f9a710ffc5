#pragma once

#include <string>
#include <vector>

#include "agent/backend/backend.h"
#include "agent/backend/native/beside_lines.h"
#include "agent/backend/native/inputs.h"
#include "agent/backend/native/keeper_client.h"
#include "agent/backend/native/launch.h"
#include "shared/loop/event_loop.h"

namespace berth::native {

// Runs apps as children of this home's keeper: turns what is asked for into words of the keeper's
// protocol, and what the keeper says into facts. Owned by the agent, which ties it to its
// KeeperClient. Loop thread.
class NativeBackend final : public backend::Backend {
public:
    // `keeper` outlives it.
    NativeBackend(loop::EventLoop& loop, KeeperClient& keeper, LaunchContext launch);

    // Whoever is told the facts, from now on; not null, and set before the first of them.
    void tell(backend::Facts& facts) { facts_ = &facts; }

    // --- what the keeper says
    void on_snapshot(const std::vector<keeperlink::RunFact>& runs, std::int32_t keeper_pid);
    void on_fact(const keeperlink::Message& message);

    void on_problem() { facts_->problem_changed(); }

    [[nodiscard]] std::vector<backend::Obstacle> preflight(
        const LaunchRequest& request) const override;
    [[nodiscard]] std::vector<std::string> remarks(const LaunchRequest& request) const override;
    std::optional<backend::Refusal> start(const LaunchRequest& request,
                                          backend::Effort effort) override;
    std::optional<backend::Refusal> start_line(const LaunchRequest& request,
                                               const std::string& line,
                                               const std::vector<std::string>& variables) override;
    void signal(const backend::RunName& run, int signal, backend::Scope scope) override;
    void input(const backend::RunName& run,
               std::string data,
               Duration patience,
               InputDone done) override;
    void resize(const backend::RunName& run, std::uint32_t rows, std::uint32_t columns) override;
    void beside(const LaunchRequest& request,
                const std::string& line,
                Duration timeout,
                BesideDone done) override;
    void forget(const backend::RunName& run) override;
    [[nodiscard]] backend::Sample sample(const backend::RunName& run,
                                         std::int32_t pid,
                                         const backend::Sample& before,
                                         MonoTime now,
                                         backend::Detail detail) const override;
    [[nodiscard]] std::vector<LimitStatus> limits(const LimitsSpec& limits) const override;

    void confirm(Confirmed confirmed) override { keeper_.confirm(std::move(confirmed)); }

    void watch(bool watched) override { keeper_.watch(watched); }

    [[nodiscard]] const std::string& problem() const override { return keeper_.problem(); }

    [[nodiscard]] std::string id_of(const backend::RunName& run) const override;

private:
    loop::EventLoop& loop_;
    KeeperClient& keeper_;
    LaunchContext launch_;
    backend::Facts* facts_ = nullptr;
    Inputs inputs_;
    BesideLines beside_;
    std::string boot_;
};

}  // namespace berth::native
