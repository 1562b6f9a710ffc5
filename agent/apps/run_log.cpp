#include "agent/apps/run_log.h"

#include "agent/logs/log_reader.h"

namespace berth::apps {

std::vector<wire::LogLine> last_lines_of(const std::string& log_folder,
                                         const AppStatus& run,
                                         std::size_t count) {
    logs::LogQuery query;
    query.form = logs::LogForm::AndRest;
    query.tail = count;
    query.max_lines = count * 2 + 2;
    query.max_bytes = 8 * logs::kMaxLine;
    query.runs = [&run] {
        std::vector<WallTime> runs;
        if (run.started) {
            runs.push_back(*run.started);
        }
        if (run.finished) {
            runs.push_back(*run.finished + Duration(1));  // the next one's lines are not of this
        }
        return runs;
    };
    query.since = run.started;
    if (run.finished) {
        query.until = *run.finished + Duration(1);
    }
    auto batch = logs::LogReader(log_folder).read(query);
    return batch ? std::move(batch->lines) : std::vector<wire::LogLine>();
}

}  // namespace berth::apps
