#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "agent/relay/box/known_keys.h"
#include "agent/relay/box/mailbox.h"
#include "shared/base/result.h"

namespace berth::relay {

// What one turn of the relay wants on the disk: one transaction.
struct Batch {
    struct Insert {
        std::uint64_t id;
        Name to;
        Name from;
        Payload payload;
        std::uint64_t time_ms;
        std::uint64_t expires_ms;  // Unix time; 0: never
        std::uint32_t failures = 0;
        std::uint64_t dead_ms = 0;  // when it became a dead letter; 0: it is none
    };

    // What has become of a stored message.
    struct Mark {
        std::uint64_t id = 0;
        std::uint32_t failures = 0;
        std::uint64_t dead_ms = 0;
    };

    // A message for an app of another agent.
    struct Outgoing {
        std::uint64_t id;
        std::string agent;
        Name to;
        Name from;
        Payload payload;
        std::uint64_t time_ms;
        std::uint64_t expires_ms;  // Unix time; 0: never
    };

    // What was taken of one stream: from app `from` of an agent, which calls its numbering `epoch`.
    struct Cursor {
        std::string agent;
        std::string epoch;
        std::string from;
        std::string to;
        std::uint64_t last = 0;  // the newest id
        std::uint64_t used_ms = 0;
    };

    std::vector<Insert> inserts;
    std::vector<std::uint64_t> removals;
    std::vector<Mark> marks;  // in the order they were made
    std::vector<Outgoing> outgoing;
    std::vector<std::uint64_t> sent;  // outgoing ones that are done with
    std::vector<Cursor> cursors;
    std::vector<Cursor> forgotten;         // cursors
    std::string known;                     // packed: read at a start only, forgotten together
    std::uint64_t known_id = 0;            // first id of the last of these
    std::uint64_t forget_known_below = 0;  // known keys whose first id is less
    std::uint64_t next_id = 0;             // ids from here on are free; 0: unchanged

    void add_known(const UsedKey& added);

    [[nodiscard]] bool empty() const {
        return inserts.empty() && removals.empty() && marks.empty() && outgoing.empty() &&
               sent.empty() && cursors.empty() && forgotten.empty() && known.empty() &&
               next_id == 0 && forget_known_below == 0;
    }
};

// What a journal holds when it is opened.
struct Stored {
    std::vector<Batch::Insert> messages;    // in the order of their ids
    std::vector<std::string> known;         // Batch::known of each, in the order of their ids
    std::vector<Batch::Outgoing> outgoing;  // in the order of their ids
    std::vector<Batch::Cursor> cursors;
    std::string epoch;          // drawn when the file was made
    std::uint64_t next_id = 1;  // was never given to a message
};

// Calls `each` for all keys that a Batch::known holds.
void unpack_known(std::string_view packed, const std::function<void(const UsedKey&)>& each);

// Who writes batches, one after the other, and says what came of each.
class BatchWriter {
public:
    BatchWriter() = default;
    BatchWriter(const BatchWriter&) = delete;
    BatchWriter& operator=(const BatchWriter&) = delete;
    virtual ~BatchWriter() = default;  // writes what was submitted

    // At most a few are on their way.
    virtual void submit(std::unique_ptr<Batch> batch) = 0;
};

}  // namespace berth::relay
