#pragma once

#include <algorithm>
#include <memory>
#include <set>
#include <string>
#include <vector>

#include <catch2/catch.hpp>

#include "agent/apps/apps.h"
#include "agent/store/store.h"
#include "shared/loop/event_loop.h"
#include "tests/unit/fake_backend.h"
#include "tests/unit/temp_folder.h"

namespace berth::test {

// A home whose apps run nowhere: a backend that is a fake, a store in memory, and a clock that only
// moves when told.
class World {
public:
    World() {
        now_.mono = MonoTime(std::chrono::hours(1));
        now_.wall = WallTime(std::chrono::hours(24) * 20'000);  // 2024-10-04, midnight in UTC
        now_.boot = std::chrono::hours(1);
        loop = loop::EventLoop::create([this] { return now_; }).value();
        store = store::Store::open_in_memory().value();
        backend.now = [this] { return now_.wall; };
        begin_agent();
        backend.say_snapshot();
        turn();
    }

    // Turns until nothing more follows from what happened.
    void turn() {
        for (int i = 0; i < 3; ++i) {
            REQUIRE(loop->turn(Duration::zero()));
        }
    }

    // From timer to timer, each at its time.
    void advance(Duration by) {
        const MonoTime end = now_.mono + by;
        turn();
        while (now_.mono < end) {
            const MonoTime next = std::min(end, loop->next_timer().value_or(end));
            move(std::max(next - now_.mono, MonoClock::duration(1)));
            turn();
        }
    }

    // Somebody sets the wall clock.
    void set_clock(Duration by) {
        now_.wall += by;
        turn();
    }

    [[nodiscard]] WallTime wall() const { return now_.wall; }

    // The agent dies and the next one begins; the store and the backend's runs outlive it.
    void restart_agent() {
        kill_agent();
        begin_agent();
        backend.say_snapshot();
        turn();
    }

    void kill_agent() {
        apps.reset();
        backend.facts = nullptr;
        cursor = events::Cursor();
    }

    void begin_agent() {
        apps = apps::Apps::create(*loop,
                                  *store,
                                  backend,
                                  pool,
                                  {"lab", home.path(), ""},
                                  {[] {}, [this] { ++all_down; }, [] {}, [this] { ++problems; }})
                   .value();
        backend.facts = &apps->facts();
    }

    // Loads an app from a descriptor of its own; gives what was said against it.
    std::vector<std::string> load(const std::string& id, const std::string& rest = "") {
        const std::string name = id + ".toml";
        home.write(name, "[app]\nid = \"" + id + "\"\ncommand = \"/bin/" + id + "\"\n" + rest);
        apps::LoadRequest request;
        request.paths = {home / name};
        request.cwd = home.path();
        return load(request).problems;
    }

    apps::Catalog::Loaded load(const apps::LoadRequest& request) {
        std::optional<apps::Catalog::Loaded> loaded;
        apps->catalog().load(request, {"ann"}, [&loaded](const auto& told) { loaded = told; });
        until([&loaded] { return loaded.has_value(); });
        return *loaded;
    }

    Result<std::string> reload(const std::string& id) {
        std::optional<Result<std::string>> changed;
        apps->catalog().reload(id, {"ann"}, [&changed](const auto& told) { changed = told; });
        until([&changed] { return changed.has_value(); });
        return *changed;
    }

    apps::Catalog::Scanned scan() {
        std::optional<apps::Catalog::Scanned> scanned;
        apps->catalog().scan([&scanned](const auto& told) { scanned = told; });
        until([&scanned] { return scanned.has_value(); });
        return *scanned;
    }

    void look_at_descriptor(const std::string& id) {
        bool looked = false;
        apps->catalog().look_at_descriptors({id}, [&looked] { looked = true; });
        until([&looked] { return looked; });
    }

    // Turns until a thread has done its part; the clock stands meanwhile.
    void until(const std::function<bool()>& done) {
        const auto end = MonoClock::now() + std::chrono::seconds(30);
        while (!done()) {
            REQUIRE(MonoClock::now() < end);
            REQUIRE(loop->turn(std::chrono::milliseconds(20)));
        }
        turn();
    }

    Result<void> start(const std::string& id) {
        auto started = apps->conductor().start(id, {"ann"});
        turn();
        return started;
    }

    Result<void> stop(const std::string& id) {
        auto stopped = apps->conductor().stop(id, {"ann"});
        turn();
        return stopped;
    }

    // Starts it and lets it be ready.
    void run(const std::string& id) {
        REQUIRE(start(id));
        exec(id);
        advance(std::chrono::milliseconds(300));
        REQUIRE(state(id) == AppState::Running);
    }

    void exec(const std::string& id) {
        backend.exec(id);
        turn();
    }

    void end(const std::string& id, int code = 0, bool tree_gone = true) {
        backend.end(id, {ExitKind::Code, code, false}, tree_gone);
        turn();
    }

    [[nodiscard]] const apps::App& app(const std::string& id) const {
        const apps::App* const found = apps->find(id);
        REQUIRE(found != nullptr);
        return *found;
    }

    [[nodiscard]] AppStatus status(const std::string& id) const { return apps->status(app(id)); }

    [[nodiscard]] AppState state(const std::string& id) const { return app(id).state(); }

    [[nodiscard]] std::string reason(const std::string& id) const {
        return app(id).machine.reason();
    }

    // What happened since this was asked last: "web: stopped -> starting", "web: its descriptor …".
    std::vector<std::string> happened() {
        std::vector<std::string> texts;
        for (const events::Happened* const one : cursor.read(apps->stream()).events) {
            if (one->kind == events::Kind::State) {
                texts.push_back(one->app + ": " + std::string(kAppStateNames.name(one->from)) +
                                " -> " + std::string(kAppStateNames.name(one->to)));
            } else if (one->kind == events::Kind::Remark) {
                texts.push_back(one->app + ": " + one->evidence);
            } else if (one->kind == events::Kind::Removed) {
                texts.push_back(one->app + ": removed");
            }
        }
        return texts;
    }

    // What is stored of its runs: how each ended, newest first.
    [[nodiscard]] std::vector<std::string> stored_ends(const std::string& id) {
        std::vector<std::string> ends;
        for (const store::RunRow& run : store->history().runs(id, 100)) {
            ends.push_back(run.exit ? describe(*run.exit) : "failed before exec");
        }
        return ends;
    }

    TempFolder home;
    FakeBackend backend;
    loop::WorkerPool pool{loop::WorkerPool::LaneOptions{1, 64, std::chrono::milliseconds(50)}};
    std::unique_ptr<loop::EventLoop> loop;
    std::unique_ptr<store::Store> store;
    std::unique_ptr<apps::Apps> apps;
    events::Cursor cursor;
    int all_down = 0;
    int problems = 0;

private:
    void move(MonoClock::duration by) {
        now_.mono += by;
        now_.wall += by;
        now_.boot += by;
    }

    Now now_;
};

}  // namespace berth::test
