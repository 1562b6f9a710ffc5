#include <algorithm>
#include <charconv>

#include "controller/face/log_json.h"
#include "controller/face/rest/services.h"
#include "shared/json/json_writer.h"
#include "shared/wire/line_joiner.h"
#include "shared/wire/status.h"

namespace berth::rest {

namespace {

using access::Right;
using http::Method;

constexpr Duration kDeadline = std::chrono::seconds(10);
constexpr std::uint64_t kDefaultTail = 200;
constexpr std::uint64_t kMaxTail = 10'000;
constexpr std::uint64_t kDownloadLines = 5000;

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

// What the agent is to be asked.
Result<wire::Value::Map> read_query(const http::Request& request, const std::string& id) {
    wire::Value::Map args{{"id", id}, {"whole", true}};
    BERTH_TRY(const std::uint64_t tail, number_parameter(request, "tail", kDefaultTail, kMaxTail));
    for (const char* const name : {"stream", "grep"}) {
        if (const std::string& text = request.parameter(name); !text.empty()) {
            args.emplace_back(name, text);
        }
    }
    for (const auto& [name, wanted] : {std::pair{"since", "since_ns"}, {"before", "until_ns"}}) {
        if (const std::string& text = request.parameter(name); !text.empty()) {
            BERTH_TRY(const WallTime time, parse_time(text));
            args.emplace_back(wanted, wire::to_value(time));
        }
    }
    if (const std::string& after = request.parameter("after"); !after.empty()) {
        BERTH_TRY(const wire::LogPosition position, parse_cursor(after));
        args.emplace_back("position", wire::to_value(position));
        args.emplace_back("max_lines", std::max<std::uint64_t>(tail, 1));
    } else {
        args.emplace_back("tail", tail);
        args.emplace_back("rest", true);
    }
    return args;
}

http::Response logs_response(const wire::Value& info) {
    const wire::LogBatch batch = wire::to_log_batch(info);
    json::JsonWriter json;
    json.begin_object().key("lines").raw(face::log_lines_json(batch.lines));
    json.field("cursor", cursor_text(batch.next)).field("more", batch.truncated);
    return face::json_response(json.end_object().take());
}

void get_logs(const Services& services, const Exchange& exchange) {
    const auto address = app_address(exchange);
    auto query = address ? read_query(exchange.request, address->id) : fail(address.error());
    if (!query) {
        return exchange.responder.send(face::problem_of(query.error()));
    }
    ask(services,
        address->agent,
        "logs",
        std::move(*query),
        kDeadline,
        [responder = exchange.responder](const Result<wire::Value>& answer) {
            responder.send(answer ? logs_response(*answer)
                                  : face::problem_of_agent(answer.error()));
        });
}

// --- the download

// Fetches the next part of a log each time the connection has written the one before: however long
// the log and slow the reader, one part is in memory.
class Download : public std::enable_shared_from_this<Download> {
public:
    Download(const Services& services, AppAddress address)
        : services_(services), address_(std::move(address)) {}

    using Taken = std::function<void(Result<http::StreamPiece> piece)>;

    // Gives the next part; called again only after `taken` was.
    void next(Taken taken) {
        wire::Value::Map args{{"id", address_.id}, {"max_lines", kDownloadLines}};
        if (position_) {
            args.emplace_back("position", wire::to_value(*position_));
        }
        ask(services_,
            address_.agent,
            "logs",
            args,
            kDeadline,
            [self = shared_from_this(), taken = std::move(taken)](
                const Result<wire::Value>& answer) { taken(self->piece_of(answer)); });
    }

private:
    Result<http::StreamPiece> piece_of(const Result<wire::Value>& answer) {
        if (!answer) {
            return fail(answer.error());
        }
        const wire::LogBatch batch = wire::to_log_batch(*answer);
        http::StreamPiece piece;
        piece.data = joiner_.take(batch.lines);
        piece.last = !batch.truncated || position_ == batch.next;
        if (piece.last) {
            piece.data += joiner_.end();
        }
        position_ = batch.next;
        return piece;
    }

    const Services& services_;
    AppAddress address_;
    std::optional<wire::LogPosition>
        position_;  // touched by one request at a time, as what follows
    wire::LineJoiner joiner_{wire::LineJoiner::Show::Whole, [](WallTime) { return std::string(); }};
};

http::Response download_response(const std::shared_ptr<Download>& download,
                                 const AppAddress& address,
                                 http::StreamPiece first) {
    http::Response response;
    response.with("Content-Type", "text/plain; charset=utf-8");
    response.with("Content-Disposition",
                  "attachment; filename=\"" + address.agent + '-' + address.id + ".log\"");
    // Asked for in turn by the connection, one call at a time.
    auto ready = std::make_shared<std::optional<http::StreamPiece>>(std::move(first));
    response.stream = [download, ready](const http::StreamAnswer& answer) {
        if (*ready) {
            answer(std::move(**ready));
            ready->reset();
            return;
        }
        download->next([answer](Result<http::StreamPiece> piece) {
            answer(piece ? std::move(*piece) : http::StreamPiece{{}, true, /*failed=*/true});
        });
    };
    return response;
}

void download_logs(const Services& services, const Exchange& exchange) {
    const auto address = app_address(exchange);
    if (!address) {
        return exchange.responder.send(face::problem_of(address.error()));
    }
    // The first part comes before the head, so that what is wrong can still be told.
    const auto download = std::make_shared<Download>(services, *address);
    download->next([download, address = *address, responder = exchange.responder](
                       Result<http::StreamPiece> piece) {
        responder.send(piece ? download_response(download, address, std::move(*piece))
                             : face::problem_of_agent(piece.error()));
    });
}

}  // namespace

std::vector<Route> log_routes(const Services& services) {
    return {
        {Method::Get,
         "/api/v1/agents/{agent}/apps/{id}/logs",
         Right::View,
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
         Right::View,
         Where::Loop,
         [&services](const Exchange& exchange) { download_logs(services, exchange); },
         {"The whole log as text", "", "", "", 200}},
    };
}

}  // namespace berth::rest
