#pragma once

#include <array>
#include <cstddef>
#include <optional>
#include <string>
#include <string_view>

namespace berth::os {

// An IP address without its port. An IPv4 address that is written as IPv6 (::ffff:10.0.0.1) is the
// IPv4 address; a zone (%eth0) is left out.
class IpAddress {
public:
    // "10.0.0.1", "::1", "[::1]". Nothing: it is none.
    static std::optional<IpAddress> parse(std::string_view text);

    // As inet_ntop(3) writes it.
    [[nodiscard]] std::string text() const;

    // Whose it is, for counting: an IPv4 address is one machine's, of an IPv6 address the first 64
    // bits are, for a machine has all of the others to choose from.
    [[nodiscard]] std::string owner() const;

    [[nodiscard]] bool is_v4() const { return v4_; }

    // The first of these are what counts: 4 of an IPv4 address, 16 of an IPv6 one.
    [[nodiscard]] const std::array<unsigned char, 16>& bytes() const { return bytes_; }

private:
    bool v4_ = false;
    std::array<unsigned char, 16> bytes_{};
};

// An address, or all that begin alike: "10.0.0.0/8".
class IpNetwork {
public:
    static std::optional<IpNetwork> parse(std::string_view text);

    [[nodiscard]] bool contains(const IpAddress& address) const;

private:
    IpAddress address_;
    std::size_t bits_ = 0;
};

}  // namespace berth::os
