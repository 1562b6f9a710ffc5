#pragma once

#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <string_view>

// What each target has: handles any bytes, aborts when something does not hold. With libFuzzer
// under the preset `fuzz`, else over the corpus by replay.cpp.
void fuzz_one(std::string_view bytes);

inline void fuzz_check(bool holds, const char* what) {
    if (!holds) {
        (void)std::fprintf(stderr, "does not hold: %s\n", what);
        std::abort();
    }
}

// A part of the input of at most `most` bytes, whose length its first byte says: for readers that
// get their bytes in pieces.
inline std::string_view fuzz_piece(std::string_view& rest, std::size_t most = 255) {
    if (rest.empty()) {
        return {};
    }
    const std::size_t wanted = static_cast<unsigned char>(rest.front()) % (most + 1);
    rest.remove_prefix(1);
    const std::string_view piece = rest.substr(0, wanted);
    rest.remove_prefix(piece.size());
    return piece;
}
