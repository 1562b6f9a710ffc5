#pragma once

#include <array>
#include <cstddef>
#include <optional>
#include <string_view>
#include <utility>

namespace berth {

// The one table between the values of an enum and their names on the wire, in JSON and in the
// databases. The values must be 0, 1, 2 …, in the order of the names.
template <class E, std::size_t N>
struct EnumNames {
    std::array<std::string_view, N> names;

    [[nodiscard]] constexpr std::string_view name(E value) const {
        return names.at(static_cast<std::size_t>(value));
    }

    [[nodiscard]] constexpr std::optional<E> value(std::string_view name) const {
        for (std::size_t i = 0; i < N; ++i) {
            if (names.at(i) == name) {
                return static_cast<E>(i);
            }
        }
        return std::nullopt;
    }
};

template <class E, class... Names>
constexpr auto enum_names(Names... names) {
    return EnumNames<E, sizeof...(Names)>{{std::string_view(names)...}};
}

}  // namespace berth
