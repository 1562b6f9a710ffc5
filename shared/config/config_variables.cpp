#include <algorithm>
#include <charconv>
#include <optional>

#include "shared/base/text.h"
#include "shared/config/schemas.h"

namespace berth::config {

namespace {

constexpr auto kPyTainerTypeNames = enum_names<ConfigType>("string", "int", "float", "bool");
static_assert(kPyTainerTypeNames.value("float") == ConfigType::Float);

using Refusal = tl::unexpected<std::string>;

std::optional<double> number_of(std::string_view text) {
    double number = 0;
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
    if (text.empty() || error != std::errc() || end != text.data() + text.size()) {
        return std::nullopt;
    }
    return number;
}

// What stands for a number in a string, with the comma that some write as a point.
std::string with_point(std::string_view text) {
    std::string number(trim(text));
    std::replace(number.begin(), number.end(), ',', '.');
    return number;
}

Parsed<std::string> whole_text(const TreeNode& node, ConfigStyle style) {
    if (node.kind == NodeKind::Whole) {
        return node.text;
    }
    const std::string_view text = trim(node.text);
    const std::string_view digits = text.starts_with('-') ? text.substr(1) : text;
    const bool whole = !digits.empty() && digits.size() <= 18 &&
                       digits.find_first_not_of("0123456789") == std::string_view::npos;
    if (style == ConfigStyle::Loose && node.kind == NodeKind::String && whole) {
        return std::string(text);
    }
    return Refusal("is not a whole number, as the type \"int\" says");
}

Parsed<std::string> float_text_of(const TreeNode& node, ConfigStyle style) {
    if (node.kind == NodeKind::Whole || node.kind == NodeKind::Float) {
        return node.text;
    }
    const std::string number = with_point(node.text);
    if (style == ConfigStyle::Loose && node.kind == NodeKind::String && number_of(number)) {
        return number;
    }
    return Refusal("is not a number, as the type \"float\" says");
}

// The rule for the value of a variable of `type`.
auto value_of(ConfigType type, ConfigStyle style) {
    return [type, style](const TreeNode& node) -> Parsed<std::string> {
        const bool is_text = node.kind == NodeKind::String;
        const bool is_number = node.kind == NodeKind::Whole || node.kind == NodeKind::Float;
        switch (type) {
            case ConfigType::Int:
                return whole_text(node, style);
            case ConfigType::Float:
                return float_text_of(node, style);
            case ConfigType::Bool:
                if (node.kind == NodeKind::Bool ||
                    (style == ConfigStyle::Loose &&
                     (node.text == "true" || node.text == "false"))) {
                    return node.text;
                }
                return Refusal("is not true or false, as the type \"bool\" says");
            case ConfigType::String:
            case ConfigType::Choice:
            case ConfigType::Secret:
                break;
        }
        if (is_text ||
            (style == ConfigStyle::Loose && (is_number || node.kind == NodeKind::Bool))) {
            return node.text;
        }
        return Refusal("is not a string, as the type \"" +
                       std::string(kConfigTypeNames.name(type)) + "\" says");
    };
}

void read_range(TableReader& table, ConfigVariable& variable) {
    const bool has_range = variable.type == ConfigType::Int || variable.type == ConfigType::Float;
    for (const std::string_view key : {"min", "max"}) {
        if (!has_range && table.has(key)) {
            table.problem(key, "only the types int and float have one");
            table.ignore(key);
        } else {
            table.read(key,
                       key == "min" ? variable.min : variable.max,
                       value_of(variable.type, ConfigStyle::Strict));
        }
    }
    const auto min = has_range ? number_of(variable.min) : std::nullopt;
    const auto max = has_range ? number_of(variable.max) : std::nullopt;
    const auto value = has_range ? number_of(variable.value) : std::nullopt;
    if (min && max && *max < *min) {
        table.problem("max", variable.max + " is less than min, " + variable.min);
    } else if (value && min && *value < *min) {
        table.problem("value", variable.value + " is less than min, " + variable.min);
    } else if (value && max && *value > *max) {
        table.problem("value", variable.value + " is more than max, " + variable.max);
    }
}

void read_choices(TableReader& table, ConfigVariable& variable) {
    table.read_list("choices", variable.choices, Text{});
    if (variable.type != ConfigType::Choice) {
        if (table.has("choices")) {
            table.problem("choices", "only the type choice has them");
        }
        return;
    }
    if (variable.choices.empty()) {
        table.problem("choices", "missing; the type choice needs a list of strings");
        return;
    }
    if (!table.has("value")) {
        variable.value = variable.choices.front();
    } else if (std::find(variable.choices.begin(), variable.choices.end(), variable.value) ==
               variable.choices.end()) {
        std::string allowed;
        for (const std::string& choice : variable.choices) {
            allowed.append(allowed.empty() ? "" : ", ").append(printable(choice));
        }
        table.problem("value", in_quotes(variable.value) + " is none of " + allowed);
    }
}

void read_variable(TableReader& table, ConfigVariable& variable, ConfigStyle style) {
    table.read("title", variable.title, Text{});
    table.read("description", variable.description, Text{});
    if (style == ConfigStyle::Loose) {
        table.read("type", variable.type, OneOf{kPyTainerTypeNames});
    } else {
        table.read("type", variable.type, OneOf{kConfigTypeNames});
    }
    table.read("value", variable.value, value_of(variable.type, style));
    if (style == ConfigStyle::Strict) {
        read_range(table, variable);
        read_choices(table, variable);
    }
}

}  // namespace

void read_config(TableReader& root, std::vector<ConfigVariable>& variables, ConfigStyle style) {
    root.read_table("config", [&](TableReader& tables) {
        tables.read_each([&](const std::string& name) {
            tables.read_table(name, [&](TableReader& table) {
                ConfigVariable variable;
                variable.name = name;
                read_variable(table, variable, style);
                variables.push_back(std::move(variable));
            });
        });
    });
}

}  // namespace berth::config
