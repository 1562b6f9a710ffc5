#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "shared/model/app_spec.h"

namespace berth::config {

// Stands for the instance's number in the command, the environment, folders and checks.
inline constexpr std::string_view kInstancePlaceholder = "{instance}";

// Whoever has scaled an app knows its number of instances; 0: nobody has.
using ScaledTo = std::function<std::uint32_t(const std::string& id)>;

// Replaces each app that declares `instances` by its instances: ids "web.1", "web.2" …, each with
// its number in place of {instance}.
std::vector<AppSpec> expand_instances(const std::vector<AppSpec>& apps, const ScaledTo& scaled);

}  // namespace berth::config
