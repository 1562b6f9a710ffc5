#include "agent/relay/journal.h"

#include <SQLiteCpp/SQLiteCpp.h>
#include <sqlite3.h>

#include <array>
#include <condition_variable>
#include <deque>
#include <mutex>
#include <thread>

#include "shared/os/file.h"
#include "shared/wire/append.h"
#include "shared/wire/cursor.h"

namespace berth::relay {

namespace {

// What each version of the schema adds to the one before.
constexpr std::array<const char*, 3> kSchema = {R"sql(
CREATE TABLE message (
    id INTEGER PRIMARY KEY, recipient TEXT NOT NULL, sender TEXT NOT NULL, time_ms INTEGER NOT NULL,
    expires_ms INTEGER NOT NULL, payload BLOB NOT NULL
);
CREATE TABLE known (last_id INTEGER PRIMARY KEY, keys BLOB NOT NULL);
CREATE TABLE next (one INTEGER PRIMARY KEY CHECK (one = 1), id INTEGER NOT NULL);
INSERT INTO next VALUES (1, 1);
)sql",
                                                R"sql(
CREATE TABLE outbox (
    id INTEGER PRIMARY KEY, agent TEXT NOT NULL, recipient TEXT NOT NULL, sender TEXT NOT NULL,
    time_ms INTEGER NOT NULL, expires_ms INTEGER NOT NULL, payload BLOB NOT NULL
);
CREATE TABLE lane (
    agent TEXT NOT NULL, epoch TEXT NOT NULL, sender TEXT NOT NULL, recipient TEXT NOT NULL,
    last INTEGER NOT NULL, used_ms INTEGER NOT NULL,
    PRIMARY KEY (agent, epoch, sender, recipient)
) WITHOUT ROWID;
CREATE TABLE origin (one INTEGER PRIMARY KEY CHECK (one = 1), epoch TEXT NOT NULL);
INSERT INTO origin VALUES (1, lower(hex(randomblob(16))));
)sql",
                                                R"sql(
ALTER TABLE message ADD COLUMN failures INTEGER NOT NULL DEFAULT 0;
ALTER TABLE message ADD COLUMN dead_ms INTEGER NOT NULL DEFAULT 0;
)sql"};

std::int64_t signed_of(std::uint64_t value) {
    return static_cast<std::int64_t>(value);
}

std::uint64_t unsigned_of(const SQLite::Column& column) {
    return static_cast<std::uint64_t>(column.getInt64());
}

std::string bytes_of(const SQLite::Column& column) {
    const char* const bytes = static_cast<const char*>(column.getBlob());
    return bytes == nullptr ? std::string()
                            : std::string(bytes, static_cast<std::size_t>(column.getBytes()));
}

void bind_bytes(SQLite::Statement& statement, int index, const std::string& bytes) {
    statement.bindNoCopy(index, bytes.data(), static_cast<int>(bytes.size()));
}

constexpr std::size_t kTogether = 32;  // messages of one INSERT

// The database itself; used by one thread at a time.
class Database {
public:
    explicit Database(const Journal::Options& options)
        : db_(prepare(options)),
          insert_(db_, insert_text(1)),
          insert_many_(db_, insert_text(kTogether)),
          remove_(db_, "DELETE FROM message WHERE id = ?"),
          remove_range_(db_, "DELETE FROM message WHERE id BETWEEN ? AND ?"),
          mark_(db_, "UPDATE message SET failures = ?, dead_ms = ? WHERE id = ?"),
          know_(db_, "INSERT OR REPLACE INTO known VALUES (?, ?)"),
          forget_(db_, "DELETE FROM known WHERE last_id < ?"),
          next_(db_, "UPDATE next SET id = ?"),
          send_(db_, "INSERT INTO outbox VALUES (?, ?, ?, ?, ?, ?, ?)"),
          sent_(db_, "DELETE FROM outbox WHERE id = ?"),
          sent_range_(db_, "DELETE FROM outbox WHERE id BETWEEN ? AND ?"),
          lane_(db_, "INSERT OR REPLACE INTO lane VALUES (?, ?, ?, ?, ?, ?)"),
          forget_lane_(db_,
                       "DELETE FROM lane WHERE agent = ? AND epoch = ? AND sender = ? AND "
                       "recipient = ?") {}

