#pragma once

#include <functional>
#include <map>
#include <memory>
#include <random>
#include <set>
#include <string>
#include <vector>

#include "agent/backend/native/keeper_client.h"
#include "agent/backend/native/launch.h"
#include "agent/checks/check.h"
#include "agent/checks/resolver.h"
#include "agent/backend/native/inputs.h"
#include "agent/backend/native/process_sample.h"
#include "agent/apps/figures/history.h"
#include "agent/apps/schedules.h"
#include "agent/store/store.h"
#include "agent/supervisor/machine.h"
#include "shared/base/result.h"
#include "shared/config/descriptor.h"
#include "shared/loop/event_loop.h"
#include "shared/loop/file_watch.h"
#include "shared/os/file.h"

namespace berth::apps {

using backend::Sample;
using native::Inputs;

// One app of this home.
struct App {
    App(store::AppRow registered, supervisor::Machine supervised)
        : row(std::move(registered)),
          machine(std::move(supervised)),
          running_spec(machine.shared_spec()) {}

    store::AppRow row;
    supervisor::Machine machine;
    std::shared_ptr<const AppSpec> running_spec;  // what the present run was started with
    Sample sample;

    // Of the figures, what subscribers were told last.
    struct Figures {
        std::optional<std::uint64_t> rss_bytes;
        std::optional<std::int64_t> cpu_tenths;  // of a percent

        friend bool operator==(const Figures&, const Figures&) = default;
    };

    Figures told;
    loop::Registration timer;
    std::string digest;  // of its registered descriptor
    std::optional<os::FileStamp> descriptor_seen;  // its file as it was when it was compared last
    std::string descriptor_note;                   // how it differs from what is registered
    std::unique_ptr<checks::Check> check;
    std::string said;     // STATUS=… of the present run
    std::string log_note;  // what somebody did to the log of the present run
    bool queued = false;  // a run that was due waits for the end of the one before

    // The crash that is still to be written down; row.crash_due says so on the disk.
    struct Crash {
        AppStatus status;
        std::shared_ptr<const AppSpec> spec;
    };

    std::unique_ptr<Crash> crash;  // null, mostly
};

// Somebody's request to an app, as it goes into reasons and events: "admin from the panel".
struct Actor {
    std::string text;
};

struct LoadOutcome {
    std::vector<std::string> ids;
    std::vector<std::string> problems;  // not empty: nothing was done
    std::vector<std::string> warnings;
};

struct LoadRequest {
    std::vector<std::string> paths;        // absolute
    std::string cwd;                       // of the shell that loads
    std::vector<std::string> environment;  // of that shell; SPMI's apps get it
    bool fresh = false;                    // an id that is known already is a problem, as for SPMI
};

// What a raw wait status says; `known`: the keeper was there to see it.
ExitStatus exit_status(int wait_status, bool known);

// The apps of this home: what is registered, wanted and seen. Feeds facts and requests to each
// app's Machine and carries out its effects: starts and signals through the keeper, rows in the
// store, timers. All changes of one turn of the loop are committed together at its end; after that
// the keeper may forget the runs that are stored, and the observers are told.
class Registry {
public:
    struct Observers {
        // After the commit of a turn: what has changed and what is no more.
        std::function<void(const std::set<std::string>& changed,
                           const std::set<std::string>& removed)>
            changed;
        // Nothing runs any more, after shut_down().
        std::function<void()> all_down;
        // The database was put back: the next agent opens it.
        std::function<void()> begin_anew;
    };

    Registry(loop::EventLoop& loop,
             store::Store& store,
             native::KeeperClient& keeper,
             native::LaunchContext launch,
             Observers observers);

    // Reads the registered apps and looks through repos/. A descriptor that no longer parses leaves
    // its app failed, with the problem as its reason; it never hurts another.
    Result<void> restore();

    // --- what the keeper says
    void on_snapshot(const std::vector<keeperlink::RunFact>& runs, std::int32_t keeper_pid);
    void on_fact(const keeperlink::Message& fact);

    // --- what people say. Errors: NotFound, WrongState ("must be active") …
    Result<void> start(const std::string& id, const Actor& actor);
    Result<void> stop(const std::string& id, const Actor& actor);
    Result<void> kill(const std::string& id, const Actor& actor);
    Result<void> restart(const std::string& id, const Actor& actor);
    Result<void> clean(const std::string& id, const Actor& actor);
    Result<std::string> reload(const std::string& id, const Actor& actor);  // what changed
    // `patience`: how long it may wait for the app to read. Error: nothing was sent.
    Result<void> input(const std::string& id,
                       std::string data,
                       Duration patience,
                       Inputs::Answer answer);
    void resize(const std::string& id, std::uint32_t rows, std::uint32_t columns);
    LoadOutcome load(const LoadRequest& request, const Actor& actor);

