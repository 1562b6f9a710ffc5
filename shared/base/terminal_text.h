#pragma once

#include <string>
#include <string_view>

namespace berth {

// `text` for a terminal: colours (SGR) pass, and so do newlines and tabs; every other control
// character, C1 and what turns the direction of writing are shown as text, so that nothing that an
// app wrote moves the cursor, sets a title or fills the clipboard. A colour ends with its line.
// JSON means the same afterwards.
std::string safe_for_terminal(std::string_view text);

// The first line of `text`, for a row of a table: its controls are shown as text, and "…" says that
// there is more.
std::string in_one_line(std::string_view text);

}  // namespace berth
