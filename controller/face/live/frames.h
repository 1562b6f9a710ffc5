#pragma once

#include <memory>
#include <string>
#include <string_view>

#include "controller/fleet/fleet_view.h"
#include "controller/fleet/log_follow.h"

namespace berth::live {

// A WebSocket frame, ready to be sent and shared by all who get it.
using Frame = std::shared_ptr<const std::string>;

// A whole, unmasked text frame (RFC 6455, 5.2).
Frame text_frame(std::string_view text);

// A close frame with a status code and a reason of at most 123 bytes.
Frame close_frame(unsigned code, std::string_view reason);

Frame ping_frame();

// The value of Sec-WebSocket-Accept for a client's Sec-WebSocket-Key.
std::string accept_key(std::string_view key);

// The texts of the frames that the API describes.
std::string hello_text(std::uint64_t sequence);
std::string snapshot_text(std::uint64_t sequence, const fleet::FleetView& view);

// What is new in `now`, as a delta; "" when nothing is.
std::string delta_text(std::uint64_t sequence,
                       const fleet::FleetView& before,
                       const fleet::FleetView& now);

// A "log" or "log_error" frame; `skipped_lines` more were dropped for this viewer before it.
std::string log_text(const fleet::LogPiece& piece, std::uint64_t skipped_lines);
std::string log_error_text(const std::string& app, std::string_view error);
std::string bye_text(std::string_view reason);

// The answer to a frame that is not understood.
std::string error_text(std::string_view error);

}  // namespace berth::live
