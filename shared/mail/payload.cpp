#include "shared/mail/payload.h"

namespace berth::mail {

wire::Value value_of(const json::JsonValue& json) {
    struct Visitor {
        wire::Value operator()(std::nullptr_t) const { return {}; }

        wire::Value operator()(bool v) const { return v; }

        wire::Value operator()(std::int64_t v) const { return v; }

        wire::Value operator()(std::uint64_t v) const { return v; }

        wire::Value operator()(double v) const { return v; }

        wire::Value operator()(const std::string& v) const { return v; }

        wire::Value operator()(const json::JsonValue::Array& items) const {
            wire::Value::Array array;
            for (const json::JsonValue& item : items) {
                array.push_back(value_of(item));
            }
            return array;
        }

        wire::Value operator()(const json::JsonValue::Object& members) const {
            wire::Value::Map map;
            for (const json::JsonMember& member : members) {
                map.emplace_back(member.key, value_of(member.value));
            }
            return map;
        }
    };

    return std::visit(Visitor{}, json.data());
}

void write_value(json::JsonWriter& json, const wire::Value& value) {
    struct Visitor {
        json::JsonWriter& json;

        void operator()(std::monostate) const { json.null(); }

        void operator()(bool v) const { json.value(v); }

        void operator()(std::int64_t v) const { json.value(v); }

        void operator()(std::uint64_t v) const { json.value(v); }

        void operator()(double v) const { json.value(v); }

        void operator()(const std::string& v) const { json.value(v); }

        void operator()(const wire::Value::Array& items) const {
            json.begin_array();
            for (const wire::Value& item : items) {
                write_value(json, item);
            }
            json.end_array();
        }

        void operator()(const wire::Value::Map& members) const {
            json.begin_object();
            for (const auto& [key, member] : members) {
                json.key(key);
                write_value(json, member);
            }
            json.end_object();
        }
    };

    std::visit(Visitor{json}, value.data());
}

}  // namespace berth::mail
