#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "shared/base/enum_names.h"

namespace berth::http {

enum class Method : std::uint8_t { Get, Head, Post, Put, Patch, Delete, Options };
inline constexpr auto kMethodNames =
    enum_names<Method>("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS");

// Whether the method asks for a change.
constexpr bool is_change(Method method) {
    return method != Method::Get && method != Method::Head && method != Method::Options;
}

// One whole request, read and checked.
struct Request {
    Method method = Method::Get;
    std::string path;                                          // before the "?", as it was sent
    std::map<std::string, std::string> query;                  // decoded; no name stands twice
    std::vector<std::pair<std::string, std::string>> headers;  // names in lower case
    std::string body;
    std::string address;  // the client's: the peer's, or who is behind a trusted proxy
    std::string host;     // as it was addressed, "NAME[:PORT]" in small letters; "" without any
    bool secure = false;  // whether the connection, then the browser, speaks TLS, as far as known
    bool keep_alive = true;
    bool http_1_0 = false;

    // The value of a header; `name` in lower case. Nothing: it was not sent.
    [[nodiscard]] std::optional<std::string_view> header(std::string_view name) const;

    // The value of a cookie, "" when it was not sent.
    [[nodiscard]] std::string_view cookie(std::string_view name) const;

    // The value of a query parameter, "" when it was not sent.
    [[nodiscard]] const std::string& parameter(const std::string& name) const;
};

// "%41b" as "Ab". Nothing: a "%" without two hex digits, or what comes out holds control
// characters.
std::optional<std::string> percent_decode(std::string_view text, bool plus_is_blank = false);

}  // namespace berth::http
