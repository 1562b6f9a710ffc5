#include "shared/db/database.h"

#include <SQLiteCpp/SQLiteCpp.h>
#include <sqlite3.h>

#include <map>
#include <utility>

#include "shared/os/file.h"

namespace berth::db {

namespace {

constexpr int kBusyTimeoutMs = 5000;  // another process may have it open: a command beside a server
constexpr const char* kMemory = ":memory:";

enum class Blobs : std::uint8_t { Borrowed, Copied };

void bind_value(SQLite::Statement& statement, int parameter, const Value& value, Blobs blobs) {
    switch (value.kind()) {
        case Value::Kind::Null:
            return statement.bind(parameter);
        case Value::Kind::Integer:
            return statement.bind(parameter, value.integer());
        case Value::Kind::Real:
            return statement.bind(parameter, value.real());
        case Value::Kind::Text:
            return statement.bind(parameter, std::string(value.bytes()));
        case Value::Kind::Blob: {
            const char* const bytes = value.bytes().empty() ? "" : value.bytes().data();
            const int size = static_cast<int>(value.bytes().size());
            return blobs == Blobs::Copied ? statement.bind(parameter, bytes, size)
                                          : statement.bindNoCopy(parameter, bytes, size);
        }
    }
}

int oldest_reader_of(SQLite::Database& db, int version) {
    if (!db.tableExists("meta")) {
        return version;
    }
    SQLite::Statement query(db, "SELECT value FROM meta WHERE key = 'oldest_reader'");
    return query.executeStep() ? query.getColumn(0).getInt() : version;
}

Result<void> bring_up_to_date(SQLite::Database& db, const Options& options, const Schema& schema) {
    const int ours = static_cast<int>(schema.steps.size());
    SQLite::Transaction transaction(db, SQLite::TransactionBehavior::IMMEDIATE);
    const int version = db.execAndGet("PRAGMA user_version").getInt();
    if (version > ours && oldest_reader_of(db, version) > ours) {
        return fail(ErrorCode::InvalidArgument,
                    options.file + ": was written by a newer Berth (schema " +
                        std::to_string(version) + "), which this one cannot read");
    }
    if (version >= ours) {
        return {};
    }
    for (const char* const step : schema.steps.subspan(static_cast<std::size_t>(version))) {
        db.exec(step);
    }
    if (schema.oldest_reader != 0) {
        db.exec("INSERT OR REPLACE INTO meta (key, value) VALUES ('oldest_reader', '" +
                std::to_string(schema.oldest_reader) + "')");
    }
    db.exec("PRAGMA user_version=" + std::to_string(ours));
    transaction.commit();
    return {};
}

}  // namespace

struct Database::Impl {
    explicit Impl(Options chosen) : options(std::move(chosen)), db(open(options.file)) {}

    static std::unique_ptr<SQLite::Database> open(const std::string& file) {
        return std::make_unique<SQLite::Database>(
            file, SQLite::OPEN_READWRITE | SQLite::OPEN_CREATE, kBusyTimeoutMs);
    }

    void configure() const {
        if (options.file != kMemory) {
            db->exec("PRAGMA journal_mode=WAL");
        }
        db->exec(options.sync == Options::Sync::Full ? "PRAGMA synchronous=FULL"
                                                     : "PRAGMA synchronous=NORMAL");
        db->exec("PRAGMA foreign_keys=ON");
        db->exec("PRAGMA trusted_schema=OFF");
        if (options.checkpoint_pages != 0) {
            db->exec("PRAGMA wal_autocheckpoint=" + std::to_string(options.checkpoint_pages));
        }
        if (options.journal_max_bytes != 0) {
            db->exec("PRAGMA journal_size_limit=" + std::to_string(options.journal_max_bytes));
        }
        if (options.max_bytes != 0) {
            const std::int64_t page = db->execAndGet("PRAGMA page_size").getInt64();
            db->exec("PRAGMA max_page_count=" +
                     std::to_string(static_cast<std::int64_t>(options.max_bytes) / page));
        }
    }

    // Calls `body` unless something has failed before; remembers what it throws.
    template <class Body>
    auto guarded(Body body) -> decltype(body()) {
        using Outcome = decltype(body());
        if (!failure) {
            try {
                return body();
            } catch (const SQLite::Exception& error) {
                failure = error.what();
            }
        }
        return Outcome();
    }

