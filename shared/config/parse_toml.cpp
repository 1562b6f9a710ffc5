#include <algorithm>
#include <optional>

#include <toml++/toml.h>

#include "shared/config/node.h"

namespace berth::config {

namespace {

Position position_of(const toml::source_region& region) {
    const auto line = static_cast<int>(region.begin.line);
    const auto column = static_cast<int>(region.begin.column);
    return {std::max(line, 1), std::max(column, 1)};
}

// toml++ limits how deep values nest but not how many dots a key has, and it frees its tables
// recursively. So brackets and dots outside strings and comments are counted before it is let
// loose.
class DepthCheck {
public:
    explicit DepthCheck(std::string_view text) : text_(text) {}

    std::optional<std::size_t> first_too_deep() {
        while (at_ < text_.size()) {
            const char c = text_[at_];
            if (c == '"' || c == '\'') {
                skip_string(c);
                continue;
            }
            if (c == '#') {
                at_ = std::min(text_.find('\n', at_), text_.size());
                continue;
            }
            if (goes_too_deep(c)) {
                return at_;
            }
            ++at_;
        }
        return std::nullopt;
    }

private:
    bool goes_too_deep(char c) {
        if (c == '.') {
            return ++dots_ >= kMaxDepth;
        }
        if (c != ' ' && c != '\t' &&
            std::string_view("=,{}[]\n").find(c) != std::string_view::npos) {
            dots_ = 0;
        }
        if (c == '[' || c == '{') {
            return ++depth_ > kMaxDepth;
        }
        if ((c == ']' || c == '}') && depth_ > 0) {
            --depth_;
        }
        return false;
    }

    void skip_string(char quote) {
        const std::string three(3, quote);
        const bool multi_line = text_.substr(at_, 3) == three;
        at_ += multi_line ? 3 : 1;
        while (at_ < text_.size()) {
            const char c = text_[at_];
            if (c == '\\' && quote == '"') {
                at_ += 2;
            } else if (multi_line && text_.substr(at_, 3) == three) {
                at_ += 3;
                return;
            } else if (!multi_line && (c == quote || c == '\n')) {
                ++at_;
                return;
            } else {
                ++at_;
            }
        }
    }

    std::string_view text_;
    std::size_t at_ = 0;
    std::size_t depth_ = 0;
    std::size_t dots_ = 0;
};

class Converter {
public:
    // The tree of `from`; `failure` is set when it is over a limit.
    // NOLINTNEXTLINE(misc-no-recursion): ends at kMaxDepth
    TreeNode convert(const toml::node& from, std::size_t depth) {
        TreeNode node;
        node.at = position_of(from.source());
        if (++nodes_ > kMaxNodes || depth > kMaxDepth) {
            failure_ = failure_.value_or(
                ParseFailure{node.at, depth > kMaxDepth ? too_deep() : too_many_nodes()});
            return node;
        }
        if (const toml::table* table = from.as_table()) {
            fill_table(node, *table, depth);
        } else if (const toml::array* array = from.as_array()) {
            node.kind = NodeKind::List;
            for (const toml::node& item : *array) {
                node.items.push_back(convert(item, depth + 1));
            }
        } else {
            fill_scalar(node, from);
        }
        return node;
    }

    [[nodiscard]] const std::optional<ParseFailure>& failure() const { return failure_; }

private:
    // NOLINTNEXTLINE(misc-no-recursion)
    void fill_table(TreeNode& node, const toml::table& table, std::size_t depth) {
        node.kind = NodeKind::Table;
        for (const auto& [key, value] : table) {
            node.entries.push_back(
                {std::string(key.str()), position_of(key.source()), convert(value, depth + 1)});
        }
        std::stable_sort(node.entries.begin(),
                         node.entries.end(),
                         [](const Entry& a, const Entry& b) { return a.key_at < b.key_at; });
    }

    static void fill_scalar(TreeNode& node, const toml::node& from) {
        if (const auto* text = from.as_string()) {
            node.kind = NodeKind::String;
            node.text = text->get();
        } else if (const auto* whole = from.as_integer()) {
            node.kind = NodeKind::Whole;
            node.whole = whole->get();
            node.number = static_cast<double>(node.whole);
            node.text = std::to_string(node.whole);
        } else if (const auto* number = from.as_floating_point()) {
            node.kind = NodeKind::Float;
            node.number = number->get();
            node.text = float_text(node.number);
        } else if (const auto* truth = from.as_boolean()) {
            node.kind = NodeKind::Bool;
            node.truth = truth->get();
            node.text = node.truth ? "true" : "false";
        } else {
            node.kind = NodeKind::Date;
        }
    }

    std::size_t nodes_ = 0;
    std::optional<ParseFailure> failure_;
};

}  // namespace

ParsedTree parse_toml(std::string_view text) {
    if (const std::optional<std::size_t> deep = DepthCheck(text).first_too_deep()) {
        return tl::unexpected(ParseFailure{PositionFinder(text).at(*deep), too_deep()});
    }
    try {
        const toml::table table = toml::parse(text);
        Converter converter;
        TreeNode root = converter.convert(table, 0);
        root.at = {};
        if (converter.failure()) {
            return tl::unexpected(*converter.failure());
        }
        return root;
    } catch (const toml::parse_error& error) {
        return tl::unexpected(
            ParseFailure{position_of(error.source()), std::string(error.description())});
    } catch (const std::exception& error) {
        return tl::unexpected(ParseFailure{{}, error.what()});
    }
}

}  // namespace berth::config
