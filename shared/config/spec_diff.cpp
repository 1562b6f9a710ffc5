#include "shared/config/spec_diff.h"

#include <algorithm>
#include <array>
#include <string_view>

#include "shared/base/ensure.h"
#include "shared/json/json_value.h"
#include "shared/json/spec_json.h"

namespace berth::config {

namespace {

// What is looked at when a run begins, or its checks do.
constexpr std::array<std::string_view, 19> kAtStart = {"app.argv",
                                                       "app.command",
                                                       "app.cwd",
                                                       "app.env",
                                                       "app.env_file",
                                                       "app.user",
                                                       "app.group",
                                                       "app.umask",
                                                       "app.nice",
                                                       "app.tty",
                                                       "app.module",
                                                       "app.type",
                                                       "app.inherit_env",
                                                       "health",
                                                       "limits",
                                                       "log",
                                                       "hooks.pre_start",
                                                       "config",
                                                       "backend"};

json::JsonValue tree_of(const AppSpec& spec) {
    json::JsonWriter writer;
    json::write_spec(writer, spec, json::Secrets::Shown);
    auto tree = json::parse_json(writer.take());
    ENSURE(tree.has_value(), "what write_spec() writes is JSON");
    return std::move(*tree);
}

bool same(const json::JsonValue& a, const json::JsonValue& b) {
    if (a.is_array() && b.is_array()) {
        return std::equal(
            a.items().begin(), a.items().end(), b.items().begin(), b.items().end(), same);
    }
    if (a.is_object() && b.is_object()) {
        const auto same_member = [](const json::JsonMember& one, const json::JsonMember& other) {
            return one.key == other.key && same(one.value, other.value);
        };
        return std::equal(a.members().begin(),
                          a.members().end(),
                          b.members().begin(),
                          b.members().end(),
                          same_member);
    }
    return std::visit(
        [](const auto& left, const auto& right) {
            using Left = std::decay_t<decltype(left)>;
            if constexpr (std::is_same_v<Left, std::decay_t<decltype(right)>> &&
                          !std::is_same_v<Left, json::JsonValue::Array> &&
                          !std::is_same_v<Left, json::JsonValue::Object>) {
                return left == right;
            } else {
                return false;
            }
        },
        a.data(),
        b.data());
}

void compare(const json::JsonValue& before,
             const json::JsonValue& after,
             const std::string& name,
             std::vector<std::string>& keys) {
    if (!before.is_object() || !after.is_object()) {
        if (!same(before, after)) {
            keys.push_back(name);
        }
        return;
    }
    const std::string prefix = name.empty() ? name : name + ".";
    for (const json::JsonMember& member : before.members()) {
        const json::JsonValue* const now = after.find(member.key);
        if (now == nullptr) {
            keys.push_back(prefix + member.key);
        } else {
            compare(member.value, *now, prefix + member.key, keys);
        }
    }
    for (const json::JsonMember& member : after.members()) {
        if (before.find(member.key) == nullptr) {
            keys.push_back(prefix + member.key);
        }
    }
}

}  // namespace

std::vector<std::string> changed_keys(const AppSpec& before, const AppSpec& after) {
    std::vector<std::string> keys;
    compare(tree_of(before), tree_of(after), "", keys);
    // A command is shown beside the words that it comes to.
    if (std::find(keys.begin(), keys.end(), "app.command") != keys.end()) {
        std::erase(keys, "app.argv");
    }
    for (const ConfigVariable& variable : after.config) {
        const auto was = std::find_if(
            before.config.begin(), before.config.end(), [&variable](const ConfigVariable& other) {
                return other.name == variable.name;
            });
        const bool secret = variable.type == ConfigType::Secret;  // masked in that form
        if (secret && was != before.config.end() && was->value != variable.value) {
            keys.push_back("config." + variable.name + ".value");
        }
    }
    return keys;
}

std::vector<std::string> keys_for_restart(const std::vector<std::string>& keys) {
    std::vector<std::string> needed;
    for (const std::string& key : keys) {
        const bool at_start =
            std::any_of(kAtStart.begin(), kAtStart.end(), [&key](std::string_view name) {
                return key == name || (key.starts_with(name) && key[name.size()] == '.');
            });
        if (at_start) {
            needed.push_back(key);
        }
    }
    return needed;
}

}  // namespace berth::config
