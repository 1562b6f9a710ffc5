#include "agent/checks/log_check.h"

#include "shared/match/patterns.h"

namespace berth::checks {

namespace {

// While a log grows fast it is looked at so often and no more.
constexpr Duration kPace = std::chrono::milliseconds(10);

}  // namespace

Result<std::unique_ptr<LogCheck>> LogCheck::begin(loop::EventLoop& loop,
                                                  logs::LogWatch& watch,
                                                  const std::string& folder,
                                                  WallTime since,
                                                  const std::string& expression,
                                                  std::function<void()> found) {
    logs::LogQuery query;
    query.form = logs::LogForm::AndRest;  // a prompt is never finished
    query.rest_of_new = true;
    query.since = since;
    query.runs = [since] { return std::vector<WallTime>{since}; };
    BERTH_TRY(query.matches, match::line_filter(expression));
    std::unique_ptr<LogCheck> check(
        new LogCheck(loop, watch, folder, std::move(query), std::move(found)));
    BERTH_CHECK(check->wait());
    return check;
}

LogCheck::~LogCheck() {
    if (waiter_) {
        watch_.cancel(*waiter_);
    }
}

// The watch comes first, so that nothing is written between the reading and the wait.
Result<void> LogCheck::wait() {
    BERTH_TRY(waiter_, watch_.wait(reader_.folder(), [this] {
        waiter_.reset();
        soon_ = loop_.after(kPace, [this] { look(); });
    }));
    soon_ = loop_.after(Duration::zero(), [this] { look(); });
    return {};
}

void LogCheck::look() {
    bool more = true;
    while (more) {
        const auto batch = reader_.read(query_);
        if (!batch) {
            break;  // no log yet: the watch tells when there is one
        }
        if (!batch->lines.empty()) {
            const auto found = std::move(found_);
            return found();
        }
        more = batch->truncated;
        query_.from = batch->next;
        if (!more) {
            query_.since.reset();  // what follows is of this run, also when the clock is set back
        }
    }
    if (!waiter_) {
        (void)wait();  // what could be watched once can be watched again
    }
}

}  // namespace berth::checks
