#include <algorithm>
#include <charconv>
#include <cmath>
#include <limits>
#include <map>
#include <optional>
#include <sstream>
#include <utility>

#include <yaml-cpp/eventhandler.h>
#include <yaml-cpp/exceptions.h>
#include <yaml-cpp/parser.h>

#include "shared/config/node.h"

namespace berth::config {

namespace {

constexpr std::string_view kTagPrefix = "tag:yaml.org,2002:";

std::optional<std::int64_t> whole_of(std::string_view text) {
    bool negative = false;
    if (!text.empty() && (text.front() == '-' || text.front() == '+')) {
        negative = text.front() == '-';
        text.remove_prefix(1);
    }
    int base = 10;
    if (text.starts_with("0x") || text.starts_with("0o")) {
        base = text[1] == 'x' ? 16 : 8;
        text.remove_prefix(2);
    }
    std::int64_t value = 0;
    const char* last = text.data() + text.size();
    if (text.empty() || text.front() == '-') {
        return std::nullopt;
    }
    const auto [end, error] = std::from_chars(text.data(), last, value, base);
    if (error != std::errc() || end != last) {
        return std::nullopt;
    }
    return negative ? -value : value;
}

// The floats of YAML's core schema: decimal numbers, .inf and .nan in three spellings each.
std::optional<double> float_of(std::string_view text) {
    std::string_view digits = text;
    const bool negative = digits.starts_with('-');
    if (negative || digits.starts_with('+')) {
        digits.remove_prefix(1);
    }
    if (digits == ".inf" || digits == ".Inf" || digits == ".INF") {
        constexpr double kInfinity = std::numeric_limits<double>::infinity();
        return negative ? -kInfinity : kInfinity;
    }
    if (text == ".nan" || text == ".NaN" || text == ".NAN") {
        return std::numeric_limits<double>::quiet_NaN();
    }
    // A whole number of more than 64 bits is no float: that would be another number. It is text.
    if (digits.find_first_of(".eE") == std::string_view::npos ||
        digits.find_first_not_of("0123456789.eE+-") != std::string_view::npos ||
        digits.find_first_of("0123456789") == std::string_view::npos || digits.starts_with('-')) {
        return std::nullopt;
    }
    double value = 0;
    const char* last = digits.data() + digits.size();
    const auto [end, error] = std::from_chars(digits.data(), last, value);
    if (error != std::errc() || end != last) {
        return std::nullopt;
    }
    return negative ? -value : value;
}

// A scalar without quotes, by the core schema.
void resolve_plain(TreeNode& node) {
    const std::string& text = node.text;
    const bool is_true = text == "true" || text == "True" || text == "TRUE";
    if (is_true || text == "false" || text == "False" || text == "FALSE") {
        node.kind = NodeKind::Bool;
        node.truth = is_true;
    } else if (const auto whole = whole_of(text)) {
        node.kind = NodeKind::Whole;
        node.whole = *whole;
        node.number = static_cast<double>(*whole);
    } else if (const auto number = float_of(text)) {
        node.kind = NodeKind::Float;
        node.number = *number;
    } else {
        node.kind = NodeKind::String;
    }
}

// Whether the scalar that begins at `start` (its anchor and tag before it) ends with its quote, if
// it begins with one: yaml-cpp 0.7 takes the end of the text for one when a line break is before
// it.
bool quote_closes(std::string_view text, std::size_t start) {
    constexpr std::string_view kBlanks = " \t\r\n";
    while (start < text.size() && (text[start] == '&' || text[start] == '!')) {
        start = text.find_first_not_of(kBlanks,
                                       std::min(text.find_first_of(kBlanks, start), text.size()));
    }
    if (start >= text.size() || (text[start] != '"' && text[start] != '\'')) {
        return true;
    }
    const char quote = text[start];
    for (std::size_t i = start + 1; i < text.size(); ++i) {
        if (text[i] == '\\' && quote == '"') {
            ++i;
        } else if (text[i] == quote) {
            return true;
        }
    }
    return false;
}

// Thrown through yaml-cpp to end its parse, and caught in this file.
struct Refused {
    ParseFailure failure;
};

// Builds the tree from yaml-cpp's events and refuses what is over a limit while it grows, before an
// alias of an alias of an alias can fill the memory.
class TreeBuilder : public YAML::EventHandler {
public:
    explicit TreeBuilder(std::string_view text) : text_(text), finder_(text) {}

    void OnDocumentStart(const YAML::Mark&) override {}

    void OnDocumentEnd() override {}

    void OnNull(const YAML::Mark& mark, YAML::anchor_t anchor) override {
        TreeNode node;
        node.at = position(mark);
        finish(std::move(node), anchor);
    }

    void OnAlias(const YAML::Mark& mark, YAML::anchor_t anchor) override {
        const auto target = anchors_.find(anchor);
        if (target == anchors_.end()) {
            refuse(position(mark), "an alias inside of what it stands for");
        }
        TreeNode copy = target->second;
        copy.at = position(mark);
        count(copy, copy.at, open_.size());
        --nodes_;  // add() counts the node itself
        add(std::move(copy));
    }

