#pragma once

#include <cstdint>
#include <optional>
#include <string>

namespace berth::native {

// Who listens on a TCP port of this machine: "pid 123 (nginx)", or "somebody" when that cannot be
// seen. Nothing: nobody does.
std::optional<std::string> listener_of(std::uint16_t port);

}  // namespace berth::native