    // Looks through repos/.
    struct Scanned {
        std::vector<std::string> found;     // new ones
        std::vector<std::string> problems;  // with file, line and column
    };
    Scanned scan();

    // What is below repos/ and cannot be loaded, as it was found last, and what was done to the
    // database from outside.
    [[nodiscard]] std::vector<std::string> complaints() const;

    // Looks whether the database still has its name; one that was removed is put back.
    void look_after_store();

    // Compares the registered descriptors of these apps with their files as they are now.
    void look_at_descriptors(const std::vector<std::string>& ids);

    // Sets the number of instances of an app that declares `instances`. New ones are started when
    // any of the others is wanted; those that are too many are stopped and forgotten. Error: no
    // such app, or it declares none.
    Result<std::vector<std::string>> scale(const std::string& base,
                                           std::uint32_t count,
                                           const Actor& actor);

    // All that would keep this app from starting; nothing is done.
    [[nodiscard]] std::vector<std::string> obstacles(const std::string& id) const;

    // What there is to say of it besides: what would be lost, what differs.
    struct Checked {
        std::vector<std::string> obstacles;
        std::vector<std::string> notes;
    };

    // The same by its descriptor's file as it is now.
    [[nodiscard]] Checked check(const std::string& id) const;

    // Stops every app, those that others require last, without forgetting that they are wanted.
    void shut_down();

    // --- what there is
    [[nodiscard]] const std::map<std::string, std::unique_ptr<App>>& apps() const { return apps_; }

    [[nodiscard]] const App* find(const std::string& id) const;
    [[nodiscard]] AppStatus status(const App& app) const;

    // Why nothing can be started or ended now; empty, mostly.
    [[nodiscard]] const std::string& keeper_problem() const { return keeper_.problem(); }

    // What `app` waits for, one sentence each: "db is starting: tcp …: connection refused".
    [[nodiscard]] std::vector<std::string> awaited(const App& app) const;

    // Something that it requires is not there, and nothing is under way that could change that: it
    // failed for good, is stopped, or is not loaded.
    [[nodiscard]] bool waits_in_vain(const App& app) const;

    // What a descriptor requires and no app is called.
    [[nodiscard]] std::vector<std::string> unknown_needs(const AppSpec& spec) const;

    // How long a start and a stop of it may take by its own limits. Nothing: a oneshot, or one that
    // waits for a oneshot, takes what it takes.
    [[nodiscard]] std::optional<Duration> longest_start(const App& app) const;
    [[nodiscard]] static Duration longest_stop(const App& app);

    // What the present or last run of an app has written last.
    [[nodiscard]] std::vector<wire::LogLine> last_lines_of_run(const App& app,
                                                               std::size_t count) const;

    // When the last runs of an app began, in any order: what it wrote before does not go on after.
    [[nodiscard]] std::vector<WallTime> run_starts(const std::string& id) const;

    // The ids of the instances of an app, empty when it has none.
    [[nodiscard]] std::vector<std::string> instances_of(const std::string& base) const;

    // Brings CPU and memory of the active apps up to date, unless that was done within `fresh`.
    void sample(Duration fresh);

    // The ids whose figures are others than when this was asked last, whoever has sampled them
    // since: what subscribers do not know yet.
    std::set<std::string> untold_figures();

    // Somebody looks at the figures, or nobody does any more: only then they are sampled every 5 s.
    // Every 5 minutes they are sampled in any case, while anything runs. The keeper is looked after
    // meanwhile too.
    void watch_figures(bool watched);

    // How the figures learn of an app's mailbox; nothing: it has none.
    using MailboxOf = std::function<std::optional<MailboxStatus>(const std::string& app)>;

    void set_mailbox_of(MailboxOf mailbox_of) { mailbox_of_ = std::move(mailbox_of); }

    [[nodiscard]] const figures::History& figures() const { return figures_; }

    // The end of a turn: commits, tells. Called by the loop before it sleeps; also by tests.
    void flush();

