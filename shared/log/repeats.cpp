#include "shared/log/repeats.h"

namespace berth::log {

namespace {

constexpr Duration kWindow = std::chrono::minutes(1);
constexpr Duration kSweep = std::chrono::seconds(1);
constexpr std::uint64_t kLinesOfText = 100;
constexpr std::size_t kMostEntries = 256;  // of each table

}  // namespace

void Repeats::tell(Entry& entry, std::vector<Held>& due) {
    if (entry.held > 0) {
        due.push_back({std::move(entry.line), entry.held});
        entry.line.clear();
        entry.held = 0;
        --holding_;
    }
}

void Repeats::hold(Entry& entry, const std::string& line) {
    holding_ += entry.held == 0 ? 1 : 0;
    ++entry.held;
    entry.line = line;
}

Repeats::Entry& Repeats::entry_of(Table& table,
                                  std::string_view key,
                                  MonoTime now,
                                  std::vector<Held>& due) {
    const std::string name(key);
    const auto found = table.by_key.find(name);
    if (found != table.by_key.end()) {
        return *found->second;
    }
    if (table.size() >= kMostEntries) {
        tell(table.order.front(), due);
        table.by_key.erase(table.order.front().key);
        table.order.pop_front();
    }
    table.order.push_back({name, "", now, 0, 0});
    table.by_key.emplace(name, std::prev(table.order.end()));
    return table.order.back();
}

bool Repeats::admit(std::string_view text,
                    const std::string& line,
                    MonoTime now,
                    std::vector<Held>& due) {
    if (now - swept_ >= kSweep) {
        collect(now, /*all=*/false, due);
    }
    Entry& like = entry_of(texts_, text, now, due);
    const auto same = lines_.by_key.find(line);
    if (same != lines_.by_key.end()) {
        hold(*same->second, line);
        return false;
    }
    if (like.written >= kLinesOfText) {
        hold(like, line);
        return false;
    }
    ++like.written;
    (void)entry_of(lines_, line, now, due);
    return true;
}

void Repeats::sweep(Table& table, MonoTime now, bool all, std::vector<Held>& due) {
    while (!table.order.empty() && (all || now - table.order.front().since >= kWindow)) {
        Entry& oldest = table.order.front();
        const bool goes_on = oldest.held > 0 && !all;
        tell(oldest, due);
        if (goes_on) {  // it was said just now, so the next minute begins
            oldest.since = now;
            oldest.written = 0;
            table.order.splice(table.order.end(), table.order, table.order.begin());
        } else {
            table.by_key.erase(oldest.key);
            table.order.pop_front();
        }
    }
}

void Repeats::collect(MonoTime now, bool all, std::vector<Held>& due) {
    swept_ = now;
    sweep(lines_, now, all, due);
    sweep(texts_, now, all, due);
}

}  // namespace berth::log
