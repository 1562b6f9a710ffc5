#include "shared/base/position.h"

#include <algorithm>

namespace berth {

std::string to_string(Position position) {
    return std::to_string(position.line) + ":" + std::to_string(position.column);
}

Position PositionFinder::at(std::size_t offset) {
    const std::size_t end = std::min(offset, text_.size());
    if (end < offset_) {
        offset_ = 0;
        position_ = {};
    }
    for (; offset_ < end; ++offset_) {
        const auto byte = static_cast<unsigned char>(text_[offset_]);
        if (byte == '\n') {
            ++position_.line;
            position_.column = 1;
        } else if ((byte & 0xC0U) != 0x80U) {
            ++position_.column;
        }
    }
    return position_;
}

}  // namespace berth