    // The same for what only reads: also when something has failed before, which stays remembered.
    template <class Body>
    auto reading(Body body) -> decltype(body()) {
        auto before = std::exchange(failure, std::nullopt);
        auto outcome = guarded(std::move(body));
        failure = before ? std::move(before) : std::move(failure);
        return outcome;
    }

    SQLite::Statement& prepared(const char* sql) {
        auto& slot = statements[sql];
        if (!slot) {
            slot = std::make_unique<SQLite::Statement>(*db, sql);
        }
        slot->tryReset();
        slot->clearBindings();
        return *slot;
    }

    SQLite::Statement& kept(std::size_t number) {
        auto& slot = kept_statements.at(number);
        if (!slot) {
            slot = std::make_unique<SQLite::Statement>(*db, kept_sql.at(number));
        }
        return *slot;
    }

    // The one that is open is closed first: it takes its write-ahead log with it, which has the
    // name of that of the next one.
    void reopen() {
        statements.clear();
        for (auto& statement : kept_statements) {
            statement.reset();
        }
        db.reset();
        db = open(options.file);
        configure();
        opened = os::stamp_of(options.file);
    }

    // Also when something has failed before, which stays remembered.
    void exec_after_failure(const char* sql) {
        auto before = std::exchange(failure, std::nullopt);
        guarded([&] { db->exec(sql); });
        failure = before ? std::move(before) : std::move(failure);
    }

    [[nodiscard]] bool in_transaction() const {
        return sqlite3_get_autocommit(db->getHandle()) == 0;
    }

