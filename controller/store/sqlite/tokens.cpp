#include "controller/store/sqlite/tokens.h"

namespace berth::store::sqlite {

namespace {

constexpr const char* kDeviceKey = "device_key";

}  // namespace

Result<std::string> Tokens::setup_token_hash() {
    return connection_.run<std::string>("read the setup token", [](db::Database& database) {
        db::Rows row = database.query("SELECT value FROM meta WHERE key = ?", {kSetupKey});
        return row.next() ? row.text(0) : std::string();
    });
}

Result<void> Tokens::set_setup_token_hash(const std::string& hash) {
    return connection_.run<void>(
        "write the setup token", [&](db::Database& database) -> Result<void> {
            (void)database.run("DELETE FROM meta WHERE key = ?", {kSetupKey});
            if (!hash.empty()) {
                (void)database.run("INSERT INTO meta VALUES (?, ?)", {kSetupKey, hash});
            }
            return {};
        });
}

Result<std::string> Tokens::device_key(const std::string& offered) {
    return connection_.run<
        std::string>("read the key of known browsers", [&](db::Database& database) {
        const auto read = [&database] {
            db::Rows row = database.query("SELECT value FROM meta WHERE key = ?", {kDeviceKey});
            return row.next() ? row.text(0) : std::string();
        };
        std::string key = read();
        if (key.empty()) {
            (void)database.run("INSERT OR IGNORE INTO meta VALUES (?, ?)", {kDeviceKey, offered});
            key = read();
        }
        return key;
    });
}

}  // namespace berth::store::sqlite
