#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace berth::access {

// The browsers that people have logged in with before. A browser keeps, in one cookie, an entry for
// each of the last five people who logged in with it: NAME:NUMBER:SIGNATURE. Who shows one is no
// stranger: others cannot slow down his log-ins to that account. It opens nothing by itself.
// Immutable; any thread.
class Devices {
public:
    // `key`: secret, and always the same for this controller.
    explicit Devices(std::string key) : key_(std::move(key)) {}

    // The number under which this browser knows `user`. Nothing: not at all.
    [[nodiscard]] std::optional<std::string> find(std::string_view cookie,
                                                  std::string_view user) const;

    // Whether anybody has logged in with it.
    [[nodiscard]] bool knows_any(std::string_view cookie) const;

    // The cookie after `user` has logged in: the same with the entry of `user` in front.
    [[nodiscard]] std::string with(std::string_view cookie, const std::string& user) const;

private:
    struct Entry {
        std::string user;
        std::string number;
    };

    [[nodiscard]] std::vector<Entry> read(std::string_view cookie) const;
    [[nodiscard]] std::string text(const Entry& entry) const;

    std::string key_;
};

}  // namespace berth::access
