#pragma once

#include <string>
#include <vector>

#include "controller/fleet/log_follow.h"

namespace berth::face {

// `lines` as the API shows them: a JSON array.
std::string log_lines_json(const std::vector<wire::LogLine>& lines);

// `lines` for those who follow: pieces of about 256 KiB of JSON each, in which a line has at most
// 16 KiB ("cut": how many bytes are left out). Of the first ones that a follower gets (`most`) the
// last half a megabyte is enough. However long lines are, what is sent has a bound.
std::vector<fleet::LogPiece> log_pieces(const std::vector<wire::LogLine>& lines,
                                        fleet::MostOf most);

}  // namespace berth::face
