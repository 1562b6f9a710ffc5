#pragma once

#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace berth::relay {

// Which apps an app may speak to or control: RE2 patterns that must match the whole id. An app
// without patterns may everything; with an empty list, nothing.
class Rights {
public:
    Rights();
    ~Rights();
    Rights(const Rights&) = delete;
    Rights& operator=(const Rights&) = delete;

    enum class Kind : std::uint8_t { Control, Notify };

    // Patterns that do not compile match nothing; the descriptor's reader has refused them before.
    void set(const std::string& app,
             Kind kind,
             const std::optional<std::vector<std::string>>& patterns);
    void remove(const std::string& app);

    [[nodiscard]] bool allowed(std::string_view app, Kind kind, std::string_view target) const;

private:
    struct Rule;
    std::map<std::pair<Kind, std::string>, std::unique_ptr<Rule>, std::less<>> rules_;
};

}  // namespace berth::relay
