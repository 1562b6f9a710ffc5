#pragma once

#include <utility>

#include <tl/expected.hpp>

#include "shared/base/error.h"

namespace berth {

// The outcome of something that may fail as expected. Dropping one is a compile error.
template <class T>
class [[nodiscard]] Result : public tl::expected<T, Error> {
public:
    using tl::expected<T, Error>::expected;
};

template <>
class [[nodiscard]] Result<void> : public tl::expected<void, Error> {
public:
    using tl::expected<void, Error>::expected;
};

// `return fail(ErrorCode::NotFound, "no app \"x\"");`
inline tl::unexpected<Error> fail(ErrorCode code, std::string message, int os_errno = 0) {
    return tl::unexpected<Error>(Error{code, std::move(message), os_errno});
}

inline tl::unexpected<Error> fail(Error error) {
    return tl::unexpected<Error>(std::move(error));
}

}  // namespace berth

#define BERTH_CONCAT_INNER(a, b) a##b
#define BERTH_CONCAT(a, b) BERTH_CONCAT_INNER(a, b)

// BERTH_TRY(auto x, f()): x is f's value, or the function returns f's error. Several statements:
// never the body of an unbraced `if`.
#define BERTH_TRY(decl, expr) BERTH_TRY_INNER(BERTH_CONCAT(berth_try_, __LINE__), decl, expr)
#define BERTH_TRY_INNER(tmp, decl, expr)                               \
    auto tmp = (expr);                                                 \
    if (!tmp) {                                                        \
        return tl::unexpected<::berth::Error>(std::move(tmp).error()); \
    }                                                                  \
    decl = *std::move(tmp)

// BERTH_CHECK(f()): returns f's error, if it has one.
#define BERTH_CHECK(expr)                                                                 \
    do {                                                                                  \
        auto berth_check_result = (expr);                                                 \
        if (!berth_check_result) {                                                        \
            return tl::unexpected<::berth::Error>(std::move(berth_check_result).error()); \
        }                                                                                 \
    } while (false)
