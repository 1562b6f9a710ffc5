#include "agent/relay/disk/journal.h"

#include <array>
#include <condition_variable>
#include <deque>
#include <mutex>
#include <thread>

#include "shared/db/database.h"
#include "shared/log/log.h"
#include "shared/time/clock.h"

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

constexpr std::size_t kTogether = 32;  // messages of one INSERT
constexpr Duration kLook = std::chrono::seconds(1);
constexpr std::uint32_t kCheckpointPages = 4000;
constexpr std::uint64_t kLogKept = 64ULL << 20U;  // bytes of the write-ahead log

// An INSERT of so many messages.
std::string insert_text(std::size_t rows) {
    std::string text =
        "INSERT INTO message (id, recipient, sender, time_ms, expires_ms, payload) VALUES ";
    for (std::size_t row = 0; row < rows; ++row) {
        text += row == 0 ? "(?, ?, ?, ?, ?, ?)" : ", (?, ?, ?, ?, ?, ?)";
    }
    return text;
}

// The tables; used by one thread at a time.
class Tables {
public:
    explicit Tables(std::unique_ptr<db::Database> opened)
        : db_(std::move(opened)),
          insert_(db_->statement(insert_text(1))),
          insert_many_(db_->statement(insert_text(kTogether))) {}

    Result<Stored> load() {
        Stored stored;
        load_messages(stored);
        load_peer(stored);
        db::Rows next = db_->query(
            "SELECT max(id, (SELECT ifnull(max(id), 0) + 1 FROM message), "
            "(SELECT ifnull(max(id), 0) + 1 FROM outbox)) FROM next");
        stored.next_id = next.next() ? next.count(0) : 1;
        if (const auto failure = db_->take_failure()) {
            return fail(ErrorCode::Io, db_->file() + ": " + *failure);
        }
        return stored;
    }

    Result<void> begin_anew() {
        db::Transaction transaction(*db_);
        (void)db_->run("DELETE FROM outbox", {});
        (void)db_->run("DELETE FROM lane", {});
        (void)db_->run("UPDATE origin SET epoch = lower(hex(randomblob(16)))", {});
        return transaction.commit();
    }

    Result<void> write(const Batch& batch) {
        db::Transaction transaction(*db_);
        insert(batch.inserts);
        remove(batch.removals,
               "DELETE FROM message WHERE id = ?",
               "DELETE FROM message WHERE id BETWEEN ? AND ?");
        for (const Batch::Mark& mark : batch.marks) {
            (void)db_->run("UPDATE message SET failures = ?, dead_ms = ? WHERE id = ?",
                           {mark.failures, mark.dead_ms, mark.id});
        }
        write_peer(batch);
        if (!batch.known.empty()) {
            (void)db_->run("INSERT OR REPLACE INTO known VALUES (?, ?)",
                           {batch.known_id, db::Value::blob(batch.known)});
        }
        if (batch.forget_known_below != 0) {
            (void)db_->run("DELETE FROM known WHERE last_id < ?", {batch.forget_known_below});
        }
        if (batch.next_id != 0) {
            (void)db_->run("UPDATE next SET id = ?", {batch.next_id});
        }
        if (auto committed = transaction.commit(); !committed) {
            return fail(ErrorCode::Io, "not stored: " + committed.error().message);
        }
        return {};
    }

    // Somebody may have removed the file, once a second at the most: it is put back.
    void look_after() {
        const MonoTime now = MonoClock::now();
        if (now - looked_at_ < kLook) {
            return;
        }
        looked_at_ = now;
        const bool gone = db_->place() == db::Database::Place::Gone;
        if (auto there = db_->look_after(); !there) {
            if (!std::exchange(told_, true)) {
                log::warning("the relay's database is not where it was",
                             {{"why", there.error().message}});
            }
        } else if (gone) {
            log::warning("the relay's database was removed; it is put back",
                         {{"file", db_->file()}});
        }
    }

private:
    void load_messages(Stored& stored) {
        db::Rows message = db_->query(
            "SELECT id, recipient, sender, time_ms, expires_ms, payload, failures, dead_ms FROM "
            "message ORDER BY id");
        while (message.next()) {
            stored.messages.push_back({message.count(0),
                                       std::make_shared<const std::string>(message.text(1)),
                                       std::make_shared<const std::string>(message.text(2)),
                                       std::make_shared<const std::string>(message.text(5)),
                                       message.count(3),
                                       message.count(4),
                                       static_cast<std::uint32_t>(message.count(6)),
                                       message.count(7)});
        }
        db::Rows known = db_->query("SELECT keys FROM known ORDER BY last_id");
        while (known.next()) {
            stored.known.push_back(known.text(0));
        }
    }