    [[nodiscard]] std::string log_folder(const std::string& id) const {
        return launch_.home + "/logs/" + id;
    }

private:
    App* find_mutable(const std::string& id);
    Result<App*> require(const std::string& id);
    App& add(store::AppRow row, AppSpec spec);
    Result<void> request(const std::string& id, supervisor::Event event, const Actor& actor);
    void feed(App& app, const supervisor::Input& input);
    void carry_out(App& app, const supervisor::Effects& effects);
    void spawn(App& app);
    void spawn_hook(App& app);
    void refuse_spawn(App& app, const std::string& problem, bool hopeless);
    void end_tree(App& app, int signal);
    void care(App& app);
    void stop_command(App& app, int then);
    void run_beside(const std::string& id,
                    std::uint64_t generation,
                    const std::string& line,
                    Duration timeout,
                    checks::ProbeDone done);
    void on_exec_done(const keeperlink::ExecDone& done);
    void on_notified(const keeperlink::Notified& said);
    void keeper_gone();
    void end_hook(App& app);
    void keep_crash(App& app);
    void keep_crashes();
    [[nodiscard]] std::vector<wire::LogLine> lines_of_run(const std::string& id,
                                                          const AppStatus& run,
                                                          std::size_t count) const;
    void recall_crash(App& app);
    void flush_later();
    void on_due(const std::string& id, WallTime due);
    void on_missed(const std::string& id, std::size_t count, WallTime last);
    void tell(const App& app, const std::string& text);
    void look_after_expectant();
    void sample_history();
    void arm_history();
    void register_spec(App& app, std::shared_ptr<const AppSpec> spec);
    void compare_descriptor(App& app);
    void watch_descriptor(const App& app);
    void watch_repos();
    void repos_changed();
    void drop_surplus();
    [[nodiscard]] std::vector<AppSpec> expand(const std::vector<AppSpec>& apps) const;
    [[nodiscard]] native::LaunchRequest launch_request(const App& app) const;
    [[nodiscard]] std::vector<std::string> obstacles(const App& app, const AppSpec& spec) const;
    void signal(App& app, int signal);
    void end_run(App& app, bool crashed);
    void mark(App& app);
    void arm(App& app);
    void on_deadline(const std::string& id);
    void deadline_passed(App& app);
    void note(const App& app);
    void record_event(const std::string& id, AppState state, const std::string& text);
    void autostart();
    void stop_next();
    [[nodiscard]] bool anything_active() const;
    void commit();
    void clock_set(Duration by);
    void set_brought_up(WallTime time);
    [[nodiscard]] std::vector<const App*> needed_by(const std::string& need) const;
    [[nodiscard]] bool is_met(const Requirement& need, const App& needed) const;
    [[nodiscard]] std::string missing(const App& app) const;
    void fill_needs(const App& app, supervisor::Input& input) const;
    void start_needs(const App& app, const Actor& actor);
    [[nodiscard]] supervisor::Input end_input(const keeperlink::RunFact& fact) const;
    void reconcile(const keeperlink::RunFact& fact);
    [[nodiscard]] double random();
    [[nodiscard]] Result<void> check_cycles(const std::map<std::string, AppSpec>& added) const;

    loop::EventLoop& loop_;
    store::Store& store_;
    native::KeeperClient& keeper_;
    Inputs inputs_;
    native::LaunchContext launch_;
    Observers observers_;
    std::map<std::string, std::unique_ptr<App>> apps_;
    std::set<std::string> dirty_;    // to be saved at the end of the turn
    std::set<std::string> changed_;  // to be told then
    std::set<std::string> removed_;
    std::vector<keeperlink::RunName> to_forget_;  // once they are on the disk
    // Written when the turn ends: nobody waits for that, and an app that is to be started does not.
    std::vector<store::RunRow> unstored_runs_;  // the rows of those
    std::vector<store::EventRow> unstored_events_;
    checks::Resolver resolver_;
    std::unique_ptr<logs::LogWatch> log_watch_;
    std::unique_ptr<loop::FileWatch> file_watch_;  // null: this machine has no more of them
    loop::Registration scan_soon_;
    std::vector<std::string> repos_problems_;
    std::string store_problem_;  // somebody has done something to its file
    MonoTime store_looked_at_;
    std::unique_ptr<Schedules> schedules_;
    std::unique_ptr<figures::Store> figures_store_;  // null: it cannot be opened
    figures::History figures_{nullptr};
    MailboxOf mailbox_of_;
    bool figures_watched_ = false;
    MonoTime figures_kept_;
    loop::Registration figures_timer_;
    std::map<std::uint64_t, checks::ProbeDone> execs_;  // under way, by token
    std::uint64_t next_token_ = 1;
    std::set<std::string> expectant_;  // that wait for others, for the disk, or for their turn
    std::set<std::string> crashed_;    // whose crash is to be written down
    std::set<std::string> surplus_;    // instances that are to be forgotten once they are down
    std::mt19937_64 engine_;
    std::string boot_id_;
    WallTime brought_up_;  // when this home began to run: `up`, a boot
    bool connected_before_ = false;
    bool shutting_down_ = false;
    bool down_told_ = false;
    bool store_broken_ = false;
    loop::Registration store_retry_;
    loop::Registration store_flush_;
    loop::Registration flush_hook_;
    loop::Registration clock_hook_;
};

}  // namespace berth::apps