    Options options;
    std::optional<os::FileStamp> opened = std::nullopt;  // the file as it was then
    std::unique_ptr<SQLite::Database> db;                // null: it could not be opened again
    std::map<const char*, std::unique_ptr<SQLite::Statement>> statements = {};
    std::vector<std::string> kept_sql = {};
    std::vector<std::unique_ptr<SQLite::Statement>> kept_statements = {};
    std::optional<std::string> failure = std::nullopt;
};

// --- rows

Rows::Rows(Database& database, SQLite::Statement* statement)
    : database_(database), statement_(statement) {}

Rows::Rows(Rows&& other) noexcept
    : database_(other.database_), statement_(std::exchange(other.statement_, nullptr)) {}

Rows::~Rows() {
    if (statement_ != nullptr) {
        // One that is left open would keep the write-ahead log from its end.
        (void)statement_->tryReset();
    }
}

bool Rows::next() {
    return statement_ != nullptr &&
           database_.impl_->reading([this] { return statement_->executeStep(); });
}

bool Rows::is_null(int column) const {
    return statement_->getColumn(column).isNull();
}

std::int64_t Rows::integer(int column) const {
    return statement_->getColumn(column).getInt64();
}

std::uint64_t Rows::count(int column) const {
    return static_cast<std::uint64_t>(integer(column));
}

double Rows::real(int column) const {
    return statement_->getColumn(column).getDouble();
}

std::string Rows::text(int column) const {
    const SQLite::Column value = statement_->getColumn(column);
    const char* const bytes = static_cast<const char*>(value.getBlob());
    return bytes == nullptr ? std::string()
                            : std::string(bytes, static_cast<std::size_t>(value.getBytes()));
}

WallTime Rows::time(int column) const {
    return WallTime(Duration(integer(column)));
}

std::optional<WallTime> Rows::optional_time(int column) const {
    return is_null(column) ? std::nullopt : std::optional(time(column));
}

// --- statements

void Statement::bind(int parameter, const Value& value) {
    database_.impl_->guarded(
        [&] { bind_value(database_.impl_->kept(number_), parameter, value, Blobs::Borrowed); });
}

int Statement::run() {
    return database_.impl_->guarded([this] {
        SQLite::Statement& statement = database_.impl_->kept(number_);
        const int changed = statement.exec();
        statement.reset();
        return changed;
    });
}

// --- the database

Database::Database(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}

Database::~Database() = default;

Result<std::unique_ptr<Database>> Database::open(const Options& options, const Schema& schema) {
    const bool on_disk = options.file != kMemory;
    if (on_disk) {
        BERTH_CHECK(os::make_database_private(options.file));
    }
    try {
        auto impl = std::make_unique<Impl>(options);
        impl->configure();
        BERTH_CHECK(bring_up_to_date(*impl->db, options, schema));
        impl->opened = on_disk ? os::stamp_of(options.file) : std::nullopt;
        return std::unique_ptr<Database>(new Database(std::move(impl)));
    } catch (const SQLite::Exception& error) {
        return fail(ErrorCode::Io, options.file + ": " + error.what());
    }
}

Result<void> Database::check(const std::string& file) {
    if (!os::exists(file)) {
        return {};
    }
    try {
        const SQLite::Database database(file, SQLite::OPEN_READONLY);
        SQLite::Statement check(database, "PRAGMA quick_check(1)");
        const std::string said = check.executeStep() ? check.getColumn(0).getString() : "";
        return said == "ok" ? Result<void>() : fail(ErrorCode::Io, file + ": " + said);
    } catch (const SQLite::Exception& error) {
        return fail(ErrorCode::Io, file + ": " + error.what());
    }
}

int Database::run(const char* sql, std::initializer_list<Value> parameters) {
    return impl_->guarded([&] {
        SQLite::Statement& statement = impl_->prepared(sql);
        int index = 1;
        for (const Value& value : parameters) {
            bind_value(statement, index++, value, Blobs::Borrowed);
        }
        const int changed = statement.exec();
        statement.reset();
        return changed;
    });
}

Rows Database::query(const char* sql, std::initializer_list<Value> parameters) {
    SQLite::Statement* const prepared = impl_->reading([&]() -> SQLite::Statement* {
        SQLite::Statement& statement = impl_->prepared(sql);
        int index = 1;
        for (const Value& value : parameters) {
            bind_value(statement, index++, value, Blobs::Copied);
        }
        return &statement;
    });
    return {*this, prepared};
}

Statement Database::statement(const std::string& sql) {
    impl_->kept_sql.push_back(sql);
    impl_->kept_statements.emplace_back();
    return {*this, impl_->kept_sql.size() - 1};
}

void Database::exec(const std::string& sql) {
    impl_->guarded([&] { impl_->db->exec(sql); });
}

void Database::begin() {
    exec("BEGIN IMMEDIATE");
}

bool Database::in_transaction() const {
    return impl_->in_transaction();
}

Result<void> Database::commit() {
    if (impl_->in_transaction()) {
        exec("COMMIT");  // does nothing when something has failed before
    }
    if (auto failure = take_failure()) {
        rollback();
        return fail(ErrorCode::Io, std::move(*failure));
    }
    return {};
}

// SQLite has rolled back by itself after some failures.
void Database::rollback() {
    if (impl_->in_transaction()) {
        impl_->exec_after_failure("ROLLBACK");
    }
}

void Database::refuse_writes(bool refused) {
    impl_->exec_after_failure(refused ? "PRAGMA query_only=ON" : "PRAGMA query_only=OFF");
}

std::optional<std::string> Database::take_failure() {
    return std::exchange(impl_->failure, std::nullopt);
}

bool Database::failed() const {
    return impl_->failure.has_value();
}

Database::Place Database::place() const {
    if (impl_->options.file == kMemory) {
        return Place::Own;
    }
    const auto now = os::stamp_of(impl_->options.file);
    if (!now) {
        return Place::Gone;
    }
    const bool own =
        impl_->opened && now->inode == impl_->opened->inode && now->device == impl_->opened->device;
    return own ? Place::Own : Place::Other;
}

Result<void> Database::put_back() {
    try {
        SQLite::Statement copy(*impl_->db, "VACUUM INTO ?");
        copy.bind(1, impl_->options.file);
        (void)copy.exec();
        return os::make_database_private(impl_->options.file);
    } catch (const SQLite::Exception& error) {
        return fail(ErrorCode::Io, impl_->options.file + ": " + error.what());
    }
}

Result<void> Database::look_after() {
    switch (place()) {
        case Place::Own:
            return {};
        case Place::Other:
            return fail(ErrorCode::WrongState, impl_->options.file + " was replaced by another");
        case Place::Gone:
            break;
    }
    BERTH_CHECK(put_back());
    try {
        impl_->reopen();
        return {};
    } catch (const SQLite::Exception& error) {
        return fail(ErrorCode::Io, impl_->options.file + ": " + error.what());
    }
}

const std::string& Database::file() const {
    return impl_->options.file;
}

}  // namespace berth::db
