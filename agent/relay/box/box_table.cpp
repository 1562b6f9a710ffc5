#include "agent/relay/box/box_table.h"

#include <utility>

namespace berth::relay {

Box* BoxTable::find(std::string_view app) const {
    const auto found = boxes_.find(app);
    return found == boxes_.end() ? nullptr : found->second.get();
}

Result<Box*> BoxTable::make(const std::string& app, std::uint64_t now_ms) {
    if (boxes_.size() >= most_) {
        sweep(now_ms);
    }
    if (boxes_.size() >= most_) {
        return fail(ErrorCode::Exhausted,
                    "there are " + std::to_string(most_) + " mailboxes already");
    }
    return &restore(app);
}

Box& BoxTable::restore(const std::string& app) {
    auto& slot = boxes_[app];
    if (slot == nullptr) {
        slot = std::make_unique<Box>(app, total_bytes_);
    }
    return *slot;
}

void BoxTable::sweep(std::uint64_t now_ms) {
    std::erase_if(boxes_, [this, now_ms](const auto& entry) {
        const Box& box = *entry.second;
        if (!box.mail.empty() || box.dead.count() != 0 || box.sessions != 0 ||
            box.references != 0 || box.touched || !dedupe_.are_old(box.keys, now_ms)) {
            return false;
        }
        dedupe_.forget_all(box.keys);
        return true;
    });
}

void BoxTable::touch(Box& box) {
    if (!box.touched) {
        box.touched = true;
        touched_.push_back(&box);
    }
}

std::vector<Box*> BoxTable::take_touched() {
    changes_ += touched_.empty() ? 0 : 1;
    return std::exchange(touched_, {});
}

}  // namespace berth::relay
