#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace berth::config {

// `text`, a TOML document, with `key` of the table `table` set to a list of these strings; none:
// the key is taken out. All else stays as it is, comments too. The table is one that is written as
// [table], or it is added at the end.
std::string with_list(std::string_view text,
                      std::string_view table,
                      std::string_view key,
                      const std::vector<std::string>& values);

// The same with one string, or with a boolean.
std::string with_text(std::string_view text,
                      std::string_view table,
                      std::string_view key,
                      std::string_view value);
std::string with_flag(std::string_view text,
                      std::string_view table,
                      std::string_view key,
                      bool value);

}  // namespace berth::config
