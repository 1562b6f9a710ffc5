#pragma once

#include <cstdint>
#include <initializer_list>
#include <memory>
#include <optional>
#include <span>
#include <string>

#include "shared/base/result.h"
#include "shared/db/value.h"
#include "shared/time/clock.h"

namespace SQLite {
class Statement;
}

namespace berth::db {

class Database;

// What a query gives, row by row. Ends the query when it is destroyed. Must not outlive its
// database, nor a second query of the same text.
class Rows {
public:
    Rows(Rows&& other) noexcept;
    Rows& operator=(Rows&&) = delete;
    Rows(const Rows&) = delete;
    Rows& operator=(const Rows&) = delete;
    ~Rows();

    // Goes to the next one. False: there is none, or it cannot be read.
    bool next();

    // Columns of the present row, from 0 on. A value of another kind is converted as SQLite does.
    [[nodiscard]] bool is_null(int column) const;
    [[nodiscard]] std::int64_t integer(int column) const;
    [[nodiscard]] std::uint64_t count(int column) const;  // a number that is stored as an integer
    [[nodiscard]] double real(int column) const;
    [[nodiscard]] std::string text(int column) const;  // or blob, as its bytes are
    [[nodiscard]] WallTime time(int column) const;
    [[nodiscard]] std::optional<WallTime> optional_time(int column) const;

private:
    friend class Database;
    Rows(Database& database, SQLite::Statement* statement);

    Database& database_;
    SQLite::Statement* statement_;  // null: it could not be prepared
};

// A statement that its user names, for those whose text is made at run time. Must not outlive its
// database.
class Statement {
public:
    // Parameters count from 1. Borrowed until run().
    void bind(int parameter, const Value& value);

    // Gives how many rows it has changed.
    int run();

private:
    friend class Database;

    Statement(Database& database, std::size_t number) : database_(database), number_(number) {}

    Database& database_;
    std::size_t number_;  // of those that the database keeps for their users
};

// How the tables of a database came to be. Step N brings one of version N to N + 1 (PRAGMA
// user_version). Steps are never changed, only added.
struct Schema {
    std::span<const char* const> steps;
    // The oldest version that may use a database of this one: versions that only add columns with
    // defaults and tables say so, in their table meta (key, value). 0: none but this.
    int oldest_reader = 0;
};

struct Options {
    std::string file;  // ":memory:": gone with the object

    enum class Sync : std::uint8_t {
        Normal,  // a commit is in the kernel's memory: a power cut may take the last ones
        Full,    // a commit waits for the disk
    };
    Sync sync = Sync::Full;
    std::uint64_t max_bytes = 0;          // of the file; 0: as much as the disk has
    std::uint32_t checkpoint_pages = 0;   // of the write-ahead log; 0: SQLite's own choice
    std::uint64_t journal_max_bytes = 0;  // what of it is kept; 0: the same
};

// One SQLite database, in write-ahead mode. Nothing here throws: the first failure is remembered
// until take_failure() or commit() tells it, and until then nothing is written. So a caller writes
// its rows one after the other and asks once. Queries give what there is all the same: nobody may
// take a row for missing because a write has failed. Used by one thread at a time.
class Database {
public:
    // Makes the file, for its owner alone, and brings its tables up to date in one transaction; two
    // processes may do so at once. Error: it cannot be used, or a newer Berth wrote it.
    static Result<std::unique_ptr<Database>> open(const Options& options, const Schema& schema);

    // Whether the file is a database that is sound; it is read as a whole. One that is missing is
    // fine.
    static Result<void> check(const std::string& file);
    ~Database();
    Database(const Database&) = delete;
    Database& operator=(const Database&) = delete;

    // Runs a statement that gives no rows; gives how many it has changed. Statements are prepared
    // once for each `sql`, told apart by their address: it is a literal.
    int run(const char* sql, std::initializer_list<Value> parameters = {});
    [[nodiscard]] Rows query(const char* sql, std::initializer_list<Value> parameters = {});
    [[nodiscard]] Statement statement(const std::string& sql);

    // Several statements without parameters, or a PRAGMA.
    void exec(const std::string& sql);

    // Begins a transaction that may write.
    void begin();
    [[nodiscard]] bool in_transaction() const;

    // Ends it. Error: something in it, or this, has failed, and nothing of it is stored.
    Result<void> commit();
    void rollback();

    // From now on every write fails, or none any more: as on a full disk.
    void refuse_writes(bool refused);

    // What has failed since this was asked last.
    std::optional<std::string> take_failure();
    [[nodiscard]] bool failed() const;

    // Whether the file still has its name: somebody may have removed it, or put another there.
    // Looks at the disk. One in memory is its own.
    enum class Place : std::uint8_t { Own, Gone, Other };
    [[nodiscard]] Place place() const;

    // Writes what it knows to its name anew, for the next one that opens it; not within a
    // transaction.
    Result<void> put_back();

    // Looks at the disk whether the file still has its name, and goes on with one that is put back
    // when it has not; not within a transaction, nor while Rows are open. Error: it cannot be put
    // back, or another was put there: what is written goes on going to the one before.
    Result<void> look_after();

    [[nodiscard]] const std::string& file() const;

private:
    friend class Rows;
    friend class Statement;
    struct Impl;
    explicit Database(std::unique_ptr<Impl> impl);
    std::unique_ptr<Impl> impl_;
};

// Rolls back what was not committed when it ends.
class Transaction {
public:
    explicit Transaction(Database& database) : database_(database) { database_.begin(); }

    ~Transaction() { database_.rollback(); }

    Transaction(const Transaction&) = delete;
    Transaction& operator=(const Transaction&) = delete;

    Result<void> commit() { return database_.commit(); }

private:
    Database& database_;
};

}  // namespace berth::db
