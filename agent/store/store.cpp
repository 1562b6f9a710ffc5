#include "agent/store/store.h"

#include <sqlite3.h>

#include "agent/store/schema.h"
#include "agent/store/store_impl.h"
#include "shared/base/text.h"
#include "shared/os/file.h"

namespace berth::store {

namespace {

std::string text_of(const SQLite::Column& column) {
    const char* const bytes = static_cast<const char*>(column.getBlob());
    return bytes == nullptr ? std::string()
                            : std::string(bytes, static_cast<std::size_t>(column.getBytes()));
}

std::string join(const std::vector<std::string>& entries) {
    std::string joined;
    for (const std::string& entry : entries) {
        joined += entry;
        joined += '\0';
    }
    return joined;
}

std::vector<std::string> unjoin(const std::string& joined) {
    std::vector<std::string> entries;
    for (const std::string_view entry : split(joined, '\0')) {
        if (!entry.empty()) {
            entries.emplace_back(entry);
        }
    }
    return entries;
}

void bind_memory(SQLite::Statement& statement, int first, const supervisor::Machine::Memory& m) {
    statement.bind(first, std::string(supervisor::stored_name(m.state)));
    statement.bind(first + 1, std::string(kDesiredNames.name(m.desired)));
    statement.bind(first + 2, static_cast<std::int64_t>(m.generation));
    statement.bind(first + 3, std::int64_t{m.since.time_since_epoch().count()});
    statement.bind(first + 4, m.reason);
    statement.bind(first + 5, static_cast<std::int64_t>(m.restarts));
    statement.bind(first + 6, m.attempt);
    if (m.last_pid) {
        statement.bind(first + 7, *m.last_pid);
    } else {
        statement.bind(first + 7);
    }
    bind_time(statement, first + 8, m.started);
    bind_time(statement, first + 9, m.finished);
    bind_exit(statement, first + 10, m.exit);
    statement.bind(first + 13, m.start_after ? 1 : 0);
    statement.bind(first + 14, m.held ? 1 : 0);
    statement.bind(first + 15, m.problem);
    statement.bind(first + 16, m.state == supervisor::State::Cleaning ? 1 : 0);
    statement.bind(first + 17, m.actor);
    std::string recent;
    for (const WallTime time : m.recent) {
        recent += std::to_string(time.time_since_epoch().count()) + ' ';
    }
    statement.bind(first + 18, recent);
}

supervisor::Machine::Memory read_memory(SQLite::Statement& query, int first) {
    supervisor::Machine::Memory m;
    m.state = supervisor::stored_state(query.getColumn(first).getString(),
                                       /*hook=*/query.getColumn(first + 16).getInt() != 0);
    m.desired =
        kDesiredNames.value(query.getColumn(first + 1).getString()).value_or(Desired::Stopped);
    m.generation = static_cast<std::uint64_t>(query.getColumn(first + 2).getInt64());
    m.since = time_of(query.getColumn(first + 3));
    m.reason = query.getColumn(first + 4).getString();
    m.restarts = static_cast<std::uint64_t>(query.getColumn(first + 5).getInt64());
    m.attempt = query.getColumn(first + 6).getUInt();
    if (!query.getColumn(first + 7).isNull()) {
        m.last_pid = query.getColumn(first + 7).getInt();
    }
    m.started = optional_time(query.getColumn(first + 8));
    m.finished = optional_time(query.getColumn(first + 9));
    m.exit = read_exit(query, first + 10);
    m.start_after = query.getColumn(first + 13).getInt() != 0;
    m.held = query.getColumn(first + 14).getInt() != 0;
    m.problem = text_of(query.getColumn(first + 15));
    m.actor = text_of(query.getColumn(first + 17));
    const std::string recent = text_of(query.getColumn(first + 18));
    for (const std::string_view word : split(recent, ' ')) {
        if (const auto time = parse_integer<std::int64_t>(word)) {
            m.recent.emplace_back(Duration(*time));
        }
    }
    return m;
}

}  // namespace

Store::Store(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}

Store::~Store() = default;

Result<std::unique_ptr<Store>> Store::open(const std::string& file) {
    try {
        BERTH_CHECK(os::make_database_private(file));
        auto impl = std::make_unique<Impl>(file);
        impl->db.setBusyTimeout(5000);
        impl->db.exec("PRAGMA journal_mode=WAL");
        BERTH_CHECK(impl->begin());
        impl->opened = os::stamp_of(file);
        return std::unique_ptr<Store>(new Store(std::move(impl)));
    } catch (const SQLite::Exception& error) {
        return fail(ErrorCode::Io, file + ": " + error.what());
    }
}

Result<std::unique_ptr<Store>> Store::open_in_memory() {
    try {
        auto impl = std::make_unique<Impl>(":memory:");
        BERTH_CHECK(impl->begin());
        return std::unique_ptr<Store>(new Store(std::move(impl)));
    } catch (const SQLite::Exception& error) {
        return fail(ErrorCode::Io, std::string("a database in memory: ") + error.what());
    }
}

Store::Place Store::place() const {
    if (!impl_->opened) {
        return Place::Own;  // in memory
    }
    const auto now = os::stamp_of(impl_->name);
    if (!now) {
        return Place::Gone;
    }
    const bool own =
        now->inode == impl_->opened->inode && now->device == impl_->opened->device;
    return own ? Place::Own : Place::Other;
}

const std::string& Store::file() const {
    return impl_->name;
}

Result<void> Store::put_back() {
    try {
        SQLite::Statement copy(impl_->db, "VACUUM INTO ?");
        copy.bind(1, impl_->name);
        copy.exec();
        return os::make_database_private(impl_->name);
    } catch (const SQLite::Exception& error) {
        return fail(ErrorCode::Io, impl_->name + ": " + error.what());
    }
}

Result<std::vector<AppRow>> Store::load_apps() {
    try {
        std::vector<AppRow> apps;
        auto& query = impl_->statement(
            "SELECT id, descriptor, text, folder, environment, installed, state, desired, "
            "generation, since, "
            "reason, restarts, attempt, last_pid, started, finished, exit_kind, exit_value, "
            "exit_core, "
            "start_after, held, problem, hook, actor, recent, started_with, crash_due FROM app "
            "ORDER BY id");
        while (query.executeStep()) {
            AppRow app;
            app.id = query.getColumn(0).getString();
            app.descriptor = query.getColumn(1).getString();
            app.text = text_of(query.getColumn(2));
            app.folder = query.getColumn(3).getString();
            app.environment = unjoin(text_of(query.getColumn(4)));
            app.installed = query.getColumn(5).getInt() != 0;
            app.memory = read_memory(query, 6);
            app.started_with = text_of(query.getColumn(25));
            app.crash_due = static_cast<std::uint64_t>(query.getColumn(26).getInt64());
            apps.push_back(std::move(app));
        }
        return apps;
    } catch (const SQLite::Exception& error) {
        return fail(ErrorCode::Io, std::string("read the agent's database: ") + error.what());
    }
}

void Store::save_app(const AppRow& app) {
    keep_said();
    BERTH_STORE_WRITE({
        auto& insert = impl_->change(
            "INSERT INTO app (id, descriptor, text, folder, environment, installed, state, "
            "desired, generation, since, reason, restarts, attempt, start_after, held) "
            "VALUES (?, ?, ?, ?, ?, ?, '', '', 0, 0, '', 0, 0, 0, 0) "
            "ON CONFLICT (id) DO UPDATE SET descriptor = excluded.descriptor, "
            "text = excluded.text, folder = excluded.folder, "
            "environment = excluded.environment, installed = excluded.installed");
        const std::string environment = join(app.environment);
        insert.bind(1, app.id);
        insert.bind(2, app.descriptor);
        insert.bind(3, app.text.data(), static_cast<int>(app.text.size()));
        insert.bind(4, app.folder);
        insert.bind(5, environment.data(), static_cast<int>(environment.size()));
        insert.bind(6, app.installed ? 1 : 0);
        (void)insert.exec();
    })
    save_memory(app);
}

void Store::save_memory(const AppRow& app) {
    BERTH_STORE_WRITE({
        auto& update = impl_->change(
            "UPDATE app SET state = ?, desired = ?, generation = ?, since = ?, reason = ?, "
            "restarts = ?, attempt = ?, last_pid = ?, started = ?, finished = ?, exit_kind = ?, "
            "exit_value = ?, exit_core = ?, start_after = ?, held = ?, problem = ?, hook = ?, "
            "actor = ?, recent = ?, started_with = ?, crash_due = ? WHERE id = ?");
        bind_memory(update, 1, app.memory);
        update.bind(20, app.started_with);
        update.bind(21, static_cast<std::int64_t>(app.crash_due));
        update.bind(22, app.id);
        (void)update.exec();
    })
}

void Store::remove_app(const std::string& id) {
    keep_said();
    BERTH_STORE_WRITE({
        for (const char* sql : {"DELETE FROM app WHERE id = ?",
                                "DELETE FROM run WHERE app = ?",
                                "DELETE FROM crash WHERE app = ?",
                                "DELETE FROM crash_group WHERE app = ?"}) {
            auto& remove = impl_->change(sql);
            remove.bind(1, id);
            (void)remove.exec();
        }
    })
}

std::string Store::meta(const std::string& key) {
    std::string value;
    BERTH_STORE_WRITE({
        auto& query = impl_->statement("SELECT value FROM meta WHERE key = ?");
        query.bind(1, key);
        if (query.executeStep()) {
            value = query.getColumn(0).getString();
        }
        query.reset();  // a row that is still open would keep the write-ahead log from its end
    })
    return value;
}

void Store::set_meta(const std::string& key, const std::string& value){BERTH_STORE_WRITE({
    auto& insert = impl_->change("INSERT OR REPLACE INTO meta (key, value) VALUES (?, ?)");
    insert.bind(1, key);
    insert.bind(2, value);
    (void)insert.exec();
})}

std::uint32_t Store::scale(const std::string& app) {
    std::uint32_t count = 0;
    BERTH_STORE_WRITE({
        auto& query = impl_->statement("SELECT count FROM scale WHERE app = ?");
        query.bind(1, app);
        if (query.executeStep()) {
            count = query.getColumn(0).getUInt();
        }
        query.reset();
    })
    return count;
}

void Store::set_scale(const std::string& app, std::uint32_t count) {
    keep_said();
    BERTH_STORE_WRITE({
        auto& insert = impl_->change("INSERT OR REPLACE INTO scale (app, count) VALUES (?, ?)");
        insert.bind(1, app);
        insert.bind(2, count);
        (void)insert.exec();
    })
}

std::vector<Store::Peer> Store::peers() {
    std::vector<Peer> peers;
    BERTH_STORE_WRITE({
        auto& query = impl_->statement("SELECT key, name FROM peer ORDER BY name");
        while (query.executeStep()) {
            peers.push_back({query.getColumn(0).getString(), query.getColumn(1).getString()});
        }
    })
    return peers;
}

void Store::add_peer(const Peer& peer) {
    keep_said();
    BERTH_STORE_WRITE({
        auto& insert = impl_->change("INSERT OR REPLACE INTO peer (key, name) VALUES (?, ?)");
        insert.bind(1, peer.key);
        insert.bind(2, peer.name);
        (void)insert.exec();
    })
}

bool Store::remove_peer(const std::string& key) {
    keep_said();
    int removed = 0;
    BERTH_STORE_WRITE({
        auto& remove = impl_->change("DELETE FROM peer WHERE key = ?");
        remove.bind(1, key);
        removed = remove.exec();
    })
    return removed > 0;
}

void Store::keep_said() {
    impl_->said = true;
}

Result<void> Store::commit() {
    std::string failure = std::exchange(impl_->failure, {});
    const bool said = std::exchange(impl_->said, false);
    if (impl_->in_transaction) {
        try {
            impl_->db.exec("COMMIT");
            impl_->in_transaction = false;
            impl_->unflushed = !impl_->waits_for_disk;
        } catch (const SQLite::Exception& error) {
            failure = error.what();
            // SQLite rolls back by itself on a full disk; on a busy one the transaction stays open.
            impl_->in_transaction = sqlite3_get_autocommit(impl_->db.getHandle()) == 0;
        }
    }
    if (!failure.empty()) {
        return fail(ErrorCode::Io, "write the agent's database: " + failure);
    }
    return said && impl_->unflushed ? flush() : Result<void>();
}

Result<void> Store::flush() {
    if (!impl_->unflushed || impl_->in_transaction) {
        return {};
    }
    impl_->said = true;
    set_meta("flushed", "");  // one commit that waits for the disk takes with it all before it
    return commit();
}

void Store::refuse_writes(bool refused) {
    BERTH_STORE_WRITE(impl_->db.exec(refused ? "PRAGMA query_only=ON" : "PRAGMA query_only=OFF"))
}

bool Store::unflushed() const {
    return impl_->unflushed;
}

bool Store::dirty() const {
    return impl_->in_transaction || !impl_->failure.empty();
}

}  // namespace berth::store
