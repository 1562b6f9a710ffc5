#pragma once

#include <string_view>
#include <vector>

#include "shared/config/table_reader.h"
#include "shared/model/app_spec.h"

// One schema per kind of descriptor: what it may say and what that means for the app. What they
// return is complete only when the report has no problems.

namespace berth::config {

// The newest pyTainer whose manifests are understood.
inline constexpr std::string_view kPyTainerVersion = "1.1.0";

AppSpec read_berth(const TreeNode& tree, Report& report);
AppSpec read_pytainer(const TreeNode& tree, Report& report);
AppSpec read_spmi(const TreeNode& tree, Report& report);

// The apps of a Procfile that stands in a folder called `folder` ("" when that is not known).
std::vector<AppSpec> read_procfile(std::string_view text, std::string_view folder, Report& report);

// Strict: values have the type that is declared. Loose, as pyTainer: numbers may be strings, with a
// comma too, and there are strings, ints and floats only.
enum class ConfigStyle : std::uint8_t { Strict, Loose };

// The variables of the table [config] under `root`.
void read_config(TableReader& root, std::vector<ConfigVariable>& variables, ConfigStyle style);

}  // namespace berth::config
