#include "shared/os/find_process.h"

#include <unistd.h>

#include <vector>

#include "shared/base/text.h"
#include "shared/os/file.h"

namespace berth::os {

std::optional<pid_t> find_process(std::string_view program,
                                  std::string_view option,
                                  const std::string& value) {
    const auto names = folders_in("/proc");
    for (const std::string& name : names ? *names : std::vector<std::string>()) {
        const auto pid = parse_integer<pid_t>(name);
        const auto command = pid && *pid != ::getpid() ? read_file("/proc/" + name + "/cmdline")
                                                       : Result<std::string>(std::string());
        if (!command || command->empty()) {
            continue;
        }
        const std::vector<std::string_view> words = split(*command, '\0');
        if (words.front().substr(words.front().rfind('/') + 1) != program) {
            continue;
        }
        for (std::size_t i = 1; i + 1 < words.size(); ++i) {
            if (words[i] == option && words[i + 1] == value) {
                return pid;
            }
        }
    }
    return std::nullopt;
}

}  // namespace berth::os
