#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "shared/base/text.h"
#include "shared/config/values.h"

namespace berth::config {

namespace {

constexpr std::array<std::string_view, 12> kMonths = {
    "jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec"};
constexpr std::array<std::string_view, 7> kDays = {"sun", "mon", "tue", "wed", "thu", "fri", "sat"};

struct Field {
    std::string_view name;
    int low;
    int high;
    std::span<const std::string_view> names;  // the first one stands for `low`
};

constexpr std::array<Field, 5> kFields = {{{"minute", 0, 59, {}},
                                           {"hour", 0, 23, {}},
                                           {"day of the month", 1, 31, {}},
                                           {"month", 1, 12, kMonths},
                                           {"day of the week", 0, 7, kDays}}};

std::optional<int> number_of(std::string_view text) {
    int number = 0;
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
    if (error != std::errc() || end != text.data() + text.size() || text.starts_with('-')) {
        return std::nullopt;
    }
    return number;
}

std::optional<int> value_of(std::string_view text, const Field& field) {
    std::string lower(text);
    std::transform(lower.begin(), lower.end(), lower.begin(), [](char c) {
        return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c;
    });
    const auto named = std::find(field.names.begin(), field.names.end(), lower);
    const std::optional<int> value =
        named == field.names.end()
            ? number_of(text)
            : std::optional<int>(field.low + static_cast<int>(named - field.names.begin()));
    return value && *value >= field.low && *value <= field.high ? value : std::nullopt;
}

// Whether `text` is one item of a field's list: *, 5, mon-fri, */15, 10-30/5.
bool is_item(std::string_view text, const Field& field) {
    const std::size_t slash = text.find('/');
    if (slash != std::string_view::npos) {
        const std::optional<int> step = number_of(text.substr(slash + 1));
        if (!step || *step < 1 || *step > field.high) {
            return false;
        }
        text = text.substr(0, slash);
    }
    if (text == "*") {
        return true;
    }
    const std::size_t dash = text.find('-');
    const std::optional<int> first = value_of(text.substr(0, dash), field);
    if (dash == std::string_view::npos) {
        return first && slash == std::string_view::npos;
    }
    const std::optional<int> last = value_of(text.substr(dash + 1), field);
    return first && last && *first <= *last;
}

}  // namespace

std::string cron_fault(std::string_view text) {
    std::vector<std::string_view> fields;
    for (const std::string_view piece : split(text, ' ')) {
        if (!trim(piece).empty()) {
            fields.push_back(trim(piece));
        }
    }
    if (fields.size() != kFields.size()) {
        return fmt::format("it has {} fields, not 5", fields.size());
    }
    for (std::size_t i = 0; i < kFields.size(); ++i) {
        for (const std::string_view item : split(fields[i], ',')) {
            if (!is_item(item, kFields[i])) {
                return fmt::format("its {} \"{}\" is not {} to {}, a range, a list or */n",
                                   kFields[i].name,
                                   printable(item),
                                   kFields[i].low,
                                   kFields[i].high);
            }
        }
    }
    return {};
}

}  // namespace berth::config
