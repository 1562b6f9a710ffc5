#include "agent/backend/native/beside_lines.h"

#include <algorithm>
#include <utility>

#include "agent/backend/native/exit_text.h"
#include "shared/base/text.h"
#include "shared/os/os_error.h"

namespace berth::native {

using backend::BesideResult;

namespace {

constexpr std::size_t kMostShown = 200;  // characters of what it wrote

// The last line says most.
std::string last_line_of(std::string_view output) {
    output = trim(output);
    if (const std::size_t last = output.rfind('\n'); last != std::string_view::npos) {
        output.remove_prefix(last + 1);
    }
    return output.empty() ? "" : ": " + printable(shortened(std::string(output), kMostShown));
}

BesideResult result_of(const keeperlink::ExecDone& message) {
    using End = BesideResult::End;
    switch (message.end) {
        case keeperlink::ExecEnd::Ended: {
            const ExitStatus exit = exit_status(message.wait_status, /*known=*/true);
            const bool good = exit == ExitStatus{ExitKind::Code, 0, false};
            return {good ? End::Succeeded : End::Failed,
                    berth::describe(exit) + last_line_of(message.output)};
        }
        case keeperlink::ExecEnd::NotStarted:
            return {os::means_exhausted(message.os_errno) ? End::Unknown : End::Failed,
                    "cannot run: " + os::error_text(message.os_errno)};
        case keeperlink::ExecEnd::TimedOut:
            return {End::Failed, {}};  // the words are those of who knows the time limit
        case keeperlink::ExecEnd::NoRun:
            break;
    }
    return {End::Unknown, "it does not run any more"};
}

}  // namespace

void BesideLines::run(keeperlink::Start start,
                      const std::string& line,
                      Duration timeout,
                      backend::Backend::BesideDone done) {
    const auto ms = std::chrono::duration_cast<std::chrono::milliseconds>(timeout).count();
    keeperlink::Exec exec;
    exec.token = next_token_++;
    exec.start = std::move(start);
    exec.timeout_ms = static_cast<std::uint64_t>(std::max<std::int64_t>(ms, 1));
    under_way_[exec.token] = [line, timeout, done = std::move(done)](const BesideResult& result) {
        const std::string late = "no end within " + short_duration(timeout);
        done({result.end, line + ": " + (result.text.empty() ? late : result.text)});
    };
    keeper_.send(exec);
}

void BesideLines::on_done(const keeperlink::ExecDone& message) {
    const auto found = under_way_.find(message.token);
    if (found == under_way_.end()) {
        return;
    }
    const auto done = std::move(found->second);
    under_way_.erase(found);
    done(result_of(message));
}

void BesideLines::on_lost() {
    for (const auto& [token, done] : std::exchange(under_way_, {})) {
        done({BesideResult::End::Unknown, "the keeper was away"});
    }
}

}  // namespace berth::native
