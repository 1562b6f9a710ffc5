#include <charconv>

#include "controller/face/log_json.h"
#include "controller/face/rest/exchange.h"
#include "controller/face/rest/services.h"
#include "controller/service/use_cases.h"
#include "shared/json/json_writer.h"

namespace berth::rest {

namespace {

using http::Method;

constexpr std::uint64_t kDefaultTail = 200;
constexpr std::uint64_t kMaxTail = 10'000;

// "FILE:OFFSET", where the next reading goes on.
std::string cursor_text(const wire::LogPosition& position) {
    return std::to_string(position.file) + ':' + std::to_string(position.offset);
}

Result<wire::LogPosition> parse_cursor(const std::string& text) {
    wire::LogPosition position;
    const char* const end = text.data() + text.size();
    const auto file = std::from_chars(text.data(), end, position.file);
    if (file.ec == std::errc() && file.ptr != end && *file.ptr == ':') {
        const auto offset = std::from_chars(file.ptr + 1, end, position.offset);
        if (offset.ec == std::errc() && offset.ptr == end) {
            return position;
        }
    }
    return fail(ErrorCode::InvalidArgument, "\"after\" is the cursor of an earlier answer");
}

// A time in the query; nothing when it is not there.
Result<std::optional<WallTime>> time_parameter(const http::Request& request,
                                               const std::string& name) {
    std::optional<WallTime> time;
    if (const std::string& text = request.parameter(name); !text.empty()) {
        BERTH_TRY(time, parse_time(text));
    }
    return time;
}

Result<service::LogQuery> read_query(const http::Request& request) {
    service::LogQuery query;
    BERTH_TRY(query.lines, number_parameter(request, "tail", kDefaultTail, kMaxTail));
    query.stream = request.parameter("stream");
    query.grep = request.parameter("grep");
    BERTH_TRY(query.since, time_parameter(request, "since"));
    BERTH_TRY(query.before, time_parameter(request, "before"));
    if (const std::string& after = request.parameter("after"); !after.empty()) {
        BERTH_TRY(query.after, parse_cursor(after));
    }
    return query;
}

http::Response logs_response(const wire::LogBatch& batch) {
    json::JsonWriter json;
    json.begin_object().key("lines").raw(face::log_lines_json(batch.lines));
    json.field("cursor", cursor_text(batch.next)).field("more", batch.truncated);
    return face::json_response(json.end_object().take());
}

void get_logs(const Services& services, const Exchange& exchange) {
    const auto app = app_address(exchange);
    const auto query = read_query(exchange.request);
    if (!refuse_any(exchange, app, query)) {
        services.use.logs.read(
            caller_of(exchange), *app, *query, reply<wire::LogBatch>(exchange, logs_response));
    }
}

// --- the download

http::StreamPiece piece_of(service::LogText part) {
    return {std::move(part.text), part.last};
}

http::Response download_response(const std::shared_ptr<service::LogDownload>& download,
                                 const service::AppAddress& app,
                                 service::LogText first) {
    http::Response response;
    response.with("Content-Type", "text/plain; charset=utf-8");
    response.with("Content-Disposition",
                  "attachment; filename=\"" + app.agent + '-' + app.id + ".log\"");
    // Asked for in turn by the connection, one call at a time.
    auto ready = std::make_shared<std::optional<service::LogText>>(std::move(first));
    response.stream = [download, ready](const http::StreamAnswer& answer) {
        if (*ready) {
            answer(piece_of(std::move(**ready)));
            ready->reset();
            return;
        }
        download->next([answer](service::Answer<service::LogText> part) {
            answer(part.result ? piece_of(std::move(*part.result))
                               : http::StreamPiece{{}, true, /*failed=*/true});
        });
    };
    return response;
}

void download_logs(const Services& services, const Exchange& exchange) {
    const auto app = app_address(exchange);
    if (refuse_any(exchange, app)) {
        return;
    }
    const auto download = services.use.logs.download(caller_of(exchange), *app);
    if (refuse_any(exchange, download)) {
        return;
    }
    // The first part comes before the head, so that what is wrong can still be told.
    (*download)->next(reply<service::LogText>(
        exchange, [download = *download, app = *app](const service::LogText& part) {
            return download_response(download, app, part);
        }));
}

}  // namespace

std::vector<Route> log_routes(const Services& services) {
    return {
        {Method::Get,
         "/api/v1/agents/{agent}/apps/{id}/logs",
         service::kShowLogs,
         Where::Loop,
         [&services](const Exchange& exchange) { get_logs(services, exchange); },
         {"Lines of the log: the last (tail), from a time on (since), up to a time "
          "(before), or on from a cursor (after)",
          "tail,before,after,since,grep,stream=stdout|stderr",
          "",
          "Logs",
          200}},
        {Method::Get,
         "/api/v1/agents/{agent}/apps/{id}/logs/download",
         service::kShowLogs,
         Where::Loop,
         [&services](const Exchange& exchange) { download_logs(services, exchange); },
         {"The whole log as text", "", "", "", 200}},
    };
}

}  // namespace berth::rest
