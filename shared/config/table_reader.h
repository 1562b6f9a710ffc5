#pragma once

#include <concepts>
#include <optional>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>
#include <vector>

#include "shared/config/node.h"
#include "shared/config/values.h"

namespace berth::config {

// Collects what is wrong with one descriptor, in any order, and gives it back in the order of the
// text.
class Report {
public:
    explicit Report(std::string file) : file_(std::move(file)) {}

    void problem(Position at, std::string text) { problems_.push_back({at, std::move(text)}); }

    void warning(Position at, std::string text) { warnings_.push_back({at, std::move(text)}); }

    [[nodiscard]] bool has_problems() const { return !problems_.empty(); }

    [[nodiscard]] std::vector<std::string> problems() const { return lines(problems_); }

    [[nodiscard]] std::vector<std::string> warnings() const { return lines(warnings_); }

private:
    struct Remark {
        Position at;
        std::string text;
    };

    [[nodiscard]] std::vector<std::string> lines(std::vector<Remark> remarks) const;

    std::string file_;
    std::vector<Remark> problems_;
    std::vector<Remark> warnings_;
};

// Reads the keys of one table. A schema is a function that calls read() once per key it knows; keys
// that nobody read are warned of when the reader is done. A value that breaks its rule is a problem
// and leaves the default as it is, so that reading goes on to the next.
class TableReader {
public:
    // `path` is how messages call the table, "" at the root.
    TableReader(Report& report, const TreeNode& table, std::string path)
        : report_(report), table_(table), path_(std::move(path)) {}

    template <class T, class Rule>
    void read(std::string_view key, T& out, const Rule& rule) {
        if (const TreeNode* node = take(key)) {
            read_node(*node, name_of(key), out, rule);
        }
    }

    // A list whose items each follow `rule`.
    template <class T, class Rule>
    void read_list(std::string_view key, std::vector<T>& out, const Rule& rule) {
        const TreeNode* node = take(key);
        if (node == nullptr) {
            return;
        }
        if (node->kind != NodeKind::List) {
            report_.problem(node->at, name_of(key) + ": " + found(*node) + " is not a list");
            return;
        }
        out.clear();
        for (std::size_t i = 0; i < node->items.size(); ++i) {
            T item{};
            read_node(node->items[i], name_of(key) + '[' + std::to_string(i) + ']', item, rule);
            out.push_back(std::move(item));
        }
    }

    // A table with keys of the user's own: `each(name, position of the name, value)`.
    template <class Each>
    void read_entries(std::string_view key, const Each& each) {
        if (const TreeNode* node = take_table(key)) {
            for (const Entry& entry : node->entries) {
                each(entry.key, entry.key_at, entry.value);
            }
        }
    }

    // For a table whose keys are the user's own: `each(name)`, which then reads that key.
    template <class Each>
    void read_each(const Each& each) {
        for (const Entry& entry : table_.entries) {
            each(entry.key);
        }
    }

    // A table of the schema, when it is there: `schema(its reader)`.
    template <class Schema>
    void read_table(std::string_view key, const Schema& schema) {
        if (const TreeNode* node = take_table(key)) {
            TableReader reader(report_, *node, name_of(key));
            schema(reader);
            reader.finish();
        }
    }

    // A key that is known, and not used.
    void ignore(std::string_view key) { (void)take(key); }

    // A problem when `key` is missing; `wanted` is what it must be.
    void need(std::string_view key, std::string_view wanted);

    // A problem when more than one of `keys` is set to something.
    void at_most_one(const std::vector<std::string_view>& keys);

    [[nodiscard]] bool has(std::string_view key) const { return table_.find(key) != nullptr; }

    // Where the value of `key` is, or the table when it has none.
    [[nodiscard]] Position at(std::string_view key) const;

    void problem(std::string_view key, const std::string& text);
    void warning(std::string_view key, const std::string& text);

    // Reads one node that is not a value of this table by itself.
    template <class T, class Rule>
    void read_node(const TreeNode& node, const std::string& name, T& out, const Rule& rule) {
        auto value = rule(node);
        if (!value) {
            report_.problem(node.at, name + ": " + found(node) + ' ' + value.error());
        } else if constexpr (std::integral<T> && !std::same_as<T, bool>) {
            out = static_cast<T>(*value);
        } else {
            out = *std::move(value);
        }
    }

    // Warns of the keys that were not read.
    void finish();

    [[nodiscard]] Report& report() const { return report_; }

private:
    const TreeNode* take(std::string_view key);
    const TreeNode* take_table(std::string_view key);
    [[nodiscard]] std::string name_of(std::string_view key) const;

    Report& report_;
    const TreeNode& table_;
    std::string path_;
    std::vector<std::string_view> known_;
};

}  // namespace berth::config
