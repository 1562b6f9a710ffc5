#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "agent/store/turn.h"

namespace berth::store {

// What belongs to no app's row: keys and values, numbers of instances, who may reach this agent.
// Loop thread.
class Settings {
public:
    explicit Settings(Turn& turn) : turn_(turn) {}

    // "": there is none.
    [[nodiscard]] std::string value(const std::string& key);
    void set_value(const std::string& key, const std::string& value);

    // How many instances somebody wants of an app; 0: nobody has said.
    [[nodiscard]] std::uint32_t scale(const std::string& app);
    void set_scale(const std::string& app, std::uint32_t count);

    struct Peer {
        std::string key;
        std::string name;
        std::string role;  // see command::Role
    };

    // By name. Those whose role is not admin are in a table that an older agent does not know, so
    // that it refuses them; a key that an older agent has let in besides keeps its role here.
    [[nodiscard]] std::vector<Peer> peers();
    void add_peer(const Peer& peer);
    // False: there was none.
    bool remove_peer(const std::string& key);

private:
    Turn& turn_;
};

}  // namespace berth::store
