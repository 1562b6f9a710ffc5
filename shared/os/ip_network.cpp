#include "shared/os/ip_network.h"

#include <arpa/inet.h>
#include <netinet/in.h>

#include <algorithm>

#include "shared/base/text.h"

namespace berth::os {

namespace {

constexpr std::array<unsigned char, 12> kMapped{0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xFF, 0xFF};
constexpr std::size_t kOwnerBytes = 8;

}  // namespace

std::optional<IpAddress> IpAddress::parse(std::string_view text) {
    if (text.size() > 2 && text.front() == '[' && text.back() == ']') {
        text = text.substr(1, text.size() - 2);
    }
    const std::string plain(text.substr(0, text.find('%')));
    IpAddress address;
    if (::inet_pton(AF_INET, plain.c_str(), address.bytes_.data()) == 1) {
        address.v4_ = true;
        return address;
    }
    if (::inet_pton(AF_INET6, plain.c_str(), address.bytes_.data()) != 1) {
        return std::nullopt;
    }
    if (std::equal(kMapped.begin(), kMapped.end(), address.bytes_.begin())) {
        const auto inner = address.bytes_;
        address.bytes_ = {};
        std::copy_n(inner.begin() + kMapped.size(), 4, address.bytes_.begin());
        address.v4_ = true;
    }
    return address;
}

std::string IpAddress::text() const {
    std::array<char, INET6_ADDRSTRLEN> text{};
    (void)::inet_ntop(
        v4_ ? AF_INET : AF_INET6, bytes_.data(), text.data(), text.size());  // it fits
    return text.data();
}

std::string IpAddress::owner() const {
    if (v4_) {
        return text();
    }
    IpAddress network = *this;
    std::fill(network.bytes_.begin() + kOwnerBytes, network.bytes_.end(), 0);
    return network.text() + "/64";
}

std::optional<IpNetwork> IpNetwork::parse(std::string_view text) {
    const std::size_t slash = std::min(text.find('/'), text.size());
    const auto address = IpAddress::parse(text.substr(0, slash));
    if (!address) {
        return std::nullopt;
    }
    const std::size_t most = address->is_v4() ? 32 : 128;
    const auto bits = slash == text.size() ? std::optional(most)
                                           : parse_integer<std::size_t>(text.substr(slash + 1));
    if (!bits || *bits > most) {
        return std::nullopt;
    }
    IpNetwork network;
    network.address_ = *address;
    network.bits_ = *bits;
    return network;
}

bool IpNetwork::contains(const IpAddress& address) const {
    if (address.is_v4() != address_.is_v4()) {
        return false;
    }
    for (std::size_t bit = 0; bit < bits_; ++bit) {
        const auto mask = static_cast<unsigned>(0x80U >> (bit % 8));
        if (((address.bytes()[bit / 8] ^ address_.bytes()[bit / 8]) & mask) != 0) {
            return false;
        }
    }
    return true;
}

}  // namespace berth::os
