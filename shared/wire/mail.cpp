#include "shared/wire/mail.h"

#include "shared/wire/append.h"
#include "shared/wire/cursor.h"

namespace berth::wire {

namespace {

constexpr char kMark = 'M';  // as msgpack a small number: no control request begins so
constexpr std::size_t kHead = 3;

}  // namespace

bool is_mail(std::string_view frame) {
    return !frame.empty() && frame[0] == kMark;
}

std::optional<MailFrame> decode_mail(std::string_view frame) {
    if (frame.size() < kHead || frame[0] != kMark || frame[1] != char{kMailVersion}) {
        return std::nullopt;
    }
    const auto kind = static_cast<std::uint8_t>(frame[2]);
    if (kind < static_cast<std::uint8_t>(MailKind::Hello) ||
        kind > static_cast<std::uint8_t>(MailKind::Bounce)) {
        return std::nullopt;
    }
    Cursor cursor(frame.substr(kHead));
    const auto got = cursor.whole();
    const auto peer = cursor.text();
    if (!got || !peer) {
        return std::nullopt;
    }
    return MailFrame{
        static_cast<MailKind>(kind), *got, *peer, frame.substr(kHead + cursor.position())};
}

std::string encode_mail(const MailFrame& mail) {
    constexpr std::size_t kMostAround = 32;
    std::string out;
    out.reserve(kHead + kMostAround + mail.peer.size() + mail.body.size());
    out += kMark;
    out += char{kMailVersion};
    out += static_cast<char>(mail.kind);
    append_whole(out, mail.got);
    append_text(out, mail.peer);
    out += mail.body;
    return out;
}

std::string encode_mail_hello(const MailHello& hello) {
    std::string out;
    append_text(out, hello.controller);
    append_text(out, hello.name);
    return out;
}

std::optional<MailHello> decode_mail_hello(std::string_view body) {
    Cursor cursor(body);
    const auto controller = cursor.text();
    const auto name = cursor.text();
    if (!name) {
        return std::nullopt;
    }
    return MailHello{std::string(*controller), std::string(*name)};
}

std::string encode_roster(bool whole, const Roster& roster) {
    std::string out;
    append_flag(out, whole);
    append_array(out, static_cast<std::uint32_t>(roster.size()));
    for (const auto& [name, presence] : roster) {
        append_text(out, name);
        append_whole(out, static_cast<std::uint64_t>(presence));
    }
    return out;
}

bool decode_roster(std::string_view body, bool& whole, Roster& roster) {
    Cursor cursor(body);
    whole = cursor.flag().value_or(false);
    const auto count = cursor.array();
    if (!count) {
        return false;
    }
    for (std::uint32_t i = 0; i < *count; ++i) {
        const auto name = cursor.text();
        const auto presence = cursor.whole();
        if (!presence || *presence > static_cast<std::uint64_t>(Presence::Connected)) {
            return false;
        }
        roster.emplace_back(std::string(*name), static_cast<Presence>(*presence));
    }
    return true;
}

std::string encode_names(const std::vector<std::string>& names) {
    std::string out;
    append_array(out, static_cast<std::uint32_t>(names.size()));
    for (const std::string& name : names) {
        append_text(out, name);
    }
    return out;
}

std::optional<std::vector<std::string>> decode_names(std::string_view body) {
    Cursor cursor(body);
    const auto count = cursor.array();
    if (!count) {
        return std::nullopt;
    }
    std::vector<std::string> names;
    for (std::uint32_t i = 0; i < *count; ++i) {
        const auto name = cursor.text();
        if (!name) {
            return std::nullopt;
        }
        names.emplace_back(*name);
    }
    return names;
}

}  // namespace berth::wire
