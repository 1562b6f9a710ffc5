#include "agent/store/settings.h"

namespace berth::store {

std::string Settings::value(const std::string& key) {
    db::Rows row = turn_.query("SELECT value FROM meta WHERE key = ?", {key});
    return row.next() ? row.text(0) : std::string();
}

void Settings::set_value(const std::string& key, const std::string& value) {
    (void)turn_.change("INSERT OR REPLACE INTO meta (key, value) VALUES (?, ?)", {key, value});
}

std::uint32_t Settings::scale(const std::string& app) {
    db::Rows row = turn_.query("SELECT count FROM scale WHERE app = ?", {app});
    return row.next() ? static_cast<std::uint32_t>(row.integer(0)) : 0;
}

void Settings::set_scale(const std::string& app, std::uint32_t count) {
    turn_.require_durable();
    (void)turn_.change("INSERT OR REPLACE INTO scale (app, count) VALUES (?, ?)", {app, count});
}

std::vector<Settings::Peer> Settings::peers() {
    std::vector<Peer> peers;
    db::Rows row = turn_.query(
        "SELECT key, name, role FROM limited_peer UNION ALL SELECT key, name, 'admin' FROM peer "
        "WHERE key NOT IN (SELECT key FROM limited_peer) ORDER BY name");
    while (row.next()) {
        peers.push_back({row.text(0), row.text(1), row.text(2)});
    }
    return peers;
}

void Settings::add_peer(const Peer& peer) {
    turn_.require_durable();
    (void)remove_peer(peer.key);
    (void)turn_.change(peer.role == "admin"
                           ? "INSERT INTO peer (key, name, role) VALUES (?, ?, ?)"
                           : "INSERT INTO limited_peer (key, name, role) VALUES (?, ?, ?)",
                       {peer.key, peer.name, peer.role});
}

bool Settings::remove_peer(const std::string& key) {
    turn_.require_durable();
    const auto full = turn_.change("DELETE FROM peer WHERE key = ?", {key});
    const auto limited = turn_.change("DELETE FROM limited_peer WHERE key = ?", {key});
    return full + limited > 0;
}

}  // namespace berth::store
