#pragma once

#include <cstdint>
#include <limits>
#include <string>
#include <string_view>

#include <tl/expected.hpp>

#include "shared/base/enum_names.h"
#include "shared/config/node.h"
#include "shared/model/app_spec.h"
#include "shared/time/clock.h"

// What the values of descriptors may be. A rule turns a node into a value, or into the half
// sentence that says, after what was found, what is allowed: `is not a duration like 10s`.

namespace berth::config {

template <class T>
using Parsed = tl::expected<T, std::string>;

// Any string.
struct Text {
    Parsed<std::string> operator()(const TreeNode& node) const;
};

// A string with something in it besides blanks.
struct Filled {
    Parsed<std::string> operator()(const TreeNode& node) const;
};

struct Flag {
    Parsed<bool> operator()(const TreeNode& node) const;
};

struct Whole {
    std::int64_t low = 0;
    std::int64_t high = std::numeric_limits<std::int64_t>::max();

    Parsed<std::int64_t> operator()(const TreeNode& node) const;
};

struct Number {
    double low = 0;
    double high = std::numeric_limits<double>::infinity();

    Parsed<double> operator()(const TreeNode& node) const;
};

// 500ms, 1.5s, 5m, 1h: at least `low` and at most 1000 days.
struct DurationText {
    Duration low = Duration::zero();

    Parsed<Duration> operator()(const TreeNode& node) const;
};

// 64KiB, 10MiB, 1GiB, or a number of bytes: at least `low`.
struct Size {
    std::int64_t low = 0;

    Parsed<std::int64_t> operator()(const TreeNode& node) const;
};

// SIGTERM, TERM or 15.
struct Signal {
    Parsed<int> operator()(const TreeNode& node) const;
};

// Octal digits in a string: a bare 022 means eighteen in some formats and is an error in others.
struct Umask {
    Parsed<std::uint32_t> operator()(const TreeNode& node) const;
};

struct Id {
    Parsed<std::string> operator()(const TreeNode& node) const;
};

// An id that may be a number too (SPMI).
struct LooseId {
    Parsed<std::string> operator()(const TreeNode& node) const;
};

// What RE2 compiles, within a memory bound.
struct Regex {
    Parsed<std::string> operator()(const TreeNode& node) const;
};

// Five fields: minute, hour, day of month, month, day of week; names of months and days allowed.
struct Cron {
    Parsed<std::string> operator()(const TreeNode& node) const;
};

// A time zone that this machine knows, as in Europe/Berlin; may be empty.
struct TimeZone {
    Parsed<std::string> operator()(const TreeNode& node) const;
};

// A way to end: an exit code, or a signal's name, which becomes minus its number.
struct ExitCode {
    Parsed<int> operator()(const TreeNode& node) const;
};

// "HOST:PORT" or ":PORT".
struct Address {
    Parsed<std::string> operator()(const TreeNode& node) const;
};

// http://HOST[:PORT][/PATH]
struct HttpUrl {
    Parsed<std::string> operator()(const TreeNode& node) const;
};

// A user's or group's name or number; may be empty.
struct Account {
    Parsed<std::string> operator()(const TreeNode& node) const;
};

// A Python package as pip takes it, but no option of pip's.
struct Package {
    Parsed<std::string> operator()(const TreeNode& node) const;
};

// Numbers with dots between them, as in 1.10.2; may be empty.
struct Version {
    Parsed<std::string> operator()(const TreeNode& node) const;
};

// The name of a variable of the environment.
struct EnvName {
    Parsed<std::string> operator()(const TreeNode& node) const;
};

// A string that split_words() can take apart into at least one word.
struct Words {
    Parsed<std::string> operator()(const TreeNode& node) const;
};

// A path that stays below the folder it is relative to.
struct InnerPath {
    Parsed<std::string> operator()(const TreeNode& node) const;
};

// What the value of a variable of the environment may be: strings and whole numbers.
struct EnvText {
    Parsed<std::string> operator()(const TreeNode& node) const;
};

// What an app inherits: true, false, or a list of variables' names.
struct InheritRule {
    Parsed<InheritEnv> operator()(const TreeNode& node) const;
};

// One of the names of an enum.
template <class E, std::size_t N>
struct OneOf {
    const EnumNames<E, N>& names;

    Parsed<E> operator()(const TreeNode& node) const {
        if (node.kind == NodeKind::String) {
            if (const auto value = names.value(node.text)) {
                return *value;
            }
        }
        std::string allowed;
        for (const std::string_view name : names.names) {
            allowed.append(allowed.empty() ? "" : ", ").append(name);
        }
        return tl::unexpected("is none of " + allowed);
    }
};
template <class E, std::size_t N>
OneOf(const EnumNames<E, N>&) -> OneOf<E, N>;

// Whether dotted version `a` comes after `b`; missing parts are 0. Both must be Versions.
bool version_after(std::string_view a, std::string_view b);

// Whether `name` may name a variable of the environment.
bool is_env_name(std::string_view name);

}  // namespace berth::config