    void load_peer(Stored& stored) {
        db::Rows outgoing = db_->query(
            "SELECT id, agent, recipient, sender, time_ms, expires_ms, payload FROM outbox ORDER "
            "BY id");
        while (outgoing.next()) {
            stored.outgoing.push_back({outgoing.count(0),
                                       outgoing.text(1),
                                       std::make_shared<const std::string>(outgoing.text(2)),
                                       std::make_shared<const std::string>(outgoing.text(3)),
                                       std::make_shared<const std::string>(outgoing.text(6)),
                                       outgoing.count(4),
                                       outgoing.count(5)});
        }
        db::Rows cursor =
            db_->query("SELECT agent, epoch, sender, recipient, last, used_ms FROM lane");
        while (cursor.next()) {
            stored.cursors.push_back({cursor.text(0),
                                      cursor.text(1),
                                      cursor.text(2),
                                      cursor.text(3),
                                      cursor.count(4),
                                      cursor.count(5)});
        }
        db::Rows origin = db_->query("SELECT epoch FROM origin");
        stored.epoch = origin.next() ? origin.text(0) : std::string();
    }

    void write_peer(const Batch& batch) {
        for (const Batch::Outgoing& message : batch.outgoing) {
            (void)db_->run("INSERT INTO outbox VALUES (?, ?, ?, ?, ?, ?, ?)",
                           {message.id,
                            message.agent,
                            *message.to,
                            *message.from,
                            message.time_ms,
                            message.expires_ms,
                            db::Value::blob(*message.payload)});
        }
        remove(batch.sent,
               "DELETE FROM outbox WHERE id = ?",
               "DELETE FROM outbox WHERE id BETWEEN ? AND ?");
        for (const Batch::Cursor& cursor : batch.cursors) {
            (void)db_->run(
                "INSERT OR REPLACE INTO lane VALUES (?, ?, ?, ?, ?, ?)",
                {cursor.agent, cursor.epoch, cursor.from, cursor.to, cursor.last, cursor.used_ms});
        }
        for (const Batch::Cursor& cursor : batch.forgotten) {
            (void)db_->run(
                "DELETE FROM lane WHERE agent = ? AND epoch = ? AND sender = ? AND recipient = ?",
                {cursor.agent, cursor.epoch, cursor.from, cursor.to});
        }
    }

    void insert(const std::vector<Batch::Insert>& messages) {
        for (std::size_t i = 0; i < messages.size();) {
            const bool many = messages.size() - i >= kTogether;
            db::Statement& statement = many ? insert_many_ : insert_;
            int parameter = 1;
            for (const std::size_t end = i + (many ? kTogether : 1); i < end; ++i) {
                const Batch::Insert& message = messages[i];
                statement.bind(parameter++, message.id);
                statement.bind(parameter++, *message.to);
                statement.bind(parameter++, *message.from);
                statement.bind(parameter++, message.time_ms);
                statement.bind(parameter++, message.expires_ms);
                statement.bind(parameter++, db::Value::blob(*message.payload));
            }
            (void)statement.run();
        }
    }

    // Acknowledgements mostly come in the order of the ids: neighbours go together.
    void remove(const std::vector<std::uint64_t>& ids, const char* one, const char* range) {
        for (std::size_t i = 0; i < ids.size();) {
            std::size_t end = i + 1;
            while (end < ids.size() && ids[end] == ids[end - 1] + 1) {
                ++end;
            }
            if (end - i == 1) {
                (void)db_->run(one, {ids[i]});
            } else {
                (void)db_->run(range, {ids[i], ids[end - 1]});
            }
            i = end;
        }
    }

    std::unique_ptr<db::Database> db_;
    db::Statement insert_;
    db::Statement insert_many_;
    MonoTime looked_at_;
    bool told_ = false;  // that it is not there
};

}  // namespace

struct Journal::Impl {
    Impl(std::unique_ptr<db::Database> opened, Done done_in)
        : tables(std::move(opened)), done(std::move(done_in)) {}

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
            const Result<void> written = tables.write(*batch);
            tables.look_after();
            done(std::move(batch), written);
        }
    }

    Tables tables;
    Done done;
    std::mutex mutex;
    std::condition_variable changed;
    std::deque<std::unique_ptr<Batch>> queue;  // guarded by mutex
    bool stopping = false;                     // guarded by mutex
    std::thread thread;
};

Result<std::unique_ptr<Journal>> Journal::open(const Options& options, Stored& stored, Done done) {
    db::Options database;
    database.file = options.file;
    database.max_bytes = options.max_bytes;
    database.checkpoint_pages = kCheckpointPages;
    database.journal_max_bytes = kLogKept;
    BERTH_TRY(auto opened, db::Database::open(database, {kSchema}));
    auto impl = std::make_unique<Impl>(std::move(opened), std::move(done));
    if (options.begin_anew) {
        BERTH_CHECK(impl->tables.begin_anew());
    }
    BERTH_TRY(stored, impl->tables.load());
    Impl& running = *impl;
    running.thread = std::thread([&running] { running.run(); });
    return std::unique_ptr<Journal>(new Journal(std::move(impl)));
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
