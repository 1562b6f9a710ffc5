#include "agent/cli/columns.h"

#include <wchar.h>

#include <algorithm>
#include <cwchar>
#include <utility>

namespace berth::cli {

namespace {

constexpr std::size_t kGap = 2;        // between two columns
constexpr std::size_t kNarrowest = 8;  // that a column is cut to
constexpr std::string_view kEllipsis = "…";

struct Glyph {
    std::size_t bytes = 1;
    std::size_t columns = 1;
    bool colour = false;
};

// The first character, or colour sequence, of `text`, which is not empty.
Glyph glyph_of(std::string_view text) {
    if (text.front() == '\x1b') {
        const std::size_t end = text.find('m');
        return {end == std::string_view::npos ? text.size() : end + 1, 0, true};
    }
    std::mbstate_t state{};
    wchar_t character = 0;
    // NOLINTNEXTLINE(concurrency-mt-unsafe): the state is our own
    const std::size_t bytes = std::mbrtowc(&character, text.data(), text.size(), &state);
    if (bytes == 0 || bytes > text.size()) {  // no character of this locale
        std::size_t size = 1;
        while (size < text.size() && (static_cast<unsigned char>(text[size]) & 0xC0U) == 0x80U) {
            ++size;
        }
        return {size, 1, false};
    }
    const int columns = ::wcwidth(character);
    return {bytes, columns < 0 ? 1 : static_cast<std::size_t>(columns), false};
}

// What of `text` fits into `width` columns, from its begin; its colours with it.
std::string begin_of(std::string_view text, std::size_t width) {
    std::string kept;
    std::size_t used = 0;
    bool full = false;
    while (!text.empty()) {
        const Glyph glyph = glyph_of(text);
        full = full || used + glyph.columns > width;
        if (glyph.colour || !full) {
            kept += text.substr(0, glyph.bytes);
            used += glyph.columns;
        }
        text.remove_prefix(glyph.bytes);
    }
    return kept;
}

// The same from its end; for text without colours.
std::string end_of(std::string_view text, std::size_t width) {
    std::size_t rest = width_of(text);
    while (rest > width) {
        const Glyph glyph = glyph_of(text);
        rest -= glyph.columns;
        text.remove_prefix(glyph.bytes);
    }
    return std::string(text);
}

std::vector<std::size_t> widths_of(const std::vector<std::vector<std::string>>& rows) {
    std::vector<std::size_t> widths;
    for (const auto& row : rows) {
        widths.resize(std::max(widths.size(), row.size()));
        for (std::size_t i = 0; i < row.size(); ++i) {
            // What stands alone in its line is no cell of the column.
            if (row.size() > 1) {
                widths[i] = std::max(widths[i], width_of(row[i]));
            }
        }
    }
    return widths;
}

constexpr std::size_t kLeftOut = static_cast<std::size_t>(-1);

// Whether they fit into the width now, those that are left out not counted.
bool narrow(std::vector<std::size_t>& widths, const Fit& fit) {
    std::size_t total = 0;
    for (const std::size_t width : widths) {
        total += width == kLeftOut ? 0 : width + (total > 0 ? kGap : 0);
    }
    for (const std::size_t column : fit.narrow) {
        if (total <= fit.width || column >= widths.size() || widths[column] == kLeftOut) {
            continue;
        }
        // What is first names the row.
        const std::size_t least =
            std::min(widths[column], column == 0 ? 2 * kNarrowest : kNarrowest);
        const std::size_t less = std::min(widths[column] - least, total - fit.width);
        widths[column] -= less;
        total -= less;
    }
    return total <= fit.width;
}

void fit_in(std::vector<std::size_t>& widths, const Fit& fit) {
    std::vector<std::size_t> whole = widths;
    auto next = fit.left_out.begin();
    while (!narrow(widths, fit) && next != fit.left_out.end()) {
        whole.at(*next++) = kLeftOut;
        widths = whole;
    }
}

// `text` in lines of at most `width` columns, broken at blanks.
std::vector<std::string> wrapped(std::string_view text, std::size_t width) {
    std::vector<std::string> lines(1);
    while (!text.empty()) {
        const std::size_t blank = std::min(text.find(' '), text.size());
        const std::string word(text.substr(0, blank));
        if (!lines.back().empty() && width_of(lines.back()) + 1 + width_of(word) > width) {
            lines.emplace_back();
        }
        lines.back() += (lines.back().empty() ? "" : " ") + word;
        text.remove_prefix(std::min(blank + 1, text.size()));
    }
    return lines;
}

void add_line(std::string& text, std::string line) {
    line.erase(line.find_last_not_of(' ') + 1);
    text += line + "\n";
}

}  // namespace

std::size_t width_of(std::string_view text) {
    std::size_t width = 0;
    while (!text.empty()) {
        const Glyph glyph = glyph_of(text);
        width += glyph.columns;
        text.remove_prefix(glyph.bytes);
    }
    return width;
}

std::string cut_to(const std::string& text, std::size_t width, Cut cut) {
    if (width_of(text) <= width) {
        return text;
    }
    const std::size_t room = std::max<std::size_t>(width, 1) - 1;  // beside the ellipsis
    if (cut == Cut::Middle && text.find('\x1b') == std::string::npos) {
        const std::size_t tail = room / 2;
        return begin_of(text, room - tail) + std::string(kEllipsis) + end_of(text, tail);
    }
    const std::string kept = begin_of(text, room);
    const bool coloured = kept.ends_with("\x1b[0m");
    return coloured ? kept.substr(0, kept.size() - 4) + std::string(kEllipsis) + "\x1b[0m"
                    : kept + std::string(kEllipsis);
}

std::string table(const std::vector<std::vector<std::string>>& rows, const Fit& fit) {
    std::vector<std::size_t> widths = widths_of(rows);
    if (fit.width > 0) {
        fit_in(widths, fit);
    }
    std::size_t before_last = 0;
    for (std::size_t i = 0; i + 1 < widths.size(); ++i) {
        before_last += widths[i] + kGap;
    }
    std::string text;
    const bool cuts = fit.width > 0 && !fit.narrow.empty();
    for (const auto& row : rows) {
        const bool alone = row.size() == 1 && widths.size() > 1;
        const bool wraps = fit.wrap_last && !alone && row.size() == widths.size() &&
                           fit.width > before_last + kNarrowest;
        std::string line;
        for (std::size_t i = 0; i < row.size(); ++i) {
            if (widths[i] == kLeftOut && !alone) {
                if (i + 1 == row.size()) {
                    add_line(text, line);
                }
                continue;
            }
            const std::string cell =
                cuts && !alone ? cut_to(row[i], widths[i], i == 0 ? Cut::Middle : Cut::End)
                               : row[i];
            if (i + 1 < row.size()) {
                line += cell;
                line.append(widths[i] - std::min(widths[i], width_of(cell)) + kGap, ' ');
            } else if (!wraps) {
                add_line(text, line + cell);
            } else {
                for (const std::string& part : wrapped(cell, fit.width - before_last)) {
                    add_line(text, line + part);
                    line.assign(before_last, ' ');
                }
            }
        }
    }
    return text;
}

std::string some_of(const std::vector<std::string>& names, std::size_t most) {
    std::string text;
    const std::size_t shown = names.size() <= most + 1 ? names.size() : most;
    for (std::size_t i = 0; i < shown; ++i) {
        text += (i == 0 ? "" : ", ") + names[i];
    }
    return shown == names.size() ? text
                                 : text + " and " + std::to_string(names.size() - shown) + " more";
}

}  // namespace berth::cli
