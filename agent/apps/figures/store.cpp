#include "agent/apps/figures/store.h"

#include <array>
#include <functional>
#include <utility>

#include "shared/db/database.h"
#include "shared/log/log.h"

namespace berth::figures {

namespace {

// Before there were numbers of versions, the table was made without one.
constexpr std::array<const char*, 2> kSteps = {
    "CREATE TABLE IF NOT EXISTS point (app TEXT NOT NULL, time INTEGER NOT NULL, cpu REAL, "
    "rss INTEGER, processes INTEGER, threads INTEGER, descriptors INTEGER, read REAL, "
    "write REAL, PRIMARY KEY (app, time)) WITHOUT ROWID;"
    "ALTER TABLE point ADD COLUMN pss INTEGER;",
    "ALTER TABLE point ADD COLUMN messages INTEGER; ALTER TABLE point ADD COLUMN messages_in REAL; "
    "ALTER TABLE point ADD COLUMN messages_out REAL;",
};

constexpr std::int64_t kKept = 2017;  // an app: a week of one each five minutes
constexpr std::size_t kTrimEvery = 12;

std::int64_t seconds_of(WallTime time) {
    return std::chrono::duration_cast<std::chrono::seconds>(time.time_since_epoch()).count();
}

}  // namespace

struct Store::Impl {
    explicit Impl(std::unique_ptr<db::Database> opened) : db(std::move(opened)) {}

    void add(const std::string& app, const Point& point) const {
        (void)db->run(
            "INSERT OR REPLACE INTO point (app, time, cpu, rss, processes, threads, descriptors, "
            "read, write, pss, messages, messages_in, messages_out) VALUES "
            "(?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
            {app,
             seconds_of(point.time),
             point.cpu_percent,
             point.rss_bytes,
             point.processes,
             point.threads,
             point.descriptors,
             point.read_rate,
             point.write_rate,
             point.pss_bytes,
             point.messages,
             point.messages_in,
             point.messages_out});
    }

    void trim(const std::string& app, WallTime now) const {
        (void)db->run(
            "DELETE FROM point WHERE app = ?1 AND time IN (SELECT time FROM point WHERE app = ?1 "
            "ORDER BY abs(time - ?2) DESC LIMIT max(0, (SELECT count(*) FROM point WHERE app = ?1) "
            "- ?3))",
            {app, seconds_of(now), kKept});
    }

    void warn_of_failure(const char* what) const {
        if (const auto failure = db->take_failure()) {
            log::warning(what, {{"error", *failure}});
        }
    }

    std::unique_ptr<db::Database> db;
    std::size_t round = 0;
};

Store::Store(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}

Store::~Store() = default;

Result<std::unique_ptr<Store>> Store::open(const std::string& file) {
    db::Options options;
    options.file = file;
    options.sync = db::Options::Sync::Normal;
    BERTH_TRY(auto database, db::Database::open(options, {kSteps}));
    return std::unique_ptr<Store>(new Store(std::make_unique<Impl>(std::move(database))));
}

void Store::add(const std::vector<std::pair<std::string, Point>>& points) {
    if (points.empty()) {
        return;
    }
    db::Transaction transaction(*impl_->db);
    for (const auto& [app, point] : points) {
        impl_->add(app, point);
        // Not all apps in the same round.
        if ((impl_->round + std::hash<std::string>()(app)) % kTrimEvery == 0) {
            impl_->trim(app, point.time);
        }
    }
    ++impl_->round;
    if (auto committed = transaction.commit(); !committed) {
        log::warning("figures were not stored", {{"error", committed.error().message}});
    }
    if (auto there = impl_->db->look_after(); !there) {
        log::warning("the figures' database is not where it was", {{"why", there.error().message}});
    }
}

std::vector<Point> Store::between(const std::string& app, WallTime from, WallTime until) {
    std::vector<Point> points;
    db::Rows row = impl_->db->query(
        "SELECT time, cpu, rss, processes, threads, descriptors, read, write, pss, messages, "
        "messages_in, messages_out FROM point WHERE app = ? AND time BETWEEN ? AND ? ORDER BY time",
        {app, seconds_of(from), seconds_of(until)});
    while (row.next()) {
        Point point;
        point.time = WallTime(std::chrono::seconds(row.integer(0)));
        point.cpu_percent = row.real(1);
        point.rss_bytes = row.count(2);
        point.processes = static_cast<std::uint32_t>(row.integer(3));
        point.threads = static_cast<std::uint32_t>(row.integer(4));
        point.descriptors = static_cast<std::uint32_t>(row.integer(5));
        point.read_rate = row.real(6);
        point.write_rate = row.real(7);
        point.pss_bytes = row.count(8);
        point.messages = static_cast<std::uint32_t>(row.integer(9));
        point.messages_in = row.real(10);
        point.messages_out = row.real(11);
        points.push_back(point);
    }
    impl_->warn_of_failure("figures cannot be read");
    return points;
}

void Store::remove(const std::string& app) {
    (void)impl_->db->run("DELETE FROM point WHERE app = ?", {app});
    impl_->warn_of_failure("figures were not removed");
}

}  // namespace berth::figures