    void OnScalar(const YAML::Mark& mark,
                  const std::string& tag,
                  YAML::anchor_t anchor,
                  const std::string& value) override {
        TreeNode node;
        node.at = position(mark);
        node.text = value;
        if (!quote_closes(text_, mark.pos < 0 ? 0 : static_cast<std::size_t>(mark.pos))) {
            refuse(node.at, "the quote is not closed");
        }
        const bool resolved = tag == "?" || tag == std::string(kTagPrefix) + "int" ||
                              tag == std::string(kTagPrefix) + "float" ||
                              tag == std::string(kTagPrefix) + "bool";
        if (resolved) {
            resolve_plain(node);
        } else if (tag == "!" || tag.empty() || tag == std::string(kTagPrefix) + "str") {
            node.kind = NodeKind::String;
        } else {
            refuse(node.at, "the tag " + in_quotes(tag) + " is not supported");
        }
        finish(std::move(node), anchor);
    }

    void OnSequenceStart(const YAML::Mark& mark,
                         const std::string& tag,
                         YAML::anchor_t anchor,
                         YAML::EmitterStyle::value) override {
        open(NodeKind::List, mark, tag, anchor);
    }

    void OnMapStart(const YAML::Mark& mark,
                    const std::string& tag,
                    YAML::anchor_t anchor,
                    YAML::EmitterStyle::value) override {
        open(NodeKind::Table, mark, tag, anchor);
    }

    void OnSequenceEnd() override { close(); }

    void OnMapEnd() override { close(); }

    TreeNode take_root() { return std::move(root_); }

    Position position(const YAML::Mark& mark) {
        return mark.is_null() || mark.pos < 0 ? Position{}
                                              : finder_.at(static_cast<std::size_t>(mark.pos));
    }

private:
    struct Open {
        TreeNode node;
        YAML::anchor_t anchor = 0;
        std::optional<Entry> pending;  // the key whose value comes next
    };

    [[noreturn]] static void refuse(Position at, std::string reason) {
        throw Refused{{at, std::move(reason)}};
    }

    // NOLINTNEXTLINE(misc-no-recursion): trees are at most kMaxDepth deep
    // `at`: the alias that makes the copy.
    void count(const TreeNode& node, Position at, std::size_t depth) {
        if (++nodes_ > kMaxNodes) {
            refuse(at, too_many_nodes());
        }
        if (depth > kMaxDepth) {
            refuse(at, too_deep());
        }
        for (const Entry& entry : node.entries) {
            count(entry.value, at, depth + 1);
        }
        for (const TreeNode& item : node.items) {
            count(item, at, depth + 1);
        }
    }

    void open(NodeKind kind,
              const YAML::Mark& mark,
              const std::string& tag,
              YAML::anchor_t anchor) {
        TreeNode node;
        node.kind = kind;
        node.at = position(mark);
        const std::string_view own_tag = kind == NodeKind::List ? "seq" : "map";
        if (tag != "?" && tag != "!" && !tag.empty() &&
            tag != std::string(kTagPrefix).append(own_tag)) {
            refuse(node.at, "the tag " + in_quotes(tag) + " is not supported");
        }
        if (open_.size() == kMaxDepth) {
            refuse(node.at, too_deep());
        }
        open_.push_back({std::move(node), anchor, std::nullopt});
    }

    void close() {
        Open closed = std::move(open_.back());
        open_.pop_back();
        finish(std::move(closed.node), closed.anchor);
    }

    void finish(TreeNode node, YAML::anchor_t anchor) {
        if (anchor != 0) {
            anchors_[anchor] = node;
        }
        add(std::move(node));
    }

    void add(TreeNode node) {
        const bool is_key =
            !open_.empty() && open_.back().node.is_table() && !open_.back().pending.has_value();
        if (is_key) {
            open_.back().pending = key(open_.back().node, std::move(node));
            return;
        }
        if (++nodes_ > kMaxNodes) {
            refuse(node.at, too_many_nodes());
        }
        if (open_.empty()) {
            root_ = std::move(node);
            return;
        }
        Open& parent = open_.back();
        if (parent.node.kind == NodeKind::List) {
            parent.node.items.push_back(std::move(node));
        } else {
            parent.pending->value = std::move(node);
            parent.node.entries.push_back(*std::exchange(parent.pending, std::nullopt));
        }
    }

    static Entry key(const TreeNode& table, TreeNode node) {
        if (node.kind == NodeKind::List || node.kind == NodeKind::Table ||
            node.kind == NodeKind::Null) {
            refuse(node.at, "a key must be a word, not " + found(node));
        }
        if (table.find(node.text) != nullptr) {
            refuse(node.at, "the key " + in_quotes(node.text) + " occurs twice");
        }
        return {std::move(node.text), node.at, {}};
    }

    std::string_view text_;
    PositionFinder finder_;
    std::vector<Open> open_;
    std::map<YAML::anchor_t, TreeNode> anchors_;
    TreeNode root_;
    std::size_t nodes_ = 0;
};

}  // namespace

ParsedTree parse_yaml(std::string_view text) {
    TreeBuilder builder(text);
    try {
        std::istringstream stream{std::string(text)};
        YAML::Parser parser(stream);
        if (!parser.HandleNextDocument(builder)) {
            return builder.take_root();
        }
        TreeNode root = builder.take_root();
        if (parser.HandleNextDocument(builder)) {
            return tl::unexpected(ParseFailure{builder.take_root().at, "a second document"});
        }
        return root;
    } catch (const Refused& refused) {
        return tl::unexpected(refused.failure);
    } catch (const YAML::Exception& error) {
        return tl::unexpected(ParseFailure{builder.position(error.mark), error.msg});
    } catch (const std::exception& error) {
        return tl::unexpected(ParseFailure{{}, error.what()});
    }
}

}  // namespace berth::config
