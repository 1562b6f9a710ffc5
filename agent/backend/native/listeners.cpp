#include "agent/backend/native/listeners.h"

#include <unistd.h>

#include <array>
#include <charconv>
#include <string_view>
#include <vector>

#include "shared/base/text.h"
#include "shared/os/file.h"
#include "shared/os/process.h"

namespace berth::native {

namespace {

constexpr std::string_view kListen = "0A";

// The inode of the socket that listens on `port`, by one of the tables of proc(5); 0: none does.
std::uint64_t listening_inode(const char* table, std::uint16_t port) {
    const auto text = os::read_file(table, 64U << 20U);
    if (!text) {
        return 0;
    }
    for (const std::string_view line : split(*text, '\n')) {
        // "  0: 0100007F:1F90 00000000:0000 0A 00000000:00000000 00:00000000 00000000 0 0 INODE …"
        std::vector<std::string_view> fields;
        for (const std::string_view field : split(line, ' ')) {
            if (!field.empty()) {
                fields.push_back(field);
            }
        }
        if (fields.size() < 10 || fields[3] != kListen) {
            continue;
        }
        const std::string_view local = fields[1].substr(fields[1].rfind(':') + 1);
        std::uint16_t number = 0;
        (void)std::from_chars(local.data(), local.data() + local.size(), number, 16);
        if (number == port) {
            std::uint64_t inode = 0;
            (void)std::from_chars(fields[9].data(), fields[9].data() + fields[9].size(), inode);
            return inode;
        }
    }
    return 0;
}

bool holds_socket(pid_t pid, const std::string& link) {
    const std::string folder = "/proc/" + std::to_string(pid) + "/fd";
    const auto numbers = os::list_folder(folder);
    for (const std::string& number : numbers ? *numbers : std::vector<std::string>()) {
        std::array<char, 64> target{};
        const ssize_t length =
            ::readlink((folder + "/" + number).c_str(), target.data(), target.size());
        if (length > 0 &&
            std::string_view(target.data(), static_cast<std::size_t>(length)) == link) {
            return true;
        }
    }
    return false;
}

}  // namespace

std::optional<std::string> listener_of(std::uint16_t port) {
    std::uint64_t inode = listening_inode("/proc/net/tcp", port);
    if (inode == 0) {
        inode = listening_inode("/proc/net/tcp6", port);
    }
    if (inode == 0) {
        return std::nullopt;
    }
    const std::string link = "socket:[" + std::to_string(inode) + "]";
    for (const pid_t pid : os::all_processes()) {
        if (holds_socket(pid, link)) {
            const auto name = os::read_file("/proc/" + std::to_string(pid) + "/comm");
            return "pid " + std::to_string(pid) + " (" +
                   (name ? std::string(trim(*name)) : std::string("?")) + ")";
        }
    }
    return "somebody whose process cannot be seen";
}

}  // namespace berth::native
