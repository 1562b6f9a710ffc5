#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "agent/relay/disk/batch.h"
#include "agent/relay/peer/envelope.h"

namespace berth::relay {

// What has been taken of one stream: from one app of another agent to one of ours.
struct StreamCursor {
    Batch::Cursor row;           // `last`: the newest id that was taken or refused
    std::uint64_t settled = 0;   // what is taken up to it is on the disk, or need not be
    std::size_t on_the_way = 0;  // taken, not on the disk yet
    std::uint64_t refused = 0;   // the last one that was not taken for good, with
    Code code = Code::Ok;        // why
    std::string why;
    bool dirty = false;  // `last` must be written
};

// All streams that come to this agent. Pure: no clock, no socket, no disk. A stream that was not
// used for long is forgotten when there are too many; what its sender then still sends again would
// come twice.
class StreamCursors {
public:
    explicit StreamCursors(std::size_t most = 100'000) : most_(most) {}

    // What the disk knows.
    void restore(const Batch::Cursor& row);

    // References stay valid until drop_old().
    StreamCursor& need(std::string_view agent,
                       std::string_view epoch,
                       std::string_view from,
                       std::string_view to);

    // Where an id stands: the next one; taken or refused before; or one before it is missing.
    enum class Place : std::uint8_t { Next, Known, Gap };
    static Place place(const StreamCursor& cursor, std::uint64_t id, std::uint64_t before);

    // Keeps the `most` that were used last; of the others, those that nothing is on the way to.
    // Gives those that are forgotten, for the disk.
    std::vector<Batch::Cursor> drop_old();

    [[nodiscard]] std::size_t size() const { return cursors_.size(); }

private:
    using Key = std::array<std::string, 4>;

    std::size_t most_;
    std::map<Key, StreamCursor> cursors_;
};

}  // namespace berth::relay
