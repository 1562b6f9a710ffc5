#pragma once

#include <array>
#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "shared/wire/control.h"

namespace berth::wire {

// Puts the pieces of an app's lines together for people and files, so that a line of one stream is
// never mixed into one of the other. Bytes stay as they were written.
class LineJoiner {
public:
    // When a line that is not finished is shown.
    //   Whole   not before it is finished (or at the end): for a pipe
    //   Soon    at the end of each batch: for somebody who may have to answer a prompt. When the
    //           other stream writes then, a newline is put between, and the line is shown again,
    //           whole, when it goes on.
    enum class Show : std::uint8_t { Whole, Soon };

    // What a line begins with, such as its time.
    using Prefix = std::function<std::string(WallTime)>;

    LineJoiner(Show show, Prefix prefix) : show_(show), prefix_(std::move(prefix)) {}

    // What is to be printed of these pieces.
    std::string take(const std::vector<LogLine>& pieces);

    // And of what is not finished, when no more is read.
    std::string end();

private:
    // So much of a line is kept; one that is longer is printed as it comes.
    static constexpr std::size_t kMaxKept = 1U << 20U;

    struct Line {
        bool open = false;
        bool fresh = false;  // something of it was not shown yet
        WallTime time;
        std::string text;
    };

    void show(std::size_t stream);
    void interrupt();

    Show show_;
    Prefix prefix_;
    std::array<Line, 2> lines_;
    std::optional<std::size_t> shown_;  // the stream whose unfinished line stands in the output
    std::size_t shown_bytes_ = 0;       // of its text
    std::string output_;
};

}  // namespace berth::wire