    Stored load() {
        Stored stored;
        SQLite::Statement messages(db_,
                                   "SELECT id, recipient, sender, time_ms, expires_ms, payload, "
                                   "failures, dead_ms FROM message ORDER BY id");
        while (messages.executeStep()) {
            stored.messages.push_back(
                {unsigned_of(messages.getColumn(0)),
                 std::make_shared<const std::string>(messages.getColumn(1).getString()),
                 std::make_shared<const std::string>(messages.getColumn(2).getString()),
                 std::make_shared<const std::string>(bytes_of(messages.getColumn(5))),
                 unsigned_of(messages.getColumn(3)),
                 unsigned_of(messages.getColumn(4)),
                 static_cast<std::uint32_t>(unsigned_of(messages.getColumn(6))),
                 unsigned_of(messages.getColumn(7))});
        }
        SQLite::Statement known(db_, "SELECT keys FROM known ORDER BY last_id");
        while (known.executeStep()) {
            stored.known.push_back(bytes_of(known.getColumn(0)));
        }
        load_across(stored);
        stored.next_id = static_cast<std::uint64_t>(
            db_.execAndGet("SELECT max(id, (SELECT ifnull(max(id), 0) + 1 FROM message), "
                           "(SELECT ifnull(max(id), 0) + 1 FROM outbox)) FROM next")
                .getInt64());
        return stored;
    }

    Result<void> write(const Batch& batch) {
        try {
            SQLite::Transaction transaction(db_);
            insert(batch.inserts);
            remove(batch.removals, remove_, remove_range_);
            for (const Batch::Mark& mark : batch.marks) {
                mark_.bind(1, static_cast<std::int64_t>(mark.failures));
                mark_.bind(2, signed_of(mark.dead_ms));
                mark_.bind(3, signed_of(mark.id));
                run(mark_);
            }
            write_across(batch);
            if (!batch.known.empty()) {
                know_.bind(1, signed_of(batch.known_id));
                bind_bytes(know_, 2, batch.known);
                run(know_);
            }
            if (batch.forget_known_below != 0) {
                forget_.bind(1, signed_of(batch.forget_known_below));
                run(forget_);
            }
            if (batch.next_id != 0) {
                next_.bind(1, signed_of(batch.next_id));
                run(next_);
            }
            transaction.commit();
            return {};
        } catch (const SQLite::Exception& error) {
            for (SQLite::Statement* const statement : {&insert_,
                                                       &insert_many_,
                                                       &remove_,
                                                       &remove_range_,
                                                       &mark_,
                                                       &know_,
                                                       &forget_,
                                                       &next_,
                                                       &send_,
                                                       &sent_,
                                                       &sent_range_,
                                                       &lane_,
                                                       &forget_lane_}) {
                (void)statement->tryReset();
            }
            return fail(ErrorCode::Io, std::string("not stored: ") + error.what());
        }
    }

private:
    static SQLite::Database prepare(const Journal::Options& options) {
        SQLite::Database db(options.file, SQLite::OPEN_READWRITE | SQLite::OPEN_CREATE, 5000);
        db.exec("PRAGMA journal_mode = WAL");
        db.exec("PRAGMA synchronous = FULL");
        db.exec("PRAGMA trusted_schema = OFF");
        db.exec("PRAGMA wal_autocheckpoint = 4000");
        db.exec("PRAGMA journal_size_limit = 67108864");
        if (options.max_bytes != 0) {
            const std::int64_t page = db.execAndGet("PRAGMA page_size").getInt64();
            db.exec("PRAGMA max_page_count = " +
                    std::to_string(signed_of(options.max_bytes) / page));
        }
        const int version = db.execAndGet("PRAGMA user_version").getInt();
        if (version > static_cast<int>(kSchema.size())) {
            throw SQLite::Exception("it is of a newer Berth", SQLITE_ERROR);
        }
        if (version < static_cast<int>(kSchema.size())) {
            SQLite::Transaction transaction(db);
            for (std::size_t next = static_cast<std::size_t>(version); next < kSchema.size();
                 ++next) {
                db.exec(kSchema[next]);
            }
            db.exec("PRAGMA user_version = " + std::to_string(kSchema.size()));
            transaction.commit();
        }
        return db;
    }

