#pragma once

#include <string>

namespace berth::supervisor {

// " by ann"; nothing when nobody asked.
inline std::string by(const std::string& actor) {
    return actor.empty() ? std::string() : " by " + actor;
}

}  // namespace berth::supervisor
