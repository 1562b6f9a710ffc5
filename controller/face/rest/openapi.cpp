#include "controller/face/rest/openapi.h"

#include <set>

#include "controller/face/rest/schemas.h"
#include "shared/base/text.h"
#include "shared/json/json_writer.h"

namespace berth::rest {

namespace {

void write_schema(json::JsonWriter& json, std::string_view media, std::string_view schema) {
    json.key("content").begin_object().key(media).begin_object().key("schema").begin_object();
    json.field("$ref", "#/components/schemas/" + std::string(schema));
    json.end_object().end_object().end_object();
}

void write_parameters(json::JsonWriter& json, const Route& route) {
    json.key("parameters").begin_array();
    using Values = std::vector<std::string_view>;
    const auto write =
        [&json](
            std::string_view name, std::string_view in, bool required, const Values& values = {}) {
            json.begin_object().field("name", name).field("in", in).field("required", required);
            json.key("schema").begin_object().field("type", "string");
            if (!values.empty()) {
                json.field("enum", values);
            }
            json.end_object().end_object();
        };
    for (const std::string_view part : split(route.pattern, '/')) {
        if (const auto parameter = face::path_parameter(part)) {
            write(parameter->name, "path", true, parameter->values);
        }
    }
    for (const face::Parameter& parameter : face::query_parameters(route.doc.query)) {
        write(parameter.name, "query", false, parameter.values);
    }
    if (http::is_change(route.method) && route.use_case.right) {
        write("X-CSRF-Token", "header", true);
    }
    json.end_array();
}

void write_responses(json::JsonWriter& json, const Route& route) {
    json.key("responses").begin_object();
    json.key(std::to_string(route.doc.status)).begin_object().field("description", "done");
    if (!route.doc.response.empty()) {
        write_schema(json, "application/json", route.doc.response);
    }
    json.end_object();
    json.key("default").begin_object().field("description", "a problem (RFC 9457)");
    write_schema(json, "application/problem+json", "Problem");
    json.end_object().end_object();
}

void write_operation(json::JsonWriter& json, const Route& route) {
    json.key(to_lower(http::kMethodNames.name(route.method))).begin_object();
    json.field("summary", route.doc.summary);
    json.field("x-role", access::least_name(route.use_case.right));
    write_parameters(json, route);
    if (!route.doc.request.empty()) {
        json.key("requestBody").begin_object().field("required", true);
        write_schema(json, "application/json", route.doc.request);
        json.end_object();
    }
    write_responses(json, route);
    json.key("security").begin_array();
    if (route.use_case.right) {
        json.begin_object().key("session").begin_array().end_array().end_object();
    }
    json.end_array().end_object();
}

// The pattern without the values of its parameters.
std::string path_of(std::string_view pattern) {
    std::string path;
    for (const std::string_view part : split(pattern.substr(1), '/')) {
        const auto parameter = face::path_parameter(part);
        path += '/';
        path += parameter ? '{' + std::string(parameter->name) + '}' : std::string(part);
    }
    return path;
}

}  // namespace

std::string openapi_document(const std::vector<Route>& routes, std::string_view cookie) {
    json::JsonWriter json;
    json.begin_object().field("openapi", "3.1.0");
    json.key("info").begin_object().field("title", "Berth").field("version", BERTH_VERSION);
    json.field("description", "The HTTP API of berth-controller").end_object();
    json.key("paths").begin_object();
    std::set<std::string_view> patterns;
    for (const Route& route : routes) {
        patterns.insert(route.pattern);
    }
    for (const std::string_view pattern : patterns) {
        json.key(path_of(pattern)).begin_object();
        for (const Route& route : routes) {
            if (route.pattern == pattern) {
                write_operation(json, route);
            }
        }
        json.end_object();
    }
    json.end_object();
    json.key("components").begin_object().key("schemas").raw(schemas_json());
    json.key("securitySchemes").begin_object().key("session").begin_object();
    json.field("type", "apiKey").field("in", "cookie").field("name", cookie);
    json.end_object().end_object().end_object();
    return json.end_object().take();
}

}  // namespace berth::rest
