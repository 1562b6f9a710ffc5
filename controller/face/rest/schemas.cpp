#include "controller/face/rest/schemas.h"

#include "shared/json/app_json.h"

namespace berth::rest {

std::string schemas_json() {
    json::JsonWriter json;
    json.begin_object();
    json.key("AppStatus").begin_object();
    json::write_app_schema(json);
    json.end_object().key("AppState").begin_object();
    json.field("type", "string").key("enum").begin_array();
    for (const std::string_view name : kAppStateNames.names) {
        json.value(name);
    }
    json.end_array();
    json.end_object().key("MailboxFigures").begin_object();
    json::write_mailbox_schema(json);
    std::string schemas = json.end_object().end_object().take();
    schemas.back() = ',';
    return schemas.append(embedded_schemas().substr(1));
}

}  // namespace berth::rest
