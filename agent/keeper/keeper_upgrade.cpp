#include <signal.h>
#include <unistd.h>

#include "agent/keeper/keeper.h"
#include "shared/log/log.h"
#include "shared/os/process.h"

namespace berth::keeper {

using keeperlink::RunName;

// The part of the Keeper that takes over from an earlier one, and becomes the next one: by exec in
// place, so that it stays the parent of all apps, with the same pid and locks.

namespace {

constexpr Duration kAgentPatience = std::chrono::seconds(10);

}  // namespace

void Keeper::on_upgrade(const keeperlink::Upgrade& upgrade) {
    try_upgrade(upgrade.folder);
}

void Keeper::try_upgrade(const std::string& folder) {
    const std::string program = folder.empty() ? options_.program : folder + "/berth-keeper";
    upgrade_check_.begin(program, [this, program](const std::string& refusal) {
        send(keeperlink::UpgradeAnswer{refusal});
        if (!refusal.empty()) {
            log::warning("no upgrade", {{"program", program}, {"why", refusal}});
            return;
        }
        next_program_ = program;
        // The agent ends now. One that does not is ended by us: it would not notice otherwise.
        upgrade_timer_ = loop_.after(link_ ? kAgentPatience : Duration::zero(), [this] {
            (void)agent_.signal(SIGKILL);
            become_next();
        });
    });
}

Handover Keeper::make_handover() const {
    Handover handover;
    handover.lock = lock_.get();
    handover.nofile = context_.original_nofile;
    handover.terminating = terminating();
    handover.version_tried = version_tried_;
    for (const auto& [id, run] : runs_) {
        handover.runs.push_back(run->hand_over());
    }
    for (const auto& [id, loss] : context_.losses) {
        handover.losses.push_back({id, loss});
    }
    return handover;
}

void Keeper::become_next() {
    upgrade_timer_.reset();
    agent_.kill();  // mostly it has ended by itself
    const std::string program = std::exchange(next_program_, {});
    link_.reset();
    const Handover handover = make_handover();
    auto memory = hand_over(handover);
    if (memory) {
        const std::string number = std::to_string(memory->get());
        std::vector<const char*> argv = {
            program.c_str(), "--home", options_.home.c_str(), "--handover", number.c_str()};
        if (!options_.name.empty()) {
            argv.insert(argv.end(), {"--name", options_.name.c_str()});
        }
        if (!options_.use_cgroup) {
            argv.push_back("--no-cgroup");
        }
        argv.push_back(nullptr);
        log::info("becoming the next keeper", {{"program", program}});
        (void)::execv(program.c_str(), const_cast<char* const*>(argv.data()));  // it only reads
    }
    // It was there a moment ago; now it is not. All is as before, but for the agent.
    take_back(handover);
    log::error("cannot become the next keeper, going on as this one", {{"program", program}});
    if (agent_.life() == AgentLife::None) {
        agent_.start(terminating());
    }
}

void Keeper::adopt_runs() {
    for (Record* const record : records_.all()) {
        adopt(*record);
    }
}

// A run that a keeper before us has left when it was killed.
void Keeper::adopt(Record& record) {
    const RunName name{record.id, record.generation};
    TreeIdentity tree;
    tree.marker = records_.marker(name);
    Run& run = place(std::make_unique<Run>(context_, record, std::move(tree)));
    if (run.tree_gone()) {
        return;
    }
    const bool was_finished = run.finished();
    const bool alive =
        run.adopt([this](Run& ended) { leader_ended(ended, 0, /*status_known=*/false); });
    if (alive) {
        log::info("took over a running app",
                  {{"app", name.id}, {"pid", std::to_string(record.pid)}});
    } else if (was_finished) {
        check_tree(run);
    } else {
        leader_ended(run, 0, /*status_known=*/false);
    }
}

void Keeper::resume_runs(const Handover& handover) {
    for (const Handover::Loss& lost : handover.losses) {
        context_.losses[lost.id] = lost.loss;
    }
    std::map<keeperlink::RunName, const RunHandover*> left;
    for (const RunHandover& run : handover.runs) {
        left[{run.id, run.generation}] = &run;
    }
    for (Record* const record : records_.all()) {
        const auto found = left.find({record->id, record->generation});
        if (found == left.end()) {
            adopt(*record);
            continue;
        }
        const keeperlink::RunName name{record->id, record->generation};
        TreeIdentity tree;
        tree.marker = records_.marker(name);
        Run& run = place(std::make_unique<Run>(context_, *record, std::move(tree)));
        const bool ours = run.resume(
            *found->second,
            [this](Run& running) {
                send(keeperlink::Started{
                    running.name(), running.record().pid, running.record().started_ns});
            },
            [this](Run& ended) { leader_ended(ended, 0, /*status_known=*/false); });
        if (ours) {
            leaders_[record->pid] = &run;
            known_children_.insert(record->pid);
        }
    }
    // Those that have ended meanwhile wait to be reaped; their signal came before the exec.
    on_children();
    for (const auto& [id, run] : runs_) {
        if (run->finished() && !run->tree_gone()) {
            check_tree(*run);
        }
    }
    log::info("went on after an upgrade", {{"runs", std::to_string(runs_.size())}});
}

}  // namespace berth::keeper
