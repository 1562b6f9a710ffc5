#include "shared/config/node.h"

#include <fmt/format.h>

#include "shared/base/text.h"

namespace berth::config {

const TreeNode* TreeNode::find(std::string_view key) const {
    for (const Entry& entry : entries) {
        if (entry.key == key) {
            return &entry.value;
        }
    }
    return nullptr;
}

std::string too_deep() {
    return "more than " + std::to_string(kMaxDepth) + " levels of tables and lists in each other";
}

std::string too_many_nodes() {
    return "more than " + std::to_string(kMaxNodes) + " values";
}

std::string float_text(double number) {
    std::string text = fmt::format("{}", number);
    if (text.find_first_not_of("-0123456789") == std::string::npos) {
        text += ".0";
    }
    return text;
}

std::string in_quotes(std::string_view text) {
    constexpr std::size_t kShown = 60;
    return '"' + printable(shortened(text, kShown)) + '"';
}

std::string found(const TreeNode& node) {
    switch (node.kind) {
        case NodeKind::Null:
            return "null";
        case NodeKind::Bool:
        case NodeKind::Whole:
        case NodeKind::Float:
            return node.text;
        case NodeKind::String:
            return in_quotes(node.text);
        case NodeKind::Date:
            return "a date";
        case NodeKind::List:
            return "a list";
        case NodeKind::Table:
            break;
    }
    return "a table";
}

}  // namespace berth::config
