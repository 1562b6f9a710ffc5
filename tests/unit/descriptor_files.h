#pragma once

#include <filesystem>
#include <fstream>
#include <iterator>
#include <string>
#include <vector>

#include <catch2/catch.hpp>

#include "shared/config/descriptor.h"

// Descriptors as the tests read them: files beside the tests, or texts.
namespace berth::config {

inline std::string contents(const std::filesystem::path& path) {
    std::ifstream file(path, std::ios::binary);
    REQUIRE(file);
    return {std::istreambuf_iterator<char>(file), {}};
}

inline std::string remarks(const Descriptor& descriptor) {
    std::string text;
    for (const std::string& problem : descriptor.problems) {
        text += problem + '\n';
    }
    for (const std::string& warning : descriptor.warnings) {
        text += "warning: " + warning + '\n';
    }
    return text;
}

inline Descriptor good(const std::string& name) {
    Descriptor descriptor =
        parse_descriptor(name, contents(std::filesystem::path("descriptors/good") / name));
    INFO(remarks(descriptor));
    REQUIRE(descriptor.problems.empty());
    return descriptor;
}

inline AppSpec app(const std::string& file, const std::string& text) {
    const Descriptor descriptor = parse_descriptor(file, text);
    INFO(text << remarks(descriptor));
    REQUIRE(descriptor.apps.size() == 1);
    return descriptor.apps.front();
}

inline std::string berth_with(const std::string& rest) {
    return "[app]\nid = \"web\"\ncommand = \"sleep 1\"\n" + rest;
}

inline AppSpec berth_app(const std::string& rest) {
    return app("berth.toml", berth_with(rest));
}

using Words = std::vector<std::string>;

}  // namespace berth::config