    void load_across(Stored& stored) {
        SQLite::Statement outgoing(db_,
                                   "SELECT id, agent, recipient, sender, time_ms, expires_ms, "
                                   "payload FROM outbox ORDER BY id");
        while (outgoing.executeStep()) {
            stored.outgoing.push_back(
                {unsigned_of(outgoing.getColumn(0)),
                 outgoing.getColumn(1).getString(),
                 std::make_shared<const std::string>(outgoing.getColumn(2).getString()),
                 std::make_shared<const std::string>(outgoing.getColumn(3).getString()),
                 std::make_shared<const std::string>(bytes_of(outgoing.getColumn(6))),
                 unsigned_of(outgoing.getColumn(4)),
                 unsigned_of(outgoing.getColumn(5))});
        }
        SQLite::Statement lanes(db_,
                                "SELECT agent, epoch, sender, recipient, last, used_ms FROM lane");
        while (lanes.executeStep()) {
            stored.lanes.push_back({lanes.getColumn(0).getString(),
                                    lanes.getColumn(1).getString(),
                                    lanes.getColumn(2).getString(),
                                    lanes.getColumn(3).getString(),
                                    unsigned_of(lanes.getColumn(4)),
                                    unsigned_of(lanes.getColumn(5))});
        }
        stored.epoch = db_.execAndGet("SELECT epoch FROM origin").getString();
    }

    void write_across(const Batch& batch) {
        for (const Batch::Outgoing& message : batch.outgoing) {
            send_.bind(1, signed_of(message.id));
            send_.bindNoCopy(2, message.agent);
            send_.bindNoCopy(3, *message.to);
            send_.bindNoCopy(4, *message.from);
            send_.bind(5, signed_of(message.time_ms));
            send_.bind(6, signed_of(message.expires_ms));
            bind_bytes(send_, 7, *message.payload);
            run(send_);
        }
        remove(batch.sent, sent_, sent_range_);
        for (const Batch::Lane& lane : batch.lanes) {
            bind_lane(lane_, lane);
            lane_.bind(5, signed_of(lane.last));
            lane_.bind(6, signed_of(lane.used_ms));
            run(lane_);
        }
        for (const Batch::Lane& lane : batch.forgotten) {
            bind_lane(forget_lane_, lane);
            run(forget_lane_);
        }
    }

    static void bind_lane(SQLite::Statement& statement, const Batch::Lane& lane) {
        statement.bindNoCopy(1, lane.agent);
        statement.bindNoCopy(2, lane.epoch);
        statement.bindNoCopy(3, lane.from);
        statement.bindNoCopy(4, lane.to);
    }

    static std::string insert_text(std::size_t rows) {
        std::string text =
            "INSERT INTO message (id, recipient, sender, time_ms, expires_ms, payload) VALUES ";
        for (std::size_t row = 0; row < rows; ++row) {
            text += row == 0 ? "(?, ?, ?, ?, ?, ?)" : ", (?, ?, ?, ?, ?, ?)";
        }
        return text;
    }

    void insert(const std::vector<Batch::Insert>& messages) {
        for (std::size_t i = 0; i < messages.size();) {
            const bool many = messages.size() - i >= kTogether;
            SQLite::Statement& statement = many ? insert_many_ : insert_;
            int parameter = 1;
            for (const std::size_t end = i + (many ? kTogether : 1); i < end; ++i) {
                const Batch::Insert& message = messages[i];
                statement.bind(parameter++, signed_of(message.id));
                statement.bindNoCopy(parameter++, *message.to);
                statement.bindNoCopy(parameter++, *message.from);
                statement.bind(parameter++, signed_of(message.time_ms));
                statement.bind(parameter++, signed_of(message.expires_ms));
                bind_bytes(statement, parameter++, *message.payload);
            }
            run(statement);
        }
    }

