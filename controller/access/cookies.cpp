#include "controller/access/cookies.h"

namespace berth::access {

std::string Cookies::plain_name(std::string_view name) const {
    return "berth_" + std::string(name) + '_' + id_;
}

std::string Cookies::secure_name(std::string_view name) const {
    return (prefix_.empty() ? "__Host-" : "__Secure-") + plain_name(name);
}

std::string Cookies::rules(const http::Request& request) const {
    return "; HttpOnly; SameSite=Strict; Path=" + prefix_ + '/' +
           (request.secure ? "; Secure" : "");
}

// A proxy that does not say so may stand for TLS all the same: then the browser has sent the name
// that it was given over TLS.
std::string_view Cookies::read(const http::Request& request, std::string_view name) const {
    const std::string_view value = request.cookie(secure_name(name));
    return value.empty() && !request.secure ? request.cookie(plain_name(name)) : value;
}

std::string Cookies::set(const http::Request& request,
                         std::string_view name,
                         std::string_view value,
                         Duration life) const {
    std::string text = (request.secure ? secure_name(name) : plain_name(name)) + '=';
    text += value;
    text += rules(request);
    if (life > Duration::zero()) {
        const auto seconds = std::chrono::duration_cast<std::chrono::seconds>(life).count();
        text += "; Max-Age=" + std::to_string(seconds);
    }
    return text;
}

std::string Cookies::forget(const http::Request& request, std::string_view name) const {
    return (request.secure ? secure_name(name) : plain_name(name)) + '=' + rules(request) +
           "; Max-Age=0";
}

}  // namespace berth::access
