#include "shared/config/descriptor.h"

#include <algorithm>
#include <array>
#include <filesystem>
#include <memory>
#include <optional>
#include <system_error>

#include "shared/base/text.h"
#include "shared/config/schemas.h"
#include "shared/os/file.h"

namespace berth::config {

namespace {

namespace fs = std::filesystem;

constexpr std::size_t kMaxBytes = 1U << 20U;
constexpr std::array<std::string_view, 3> kFileNames = {"berth.toml", "pytainer.toml", "Procfile"};

Descriptor refused(const std::string& file, const std::string& reason) {
    Descriptor descriptor;
    descriptor.problems.push_back(file + ": " + reason);
    return descriptor;
}

// Empty bytes, and everything that no format allows. Gives the place of the fault.
std::optional<ParseFailure> check_bytes(std::string_view text) {
    if (const std::size_t nul = text.find('\0'); nul != std::string_view::npos) {
        return ParseFailure{PositionFinder(text).at(nul), "a NUL byte; a descriptor is text"};
    }
    if (const std::size_t valid = valid_utf8_prefix(text); valid != text.size()) {
        return ParseFailure{PositionFinder(text).at(valid),
                            "the byte 0x" + to_hex(text.substr(valid, 1)) + " is not valid UTF-8"};
    }
    return std::nullopt;
}

std::optional<ParsedTree> parse_tree(std::string_view name, std::string_view text) {
    if (name.ends_with(".toml")) {
        return parse_toml(text);
    }
    if (name.ends_with(".yaml") || name.ends_with(".yml")) {
        return parse_yaml(text);
    }
    if (name.ends_with(".json")) {
        return parse_json(text);
    }
    return std::nullopt;
}

// Which schema the tree is for: the file's name decides, else its tables.
std::optional<DescriptorKind> kind_of(std::string_view name, const TreeNode& tree) {
    if (name == kFileNames[0]) {
        return DescriptorKind::Berth;
    }
    if (name == kFileNames[1]) {
        return DescriptorKind::PyTainer;
    }
    if (tree.find("task") != nullptr) {
        return DescriptorKind::Spmi;
    }
    if (const TreeNode* app = tree.find("app")) {
        return app->find("launcher") == nullptr ? DescriptorKind::Berth : DescriptorKind::PyTainer;
    }
    return std::nullopt;
}

std::vector<AppSpec> read_tree(std::string_view name, const TreeNode& tree, Report& report) {
    if (!tree.is_table()) {
        report.problem(tree.at, "the top is " + found(tree) + ", not a table");
        return {};
    }
    const std::optional<DescriptorKind> kind = kind_of(name, tree);
    if (!kind) {
        const bool empty = tree.entries.empty();
        report.problem(
            empty ? tree.at : tree.entries.front().key_at,
            (empty ? std::string("nothing") : in_quotes(tree.entries.front().key)) +
                " at the top says no kind of descriptor; allowed are task (SPMI) and app "
                "(Berth, or pyTainer when it has a launcher)");
        return {};
    }
    switch (*kind) {
        case DescriptorKind::Berth:
            return {read_berth(tree, report)};
        case DescriptorKind::PyTainer:
            return {read_pytainer(tree, report)};
        case DescriptorKind::Spmi:
        case DescriptorKind::Procfile:
            break;
    }
    return {read_spmi(tree, report)};
}

// `folder`: the name of the folder that `file` stands in.
Descriptor parse_in(const std::string& file, std::string_view folder, std::string_view text) {
    constexpr std::string_view kByteOrderMark = "\xEF\xBB\xBF";
    if (text.size() > kMaxBytes) {
        return refused(file, "larger than 1 MiB");
    }
    if (text.starts_with(kByteOrderMark)) {
        text.remove_prefix(kByteOrderMark.size());
    }
    Report report(file);
    Descriptor descriptor;
    const std::string name = fs::path(file).filename().string();
    if (const auto failure = check_bytes(text)) {
        report.problem(failure->at, failure->reason);
    } else if (name == kFileNames[2]) {
        descriptor.apps = read_procfile(text, folder, report);
    } else if (const std::optional<ParsedTree> tree = parse_tree(name, text); !tree) {
        return refused(file,
                       "its name is not berth.toml, pytainer.toml or Procfile and does not end in "
                       ".toml, .yaml, .yml or .json");
    } else if (!*tree) {
        report.problem(tree->error().at, printable(shortened(tree->error().reason, 200)));
    } else {
        descriptor.apps = read_tree(name, **tree, report);
    }
    descriptor.problems = report.problems();
    descriptor.warnings = report.warnings();
    if (!descriptor.problems.empty()) {
        descriptor.apps.clear();
    }
    return descriptor;
}

}  // namespace

Descriptor parse_descriptor(const std::string& file, std::string_view text) {
    return parse_in(file, fs::path(file).parent_path().filename().string(), text);
}

bool is_descriptor_name(std::string_view name) {
    return std::find(kFileNames.begin(), kFileNames.end(), name) != kFileNames.end();
}

Result<std::string> find_descriptor(const std::string& path) {
    std::error_code error;
    const fs::file_status status = fs::status(path, error);
    if (!fs::exists(status)) {
        const bool missing = status.type() == fs::file_type::not_found;
        return fail(missing ? ErrorCode::NotFound : ErrorCode::Io,
                    '"' + path + "\": " + (missing ? "no such file or folder" : error.message()),
                    error.value());
    }
    if (!fs::is_directory(status)) {
        return path;
    }
    for (const std::string_view name : kFileNames) {
        const fs::path candidate = fs::path(path) / name;
        if (fs::is_regular_file(candidate, error)) {
            return candidate.string();
        }
    }
    return fail(ErrorCode::NotFound,
                '"' + path + "\" has none of berth.toml, pytainer.toml, Procfile in it");
}

Descriptor read_descriptor(const std::string& file) {
    std::error_code error;
    const fs::file_status status = fs::status(file, error);
    if (status.type() == fs::file_type::not_found) {
        return refused(file, "no such file");
    }
    if (error) {
        return refused(file, error.message());
    }
    if (fs::is_directory(status)) {
        return refused(file, "is a folder, not a file");
    }
    if (!fs::is_regular_file(status)) {
        return refused(file, "is not a regular file");
    }
    // What is found in a folder by its name is not followed out of it: who may write there could
    // have anything read.
    const fs::path path(file);
    const std::string folder = path.has_parent_path() ? path.parent_path().string() : ".";
    const std::string name = path.filename().string();
    auto text = is_descriptor_name(name) ? os::read_file_beneath(folder, name, kMaxBytes)
                                         : os::read_file(file, kMaxBytes);
    if (!text && text.error().code == ErrorCode::TooLarge) {
        return refused(file, "larger than 1 MiB");
    }
    if (!text) {
        return refused(file, "cannot be read: " + text.error().message);
    }
    const fs::path absolute = fs::absolute(file, error);
    Descriptor descriptor =
        parse_in(file, absolute.lexically_normal().parent_path().filename().string(), *text);
    descriptor.text = std::move(*text);
    return descriptor;
}

}  // namespace berth::config
