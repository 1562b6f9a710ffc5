#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "agent/cli/columns.h"
#include "shared/base/result.h"
#include "shared/json/json_writer.h"
#include "shared/model/app_status.h"
#include "shared/wire/control.h"

namespace berth::cli {

// How results are shown. Colour only on a terminal and without NO_COLOR.
struct Style {
    bool json = false;
    bool color = false;
    std::size_t width = 0;  // columns of the terminal on stdout; 0: it is none
};

// To stdout; on a terminal with colours, but nothing else that could do something to it.
void print(std::string_view text);
void print_bytes(std::string_view bytes);  // to stdout, as they are
void print_json(json::JsonWriter& json);   // to stdout, with a newline
void print_error(std::string_view text);   // to stderr, with "berth: " and a newline

// Nothing that was printed is lost: to be called last. Error: it could not be written.
Result<void> finish_output();

// What is printed could not be written, or its reader has gone.
bool output_is_broken();

// `text` in the colour of the state, when there is colour.
std::string colored(const Style& style, AppState state, const std::string& text);

// "12.3 MiB"
std::string size_text(std::uint64_t bytes);

// One app as a row of `list`; its id with its agent where that is not the default one. On a narrow
// terminal its comment is cut, then its id.
std::vector<std::string> list_row(const Style& style, const AppStatus& status, WallTime now);
std::vector<std::string> list_header();
Fit list_fit(const Style& style);

// The block of `status`, without its tail.
std::string status_block(const Style& style, const AppStatus& status, WallTime now);

// AGENT/ID, or ID when the agent is the default one.
std::string shown_id(const AppStatus& status);

// What an app wrote, as it wrote it: partial lines are joined.
std::string joined_text(const std::vector<wire::LogLine>& lines);

}  // namespace berth::cli