    // Acknowledgements mostly come in the order of the ids: neighbours go together.
    static void remove(const std::vector<std::uint64_t>& ids,
                       SQLite::Statement& one,
                       SQLite::Statement& range) {
        for (std::size_t i = 0; i < ids.size();) {
            std::size_t end = i + 1;
            while (end < ids.size() && ids[end] == ids[end - 1] + 1) {
                ++end;
            }
            SQLite::Statement& statement = end - i == 1 ? one : range;
            statement.bind(1, signed_of(ids[i]));
            if (end - i > 1) {
                statement.bind(2, signed_of(ids[end - 1]));
            }
            run(statement);
            i = end;
        }
    }

    static void run(SQLite::Statement& statement) {
        (void)statement.exec();
        statement.reset();
    }

    SQLite::Database db_;
    SQLite::Statement insert_;
    SQLite::Statement insert_many_;
    SQLite::Statement remove_;
    SQLite::Statement remove_range_;
    SQLite::Statement mark_;
    SQLite::Statement know_;
    SQLite::Statement forget_;
    SQLite::Statement next_;
    SQLite::Statement send_;
    SQLite::Statement sent_;
    SQLite::Statement sent_range_;
    SQLite::Statement lane_;
    SQLite::Statement forget_lane_;
};

}  // namespace

void Batch::add_known(const Known& added) {
    wire::append_whole(known, added.first_id);
    wire::append_whole(known, added.count);
    wire::append_whole(known, added.time_ms);
    wire::append_text(known, added.key);
    known_id = added.first_id;
}

void unpack_known(std::string_view packed, const std::function<void(const Batch::Known&)>& each) {
    wire::Cursor cursor(packed);
    while (cursor.ok() && !cursor.at_end()) {
        Batch::Known one;
        one.first_id = cursor.whole().value_or(0);
        one.count = cursor.whole().value_or(0);
        one.time_ms = cursor.whole().value_or(0);
        const auto key = cursor.text();
        if (key && cursor.ok()) {
            one.key = *key;
            each(one);
        }
    }
}

struct Journal::Impl {
    Impl(const Options& options, Done done_in) : database(options), done(std::move(done_in)) {}

    void run() {
        for (;;) {
            std::unique_ptr<Batch> batch;
            {
                std::unique_lock lock(mutex);
                changed.wait(lock, [this] { return stopping || !queue.empty(); });
                if (queue.empty()) {
                    return;
                }
                batch = std::move(queue.front());
                queue.pop_front();
            }
            const Result<void> written = database.write(*batch);
            done(std::move(batch), written);
        }
    }

    Database database;
    Done done;
    std::mutex mutex;
    std::condition_variable changed;
    std::deque<std::unique_ptr<Batch>> queue;  // guarded by mutex
    bool stopping = false;                     // guarded by mutex
    std::thread thread;
};

Result<std::unique_ptr<Journal>> Journal::open(const Options& options, Stored& stored, Done done) {
    BERTH_CHECK(os::make_database_private(options.file));
    try {
        auto impl = std::make_unique<Impl>(options, std::move(done));
        stored = impl->database.load();
        Impl& running = *impl;
        running.thread = std::thread([&running] { running.run(); });
        return std::unique_ptr<Journal>(new Journal(std::move(impl)));
    } catch (const SQLite::Exception& error) {
        return fail(ErrorCode::Io, options.file + ": " + error.what());
    }
}

Journal::Journal(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}

Journal::~Journal() {
    {
        const std::lock_guard lock(impl_->mutex);
        impl_->stopping = true;
    }
    impl_->changed.notify_one();
    impl_->thread.join();
}

void Journal::submit(std::unique_ptr<Batch> batch) {
    {
        const std::lock_guard lock(impl_->mutex);
        impl_->queue.push_back(std::move(batch));
    }
    impl_->changed.notify_one();
}

}  // namespace berth::relay
