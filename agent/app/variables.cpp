#include "agent/app/variables.h"

#include <charconv>

#include "shared/json/json_writer.h"
#include "shared/wire/value.h"

namespace berth::app {

namespace {

template <class T>
T number_of(const std::string& text) {
    T value{};  // what is no number has been refused with the descriptor; an empty one counts as 0
    (void)std::from_chars(text.data(), text.data() + text.size(), value);
    return value;
}

template <class Use>
void with_value(const ConfigVariable& variable, Use use) {
    switch (variable.type) {
        case ConfigType::Int:
            return use(number_of<std::int64_t>(variable.value));
        case ConfigType::Float:
            return use(number_of<double>(variable.value));
        case ConfigType::Bool:
            return use(variable.value == "true");
        case ConfigType::String:
        case ConfigType::Choice:
        case ConfigType::Secret:
            break;
    }
    use(variable.value);
}

}  // namespace

std::string variables_json(const AppSpec& spec) {
    json::JsonWriter json;
    json.begin_object();
    for (const ConfigVariable& variable : spec.config) {
        with_value(variable, [&](const auto& value) { json.field(variable.name, value); });
    }
    json.end_object();
    return json.take();
}

std::string variables_packed(const AppSpec& spec) {
    wire::Value::Map map;
    for (const ConfigVariable& variable : spec.config) {
        with_value(variable,
                   [&](const auto& value) { map.emplace_back(variable.name, wire::Value(value)); });
    }
    return wire::encode(map);
}

}  // namespace berth::app
