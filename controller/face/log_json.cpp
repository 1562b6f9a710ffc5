#include "controller/face/log_json.h"

#include <algorithm>

#include "shared/json/json_writer.h"

namespace berth::face {

namespace {

constexpr std::size_t kLongestLine = 16U << 10U;  // of what follows live; the rest is downloaded
constexpr std::size_t kPieceBytes = 256U << 10U;
constexpr std::size_t kLastBytes = 400U << 10U;  // below what the hub keeps for one viewer

void write_line(json::JsonWriter& json, const wire::LogLine& line, std::string_view text) {
    json.begin_object();
    json.field("time", rfc3339_utc(line.time, 9));
    json.field("stream", line.is_stderr ? "stderr" : "stdout");
    json.field("text", text).field("partial", line.partial);
    if (const std::size_t size = wire::shown_text(line).size(); text.size() < size) {
        json.field("cut", size - text.size());
    }
    json.end_object();
}

std::string live_line(const wire::LogLine& line) {
    const std::string_view text = wire::shown_text(line);
    std::size_t length = std::min(text.size(), kLongestLine);
    while (length > 0 && length < text.size() &&
           (static_cast<unsigned char>(text[length]) & 0xC0U) == 0x80U) {
        --length;  // no character is cut
    }
    json::JsonWriter json;
    write_line(json, line, text.substr(0, length));
    return json.take();
}

}  // namespace

std::string log_lines_json(const std::vector<wire::LogLine>& lines) {
    json::JsonWriter json;
    json.begin_array();
    for (const wire::LogLine& line : lines) {
        write_line(json, line, wire::shown_text(line));
    }
    return json.end_array().take();
}

std::vector<fleet::LogPiece> log_pieces(const std::vector<wire::LogLine>& lines,
                                        fleet::MostOf most) {
    std::vector<std::string> texts;
    for (const wire::LogLine& line : lines) {
        texts.push_back(live_line(line));
    }
    std::size_t first = 0;
    if (most == fleet::MostOf::Last) {
        std::size_t bytes = 0;
        for (first = texts.size(); first > 0; --first) {
            bytes += texts[first - 1].size();
            if (bytes > kLastBytes) {
                break;
            }
        }
    }
    std::vector<fleet::LogPiece> pieces(1);
    pieces.front().skipped_lines = first;
    for (std::size_t i = first; i < texts.size(); ++i) {
        if (pieces.back().lines.size() + texts[i].size() > kPieceBytes && pieces.back().count > 0) {
            pieces.emplace_back();
        }
        fleet::LogPiece& piece = pieces.back();
        piece.lines += (piece.lines.empty() ? "[" : ",") + texts[i];
        ++piece.count;
    }
    for (fleet::LogPiece& piece : pieces) {
        piece.lines += piece.lines.empty() ? "[]" : "]";
    }
    return pieces;
}

}  // namespace berth::face
