#include "controller/fleet/mail_link.h"

#include <algorithm>

namespace berth::fleet {

namespace {

using wire::MailKind;

constexpr Duration kPing = std::chrono::seconds(1);
constexpr Duration kHello = std::chrono::milliseconds(200);
constexpr Duration kHurry = std::chrono::seconds(10);  // as long after an end hellos come quickly

}  // namespace

MailLink::MailLink(loop::EventLoop& loop, Connect connect, wire::MailHello hello, Listener listener)
    : loop_(loop),
      connect_(std::move(connect)),
      hello_(std::move(hello)),
      listener_(std::move(listener)),
      begun_(loop.now().mono) {}

void MailLink::start() {
    if (auto transport = connect_([this](std::string_view frame) { received(frame); })) {
        transport_ = std::move(*transport);
    }
    check();
}

// The transport connects again by itself; this only notices that it had to.
void MailLink::check() {
    const MonoTime now = loop_.now().mono;
    if (open_ && now - heard_ > kSilence) {
        set_open(false);
    }
    if (open_) {
        const std::string ping = wire::encode_mail({MailKind::Ping, taken_, "", ""});
        sent_ += transport_->send(ping) ? ping.size() : 0;
    } else {
        say_hello();
    }
    check_ = loop_.after(open_ || now - begun_ > kHurry ? kPing : kHello, [this] { check(); });
}

void MailLink::say_hello() {
    const std::string body = wire::encode_mail_hello(hello_);
    if (transport_ && transport_->send(wire::encode_mail({MailKind::Hello, 0, "", body}))) {
        sent_ = got_ = 0;
    }
}

void MailLink::set_open(bool open) {
    if (open_ == open) {
        return;
    }
    open_ = open;
    begun_ = loop_.now().mono;
    listens_.clear();
    listener_.changed(open);
}

void MailLink::received(std::string_view frame) {
    const auto mail = wire::decode_mail(frame);
    if (!mail) {
        return;  // an agent that knows nothing of this
    }
    heard_ = loop_.now().mono;
    if (mail->kind == MailKind::Welcome) {
        set_open(false);
        taken_ = frame.size();
        return set_open(true);
    }
    if (mail->kind == MailKind::Who) {
        set_open(false);
        return say_hello();
    }
    if (!open_) {
        return;  // of the time before
    }
    taken_ += frame.size();
    got_ = std::min(mail->got, sent_);
    if (mail->kind == MailKind::Listen) {
        if (const auto names = wire::decode_names(mail->body)) {
            listens_ = {names->begin(), names->end()};
        }
    } else if (mail->kind != MailKind::Pong) {
        listener_.received(*mail);
    }
}

bool MailLink::listens_to(const std::string& agent) const {
    return listens_.count("*") != 0 || listens_.count(agent) != 0;
}

bool MailLink::send(MailKind kind, std::string_view peer, std::string_view body) {
    if (!open_ || (sent_ != got_ && sent_ - got_ + body.size() > kWindow)) {
        return false;
    }
    const std::string frame = wire::encode_mail({kind, taken_, peer, body});
    if (!transport_->send(frame)) {
        set_open(false);  // it is not connected, or has stopped reading: it has to begin anew
        return false;
    }
    sent_ += frame.size();
    return true;
}

}  // namespace berth::fleet
