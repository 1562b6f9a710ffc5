#include "agent/relay/peer/stream_cursor.h"

#include <algorithm>

namespace berth::relay {

void StreamCursors::restore(const Batch::Cursor& row) {
    StreamCursor& cursor = cursors_[{row.agent, row.epoch, row.from, row.to}];
    cursor.row = row;
    cursor.settled = row.last;
}

StreamCursor& StreamCursors::need(std::string_view agent,
                                  std::string_view epoch,
                                  std::string_view from,
                                  std::string_view to) {
    Key key{std::string(agent), std::string(epoch), std::string(from), std::string(to)};
    const auto [at, made] = cursors_.try_emplace(std::move(key));
    if (made) {
        at->second.row = {at->first[0], at->first[1], at->first[2], at->first[3], 0, 0};
    }
    return at->second;
}

StreamCursors::Place StreamCursors::place(const StreamCursor& cursor,
                                          std::uint64_t id,
                                          std::uint64_t before) {
    if (id <= cursor.row.last) {
        return Place::Known;
    }
    return before <= cursor.row.last ? Place::Next : Place::Gap;
}

std::vector<Batch::Cursor> StreamCursors::drop_old() {
    std::vector<Batch::Cursor> dropped;
    if (cursors_.size() <= most_) {
        return dropped;
    }
    std::vector<std::uint64_t> times;
    times.reserve(cursors_.size());
    for (const auto& [key, cursor] : cursors_) {
        times.push_back(cursor.row.used_ms);
    }
    // A tenth more than must be, so that this is not done for each new one.
    const std::size_t surplus = cursors_.size() - most_ + most_ / 10;
    const auto oldest = times.begin() + static_cast<std::ptrdiff_t>(surplus);
    std::nth_element(times.begin(), oldest, times.end());
    std::erase_if(cursors_, [&](const auto& entry) {
        const StreamCursor& cursor = entry.second;
        const bool old = cursor.row.used_ms < *oldest && cursor.on_the_way == 0 && !cursor.dirty;
        if (old) {
            dropped.push_back(cursor.row);
        }
        return old;
    });
    return dropped;
}

}  // namespace berth::relay
