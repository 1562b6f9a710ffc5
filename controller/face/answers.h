#pragma once

#include <string>
#include <string_view>

#include "controller/http/response.h"

namespace berth::face {

// What every response says to browsers: what its page may load and who may frame or read it.
extern const std::string_view kSecurityFields;

// A response whose body is this JSON.
http::Response json_response(std::string json, int status = 200);

// A problem document (RFC 9457). `extra`: further members, as ",\"name\":value".
http::Response problem(int status, std::string_view detail, std::string_view extra = {});

// The problem that an error of our own is.
http::Response problem_of(const Error& error);

// The problem that an error from an agent, or on the way to it, is: 504 when it does not answer.
http::Response problem_of_agent(const Error& error);

}  // namespace berth::face
