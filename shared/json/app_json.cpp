#include "shared/json/app_json.h"

#include <type_traits>
#include <utility>

#include "shared/base/secrets.h"

namespace berth::json {

namespace {

// Writes the members of a model struct into an object that is open.
struct Writer {
    JsonWriter& json;

    template <class T>
    void operator()(const Field& field, const T& member) {
        if (!field.shown.empty()) {
            json.key(field.shown);
            write(member);
        }
    }

    template <class Get>
    void derived(std::string_view name, const Get& get) {
        json.key(name);
        write(get());
    }

private:
    template <class T>
    void write(const T& member) {
        if constexpr (std::is_enum_v<T>) {
            json.value(names_of(member).name(member));
        } else if constexpr (std::is_same_v<T, WallTime>) {
            json.value(rfc3339_utc(member, 3));
        } else if constexpr (requires(Writer & io) { T::fields(io, member); }) {
            json.begin_object();
            T::fields(*this, member);
            json.end_object();
        } else {
            json.value(member);
        }
    }

    template <class T>
    void write(const std::optional<T>& member) {
        member ? write(*member) : (void)json.null();
    }

    template <class T>
    void write(const std::vector<T>& members) {
        json.begin_array();
        for (const T& member : members) {
            write(member);
        }
        json.end_array();
    }

    // It is in no JSON as it is.
    void write(const std::optional<ExitStatus>& /*exit*/) {}
};

template <class T>
constexpr bool kIsOptional = false;

template <class T>
constexpr bool kIsOptional<std::optional<T>> = true;

// Describes them, as JSON Schema.
struct Describer {
    JsonWriter& json;
    std::vector<std::string> names = {};

    template <class T>
    void operator()(const Field& field, const T& /*member*/) {
        if (!field.shown.empty()) {
            begin(field.shown);
            type<T>();
            if (!field.help.empty()) {
                json.field("description", field.help);
            }
            json.end_object();
        }
    }

    template <class Get>
    void derived(std::string_view name, const Get& /*get*/) {
        begin(name);
        type<std::decay_t<decltype(std::declval<Get>()())>>();
        json.end_object();
    }

private:
    void begin(std::string_view name) {
        names.emplace_back(name);
        json.key(name).begin_object();
    }

    // The members of the schema of a T.
    template <class T>
    void type() {
        if constexpr (std::is_enum_v<T>) {
            json.field("type", "string").key("enum").begin_array();
            for (const std::string_view name : names_of(T{}).names) {
                json.value(name);
            }
            json.end_array();
        } else if constexpr (std::is_same_v<T, WallTime>) {
            json.field("$ref", "#/components/schemas/Time");
        } else if constexpr (std::is_same_v<T, std::optional<WallTime>>) {
            json.field("$ref", "#/components/schemas/TimeOrNull");
        } else if constexpr (std::is_same_v<T, std::optional<MailboxStatus>>) {
            json.key("oneOf").begin_array().begin_object();
            json.field("$ref", "#/components/schemas/MailboxFigures").end_object();
            json.begin_object().field("type", "null").end_object().end_array();
        } else if constexpr (std::is_same_v<T, std::vector<LimitStatus>>) {
            json.field("type", "array").key("items").begin_object();
            write_schema_members<LimitStatus>(json);
            json.end_object();
        } else if constexpr (std::is_same_v<T, std::vector<std::string>>) {
            json.field("type", "array").key("items").begin_object();
            json.field("type", "string").end_object();
        } else if constexpr (kIsOptional<T>) {
            json.key("type").begin_array().value(type_name<typename T::value_type>());
            json.value("null").end_array();
        } else {
            json.field("type", type_name<T>());
        }
    }

    template <class T>
    static constexpr std::string_view type_name() {
        return std::is_same_v<T, bool>       ? "boolean"
               : std::is_integral_v<T>       ? "integer"
               : std::is_floating_point_v<T> ? "number"
                                             : "string";
    }

public:
    template <class T>
    static void write_schema_members(JsonWriter& json) {
        json.field("type", "object").key("properties").begin_object();
        Describer describer{json};
        const T none{};
        T::fields(describer, none);
        json.end_object();
        json.field("required", describer.names);
    }
};

}  // namespace

AppStatus without_secrets(AppStatus status) {
    for (std::string* const text : {&status.command,
                                    &status.comment,
                                    &status.reason,
                                    &status.check,
                                    &status.said,
                                    &status.backend_id}) {
        *text = berth::without_secrets(*text);
    }
    return status;
}

void write_mailbox_members(JsonWriter& json, const MailboxStatus& mailbox) {
    Writer writer{json};
    MailboxStatus::fields(writer, mailbox);
}

void write_app_members(JsonWriter& json, const AppStatus& status) {
    Writer writer{json};
    AppStatus::fields(writer, status);
}

void write_app_schema(JsonWriter& json) {
    Describer::write_schema_members<AppStatus>(json);
}

void write_mailbox_schema(JsonWriter& json) {
    Describer::write_schema_members<MailboxStatus>(json);
}

void write_explanation_members(JsonWriter& json, const Explanation& why) {
    const std::string since = rfc3339_utc(why.since, 3);
    json.field("state", kAppStateNames.name(why.state)).field("cause", why.cause);
    json.field("since", since).field("actor", why.actor).field("next", why.next);
    json.field("evidence", why.evidence).field("lines", why.lines);
    json.field("explanation", why.text(since));
}

}  // namespace berth::json
