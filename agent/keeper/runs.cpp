#include "agent/keeper/runs.h"

#include <errno.h>
#include <sys/wait.h>

#include "agent/keeper/recovery.h"
#include "shared/base/text.h"
#include "shared/home/marks.h"
#include "shared/log/log.h"

namespace berth::keeper {

using keeperlink::RunName;
using keeperlink::RunPhase;

namespace {

constexpr Duration kLimitCheck = std::chrono::seconds(1);

}  // namespace

int wait_status_of(const siginfo_t& info) {
    return info.si_code == CLD_EXITED ? (info.si_status & 0xFF) << 8
                                      : info.si_status | (info.si_code == CLD_DUMPED ? 0x80 : 0);
}

Runs::Runs(RunContext& context, Records records, std::function<void()> gone)
    : context_(context), records_(std::move(records)), gone_(std::move(gone)) {}

// --- from one keeper to the next

void Runs::adopt() {
    if (records_.made_anew()) {
        record_what_lives();
    }
    for (Record* const record : records_.all()) {
        adopt(*record);
    }
    for (const auto& [id, run] : latest_) {
        watch_limits(*run);
    }
}

// The records were lost, with the runtime folder or at a restart of a machine that did not happen:
// a process that carries the mark of this home is one of its apps', and must not begin twice.
void Runs::record_what_lives() {
    std::map<RunName, std::vector<pid_t>> runs;
    for (const home::MarkedProcess& process : home::processes_marked(records_.home_id())) {
        if (is_valid_id(process.id)) {
            runs[{process.id, process.generation}].push_back(process.pid);
        }
    }
    for (const auto& [name, pids] : runs) {
        Record* const record = records_.take(name);
        if (record == nullptr) {
            return;  // more than this keeper could have begun
        }
        recover(*record, pids);
        log::warning("an app runs of which there is no record, it is taken over",
                     {{"app", name.id}, {"pid", std::to_string(record->pid)}});
    }
}

Result<void> Runs::save_ends(const std::string& file) const {
    return records_.all().empty() ? Result<void>() : records_.save_to(file);
}

// A run that a keeper before us has left when it was killed.
void Runs::adopt(Record& record) {
    Run& run = make(record);
    if (run.tree_gone()) {
        return;
    }
    const bool was_finished = run.finished();
    const bool alive =
        run.adopt([this](Run& ended) { leader_ended(ended, 0, /*status_known=*/false); });
    if (alive) {
        log::info("took over a running app",
                  {{"app", run.name().id}, {"pid", std::to_string(record.pid)}});
    } else if (was_finished) {
        check_tree(run);
    } else {
        leader_ended(run, 0, /*status_known=*/false);
    }
}

void Runs::resume(const Handover& handover) {
    for (const Handover::Loss& lost : handover.losses) {
        context_.losses[lost.id] = lost.loss;
    }
    std::map<RunName, const RunHandover*> left;
    for (const RunHandover& run : handover.runs) {
        left[{run.id, run.generation}] = &run;
    }
    for (Record* const record : records_.all()) {
        const auto found = left.find({record->id, record->generation});
        if (found == left.end()) {
            adopt(*record);
            continue;
        }
        Run& run = make(*record);
        const bool ours = run.resume(
            *found->second,
            [this](Run& running) { context_.tell(running.started()); },
            [this](Run& ended) { leader_ended(ended, 0, /*status_known=*/false); });
        if (ours) {
            leaders_[record->pid] = &run;
            known_children_.insert(record->pid);
        }
    }
}

void Runs::look_again() {
    for (const auto& [id, run] : latest_) {
        if (run->finished() && !run->tree_gone()) {
            check_tree(*run);
        }
    }
    for (const auto& [id, run] : latest_) {
        watch_limits(*run);
    }
    log::info("went on after an upgrade", {{"runs", std::to_string(latest_.size())}});
}

void Runs::hand_over(Handover& to) const {
    for (const auto& [id, run] : latest_) {
        to.runs.push_back(run->hand_over());
    }
    for (const auto& [id, loss] : context_.losses) {
        to.losses.push_back({id, loss});
    }
}

void Runs::tell_all() const {
    for (const auto* const runs : {&replaced_, &latest_}) {  // in the order in which they ran
        for (const auto& [id, run] : *runs) {
            context_.tell(run->fact());
        }
    }
    context_.tell(
        keeperlink::SnapshotEnd{static_cast<std::uint32_t>(latest_.size() + replaced_.size()),
                                context_.cgroup ? context_.cgroup->path() : std::string(),
                                context_.controllers});
}

// --- what the agent asks

void Runs::start(const keeperlink::Start& start) {
    const RunName& name = start.run;
    const auto existing = latest_.find(name.id);
    if (existing != latest_.end()) {
        Run& old = *existing->second;
        if (old.name().generation >= name.generation) {
            context_.tell(old.fact());  // said twice: started once
            return;
        }
        if (!old.tree_gone()) {
            context_.tell(keeperlink::StartFailed{name, keeperlink::StartStage::Prepare, EBUSY});
            return;
        }
    }
    Record* const record = records_.take(name);
    if (record == nullptr) {
        context_.tell(keeperlink::StartFailed{name, keeperlink::StartStage::Prepare, ENOSPC});
        return;
    }
    // What is left of a run when its leader has ended may be watched with one descriptor more.
    context_.reserve = kReservedDescriptors + leaders_.size();
    auto owned = std::make_unique<Run>(context_, *record, records_.marker(name));
    Run& run = *owned;
    const auto spawned =
        run.spawn(start, [this](Run& running) { context_.tell(running.started()); });
    if (!spawned) {
        log::warning("cannot start an app", {{"app", name.id}, {"error", spawned.error().message}});
        owned.reset();
        Records::release(*record);
        context_.tell(keeperlink::StartFailed{
            name, keeperlink::StartStage::Prepare, spawned.error().os_errno});
        return;
    }
    leaders_[record->pid] = &run;
    known_children_.insert(record->pid);
    (void)place(std::move(owned));
    watch_limits(run);
}

void Runs::signal(const keeperlink::Signal& signal) {
    Run* const run = find(signal.run);
    if (run == nullptr || run->tree_gone()) {
        return;
    }
    run->signal(signal.signal, signal.scope, known_children_);
    const bool kill = signal.signal == SIGKILL && signal.scope == keeperlink::SignalScope::Tree;
    if (kill && !run->leader_alive()) {
        check_tree(*run);
    }
}

void Runs::end_all(int number) {
    std::vector<RunName> names;
    for (const auto& [id, run] : latest_) {
        if (!run->tree_gone()) {
            names.push_back(run->name());
        }
    }
    for (const RunName& name : names) {
        signal({name, number, keeperlink::SignalScope::Tree});
    }
}

void Runs::input(const keeperlink::Input& input) {
    Run* const run = find(input.run);
    if (run == nullptr || run->finished()) {
        context_.tell(keeperlink::InputTaken{
            input.run, input.token, 0, keeperlink::InputEnd::None, "it does not run"});
    } else {
        context_.tell(run->streams().input(input));
    }
}

void Runs::resize(const keeperlink::Resize& resize) {
    if (Run* const run = find(resize.run)) {
        run->streams().resize(resize.rows, resize.columns);
    }
}

void Runs::forget(const keeperlink::Forget& forget) {
    const auto replaced = replaced_.find(forget.run.id);
    if (replaced != replaced_.end() && replaced->second->name() == forget.run) {
        drop(std::move(replaced->second));
        replaced_.erase(replaced);
        return;
    }
    Run* const run = find(forget.run);
    if (run == nullptr) {
        return;
    }
    if (run->tree_gone()) {
        drop_latest(forget.run.id);
    } else {
        run->forget_when_gone();
    }
}

Run* Runs::find(const RunName& name) {
    const auto found = latest_.find(name.id);
    return found != latest_.end() && found->second->name() == name ? found->second.get() : nullptr;
}

// --- how they end

bool Runs::child_ended(siginfo_t info) {
    const auto leader = leaders_.find(info.si_pid);
    if (leader == leaders_.end()) {
        return false;
    }
    Run& run = *leader->second;
    leaders_.erase(leader);
    known_children_.erase(info.si_pid);
    run.leader_ended(wait_status_of(info), /*status_known=*/true);
    // Reaped by pid now that its end is recorded; it is there, as it was only looked at.
    (void)::waitid(P_PID, static_cast<id_t>(info.si_pid), &info, WEXITED | WNOHANG);
    report_end(run, ask_whether_gone(run));
    return true;
}

void Runs::leader_ended(Run& run, int wait_status, bool status_known) {
    run.leader_ended(wait_status, status_known);
    report_end(run, ask_whether_gone(run));
}

bool Runs::ask_whether_gone(Run& run) {
    return run.check_tree(known_children_, [this](Run& again) { check_tree(again); });
}

void Runs::report_end(Run& run, bool tree_gone) {
    const auto fact = run.fact();
    if (run.phase() == RunPhase::Failed) {
        context_.tell(keeperlink::StartFailed{fact.run, fact.stage, fact.os_errno});
    } else {
        context_.tell(keeperlink::Exited{fact.run,
                                         fact.wait_status,
                                         fact.status_known,
                                         fact.ended_ns,
                                         tree_gone,
                                         fact.cause,
                                         fact.cause_used});
    }
    if (tree_gone) {
        gone_();
    } else if (run.killing()) {
        run.kill(known_children_);
    }
}

// Looks again at a run whose leader has ended.
void Runs::check_tree(Run& run) {
    if (ask_whether_gone(run)) {
        context_.tell(keeperlink::TreeGone{run.name()});
        if (run.is_forgotten_when_gone()) {
            drop_latest(run.name().id);
        }
        gone_();
    } else if (run.killing()) {
        run.kill(known_children_);
    }
}

bool Runs::all_gone() const {
    for (const auto& [id, run] : latest_) {
        if (!run->tree_gone()) {
            return false;
        }
    }
    return true;
}

// --- the table

Run& Runs::make(Record& record) {
    const RunName name{record.id, record.generation};
    return place(std::make_unique<Run>(context_, record, records_.marker(name)));
}

// Takes in a run; of two of one app the older, which has ended, is set aside.
Run& Runs::place(std::unique_ptr<Run> run) {
    Run& placed = *run;
    auto& latest = latest_[run->name().id];
    if (latest && latest->name().generation > run->name().generation) {
        set_aside(std::move(run));
        return placed;
    }
    if (latest) {
        set_aside(std::move(latest));
    }
    latest = std::move(run);
    return placed;
}

void Runs::set_aside(std::unique_ptr<Run> run) {
    auto& slot = replaced_[run->name().id];
    if (slot) {
        drop(std::move(slot));
    }
    slot = std::move(run);
}

// The record is free once nothing refers to it.
void Runs::drop(std::unique_ptr<Run> run) {
    Record& record = run->record();
    run.reset();
    Records::release(record);
}

void Runs::drop_latest(const std::string& id) {
    const auto found = latest_.find(id);
    found->second->remove_group();
    drop(std::move(found->second));
    latest_.erase(found);
}

// --- limits that no controller of the kernel holds here

// The timer runs only while there is a run whose limits nobody else looks after.
void Runs::watch_limits(const Run& run) {
    if (!limits_timer_.active() && run.watched_limits().any()) {
        limits_timer_ = context_.loop.after(kLimitCheck, [this] { check_limits(); });
    }
}

void Runs::check_limits() {
    limits_timer_.reset();
    for (const auto& [id, run] : latest_) {
        watch_limits(*run);
        if (run->over_limit(known_children_)) {
            log::warning("an app is over its limit and is killed", {{"app", id}});
            run->kill(known_children_);
        }
    }
}

}  // namespace berth::keeper
