#pragma once

#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

namespace berth::cli {

// Columns that `text` takes on a terminal: colour sequences take none, wide characters two. As the
// locale (LC_CTYPE) tells; without a UTF-8 one each character counts as one.
std::size_t width_of(std::string_view text);

// `text` cut to `width` columns, with "…" at its end, or in its middle, when that took something
// away. Colours end with it.
enum class Cut : unsigned char { End, Middle };
std::string cut_to(const std::string& text, std::size_t width, Cut cut = Cut::End);

// How a table fits into a terminal.
struct Fit {
    std::size_t width = 0;  // columns there are; 0: as many as it takes, as in a pipe
    std::vector<std::size_t>
        narrow;  // which may be cut, the first as far as it goes, then the next
    std::vector<std::size_t> left_out;  // which may go altogether after that, one after the other
    bool wrap_last = false;             // the last column goes on in lines below, whole
};

// Columns padded to their widest cell, two blanks between.
std::string table(const std::vector<std::vector<std::string>>& rows, const Fit& fit = {});

// "a, b, c and 497 more"; all of them when they are few.
std::string some_of(const std::vector<std::string>& names, std::size_t most = 10);

}  // namespace berth::cli
