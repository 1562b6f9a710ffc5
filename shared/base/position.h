#pragma once

#include <cstddef>
#include <string>
#include <string_view>

namespace berth {

// A place in a text, both counted from 1; columns count characters (code points), as editors do.
struct Position {
    int line = 1;
    int column = 1;

    friend bool operator==(const Position&, const Position&) = default;

    friend bool operator<(const Position& a, const Position& b) {
        return a.line < b.line || (a.line == b.line && a.column < b.column);
    }
};

// "3:11"
std::string to_string(Position position);

// Turns byte offsets of a text into positions. Cheap as long as the offsets asked for do not go
// back: it walks on from the last one. The text must outlive it.
class PositionFinder {
public:
    explicit PositionFinder(std::string_view text) : text_(text) {}

    Position at(std::size_t offset);

private:
    std::string_view text_;
    std::size_t offset_ = 0;
    Position position_;
};

}  // namespace berth
