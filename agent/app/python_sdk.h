#pragma once

#include <string_view>
#include <utility>
#include <vector>

namespace berth::app {

// The files of agent/sdk/python, by name, as they were when the agent was built.
std::vector<std::pair<std::string_view, std::string_view>> python_sdk();

}  // namespace berth::app
