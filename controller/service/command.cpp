#include "controller/service/command.h"

#include <algorithm>
#include <array>

#include "shared/base/secrets.h"

namespace berth::service {

namespace {

constexpr std::array<std::string_view, 6> kVerbs = {
    "start", "stop", "restart", "kill", "clean", "reload"};

}  // namespace

bool is_act_verb(std::string_view verb) {
    return std::find(kVerbs.begin(), kVerbs.end(), verb) != kVerbs.end();
}

wire::Value act_args(const Command& command) {
    const auto deadline = (read_clocks().wall + command.start_within).time_since_epoch().count();
    return wire::Value::Map{
        {"verb", command.verb},
        {"ids", wire::strings(command.ids)},
        {"actor", command.actor},
        {"key", command.key},
        {"wait", true},
        {"if_needed", command.if_needed},
        {"deadline_ns", std::int64_t{deadline}},
        {"timeout_ms",
         std::int64_t{
             std::chrono::duration_cast<std::chrono::milliseconds>(command.timeout).count()}}};
}

std::optional<Error> outcome_of(const wire::Value& info, const std::string& id) {
    for (const wire::Value& value : info["results"].as_array()) {
        const wire::ActResult result = wire::to_act_result(value);
        if (result.id == id) {
            return result.ok
                       ? std::nullopt
                       : std::optional(Error{
                             wire::error_code_of(result.code), without_secrets(result.message), 0});
        }
    }
    return Error{ErrorCode::NotFound, "no app has the id \"" + id + "\"", 0};
}

}  // namespace berth::service
