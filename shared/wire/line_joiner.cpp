#include "shared/wire/line_joiner.h"

#include <utility>

namespace berth::wire {

// Ends the line that stands in the output unfinished. It is shown again when it goes on.
void LineJoiner::interrupt() {
    if (shown_) {
        output_ += '\n';
        shown_.reset();
        shown_bytes_ = 0;
    }
}

// Shows what is there of a stream's line and was not shown yet.
void LineJoiner::show(std::size_t stream) {
    Line& line = lines_.at(stream);
    if (shown_ != stream) {
        interrupt();
        output_ += prefix_(line.time);
        shown_ = stream;
    }
    output_.append(line.text, shown_bytes_);
    shown_bytes_ = line.text.size();
    line.fresh = false;
}

std::string LineJoiner::take(const std::vector<LogLine>& pieces) {
    for (const LogLine& piece : pieces) {
        const std::size_t stream = piece.is_stderr ? 1 : 0;
        Line& line = lines_.at(stream);
        if (!std::exchange(line.open, true)) {
            line.time = piece.time;
        }
        line.text += piece.text;
        line.fresh = line.fresh || !piece.text.empty();
        const bool whole = !piece.partial;
        if (whole || line.text.size() > kMaxKept) {
            show(stream);
            line.text.clear();
            shown_bytes_ = 0;
        }
        if (whole) {
            output_ += '\n';
            shown_.reset();
            line = {};
        }
    }
    return show_ == Show::Soon ? end() : std::exchange(output_, {});
}

std::string LineJoiner::end() {
    for (std::size_t stream = 0; stream < lines_.size(); ++stream) {
        if (lines_.at(stream).open && lines_.at(stream).fresh) {
            show(stream);
        }
    }
    return std::exchange(output_, {});
}

}  // namespace berth::wire
