#include "agent/apps/figures/sampler.h"

#include <cmath>
#include <utility>

#include "shared/log/log.h"

namespace berth::figures {

namespace {

constexpr Duration kWatchedPace = std::chrono::seconds(5);
constexpr Duration kPace = std::chrono::minutes(5);
constexpr Duration kFresh = std::chrono::milliseconds(400);

}  // namespace

Sampler::Sampler(loop::EventLoop& loop, backend::Backend& backend, Subjects subjects)
    : loop_(loop), backend_(backend), subjects_(std::move(subjects)) {
    clock_hook_ = loop_.on_clock_set([this](Duration by) { history_.clock_set(by); });
    arm();
}

void Sampler::keep_in(const std::string& file) {
    if (auto opened = Store::open(file)) {
        store_ = std::move(*opened);
        history_ = History(store_.get());
    } else {
        log::warning("the figures of this week are not kept", {{"why", opened.error().message}});
    }
}

void Sampler::sample(Duration fresh) {
    const MonoTime now = loop_.now().mono;
    for (const Subject& subject : subjects_()) {
        Sample& latest = latest_[subject.run.id].sample;
        if (latest.leader != subject.pid || now - latest.at >= fresh) {
            latest = backend_.sample(subject.run, subject.pid, latest, now, backend::Detail::Usual);
        }
    }
}

Sample Sampler::of(const std::string& id) const {
    const auto found = latest_.find(id);
    return found != latest_.end() ? found->second.sample : Sample();
}

std::set<std::string> Sampler::untold() {
    std::set<std::string> untold;
    for (auto& [id, latest] : latest_) {
        Told told{latest.sample.rss_bytes, std::nullopt};
        if (latest.sample.cpu_percent) {
            told.cpu_tenths = std::lround(*latest.sample.cpu_percent * 10);
        }
        if (std::exchange(latest.told, told) != told) {
            untold.insert(id);
        }
    }
    return untold;
}

void Sampler::watch(bool watched) {
    backend_.watch(watched);
    if (std::exchange(watched_, watched) != watched) {
        arm();
    }
}

void Sampler::remove(const std::string& id) {
    latest_.erase(id);
    history_.remove(id);
}

void Sampler::arm() {
    timer_ = loop_.after(watched_ ? kWatchedPace : kPace, [this] {
        sample_all();
        arm();
    });
}

void Sampler::sample_all() {
    const Now now = loop_.now();
    for (const Subject& subject : subjects_()) {
        const std::string& id = subject.run.id;
        Sample& latest = latest_[id].sample;
        Sample sample =
            backend_.sample(subject.run, subject.pid, latest, now.mono, backend::Detail::Full);
        if (const auto mailbox = mailbox_of_ ? mailbox_of_(id) : std::nullopt) {
            sample.messages = mailbox->waiting;
            sample.messages_received = mailbox->received;
            sample.messages_taken = mailbox->taken;
        }
        if (latest.leader != sample.leader || now.mono - latest.at > kFresh) {
            latest = sample;
        }
        history_.add(id, sample, now.wall);
    }
    if (now.mono - kept_at_ >= kPace) {
        kept_at_ = now.mono;
        history_.keep(now.wall);
    }
}

}  // namespace berth::figures
