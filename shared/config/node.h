#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include <tl/expected.hpp>

#include "shared/base/position.h"

// The tree that TOML, YAML and JSON texts have in common. What comes after the parsers (schemas,
// messages) knows no format, and each parser's library is known to one file only.

namespace berth::config {

enum class NodeKind : std::uint8_t { Null, Bool, Whole, Float, String, Date, List, Table };

struct Entry;

struct TreeNode {
    NodeKind kind = NodeKind::Null;
    Position at;
    std::string text;             // of a scalar, as it was written (without quotes)
    bool truth = false;           // of a Bool
    std::int64_t whole = 0;       // of a Whole
    double number = 0;            // of a Whole or Float
    std::vector<Entry> entries;   // of a Table, in the order of the text, no key twice
    std::vector<TreeNode> items;  // of a List

    [[nodiscard]] bool is_table() const { return kind == NodeKind::Table; }

    // The value of `key`; null when there is none or this is no table.
    [[nodiscard]] const TreeNode* find(std::string_view key) const;
};

struct Entry {
    std::string key;
    Position key_at;
    TreeNode value;
};

// Why and where a text is not of its format.
struct ParseFailure {
    Position at;
    std::string reason;
};

using ParsedTree = tl::expected<TreeNode, ParseFailure>;

inline constexpr std::size_t kMaxDepth = 32;      // of tables and lists in each other
inline constexpr std::size_t kMaxNodes = 10'000;  // of all kinds, copies by YAML aliases counted

// The text must be valid UTF-8 without NUL bytes. Never throw.
ParsedTree parse_toml(std::string_view text);
ParsedTree parse_yaml(std::string_view text);
ParsedTree parse_json(std::string_view text);

// The reasons for refusing what is over a limit, the same for each format.
std::string too_deep();
std::string too_many_nodes();

// The shortest text of `number` that still reads as a float: "2.0".
std::string float_text(double number);

// What is found at `node`, as messages name it: `"text"`, `5`, `true`, `null`, `a list`.
std::string found(const TreeNode& node);

// `text` in quotes, printable and not longer than a message can bear.
std::string in_quotes(std::string_view text);

}  // namespace berth::config
