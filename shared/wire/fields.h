#pragma once

#include <cstdint>
#include <limits>
#include <optional>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>
#include <vector>

#include "shared/base/result.h"
#include "shared/wire/value.h"

// Structs from and to maps by one description of their members. A struct has
//
//   template <class IO, class Self> static void fields(IO& io, Self& self) {
//       io("name", self.name);
//
// and is written by to_map(), read by from_map() and described by members_of().
namespace berth::wire {

// Writes them. What is unset is left out.
struct MapWriter {
    Value::Map map;

    template <class T>
    void operator()(std::string_view name, const T& member) {
        map.emplace_back(std::string(name), Value(member));
    }

    template <class T>
    void operator()(std::string_view name, const std::optional<T>& member) {
        if (member) {
            (*this)(name, *member);
        }
    }

    void operator()(std::string_view name, const std::vector<std::string>& member) {
        map.emplace_back(std::string(name), strings(member));
    }

    void operator()(std::string_view name, const Value& member) {
        if (!member.is_nil()) {
            map.emplace_back(name, member);
        }
    }
};

// Reads them: what is not there, or nil, leaves a member as it is; what is of another type is an
// error; what no member is named after is left to newer ones.
struct MapReader {
    const Value& from;
    std::optional<Error> problem;

    void operator()(std::string_view name, std::string& member) {
        read(name, "a text", [&](const Value& value) {
            member = value.as_string();
            return value.is_string();
        });
    }

    void operator()(std::string_view name, std::vector<std::string>& member) {
        read(name, "a list of texts", [&](const Value& value) {
            member = value.as_strings();
            return value.is_array() && member.size() == value.as_array().size();
        });
    }

    void operator()(std::string_view name, bool& member) {
        read(name, "true or false", [&](const Value& value) {
            member = value.as_bool();
            return std::holds_alternative<bool>(value.data());
        });
    }

    void operator()(std::string_view name, std::int64_t& member) {
        read(name, "a whole number", [&](const Value& value) {
            constexpr auto kNone = std::numeric_limits<std::int64_t>::min();
            member = value.as_int(kNone);
            return member != kNone;
        });
    }

    void operator()(std::string_view name, std::uint64_t& member) {
        read(name, "a whole number of 0 or more", [&](const Value& value) {
            member = value.as_uint();
            return value.is_unsigned();
        });
    }

    // Whatever it is.
    void operator()(std::string_view name, Value& member) {
        if (const Value& value = from[name]; !value.is_nil()) {
            member = value;
        }
    }

    template <class T>
    void operator()(std::string_view name, std::optional<T>& member) {
        if (!from[name].is_nil()) {
            member.emplace();
            (*this)(name, *member);
        }
    }

private:
    template <class Take>
    void read(std::string_view name, std::string_view allowed, Take take) {
        const Value& value = from[name];
        if (!value.is_nil() && !take(value) && !problem) {
            problem = Error{ErrorCode::InvalidArgument,
                            "\"" + std::string(name) + "\" must be " + std::string(allowed),
                            0};
        }
    }
};

template <class T>
Value::Map to_map(const T& from) {
    MapWriter writer;
    T::fields(writer, from);
    return std::move(writer.map);
}

// Error: InvalidArgument, what is wrong with which member.
template <class T>
Result<T> from_map(const Value& map) {
    T made;
    MapReader reader{map, std::nullopt};
    T::fields(reader, made);
    if (reader.problem) {
        return fail(std::move(*reader.problem));
    }
    return made;
}

}  // namespace berth::wire
