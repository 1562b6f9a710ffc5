#include <signal.h>

#include "agent/keeper/keeper.h"
#include "shared/base/overloaded.h"
#include "shared/log/log.h"
#include "shared/os/process.h"

namespace berth::keeper {

using keeperlink::Message;
using keeperlink::RunName;
using keeperlink::RunPhase;

// The part of the Keeper that does what the agent asks of it, and tells how runs end.

void Keeper::on_message(const Message& message) {
    std::visit(
        Overloaded{
            [this](const keeperlink::Hello& hello) { agent_.greeted(hello.pid); },
            [this](const keeperlink::Start& start) { on_start(start); },
            [this](const keeperlink::Signal& signal) { on_signal(signal); },
            [this](const keeperlink::Input& input) { on_input(input); },
            [this](const keeperlink::Resize& resize) {
                if (Run* const run = find(resize.run)) {
                    run->streams().resize(resize.rows, resize.columns);
                }
            },
            [this](const keeperlink::Forget& forget) { on_forget(forget); },
            [this](const keeperlink::Leave& leave) { on_leave(leave); },
            [this](const keeperlink::Exec& exec) { helpers_.start(exec, find(exec.start.run)); },
            [this](const keeperlink::Upgrade& upgrade) { on_upgrade(upgrade); },
            [this](const keeperlink::Ping& ping) { on_ping(ping); },
            [](const keeperlink::SaidByKeeper auto&) {},  // our own words
        },
        message);
}

// Some of what had happened when it was said is still to be read: a whole turn of the loop first.
void Keeper::on_ping(const keeperlink::Ping& ping) {
    loop_.post([this, token = ping.token, link = links_] {
        loop_.post([this, token, link] {
            if (link == links_) {
                send(keeperlink::Pong{token});
            }
        });
    });
}

void Keeper::on_start(const keeperlink::Start& start) {
    const RunName& name = start.run;
    const auto existing = runs_.find(name.id);
    if (existing != runs_.end()) {
        Run& old = *existing->second;
        if (old.name().generation >= name.generation) {
            send(old.fact());  // said twice: started once
            return;
        }
        if (!old.tree_gone()) {
            send(keeperlink::StartFailed{name, keeperlink::StartStage::Prepare, EBUSY});
            return;
        }
    }
    Record* const record = records_.take(name);
    if (record == nullptr) {
        send(keeperlink::StartFailed{name, keeperlink::StartStage::Prepare, ENOSPC});
        return;
    }
    // What is left of a run when its leader has ended may be watched with one descriptor more.
    context_.reserve = kReservedDescriptors + leaders_.size();
    TreeIdentity tree;
    tree.marker = records_.marker(name);
    auto owned = std::make_unique<Run>(context_, *record, std::move(tree));
    Run& run = *owned;
    const auto spawned = run.spawn(start, [this](Run& running) {
        send(
            keeperlink::Started{running.name(), running.record().pid, running.record().started_ns});
    });
    if (!spawned) {
        log::warning("cannot start an app", {{"app", name.id}, {"error", spawned.error().message}});
        Records::release(*record);
        send(keeperlink::StartFailed{
            name, keeperlink::StartStage::Prepare, spawned.error().os_errno});
        return;
    }
    leaders_[run.record().pid] = &run;
    known_children_.insert(run.record().pid);
    (void)place(std::move(owned));
    watch_limits(run);
}

void Keeper::on_signal(const keeperlink::Signal& signal) {
    Run* const run = find(signal.run);
    if (run == nullptr || run->tree_gone()) {
        return;
    }
    const TreeIdentity& tree = run->tree();
    switch (signal.scope) {
        case keeperlink::SignalScope::Leader:
            if (tree.leader_alive) {
                (void)os::send_signal_to(tree.leader, signal.signal);
            }
            return;
        case keeperlink::SignalScope::Group:
            if (tree.leader_alive) {
                (void)os::send_signal_to_group(tree.leader, signal.signal);
            }
            return;
        case keeperlink::SignalScope::Tree:
            break;
    }
    const auto members = tree_members(tree, known_children_);
    if (signal.signal != SIGKILL) {
        signal_tree(tree, members, signal.signal);
        return;
    }
    run->killing = true;
    kill_tree(tree, members);
    if (!tree.leader_alive) {
        check_tree(*run);
    }
}

void Keeper::on_input(const keeperlink::Input& input) {
    Run* const run = find(input.run);
    if (run == nullptr || run->finished()) {
        send(keeperlink::InputTaken{
            input.run, input.token, 0, keeperlink::InputEnd::None, "it does not run"});
    } else {
        send(run->streams().input(input));
    }
}

void Keeper::on_forget(const keeperlink::Forget& message) {
    const auto replaced = replaced_.find(message.run.id);
    if (replaced != replaced_.end() && replaced->second->name() == message.run) {
        drop(std::move(replaced->second));
        replaced_.erase(replaced);
        return;
    }
    Run* const run = find(message.run);
    if (run == nullptr) {
        return;
    }
    if (run->tree_gone()) {
        forget(message.run.id);
    } else {
        run->forget_when_gone = true;
    }
}

void Keeper::on_leave(const keeperlink::Leave& leave) {
    if (leave.end) {
        intent_ = Intent::Leave;
    } else if (!terminating()) {  // else SIGTERM came meanwhile: the next agent sees to it
        intent_ = Intent::Agentless;
    }
    end_when_done();
}

void Keeper::leader_ended(Run& run, int wait_status, bool status_known) {
    run.leader_ended(wait_status, status_known);
    report_end(run, run.check_tree(known_children_, [this](Run& again) { check_tree(again); }));
}

void Keeper::report_end(Run& run, bool tree_gone) {
    const auto fact = run.fact();
    if (run.phase() == RunPhase::Failed) {
        send(keeperlink::StartFailed{fact.run, fact.stage, fact.os_errno});
    } else {
        send(keeperlink::Exited{fact.run,
                                fact.wait_status,
                                fact.status_known,
                                fact.ended_ns,
                                tree_gone,
                                fact.cause,
                                fact.cause_used});
    }
    if (!tree_gone && run.killing) {
        kill_tree(run.tree(), tree_members(run.tree(), known_children_));
    }
    end_when_done();
}

// Looks again at a run whose leader has ended.
void Keeper::check_tree(Run& run) {
    if (run.check_tree(known_children_, [this](Run& again) { check_tree(again); })) {
        send(keeperlink::TreeGone{run.name()});
        if (run.forget_when_gone) {
            forget(run.name().id);
        }
        end_when_done();
    } else if (run.killing) {
        kill_tree(run.tree(), tree_members(run.tree(), known_children_));
    }
}

}  // namespace berth::keeper
