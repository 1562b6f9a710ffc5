#include "controller/service/logs.h"

#include <algorithm>

#include "controller/service/use_cases.h"

namespace berth::service {

namespace {

constexpr Duration kDeadline = std::chrono::seconds(10);
constexpr std::uint64_t kDownloadLines = 5000;

wire::Value::Map args_of(const AppAddress& app, const LogQuery& query) {
    wire::Value::Map args{{"id", app.id}, {"whole", true}};
    if (!query.stream.empty()) {
        args.emplace_back("stream", query.stream);
    }
    if (!query.grep.empty()) {
        args.emplace_back("grep", query.grep);
    }
    if (query.since) {
        args.emplace_back("since_ns", wire::to_value(*query.since));
    }
    if (query.before) {
        args.emplace_back("until_ns", wire::to_value(*query.before));
    }
    if (query.after) {
        args.emplace_back("position", wire::to_value(*query.after));
        args.emplace_back("max_lines", std::max<std::uint64_t>(query.lines, 1));
    } else {
        args.emplace_back("tail", query.lines);
        args.emplace_back("rest", true);
    }
    return args;
}

}  // namespace

void LogDownload::next(const Done<LogText>& done) {
    wire::Value::Map args{{"id", app_.id}, {"max_lines", kDownloadLines}};
    if (position_) {
        args.emplace_back("position", wire::to_value(*position_));
    }
    agents_.ask(app_.agent,
                "logs",
                args,
                kDeadline,
                [self = shared_from_this(), done](const Result<wire::Value>& answer) {
                    done({self->text_of(answer), From::Agent});
                });
}

Result<LogText> LogDownload::text_of(const Result<wire::Value>& answer) {
    if (!answer) {
        return fail(answer.error());
    }
    const wire::LogBatch batch = wire::to_log_batch(*answer);
    LogText part;
    part.text = joiner_.take(batch.lines);
    part.last = !batch.truncated || position_ == batch.next;
    if (part.last) {
        part.text += joiner_.end();
    }
    position_ = batch.next;
    return part;
}

void Logs::read(const Caller& caller,
                const AppAddress& app,
                const LogQuery& query,
                const Done<wire::LogBatch>& done) const {
    runner_.read<wire::LogBatch>(kShowLogs, caller, done, [&](const Done<wire::LogBatch>& give) {
        agents_.ask(app.agent,
                    "logs",
                    args_of(app, query),
                    kDeadline,
                    [give](const Result<wire::Value>& answer) {
                        if (answer) {
                            give({wire::to_log_batch(*answer)});
                        } else {
                            give({fail(answer.error()), From::Agent});
                        }
                    });
    });
}

Result<std::shared_ptr<LogDownload>> Logs::download(const Caller& caller,
                                                    const AppAddress& app) const {
    BERTH_CHECK(Runner::allowed(kShowLogs, caller));
    return std::make_shared<LogDownload>(agents_, app);
}

}  // namespace berth::service
