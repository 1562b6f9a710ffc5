#include "agent/cli/output.h"

#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <cstdio>

#include "shared/base/terminal_text.h"
#include "shared/os/os_error.h"

namespace berth::cli {

namespace {

const char* color_of(AppState state) {
    switch (state) {
        case AppState::Running:
            return "\x1b[32m";
        case AppState::Starting:
        case AppState::Stopping:
        case AppState::Waiting:
        case AppState::Backoff:
            return "\x1b[33m";
        case AppState::Failed:
            return "\x1b[31m";
        case AppState::Stopped:
        case AppState::Exited:
            break;
    }
    return "\x1b[2m";
}

}  // namespace

void print(std::string_view text) {
    static const bool terminal = ::isatty(STDOUT_FILENO) != 0;
    if (terminal) {
        print_bytes(safe_for_terminal(text));
    } else {
        print_bytes(text);
    }
}

void print_bytes(std::string_view bytes) {
    (void)std::fwrite(bytes.data(), 1, bytes.size(), stdout);  // finish_output() tells
}

bool output_is_broken() {
    return std::ferror(stdout) != 0;
}

Result<void> finish_output() {
    const bool broken = output_is_broken();
    const bool flushed = std::fflush(stdout) == 0;
    if (!flushed) {
        return fail(os::last_error("the output cannot be written"));
    }
    if (broken) {
        return fail(ErrorCode::Io, "the output cannot be written, some of it is lost");
    }
    return {};
}

void print_json(json::JsonWriter& json) {
    print(json.take());
    print("\n");
}

void print_error(std::string_view text) {
    static const bool terminal = ::isatty(STDERR_FILENO) != 0;
    const std::string line =
        "berth: " + (terminal ? safe_for_terminal(text) : std::string(text)) + "\n";
    (void)std::fwrite(line.data(), 1, line.size(), stderr);
}

std::string colored(const Style& style, AppState state, const std::string& text) {
    return style.color ? color_of(state) + text + "\x1b[0m" : text;
}

std::string size_text(std::uint64_t bytes) {
    constexpr std::array<const char*, 5> kUnits = {"B", "KiB", "MiB", "GiB", "TiB"};
    auto value = static_cast<double>(bytes);
    std::size_t unit = 0;
    while (value >= 1024 && unit + 1 < kUnits.size()) {
        value /= 1024;
        ++unit;
    }
    return unit == 0 ? fmt::format("{} B", bytes)
                     : fmt::format("{:.1f} {}", value, kUnits.at(unit));
}

std::string shown_id(const AppStatus& status) {
    return status.agent.empty() || status.agent == "default" ? status.id
                                                             : status.agent + "/" + status.id;
}

std::vector<std::string> list_header() {
    return {"ID", "STATE", "SINCE", "PID", "CPU", "MEMORY", "RESTARTS", "COMMENT"};
}

Fit list_fit(const Style& style) {
    return {style.width, {7, 0}, {7, 6, 4, 5, 3, 2}};
}

std::vector<std::string> list_row(const Style& style, const AppStatus& status, WallTime now) {
    return {shown_id(status),
            colored(style, status.state, std::string(kAppStateNames.name(status.state))),
            short_duration(now - status.since),
            status.pid ? std::to_string(*status.pid) : "-",
            status.cpu_percent ? fmt::format("{:.1f}%", *status.cpu_percent) : "-",
            status.rss_bytes ? size_text(*status.rss_bytes) : "-",
            std::to_string(status.restarts),
            in_one_line(status.comment)};
}

namespace {

// "3 waiting, 1.2 KiB, the oldest for 5s, 0.3 in/s, 0.1 out/s, 2 redelivered"
std::string mailbox_text(const MailboxStatus& mailbox, WallTime now) {
    std::string text = fmt::format("{} waiting", mailbox.waiting);
    if (mailbox.waiting > 0) {
        text += fmt::format(", {}, the oldest for {}",
                            size_text(mailbox.bytes),
                            short_duration(now - mailbox.oldest.value_or(now)));
    }
    text += fmt::format(", {:.1f} in/s, {:.1f} out/s", mailbox.in_rate, mailbox.out_rate);
    if (mailbox.redelivered > 0) {
        text += fmt::format(", {} redelivered", mailbox.redelivered);
    }
    if (mailbox.dead > 0) {
        text += fmt::format(
            ", {} {}", mailbox.dead, mailbox.dead == 1 ? "dead letter" : "dead letters");
    }
    return text;
}

}  // namespace

std::string status_block(const Style& style, const AppStatus& s, WallTime now) {
    std::string text = s.id + " (task) - " + in_one_line(s.comment) + "\n";
    const auto line = [&text](std::string_view label, const std::string& value) {
        if (!value.empty()) {
            text += fmt::format("{:>12}: {}\n", label, value);
        }
    };
    const bool active = is_active(s.state);
    const std::optional<WallTime> since = active ? s.started : s.finished;
    std::string activity = colored(
        style, active ? AppState::Running : AppState::Failed, active ? "active" : "inactive");
    if (since) {
        activity += " since " + local_time(*since) + " (" + elapsed_text(now - *since) + " ago)";
    }
    const auto code = spmi_exit_code(s.exit);
    line("Active", activity);
    line("State", colored(style, s.state, std::string(kAppStateNames.name(s.state))));
    line("Reason", s.reason);
    line("Descriptor", s.descriptor_note);
    line("Path", "\"" + s.path + "\"");
    line("Backend type", std::string(kBackendTypeNames.name(s.backend)));
    line("Backend ID", s.backend_id);
    line("Wrapper type", "default");
    line("Command", in_one_line(s.command));
    line("PID", s.last_pid ? std::to_string(*s.last_pid) : "");
    line("Exit code", code && !active ? std::to_string(*code) : "");
    line("Restarts", std::to_string(s.restarts));
    line("Memory", s.rss_bytes ? size_text(*s.rss_bytes) : "");
    if (s.mailbox && (s.mailbox->waiting > 0 || s.mailbox->received > 0 || s.mailbox->dead > 0)) {
        line("Messages", mailbox_text(*s.mailbox, now));
    }
    line("CPU", s.cpu_percent ? fmt::format("{:.1f}%", *s.cpu_percent) : "");
    return text;
}

std::string joined_text(const std::vector<wire::LogLine>& lines) {
    std::string text;
    const wire::LogLine* open = nullptr;
    for (const wire::LogLine& line : lines) {
        if (open != nullptr && open->is_stderr != line.is_stderr) {
            text += '\n';
        }
        text += line.text;
        text += line.partial ? "" : "\n";
        open = line.partial ? &line : nullptr;
    }
    return text;
}

}  // namespace berth::cli
