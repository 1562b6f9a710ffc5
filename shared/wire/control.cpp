#include "shared/wire/control.h"

#include "shared/wire/status.h"

namespace berth::wire {

Code code_of(const Error& error) {
    switch (error.code) {
        case ErrorCode::InvalidArgument:
            return Code::Malformed;
        case ErrorCode::NotFound:
            return Code::NotFound;
        case ErrorCode::AlreadyExists:
        case ErrorCode::WrongState:
            return Code::WrongState;
        case ErrorCode::PermissionDenied:
            return Code::Forbidden;
        case ErrorCode::Unauthenticated:
            return Code::Unauthenticated;
        case ErrorCode::TooLarge:
            return Code::TooLarge;
        case ErrorCode::Exhausted:
            return Code::Full;
        case ErrorCode::Unavailable:
            return Code::Stopping;
        case ErrorCode::TimedOut:
            return Code::TimedOut;
        case ErrorCode::Io:
        case ErrorCode::Internal:
            break;
    }
    return Code::Internal;
}

ErrorCode error_code_of(Code code) {
    switch (code) {
        case Code::Malformed:
            return ErrorCode::InvalidArgument;
        case Code::Unauthenticated:
            return ErrorCode::Unauthenticated;
        case Code::Forbidden:
            return ErrorCode::PermissionDenied;
        case Code::NotFound:
            return ErrorCode::NotFound;
        case Code::WrongState:
            return ErrorCode::WrongState;
        case Code::TooLarge:
            return ErrorCode::TooLarge;
        case Code::Full:
            return ErrorCode::Exhausted;
        case Code::Stopping:
            return ErrorCode::Unavailable;
        case Code::TimedOut:
            return ErrorCode::TimedOut;
        case Code::Ok:
        case Code::Internal:
            break;
    }
    return ErrorCode::Internal;
}

std::string encode_request(const Request& request) {
    return encode(Value::Array{kProtocolVersion, request.id, request.verb, request.args});
}

std::string encode_reply(const Reply& reply) {
    return encode(Value::Array{
        kProtocolVersion, reply.id, static_cast<std::uint64_t>(reply.code), reply.info});
}

std::string encode_push(const Push& push) {
    return encode(Value::Array{kProtocolVersion, std::uint64_t{0}, push.kind, push.info});
}

Reply error_reply(std::uint64_t id, const Error& error) {
    return {id, code_of(error), Value::Map{{"error", error.message}}};
}

Result<Request> decode_request(std::string_view frame, std::uint64_t* id) {
    BERTH_TRY(const Value value, decode(frame, {kMaxControlFrame, 200'000, 8}));
    if (!value.is_array() || value.as_array().size() != 4 || !value.at(0).is_unsigned() ||
        !value.at(1).is_unsigned() || !value.at(2).is_string()) {
        return fail(ErrorCode::InvalidArgument, "a request is [version, id, verb, args]");
    }
    if (id != nullptr) {
        *id = value.at(1).as_uint();
    }
    if (value.at(0).as_uint() != kProtocolVersion) {
        return fail(ErrorCode::InvalidArgument,
                    "version " + std::to_string(value.at(0).as_uint()) +
                        " is not spoken here, only " + std::to_string(kProtocolVersion));
    }
    if (value.at(1).as_uint() == 0) {
        return fail(ErrorCode::InvalidArgument, "a request's id must be greater than 0");
    }
    if (!value.at(3).is_map() && !value.at(3).is_nil()) {
        return fail(ErrorCode::InvalidArgument, "a request's args must be a map");
    }
    return Request{value.at(1).as_uint(), value.at(2).as_string(), value.at(3)};
}

Result<Answer> decode_answer(std::string_view frame) {
    BERTH_TRY(const Value value, decode(frame, {kMaxControlFrame, 2'000'000, 16}));
    if (value.at(0).as_uint() != kProtocolVersion || value.as_array().size() != 4) {
        return fail(ErrorCode::InvalidArgument, "the agent speaks another version");
    }
    Answer answer;
    if (value.at(1).as_uint() == 0) {
        answer.push = Push{value.at(2).as_string(), value.at(3)};
    } else {
        answer.reply =
            Reply{value.at(1).as_uint(), static_cast<Code>(value.at(2).as_uint()), value.at(3)};
    }
    return answer;
}

std::optional<Error> error_of(const Reply& reply) {
    if (reply.code == Code::Ok) {
        return std::nullopt;
    }
    return Error{error_code_of(reply.code), reply.info["error"].as_string(), 0};
}

Value to_value(const ActResult& result) {
    return Value::Map{{"id", result.id},
                      {"ok", result.ok},
                      {"code", static_cast<std::uint64_t>(result.code)},
                      {"message", result.message},
                      {"state", kAppStateNames.name(result.state)},
                      {"exit_code", result.exit_code ? Value(*result.exit_code) : Value()},
                      {"note", result.note},
                      {"lines", strings(result.lines)}};
}

ActResult to_act_result(const Value& value) {
    ActResult result;
    result.id = value["id"].as_string();
    result.ok = value["ok"].as_bool();
    result.code = static_cast<Code>(value["code"].as_uint());
    result.message = value["message"].as_string();
    result.state = kAppStateNames.value(value["state"].as_string()).value_or(AppState::Stopped);
    if (!value["exit_code"].is_nil()) {
        result.exit_code = static_cast<int>(value["exit_code"].as_int());
    }
    result.note = value["note"].as_string();
    result.lines = value["lines"].as_strings();
    return result;
}

Value to_value(const LogPosition& position) {
    return Value::Array{position.file, position.offset};
}

LogPosition to_log_position(const Value& value) {
    return {value.at(0).as_uint(), value.at(1).as_uint()};
}

std::string_view shown_text(const LogLine& line) {
    const std::string_view text = line.text;
    return line.partial ? text : text.substr(0, text.find_last_not_of('\r') + 1);
}

Value to_value(const LogLine& line) {
    return Value::Array{to_value(line.time), line.is_stderr, line.partial, line.text};
}

LogLine to_log_line(const Value& value) {
    return {to_wall_time(value.at(0)),
            value.at(1).as_bool(),
            value.at(2).as_bool(),
            value.at(3).as_string()};
}

Value to_value(const LogBatch& batch) {
    Value::Array lines;
    lines.reserve(batch.lines.size());
    for (const LogLine& line : batch.lines) {
        lines.push_back(to_value(line));
    }
    return Value::Map{{"lines", std::move(lines)},
                      {"next", to_value(batch.next)},
                      {"skipped", batch.skipped_bytes},
                      {"more", batch.truncated}};
}

LogBatch to_log_batch(const Value& value) {
    LogBatch batch;
    for (const Value& line : value["lines"].as_array()) {
        batch.lines.push_back(to_log_line(line));
    }
    batch.next = to_log_position(value["next"]);
    batch.skipped_bytes = value["skipped"].as_uint();
    batch.truncated = value["more"].as_bool();
    return batch;
}

}  // namespace berth::wire
