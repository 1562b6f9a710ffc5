#include <fmt/format.h>
#include <poll.h>
#include <unistd.h>

#include <cstdio>
#include <iostream>

#include "agent/cli/commands.h"
#include "agent/cli/durations.h"
#include "shared/base/text.h"
#include "shared/mail/mail_json.h"
#include "shared/wire/status.h"

// Commands that look at the messages of apps: `messages` and `trace`.
namespace berth::cli {

using wire::Value;

namespace {

Result<Value> ask(Session& session, const Target& target, const char* verb, Value::Map args) {
    BERTH_TRY(Client * client, session.client(target.agent));
    return client->ask(verb, std::move(args));
}

Result<std::uint64_t> message_id(const std::string& text) {
    const auto id = parse_integer<std::uint64_t>(text);
    if (!id) {
        return fail(ErrorCode::InvalidArgument, "\"" + text + "\" is no number of a message");
    }
    return *id;
}

WallTime ms_time(const Value& value) {
    return WallTime(std::chrono::milliseconds(value.as_uint()));
}

// --- all mailboxes

std::vector<std::string> mailbox_row(const Value& mailbox, WallTime now) {
    const MailboxStatus status = wire::to_mailbox_status(mailbox).value_or(MailboxStatus());
    return {mailbox["app"].as_string(),
            std::to_string(status.waiting),
            size_text(status.bytes),
            status.oldest ? short_duration(now - *status.oldest) : "-",
            fmt::format("{:.1f}", status.in_rate),
            fmt::format("{:.1f}", status.out_rate),
            std::to_string(status.redelivered),
            std::to_string(status.dead)};
}

int show_mailboxes(Session& session) {
    const auto info = ask(session, {session.agent, ""}, "mailboxes", {});
    if (!info) {
        return report(info.error());
    }
    const Value::Array& mailboxes = (*info)["mailboxes"].as_array();
    if (session.style.json) {
        json::JsonWriter json;
        json.begin_array();
        for (const Value& mailbox : mailboxes) {
            mail::write_mailbox(json, mailbox);
        }
        json.end_array();
        print_json(json);
        return kDone;
    }
    std::vector<std::vector<std::string>> rows = {
        {"APP", "WAITING", "SIZE", "OLDEST", "IN/S", "OUT/S", "REDELIVERED", "DEAD"}};
    for (const Value& mailbox : mailboxes) {
        rows.push_back(mailbox_row(mailbox, read_clocks().wall));
    }
    print(table(rows, {session.style.width, {0}, {6, 4, 5, 2, 3}}));
    return kDone;
}

// --- one mailbox

void print_message(const Value& message, WallTime now) {
    const std::uint64_t attempt = message["attempt"].as_uint();
    const std::string& from = message["from"].as_string();
    print(fmt::format("{}  from {}, {} ago, {}{}{}{}\n",
                      message["id"].as_uint(),
                      from.empty() ? "the operator" : from,
                      short_duration(now - ms_time(message["time_ms"])),
                      size_text(message["bytes"].as_uint()),
                      message["request"].as_bool() ? ", a request" : "",
                      message["held"].as_bool() ? ", given out" : "",
                      attempt > 0
                          ? fmt::format(", given {} so far",
                                        attempt == 1 ? "once" : fmt::format("{} times", attempt))
                          : ""));
    if (!message["dead_ms"].is_nil()) {
        print(fmt::format("    a dead letter for {}\n",
                          short_duration(now - ms_time(message["dead_ms"]))));
    }
    print("    " + message["shown"].as_string() + "\n");
}

int show_messages(Session& session, const Target& target) {
    const auto count = parse_count(session.arguments.get("--lines", "20"));
    const auto after = message_id(session.arguments.get("--after", "0"));
    if (!count || !after) {
        return report(count ? after.error() : count.error());
    }
    const bool dead = session.arguments.has("--dead");
    const auto info = ask(session,
                          target,
                          "messages",
                          {{"id", target.app},
                           {"max", std::uint64_t{*count}},
                           {"after", *after},
                           {"full", session.arguments.has("--full")},
                           {"dead", dead}});
    if (!info) {
        return report(info.error());
    }
    const Value::Array& messages = (*info)["messages"].as_array();
    if (session.style.json) {
        json::JsonWriter json;
        json.begin_object().key("messages").begin_array();
        for (const Value& message : messages) {
            mail::write_message(json, message);
        }
        json.end_array().field("more", (*info)["more"].as_bool());
        mail::write_figures(json, (*info)["mailbox"]);
        json.end_object();
        print_json(json);
        return kDone;
    }
    for (const Value& message : messages) {
        print_message(message, read_clocks().wall);
    }
    if (messages.empty()) {
        print_error(dead ? target.app + " has no dead letters"
                         : "no message waits for " + target.app);
    } else if ((*info)["more"].as_bool()) {
        print_error("there are more; --after " + std::to_string(messages.back()["id"].as_uint()) +
                    " shows them");
    }
    return kDone;
}

int remove_message(Session& session, const Target& target) {
    const auto message = message_id(session.arguments.get("--remove"));
    if (!message) {
        return report(message.error());
    }
    const auto done =
        ask(session, target, "remove_message", {{"id", target.app}, {"message", *message}});
    if (!done) {
        return report(done.error());
    }
    if (session.style.json) {
        json::JsonWriter json;
        json.begin_object().field("removed", 1).end_object();
        print_json(json);
    } else {
        print("removed message " + std::to_string(*message) + "\n");
    }
    return kDone;
}

// Whether everything may go. Asks on a terminal; elsewhere only --yes says so.
bool may_clear(const Session& session, const Target& target) {
    if (session.arguments.has("--yes")) {
        return true;
    }
    if (::isatty(STDIN_FILENO) != 1) {
        print_error("the messages would be lost; say --yes");
        return false;
    }
    (void)std::fprintf(stderr,
                       session.arguments.has("--dead")
                           ? "Remove all dead letters of %s? [y/N] "
                           : "Remove all messages that wait for %s? [y/N] ",
                       target.app.c_str());
    std::string answer;
    return std::getline(std::cin, answer) && (answer == "y" || answer == "yes");
}

// Has the relay do `verb` in the app's name; it answers how many messages that were, as `done`.
int change_mailbox(
    Session& session, const Target& target, const char* verb, const char* done, Value::Map args) {
    const auto reply = ask(session,
                           target,
                           "message",
                           {{"verb", verb}, {"app", target.app}, {"args", std::move(args)}});
    if (!reply) {
        return report(reply.error());
    }
    const auto code = static_cast<wire::Code>((*reply)["code"].as_uint());
    if (code != wire::Code::Ok) {
        return report({wire::error_code_of(code), (*reply)["info"]["error"].as_string(), 0});
    }
    const std::uint64_t count = (*reply)["info"][done].as_uint();
    if (session.style.json) {
        json::JsonWriter json;
        json.begin_object().field(done, count).end_object();
        print_json(json);
    } else {
        print(fmt::format("{} {} {}\n", done, count, count == 1 ? "message" : "messages"));
    }
    return kDone;
}

int clear_mailbox(Session& session, const Target& target) {
    if (!may_clear(session, target)) {
        return kFailed;
    }
    const char* const verb = session.arguments.has("--dead") ? "drop" : "clear";
    return change_mailbox(session, target, verb, "removed", {});
}

int resend_messages(Session& session, const Target& target) {
    const std::string which = session.arguments.get("--resend");
    if (which == "all") {
        return change_mailbox(session, target, "resend", "resent", {});
    }
    const auto message = message_id(which);
    if (!message) {
        return report(message.error());
    }
    const auto found = ask(
        session,
        target,
        "messages",
        {{"id", target.app}, {"max", std::uint64_t{1}}, {"after", *message - 1}, {"dead", true}});
    if (!found) {
        return report(found.error());
    }
    if ((*found)["messages"].at(0)["id"].as_uint() != *message) {
        return report(
            {ErrorCode::NotFound, which + " is no dead letter of \"" + target.app + "\"", 0});
    }
    return change_mailbox(session, target, "resend", "resent", {{"ids", Value::Array{*message}}});
}

}  // namespace

int run_messages(Session& session) {
    const bool changes = session.arguments.has("--remove") || session.arguments.has("--clear") ||
                         session.arguments.has("--resend") || session.arguments.has("--dead");
    if (session.arguments.words.empty()) {
        if (changes) {
            return report({ErrorCode::InvalidArgument, "say whose messages: ID is missing", 0});
        }
        return show_mailboxes(session);
    }
    const Target target = target_of(session, session.arguments.words.front());
    if (!is_valid_id(target.app)) {
        return report({ErrorCode::InvalidArgument, "an ID is " + std::string(kIdRule), 0});
    }
    if (session.arguments.has("--remove")) {
        return remove_message(session, target);
    }
    if (session.arguments.has("--resend")) {
        return resend_messages(session, target);
    }
    return session.arguments.has("--clear") ? clear_mailbox(session, target)
                                            : show_messages(session, target);
}

// --- trace

namespace {

// The time between two moments of a message; "-" while one has not come.
std::string took(const Value& from, const Value& to) {
    if (from.is_nil() || to.is_nil()) {
        return "-";
    }
    const auto us = std::chrono::duration_cast<std::chrono::microseconds>(wire::to_wall_time(to) -
                                                                          wire::to_wall_time(from))
                        .count();
    return us < 1'000'000 ? fmt::format("{:.2f}ms", static_cast<double>(us) / 1000)
                          : fmt::format("{:.2f}s", static_cast<double>(us) / 1'000'000);
}

std::vector<std::string> trace_row(const Value& entry) {
    const std::string& from = entry["from"].as_string();
    return {local_time(wire::to_wall_time(entry["accepted"])),
            std::to_string(entry["id"].as_uint()),
            entry["kind"].as_string(),
            from.empty() ? "(operator)" : from,
            entry["to"].as_string(),
            size_text(entry["bytes"].as_uint()),
            took(entry["accepted"], entry["given"]),
            took(entry["accepted"], entry["ended"]),
            entry["outcome"].as_string()};
}

void print_entries(const Session& session, const Value::Array& entries, bool follow) {
    if (!session.style.json) {
        std::vector<std::vector<std::string>> rows;
        if (!follow) {
            rows.push_back({"TIME",
                            "ID",
                            "KIND",
                            "FROM",
                            "TO",
                            "SIZE",
                            "GIVEN AFTER",
                            "DONE AFTER",
                            "OUTCOME"});
        }
        for (const Value& entry : entries) {
            rows.push_back(trace_row(entry));
        }
        print(table(rows, {session.style.width, {3, 4}, {5, 6, 1}}));
        return;
    }
    json::JsonWriter json;
    if (!follow) {
        json.begin_array();
    }
    for (const Value& entry : entries) {
        mail::write_entry(json, entry);
        if (follow) {  // a document each
            print_json(json);
            json = json::JsonWriter();
        }
    }
    if (!follow) {
        json.end_array();
        print_json(json);
    }
}

}  // namespace

int run_trace(Session& session) {
    constexpr int kEveryMs = 500;
    const auto& words = session.arguments.words;
    const Target target = words.empty() ? Target{session.agent, ""} : target_of(session, words[0]);
    const auto count = parse_count(session.arguments.get("--lines", "20"));
    if (!count) {
        return report(count.error());
    }
    const bool follow = session.arguments.has("--follow");
    std::uint64_t after = 0;
    for (std::uint64_t max = *count;; max = 10'000) {
        const auto info =
            ask(session, target, "trace", {{"id", target.app}, {"max", max}, {"after", after}});
        if (!info) {
            return report(info.error());
        }
        after = (*info)["change"].as_uint();
        const Value::Array& entries = (*info)["entries"].as_array();
        if (!follow || !entries.empty()) {
            print_entries(session, entries, follow);
        }
        if (!follow) {
            return kDone;
        }
        (void)std::fflush(stdout);
        (void)::poll(nullptr, 0, kEveryMs);  // a pause; Ctrl-C ends it
    }
}

}  // namespace berth::cli
