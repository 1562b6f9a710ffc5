#include "agent/apps/crash_bundle.h"

#include <algorithm>
#include <cctype>

#include "shared/base/secrets.h"
#include "shared/base/text.h"
#include "shared/json/json_writer.h"

namespace berth::apps {

namespace {

constexpr std::size_t kMaxLine = 2000;  // bytes of a line in the bundle
constexpr std::size_t kMaxSignature = 200;

bool is_word(char c) {
    return std::isalnum(static_cast<unsigned char>(c)) != 0 || c == '_';
}

// Each word with a digit in it becomes #, so that pids, ports, times and addresses do not tell
// crashes apart. Words such as utf8 suffer too; that only makes a group larger.
std::string without_numbers(std::string_view line) {
    std::string plain;
    for (std::size_t i = 0; i < line.size() && plain.size() < kMaxSignature;) {
        if (!is_word(line[i])) {
            plain += line[i++];
            continue;
        }
        std::size_t end = i;
        bool digit = false;
        while (end < line.size() && is_word(line[end])) {
            digit = digit || (line[end] >= '0' && line[end] <= '9');
            ++end;
        }
        digit ? plain += '#' : plain += line.substr(i, end - i);
        i = end;
    }
    return printable(plain);
}

}  // namespace

std::string crash_signature(const AppStatus& status, const std::vector<wire::LogLine>& lines) {
    const wire::LogLine* last = nullptr;
    for (const wire::LogLine& line : lines) {
        const bool blank = trim(wire::shown_text(line)).empty();
        if (!blank && (last == nullptr || line.is_stderr || !last->is_stderr)) {
            last = &line;
        }
    }
    const std::string end = status.exit ? describe(*status.exit) : "not started";
    return last == nullptr ? end : end + " | " + without_numbers(wire::shown_text(*last));
}

std::string crash_bundle(const AppStatus& status,
                         const AppSpec& spec,
                         const std::vector<wire::LogLine>& lines,
                         const std::vector<figures::Point>& figures) {
    json::JsonWriter json;
    const auto time = [&json](std::string_view key, const std::optional<WallTime>& value) {
        json.key(key);
        value ? json.value(rfc3339_utc(*value, 3)) : json.null();
    };
    json.begin_object();
    json.field("how", without_secrets(status.reason));
    json.field("exit_code", spmi_exit_code(status.exit));
    json.field("core_dumped", status.exit && status.exit->core_dumped);
    time("started", status.started);
    time("ended", status.finished);
    json.field("pid", status.last_pid);
    json.field("restarts", status.restarts);
    json.field("command", without_secrets(status.command));
    json.field("rss_bytes", status.rss_bytes);
    json.field("cpu_percent", status.cpu_percent);
    json.field("processes", status.processes);
    json.key("limits").begin_object();
    json.field("memory", spec.limits.memory_bytes).field("cpu", spec.limits.cpus);
    json.field("pids", spec.limits.pids).field("nofile", spec.limits.nofile);
    json.end_object();
    json.key("figures").begin_array();
    for (const figures::Point& point : figures) {
        json.begin_object();
        time("time", point.time);
        json.field("cpu_percent", point.cpu_percent).field("rss_bytes", point.rss_bytes);
        json.end_object();
    }
    json.end_array();
    json.key("lines").begin_array();
    for (const wire::LogLine& line : lines) {
        json.begin_object();
        time("time", line.time);
        json.field("stream", line.is_stderr ? "stderr" : "stdout");
        json.field("text", printable(shortened(wire::shown_text(line), kMaxLine))).end_object();
    }
    json.end_array().end_object();
    return json.take();
}

}  // namespace berth::apps
