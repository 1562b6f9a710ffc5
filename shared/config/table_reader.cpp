#include "shared/config/table_reader.h"

#include <algorithm>

#include "shared/base/text.h"

namespace berth::config {

namespace {

// Whether a value is given that switches something on: false and "" do not.
bool is_set(const TreeNode& node) {
    return !(node.kind == NodeKind::Bool && !node.truth) &&
           !(node.kind == NodeKind::String && node.text.empty());
}

}  // namespace

std::vector<std::string> Report::lines(std::vector<Remark> remarks) const {
    std::stable_sort(remarks.begin(), remarks.end(), [](const Remark& a, const Remark& b) {
        return a.at < b.at;
    });
    constexpr std::size_t kMostLines = 200;  // a descriptor may hold thousands of wrong keys
    std::vector<std::string> lines;
    for (const Remark& remark : remarks) {
        if (lines.size() == kMostLines) {
            lines.push_back(file_ + ": and " + std::to_string(remarks.size() - kMostLines) +
                            " more");
            break;
        }
        lines.push_back(file_ + ':' + to_string(remark.at) + ": " + remark.text);
    }
    return lines;
}

void TableReader::need(std::string_view key, std::string_view wanted) {
    if (!has(key)) {
        report_.problem(table_.at, name_of(key) + ": missing; it must be " + std::string(wanted));
    }
}

void TableReader::at_most_one(const std::vector<std::string_view>& keys) {
    std::vector<std::pair<Position, std::string_view>> set;
    for (const std::string_view key : keys) {
        if (const TreeNode* node = table_.find(key); node != nullptr && is_set(*node)) {
            set.emplace_back(node->at, key);
        }
    }
    std::sort(set.begin(), set.end());
    for (std::size_t i = 1; i < set.size(); ++i) {
        report_.problem(set[i].first,
                        name_of(set[i].second) + ": contradicts " + name_of(set.front().second) +
                            " in line " + std::to_string(set.front().first.line) +
                            "; only one of both is allowed");
    }
}

Position TableReader::at(std::string_view key) const {
    const TreeNode* node = table_.find(key);
    return node == nullptr ? table_.at : node->at;
}

void TableReader::problem(std::string_view key, const std::string& text) {
    report_.problem(at(key), name_of(key) + ": " + text);
}

void TableReader::warning(std::string_view key, const std::string& text) {
    report_.warning(at(key), name_of(key) + ": " + text);
}

void TableReader::finish() {
    for (const Entry& entry : table_.entries) {
        if (std::find(known_.begin(), known_.end(), entry.key) != known_.end()) {
            continue;
        }
        const std::string_view near = nearest(entry.key.substr(0, 64), known_);
        std::string text = name_of(entry.key) + ": unknown key";
        if (!near.empty()) {
            text += ", the nearest known one is \"" + std::string(near) + '"';
        }
        report_.warning(entry.key_at, std::move(text));
    }
}

const TreeNode* TableReader::take(std::string_view key) {
    known_.push_back(key);
    return table_.find(key);
}

const TreeNode* TableReader::take_table(std::string_view key) {
    const TreeNode* node = take(key);
    if (node != nullptr && !node->is_table()) {
        report_.problem(node->at, name_of(key) + ": " + found(*node) + " is not a table");
        return nullptr;
    }
    return node;
}

std::string TableReader::name_of(std::string_view key) const {
    std::string name = in_quotes(key);
    const bool plain = !key.empty() && name.size() == key.size() + 2 &&
                       key.find_first_of(" .:\"'") == std::string_view::npos;
    if (plain) {
        name = std::string(key);
    }
    return path_.empty() ? name : path_ + '.' + name;
}

}  // namespace berth::config
