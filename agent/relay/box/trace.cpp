#include "agent/relay/box/trace.h"

#include <algorithm>

namespace berth::relay {

void Trace::begin(TraceEntry entry) {
    entry.change = ++changes_;
    TraceEntry& place = entries_[entry.id % kEntries];
    place = std::move(entry);
}

TraceEntry* Trace::find(std::uint64_t id) {
    TraceEntry& entry = entries_[id % kEntries];
    return entry.id == id ? &entry : nullptr;
}

void Trace::stored(std::uint64_t id, WallTime now) {
    if (TraceEntry* const entry = find(id)) {
        entry->stored = now;
        entry->outcome = TraceOutcome::Waiting;
        entry->change = ++changes_;
    }
}

void Trace::given(std::uint64_t id, WallTime now) {
    if (TraceEntry* const entry = find(id)) {
        if (++entry->attempts == 1) {
            entry->given = now;
        }
        entry->outcome = TraceOutcome::Given;
        entry->change = ++changes_;
    }
}

void Trace::ended(std::uint64_t id, TraceOutcome outcome, WallTime now) {
    if (TraceEntry* const entry = find(id)) {
        entry->ended = now;
        entry->outcome = outcome;
        entry->change = ++changes_;
    }
}

std::vector<TraceEntry> Trace::since(std::uint64_t after,
                                     const std::string& app,
                                     std::size_t max) const {
    std::vector<TraceEntry> found;
    for (const TraceEntry& entry : entries_) {
        if (entry.id == 0 || entry.change <= after) {
            continue;
        }
        const bool concerned = app.empty() || *entry.from == app ||
                               (entry.kind != TraceKind::Event && *entry.to == app);
        if (concerned) {
            found.push_back(entry);
        }
    }
    std::sort(found.begin(), found.end(), [](const TraceEntry& a, const TraceEntry& b) {
        return a.id < b.id;
    });
    if (found.size() > max) {
        found.erase(found.begin(), found.end() - static_cast<std::ptrdiff_t>(max));
    }
    return found;
}

}  // namespace berth::relay
