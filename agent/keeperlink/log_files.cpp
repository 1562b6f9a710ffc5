#include "agent/keeperlink/log_files.h"

#include <sys/stat.h>

#include <algorithm>
#include <charconv>
#include <tuple>

#include "shared/os/file.h"

namespace berth::keeperlink {

namespace {

constexpr std::string_view kPlain = ".log";
constexpr std::string_view kCompressed = ".log.gz";

}  // namespace

std::string rotated_name(std::uint64_t number) {
    std::string digits = std::to_string(number);
    if (digits.size() < 8) {
        digits.insert(0, 8 - digits.size(), '0');
    }
    return digits + std::string(kPlain);
}

std::uint64_t rotated_number(std::string_view name) {
    std::uint64_t number = 0;
    const char* const last = name.data() + name.size();
    const auto [end, error] = std::from_chars(name.data(), last, number);
    const std::string_view rest(end, static_cast<std::size_t>(last - end));
    return error == std::errc() && (rest == kPlain || rest == kCompressed) ? number : 0;
}

bool is_compressed(std::string_view name) {
    return name.size() > kCompressed.size() &&
           name.substr(name.size() - kCompressed.size()) == kCompressed;
}

std::vector<RotatedLog> rotated_logs(const std::string& folder) {
    std::vector<RotatedLog> files;
    const auto names = os::list_folder(folder);
    for (const std::string& name : names ? *names : std::vector<std::string>()) {
        const std::uint64_t number = rotated_number(name);

        struct stat info {};

        if (number != 0 && ::lstat((folder + "/" + name).c_str(), &info) == 0) {
            files.push_back(
                {number, is_compressed(name), name, static_cast<std::uint64_t>(info.st_size)});
        }
    }
    std::sort(files.begin(), files.end(), [](const RotatedLog& a, const RotatedLog& b) {
        return std::tie(a.number, a.compressed) < std::tie(b.number, b.compressed);
    });
    return files;
}

}  // namespace berth::keeperlink
