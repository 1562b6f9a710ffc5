#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "agent/relay/box/box.h"
#include "agent/relay/box/dedupe_index.h"
#include "shared/base/result.h"

namespace berth::relay {

// The mailboxes of this agent's apps, and which of them have something to give out. A Box stays
// where it is until it is forgotten, which happens only to one that nobody has anything in or to do
// with, when there are too many. Relay thread.
class BoxTable {
public:
    BoxTable(std::size_t most, DedupeIndex& dedupe) : most_(most), dedupe_(dedupe) {}

    // Null: there is none.
    [[nodiscard]] Box* find(std::string_view app) const;

    // A new one, for an app that has none. Error: Exhausted; there are too many, all in use.
    // `now_ms`: the time by which keys grow old.
    Result<Box*> make(const std::string& app, std::uint64_t now_ms);

    // The same without a limit, for what the disk has.
    Box& restore(const std::string& app);

    // It may have something to give out at the end of this turn.
    void touch(Box& box);

    // Those that were touched since the last call; each counts as touched until the caller resets
    // Box::touched.
    std::vector<Box*> take_touched();

    // Something that stats show was changed without touching a box.
    void note_change() { ++changes_; }

    // How often stats may have changed.
    [[nodiscard]] std::uint64_t changes() const { return changes_; }

    // Of all payloads in them.
    [[nodiscard]] std::size_t total_bytes() const { return total_bytes_; }

    template <class Use>
    void for_each(Use use) const {
        for (const auto& [app, box] : boxes_) {
            use(*box);
        }
    }

private:
    struct Hash {
        using is_transparent = void;

        std::size_t operator()(std::string_view text) const {
            return std::hash<std::string_view>()(text);
        }
    };

    void sweep(std::uint64_t now_ms);

    std::size_t most_;
    DedupeIndex& dedupe_;
    std::size_t total_bytes_ = 0;
    std::unordered_map<std::string, std::unique_ptr<Box>, Hash, std::equal_to<>> boxes_;
    std::vector<Box*> touched_;
    std::uint64_t changes_ = 0;
};

}  // namespace berth::relay
