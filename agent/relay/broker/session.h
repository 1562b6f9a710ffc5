#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include "agent/relay/box/box.h"
#include "agent/relay/broker/link.h"

namespace berth::relay {

// One connection. `box` is that of the app which its hello has proved.
struct Session {
    std::uint64_t number = 0;
    Link* link = nullptr;
    Box* box = nullptr;        // of its app; null before hello
    std::string secret;        // that it has proved to know
    bool is_operator = false;  // the owner of the home: speaks for any app, or for none
    bool subscribed = false;   // messages are pushed
    bool listening = false;    // events are
    bool deaf = false;         // it takes nothing any more; what it said before is still to come
    std::size_t window = 0;    // messages that it has not acknowledged
    std::uint64_t pushed = 0;  // messages, so far
    std::uint64_t alone = 0;   // one of them that nothing is pushed behind; 0: none
    std::vector<std::string> peer_events;  // agents whose events it wants; "*": all others
};

}  // namespace berth::relay
