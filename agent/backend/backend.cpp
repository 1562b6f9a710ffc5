#include "agent/backend/backend.h"

namespace berth::backend {

std::string in_words(const std::vector<Obstacle>& obstacles) {
    std::string text;
    for (const Obstacle& obstacle : obstacles) {
        text += (text.empty() ? "" : "; ") + obstacle.text;
    }
    return text;
}

}  // namespace berth::backend
