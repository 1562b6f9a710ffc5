#pragma once

#include <cstddef>
#include <cstdint>
#include <list>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "shared/time/clock.h"

namespace berth::log {

// Keeps lines that come again and again from filling a disk, whoever makes them come. A line that
// was written is written again once a minute at most, with how often it came meanwhile; of lines
// that have their text in common and differ in their fields, a hundred a minute are written and the
// others counted with the last of them. What is remembered has a bound: the oldest goes first, so
// that a line may be written too often, and none is lost uncounted. One thread at a time.
class Repeats {
public:
    // A line that was held back, and how often.
    struct Held {
        std::string line;
        std::uint64_t count = 0;
    };

    // Whether a line is to be written now. `text`: what it has in common with its like; `line`: all
    // of it but the time. What is due is added to `due`, to be written before it.
    bool admit(std::string_view text,
               const std::string& line,
               MonoTime now,
               std::vector<Held>& due);

    // What was held back for a minute, or with `all` whatever was held back.
    void collect(MonoTime now, bool all, std::vector<Held>& due);

    // Whether anything is held back.
    [[nodiscard]] bool holding() const { return holding_ > 0; }

    [[nodiscard]] std::size_t remembered() const { return lines_.size() + texts_.size(); }

private:
    struct Entry {
        std::string key;
        std::string line;  // the last one that was held back
        MonoTime since;
        std::uint64_t written = 0;
        std::uint64_t held = 0;
    };

    // Entries by their key, the oldest first.
    struct Table {
        std::list<Entry> order;
        std::unordered_map<std::string, std::list<Entry>::iterator> by_key;

        [[nodiscard]] std::size_t size() const { return order.size(); }
    };

    Entry& entry_of(Table& table, std::string_view key, MonoTime now, std::vector<Held>& due);
    void hold(Entry& entry, const std::string& line);
    void tell(Entry& entry, std::vector<Held>& due);
    void sweep(Table& table, MonoTime now, bool all, std::vector<Held>& due);

    Table lines_;
    Table texts_;
    std::size_t holding_ = 0;  // entries that hold something back
    MonoTime swept_;
};

}  // namespace berth::log
