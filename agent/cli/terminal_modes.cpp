#include "agent/cli/terminal_modes.h"

#include <algorithm>
#include <array>

#include "shared/base/text.h"

namespace berth::cli {

namespace {

constexpr std::size_t kLongest = 64;  // of the numbers of a sequence

constexpr int kWraps = 7;
constexpr int kShowsCursor = 25;
constexpr std::array kOnByDefault = {kWraps, kShowsCursor};

// The other screens: 1049 keeps the cursor too.
constexpr std::array kScreens = {1049, 1047, 47};

bool on_by_default(int mode) {
    return std::find(kOnByDefault.begin(), kOnByDefault.end(), mode) != kOnByDefault.end();
}

}  // namespace

void TerminalModes::take(std::string_view written) {
    for (const char c : written) {
        switch (at_) {
            case At::Text:
                at_ = c == '\x1b' ? At::Escape : At::Text;
                break;
            case At::Escape:
                keypad_ = c == '=' || (keypad_ && c != '>');
                at_ = c == '[' ? At::Control : c == '\x1b' ? At::Escape : At::Text;
                numbers_.clear();
                if (c == 'c') {  // it is as nobody has touched it
                    *this = TerminalModes();
                }
                break;
            case At::Control:
                if (c == '?' && numbers_.empty()) {
                    at_ = At::Private;
                } else if ((c >= '0' && c <= '9') || c == ';' || c == ':') {
                    numbers_.append(numbers_.size() < kLongest ? 1U : 0U, c);
                } else {
                    colours_ = c == 'm' ? !numbers_.empty() && numbers_ != "0" : colours_;
                    at_ = c == '\x1b' ? At::Escape : At::Text;
                }
                break;
            case At::Private:
                if ((c >= '0' && c <= '9') || c == ';') {
                    numbers_.append(numbers_.size() < kLongest ? 1U : 0U, c);
                } else {
                    end_private(c);
                    at_ = c == '\x1b' ? At::Escape : At::Text;
                }
                break;
        }
    }
}

void TerminalModes::end_private(char final) {
    if (final != 'h' && final != 'l') {
        return;
    }
    for (const std::string_view number : split(numbers_, ';')) {
        const auto mode = parse_integer<int>(number);
        if (!mode) {
            continue;
        }
        const bool on = final == 'h';
        std::set<int>& changed = on_by_default(*mode) ? reset_ : set_;
        if (on == on_by_default(*mode)) {
            changed.erase(*mode);
        } else {
            changed.insert(*mode);
        }
    }
}

std::string TerminalModes::undo() const {
    std::string text;
    const auto is_screen = [](int mode) {
        return std::find(kScreens.begin(), kScreens.end(), mode) != kScreens.end();
    };
    for (const int mode : set_) {
        if (!is_screen(mode)) {
            text += "\x1b[?" + std::to_string(mode) + "l";
        }
    }
    for (const int mode : reset_) {
        text += "\x1b[?" + std::to_string(mode) + "h";
    }
    text += keypad_ ? "\x1b>" : "";
    text += colours_ ? "\x1b[0m" : "";
    for (const int mode : kScreens) {
        text += set_.count(mode) != 0 ? "\x1b[?" + std::to_string(mode) + "l" : "";
    }
    return text;
}

}  // namespace berth::cli
