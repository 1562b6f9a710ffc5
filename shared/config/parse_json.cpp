#include <variant>

#include "shared/config/node.h"
#include "shared/json/json_value.h"

namespace berth::config {

namespace {

TreeNode whole_node(std::int64_t value) {
    TreeNode node;
    node.kind = NodeKind::Whole;
    node.text = std::to_string(value);
    node.whole = value;
    node.number = static_cast<double>(value);
    return node;
}

TreeNode float_node(double value) {
    TreeNode node;
    node.kind = NodeKind::Float;
    node.text = float_text(value);
    node.number = value;
    return node;
}

// Follows the JSON tree in the order of the text, which keeps the finder cheap.
struct Converter {
    PositionFinder finder;

    // NOLINTNEXTLINE(misc-no-recursion): the parser limited the depth
    TreeNode convert(const json::JsonValue& value) {
        const Position at = finder.at(value.offset());
        TreeNode node =
            std::visit([this](const auto& data) { return node_of(data); }, value.data());
        node.at = at;
        return node;
    }

    TreeNode node_of(std::nullptr_t) { return {}; }

    TreeNode node_of(std::int64_t value) { return whole_node(value); }

    TreeNode node_of(std::uint64_t value) { return float_node(static_cast<double>(value)); }

    TreeNode node_of(double value) { return float_node(value); }

    TreeNode node_of(bool truth) {
        TreeNode node;
        node.kind = NodeKind::Bool;
        node.text = truth ? "true" : "false";
        node.truth = truth;
        return node;
    }

    TreeNode node_of(const std::string& text) {
        TreeNode node;
        node.kind = NodeKind::String;
        node.text = text;
        return node;
    }

    TreeNode node_of(const json::JsonValue::Array& items) {
        TreeNode node;
        node.kind = NodeKind::List;
        for (const json::JsonValue& item : items) {
            node.items.push_back(convert(item));
        }
        return node;
    }

    TreeNode node_of(const json::JsonValue::Object& members) {
        TreeNode node;
        node.kind = NodeKind::Table;
        for (const json::JsonMember& member : members) {
            const Position key_at = finder.at(member.key_offset);
            node.entries.push_back({member.key, key_at, convert(member.value)});
        }
        return node;
    }
};

}  // namespace

ParsedTree parse_json(std::string_view text) {
    json::JsonLimits limits;
    limits.max_depth = kMaxDepth;
    limits.max_values = kMaxNodes;
    const auto parsed = json::parse_json_text(text, limits);
    if (!parsed) {
        const json::JsonFailure& failure = parsed.error();
        return tl::unexpected(
            ParseFailure{PositionFinder(text).at(failure.offset), failure.reason});
    }
    return Converter{PositionFinder(text)}.convert(*parsed);
}

}  // namespace berth::config
