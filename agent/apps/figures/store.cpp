#include "agent/apps/figures/store.h"

#include <SQLiteCpp/SQLiteCpp.h>

#include <functional>

#include "shared/log/log.h"
#include "shared/os/file.h"

namespace berth::figures {

namespace {

constexpr std::int64_t kKept = 2017;  // an app: a week of one each five minutes
constexpr std::size_t kTrimEvery = 12;

std::int64_t seconds_of(WallTime time) {
    return std::chrono::duration_cast<std::chrono::seconds>(time.time_since_epoch()).count();
}

}  // namespace

struct Store::Impl {
    explicit Impl(const std::string& file)
        : db(file, SQLite::OPEN_READWRITE | SQLite::OPEN_CREATE) {}

    void trim(const std::string& app, WallTime now) {
        SQLite::Statement trim(
            db,
            "DELETE FROM point WHERE app = ?1 AND time IN (SELECT time FROM point WHERE app = ?1 "
            "ORDER BY abs(time - ?2) DESC LIMIT max(0, (SELECT count(*) FROM point WHERE app = ?1) "
            "- ?3))");
        trim.bind(1, app);
        trim.bind(2, seconds_of(now));
        trim.bind(3, kKept);
        (void)trim.exec();
    }

    SQLite::Database db;
    std::size_t round = 0;
};

Store::Store(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}

Store::~Store() = default;

Result<std::unique_ptr<Store>> Store::open(const std::string& file) {
    try {
        BERTH_CHECK(os::make_database_private(file));
        auto impl = std::make_unique<Impl>(file);
        impl->db.exec("PRAGMA journal_mode=WAL");
        impl->db.exec("PRAGMA synchronous=NORMAL");
        impl->db.exec(
            "CREATE TABLE IF NOT EXISTS point (app TEXT NOT NULL, time INTEGER NOT NULL, cpu REAL, "
            "rss INTEGER, processes INTEGER, threads INTEGER, descriptors INTEGER, read REAL, "
            "write REAL, PRIMARY KEY (app, time)) WITHOUT ROWID");
        if (impl->db.execAndGet("PRAGMA user_version").getInt() < 1) {
            impl->db.exec("ALTER TABLE point ADD COLUMN pss INTEGER; PRAGMA user_version=1");
        }
        if (impl->db.execAndGet("PRAGMA user_version").getInt() < 2) {
            impl->db.exec(
                "ALTER TABLE point ADD COLUMN messages INTEGER; ALTER TABLE point ADD COLUMN "
                "messages_in REAL; ALTER TABLE point ADD COLUMN messages_out REAL; "
                "PRAGMA user_version=2");
        }
        return std::unique_ptr<Store>(new Store(std::move(impl)));
    } catch (const SQLite::Exception& error) {
        return fail(ErrorCode::Io, file + ": " + error.what());
    }
}

void Store::add(const std::vector<std::pair<std::string, Point>>& points) {
    if (points.empty()) {
        return;
    }
    try {
        SQLite::Transaction transaction(impl_->db);
        SQLite::Statement insert(impl_->db,
                                 "INSERT OR REPLACE INTO point (app, time, cpu, rss, processes, "
                                 "threads, descriptors, read, write, pss, messages, messages_in, "
                                 "messages_out) VALUES (?,?,?,?,?,?,?,?,?,?,?,?,?)");
        for (const auto& [app, point] : points) {
            insert.bind(1, app);
            insert.bind(2, seconds_of(point.time));
            insert.bind(3, point.cpu_percent);
            insert.bind(4, static_cast<std::int64_t>(point.rss_bytes));
            insert.bind(5, point.processes);
            insert.bind(6, point.threads);
            insert.bind(7, point.descriptors);
            insert.bind(8, point.read_rate);
            insert.bind(9, point.write_rate);
            insert.bind(10, static_cast<std::int64_t>(point.pss_bytes));
            insert.bind(11, point.messages);
            insert.bind(12, point.messages_in);
            insert.bind(13, point.messages_out);
            (void)insert.exec();
            insert.reset();
            // Not all apps in the same round.
            if ((impl_->round + std::hash<std::string>()(app)) % kTrimEvery == 0) {
                impl_->trim(app, point.time);
            }
        }
        ++impl_->round;
        transaction.commit();
    } catch (const SQLite::Exception& error) {
        log::warning("figures were not stored", {{"error", error.what()}});
    }
}

std::vector<Point> Store::between(const std::string& app,
                                               WallTime from,
                                               WallTime until) {
    std::vector<Point> points;
    try {
        SQLite::Statement query(impl_->db,
                                "SELECT time, cpu, rss, processes, threads, descriptors, read, "
                                "write, pss, messages, messages_in, messages_out FROM point WHERE "
                                "app = ? AND time BETWEEN ? AND ? ORDER BY time");
        query.bind(1, app);
        query.bind(2, seconds_of(from));
        query.bind(3, seconds_of(until));
        while (query.executeStep()) {
            Point point;
            point.time = WallTime(std::chrono::seconds(query.getColumn(0).getInt64()));
            point.cpu_percent = query.getColumn(1).getDouble();
            point.rss_bytes = static_cast<std::uint64_t>(query.getColumn(2).getInt64());
            point.processes = query.getColumn(3).getUInt();
            point.threads = query.getColumn(4).getUInt();
            point.descriptors = query.getColumn(5).getUInt();
            point.read_rate = query.getColumn(6).getDouble();
            point.write_rate = query.getColumn(7).getDouble();
            point.pss_bytes = static_cast<std::uint64_t>(query.getColumn(8).getInt64());
            point.messages = query.getColumn(9).getUInt();
            point.messages_in = query.getColumn(10).getDouble();
            point.messages_out = query.getColumn(11).getDouble();
            points.push_back(point);
        }
    } catch (const SQLite::Exception& error) {
        log::warning("figures cannot be read", {{"error", error.what()}});
    }
    return points;
}

void Store::remove(const std::string& app) {
    try {
        SQLite::Statement remove(impl_->db, "DELETE FROM point WHERE app = ?");
        remove.bind(1, app);
        (void)remove.exec();
    } catch (const SQLite::Exception& error) {
        log::warning("figures were not removed", {{"error", error.what()}});
    }
}

}  // namespace berth::figures
