#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "agent/apps/conductor.h"
#include "agent/apps/descriptor_reader.h"
#include "agent/apps/descriptor_watch.h"
#include "agent/apps/ledger.h"
#include "agent/apps/load_plan.h"
#include "agent/apps/scheduled_runs.h"
#include "agent/apps/succession.h"
#include "agent/apps/table.h"
#include "agent/backend/backend.h"
#include "shared/base/result.h"
#include "shared/loop/event_loop.h"
#include "shared/loop/worker_pool.h"

namespace berth::apps {

// Which apps there are: what is registered, how that differs from the files it came from, what lies
// in repos/, how many instances there are. Files are read on the worker pool: what needs them calls
// back. What is done with them is planned by what is registered then. Owned by Apps. Loop thread.
class Catalog {
public:
    struct Parts {
        loop::EventLoop& loop;
        Table& table;
        Ledger& ledger;
        backend::Backend& backend;
        Conductor& conductor;
        ScheduledRuns& schedules;
        loop::WorkerPool& pool;
    };

    // `home`: the folder that holds repos/ and logs/.
    Catalog(const Parts& parts, const std::string& home);

    // Reads the registered apps and looks through repos/. A descriptor that no longer parses leaves
    // its app failed, with the problem as its reason; it never hurts another.
    Result<void> restore();

    struct Loaded {
        std::vector<std::string> ids;
        std::vector<std::string> problems;  // not empty: nothing was done
        std::vector<std::string> warnings;
    };

    void load(const LoadRequest& request,
              const Actor& actor,
              std::function<void(const Loaded& loaded)> done);

    // Reads its descriptor again; gives what changed. When that declares it in another form (plain,
    // or as so many instances), those replace it: they start when it is down, if it was wanted.
    // Errors: NotFound, InvalidArgument, AlreadyExists.
    void reload(const std::string& id,
                const Actor& actor,
                std::function<void(const Result<std::string>& changed)> done);

    // Whether another form of it replaces this one, as soon as nothing of it runs.
    [[nodiscard]] bool retires(const std::string& id) const { return succession_.retires(id); }

    // Starts what replaces the apps of this base, as soon as they are down.
    void start_successors(const std::string& base);

    // Forgets an app that is down, with its logs. Errors: NotFound, WrongState.
    Result<void> clean(const std::string& id, const Actor& actor);

    // Looks through repos/.
    struct Scanned {
        std::vector<std::string> found;     // new ones
        std::vector<std::string> problems;  // with file, line and column
    };

    void scan(std::function<void(const Scanned& scanned)> done);

    // What is below repos/ and cannot be loaded, as it was found last.
    [[nodiscard]] const std::vector<std::string>& complaints() const { return repos_problems_; }

    // Sets the number of instances of an app that declares `instances`. New ones are started when
    // any of the others is wanted; those that are too many are stopped and forgotten. Gives the ids
    // that came or go. Error: no such app, or it declares none.
    Result<std::vector<std::string>> scale(const std::string& base,
                                           std::uint32_t count,
                                           const Actor& actor);

    // The end of a turn: forgets instances that were scaled away and forms that were replaced, with
    // their logs, once nothing of them runs; then starts what replaces them.
    void settle_succession();

    // What there is to say of an app by its descriptor's file as it is now.
    struct Checked {
        std::vector<std::string> obstacles;
        std::vector<std::string> notes;
    };

    void check(const std::vector<std::string>& ids,
               std::function<void(const std::map<std::string, Checked>& checked)> done);

    // Compares the registered descriptors of these apps with their files as they are now; at once
    // when none was touched since that was done last.
    void look_at_descriptors(const std::vector<std::string>& ids, std::function<void()> done);

    [[nodiscard]] std::string log_folder(const std::string& id) const { return logs_ + "/" + id; }

private:
    App& add(store::AppRow row, AppSpec described);
    Loaded apply(LoadPlan plan, const LoadRequest& request, const Actor& actor);

    struct Rereading {
        std::string id;
        std::string base;
        std::string file;
        std::optional<os::FileStamp> stamp;  // of before it was read
    };

    Result<std::string> take_reread(const Rereading& asked,
                                    config::Descriptor parsed,
                                    const Actor& actor);

    struct FormsBefore {
        std::vector<std::string> ids;
        bool wanted = false;  // any of them, or what is to replace them
    };

    struct Change {
        std::vector<std::string> came;
        std::vector<std::string> gone;
    };

    [[nodiscard]] FormsBefore forms_before(const std::string& base) const;
    Change settle_forms(const std::set<std::string>& ids,
                        const FormsBefore& before,
                        const Actor& actor);
    [[nodiscard]] const App* other_form(const AppSpec& spec) const;
    [[nodiscard]] std::optional<AppSpec> registered_before(const store::AppRow& row,
                                                           const config::Descriptor& now) const;
    std::string register_anew(App& app, AppSpec spec, std::string text, const Actor& actor);
    Scanned register_found(const std::vector<DescriptorFile>& files);
    [[nodiscard]] Checked checked_by(const std::string& id,
                                     const DescriptorReader::ByFile& read) const;
    App& register_new(store::Registration registration, AppSpec spec, const std::string& reason);
    void set_spec(App& app, std::shared_ptr<const AppSpec> spec);
    void file_changed(const std::string& file);
    void compare(const std::string& id, const DescriptorReader::ByFile& read);
    [[nodiscard]] std::string difference(const App& app, const config::Descriptor& parsed) const;
    [[nodiscard]] std::uint32_t scaled_to(const std::string& id) const;
    [[nodiscard]] config::ScaledTo scales() const;

    Parts parts_;
    std::string repos_;
    std::string logs_;
    DescriptorReader reader_;
    DescriptorWatch watch_;
    std::vector<std::string> repos_problems_;
    Succession succession_;
};

}  // namespace berth::apps
