#include "shared/wire/status.h"

#include <type_traits>
#include <utility>

#include "shared/model/fields.h"

namespace berth::wire {

namespace {

Value exit_value(const std::optional<ExitStatus>& exit) {
    if (!exit) {
        return {};
    }
    return Value::Array{static_cast<int>(exit->kind), exit->value, exit->core_dumped, exit->cause};
}

std::optional<ExitStatus> read_exit(const Value& value) {
    if (!value.is_array()) {
        return std::nullopt;
    }
    const auto kind = value.at(0).as_uint(2);
    return ExitStatus{kind > 2 ? ExitKind::Unknown : static_cast<ExitKind>(kind),
                      static_cast<int>(value.at(1).as_int()),
                      value.at(2).as_bool(),
                      value.at(3).as_string()};
}

Value limits_value(const std::vector<LimitStatus>& limits) {
    Value::Array values;
    for (const LimitStatus& limit : limits) {
        values.push_back(Value::Array{limit.name, limit.value, limit.by});
    }
    return values;
}

std::vector<LimitStatus> read_limits(const Value& value) {
    std::vector<LimitStatus> limits;
    for (const Value& limit : value.as_array()) {
        limits.push_back(
            {limit.at(0).as_string(), limit.at(1).as_string(), limit.at(2).as_string()});
    }
    return limits;
}

// Writes the members of a model struct into a map.
struct Writer {
    Value::Map map;

    template <class T>
    void operator()(const Field& field, const T& member) {
        if (!field.said.empty()) {
            map.emplace_back(std::string(field.said), value_of(member));
        }
    }

    template <class Get>
    void derived(std::string_view /*name*/, const Get& /*get*/) {}

private:
    template <class T>
    static Value value_of(const T& member) {
        if constexpr (std::is_enum_v<T>) {
            return names_of(member).name(member);
        } else if constexpr (std::is_same_v<T, std::vector<std::string>>) {
            return strings(member);
        } else if constexpr (std::is_same_v<T, std::int32_t>) {
            return int{member};
        } else {
            return own_value(member);
        }
    }

    static Value own_value(const std::vector<LimitStatus>& limits) { return limits_value(limits); }

    static Value own_value(const std::optional<ExitStatus>& exit) { return exit_value(exit); }

    static Value own_value(WallTime time) { return to_value(time); }

    static Value own_value(const MailboxStatus& mailbox) { return to_value(mailbox); }

    template <class T>
    static Value own_value(const std::optional<T>& member) {
        return member ? value_of(*member) : Value();
    }

    template <class T>
    static Value own_value(const T& member) {
        return Value(member);
    }
};

// Reads them: what is missing, or of another type, is as if nobody had said it, but for names of
// enums, where a newer one may mean anything.
struct Reader {
    const Value& from;
    std::optional<Error> problem;

    template <class T>
    void operator()(const Field& field, T& member) {
        if (!field.said.empty()) {
            take(from[field.said], member);
        }
    }

    template <class Get>
    void derived(std::string_view /*name*/, const Get& /*get*/) {}

private:
    void take(const Value& value, std::string& member) { member = value.as_string(); }

    void take(const Value& value, bool& member) { member = value.as_bool(); }

    void take(const Value& value, double& member) { member = value.as_double(); }

    void take(const Value& value, std::uint64_t& member) { member = value.as_uint(); }

    void take(const Value& value, std::uint32_t& member) {
        member = static_cast<std::uint32_t>(value.as_uint());
    }

    void take(const Value& value, std::int32_t& member) {
        member = static_cast<std::int32_t>(value.as_int());
    }

    void take(const Value& value, WallTime& member) { member = to_wall_time(value); }

    void take(const Value& value, std::vector<std::string>& member) { member = value.as_strings(); }

    void take(const Value& value, std::vector<LimitStatus>& member) { member = read_limits(value); }

    void take(const Value& value, std::optional<ExitStatus>& member) { member = read_exit(value); }

    void take(const Value& value, std::optional<MailboxStatus>& member) {
        member = to_mailbox_status(value);
    }

    template <class T>
    void take(const Value& value, std::optional<T>& member) {
        member.reset();
        if (!value.is_nil()) {
            take(value, member.emplace());
        }
    }

    template <class E>
    requires std::is_enum_v<E>

    void take(const Value& value, E& member) {
        if (value.is_nil()) {
            return;
        }
        const auto known = names_of(member).value(value.as_string());
        if (!known && !problem) {
            problem = Error{
                ErrorCode::InvalidArgument, "no value is named \"" + value.as_string() + "\"", 0};
        }
        member = known.value_or(member);
    }
};

template <class T>
Value written(const T& from) {
    Writer writer;
    T::fields(writer, from);
    return std::move(writer.map);
}

}  // namespace

Value to_value(const MailboxStatus& mailbox) {
    return written(mailbox);
}

std::optional<MailboxStatus> to_mailbox_status(const Value& value) {
    if (!value.is_map()) {
        return std::nullopt;
    }
    MailboxStatus mailbox;
    Reader reader{value, std::nullopt};
    MailboxStatus::fields(reader, mailbox);
    return mailbox;
}

Value to_value(WallTime time) {
    return std::int64_t{time.time_since_epoch().count()};
}

WallTime to_wall_time(const Value& value) {
    return WallTime(Duration(value.as_int()));
}

Value to_value(const AppStatus& status) {
    return written(status);
}

Result<AppStatus> to_app_status(const Value& value) {
    AppStatus status;
    Reader reader{value, std::nullopt};
    AppStatus::fields(reader, status);
    if (status.id.empty()) {
        return fail(ErrorCode::InvalidArgument, "an app without id");
    }
    if (reader.problem) {
        return fail(std::move(*reader.problem));
    }
    return status;
}

Value to_value(const AgentInfo& info) {
    return written(info);
}

AgentInfo to_agent_info(const Value& value) {
    AgentInfo info;
    Reader reader{value, std::nullopt};
    AgentInfo::fields(reader, info);
    return info;
}

Value to_value(const Explanation& why) {
    return Value::Map{{"state", kAppStateNames.name(why.state)},
                      {"cause", why.cause},
                      {"since", to_value(why.since)},
                      {"actor", why.actor},
                      {"evidence", strings(why.evidence)},
                      {"lines", strings(why.lines)},
                      {"next", why.next}};
}

Explanation to_explanation(const Value& value) {
    Explanation why;
    why.state = kAppStateNames.value(value["state"].as_string()).value_or(AppState::Stopped);
    why.cause = value["cause"].as_string();
    why.since = to_wall_time(value["since"]);
    why.actor = value["actor"].as_string();
    why.evidence = value["evidence"].as_strings();
    why.lines = value["lines"].as_strings();
    why.next = value["next"].as_string();
    return why;
}

}  // namespace berth::wire
