#include "agent/apps/figures/history.h"

#include <algorithm>
#include <limits>
#include <utility>

namespace berth::figures {

namespace {

constexpr std::size_t kHour = 720;  // every 5 s
constexpr Duration kInMemory = std::chrono::hours(1);
constexpr Duration kOnItsWay = std::chrono::minutes(5);  // how old "an hour ago" may be by now

template <class T>
T capped(std::uint64_t value) {
    return static_cast<T>(std::min<std::uint64_t>(value, std::numeric_limits<T>::max()));
}

}  // namespace

void History::add(const std::string& app, const Sample& sample, WallTime now) {
    if (!sample.rss_bytes) {
        return;
    }
    Series& series = series_[app];
    const double seconds = std::chrono::duration<double>(sample.at - series.at).count();
    const bool continues = series.leader == sample.leader && seconds > 0.1;
    const auto rate = [&](std::uint64_t after, std::uint64_t before) {
        return continues && after >= before ? static_cast<double>(after - before) / seconds : 0.0;
    };
    Point point;
    point.time = now;
    point.cpu_percent = sample.cpu_percent.value_or(0);
    point.rss_bytes = *sample.rss_bytes;
    point.pss_bytes = sample.pss_bytes;
    point.processes = sample.processes.value_or(0);
    point.threads = sample.threads;
    point.descriptors = sample.descriptors;
    point.read_rate = rate(sample.read_bytes, series.read_bytes);
    point.write_rate = rate(sample.write_bytes, series.write_bytes);
    point.messages = capped<std::uint32_t>(sample.messages);
    point.messages_in = rate(sample.messages_received, series.messages_received);
    point.messages_out = rate(sample.messages_taken, series.messages_taken);
    series.messages_received = sample.messages_received;
    series.messages_taken = sample.messages_taken;
    series.leader = sample.leader;
    series.at = sample.at;
    series.read_bytes = sample.read_bytes;
    series.write_bytes = sample.write_bytes;

    const Packed packed{
        capped<std::uint32_t>(static_cast<std::uint64_t>(
            std::chrono::duration_cast<std::chrono::seconds>(now.time_since_epoch()).count())),
        static_cast<float>(point.cpu_percent),
        capped<std::uint32_t>(point.rss_bytes / 1024),
        capped<std::uint32_t>(point.pss_bytes / 1024),
        capped<std::uint16_t>(point.processes),
        capped<std::uint16_t>(point.threads),
        point.descriptors,
        static_cast<float>(point.read_rate),
        static_cast<float>(point.write_rate),
        point.messages,
        static_cast<float>(point.messages_in),
        static_cast<float>(point.messages_out)};
    if (series.ring.size() < kHour) {
        series.ring.push_back(packed);
    } else {
        series.ring[series.next] = packed;
        series.next = (series.next + 1) % kHour;
    }
    series.sum.cpu_percent += point.cpu_percent;
    series.sum.rss_bytes += point.rss_bytes;
    series.sum.pss_bytes += point.pss_bytes;
    series.sum.processes += point.processes;
    series.sum.threads += point.threads;
    series.sum.descriptors += point.descriptors;
    series.sum.read_rate += point.read_rate;
    series.sum.write_rate += point.write_rate;
    series.sum.messages += point.messages;
    series.sum.messages_in += point.messages_in;
    series.sum.messages_out += point.messages_out;
    ++series.summed;
}

void History::keep(WallTime now) {
    std::vector<std::pair<std::string, Point>> points;
    for (auto& [app, series] : series_) {
        if (series.summed == 0) {
            continue;
        }
        const auto n = series.summed;
        Point mean = std::exchange(series.sum, {});
        series.summed = 0;
        mean.time = now;
        mean.cpu_percent /= n;
        mean.rss_bytes /= n;
        mean.pss_bytes /= n;
        mean.processes /= n;
        mean.threads /= n;
        mean.descriptors /= n;
        mean.read_rate /= n;
        mean.write_rate /= n;
        mean.messages /= n;
        mean.messages_in /= n;
        mean.messages_out /= n;
        points.emplace_back(app, mean);
    }
    if (store_ != nullptr) {
        store_->add(points);
    }
}

Point History::unpacked(const Packed& packed) {
    Point point;
    point.time = WallTime(std::chrono::seconds(packed.seconds));
    point.cpu_percent = static_cast<double>(packed.cpu);
    point.rss_bytes = std::uint64_t{packed.rss_kib} * 1024;
    point.pss_bytes = std::uint64_t{packed.pss_kib} * 1024;
    point.processes = packed.processes;
    point.threads = packed.threads;
    point.descriptors = packed.descriptors;
    point.read_rate = static_cast<double>(packed.read);
    point.write_rate = static_cast<double>(packed.write);
    point.messages = packed.messages;
    point.messages_in = static_cast<double>(packed.messages_in);
    point.messages_out = static_cast<double>(packed.messages_out);
    return point;
}

std::vector<Point> History::in_order(const Series& series) {
    std::vector<Point> points;
    points.reserve(series.ring.size());
    for (std::size_t i = 0; i < series.ring.size(); ++i) {
        points.push_back(unpacked(series.ring[(series.next + i) % series.ring.size()]));
    }
    return points;
}

std::vector<Point> History::since(const std::string& app, WallTime from, WallTime now) const {
    if (now - from > kInMemory + kOnItsWay && store_ != nullptr) {
        return store_->between(app, from, now);
    }
    const auto found = series_.find(app);
    std::vector<Point> points =
        found == series_.end() ? std::vector<Point>() : in_order(found->second);
    std::erase_if(points, [from](const Point& point) { return point.time < from; });
    return points;
}

std::vector<Point> History::last(const std::string& app, std::size_t count) const {
    const auto found = series_.find(app);
    std::vector<Point> points =
        found == series_.end() ? std::vector<Point>() : in_order(found->second);
    if (points.size() > count) {
        points.erase(points.begin(), points.end() - static_cast<std::ptrdiff_t>(count));
    }
    return points;
}

void History::clock_set(Duration by) {
    const std::int64_t seconds = by / std::chrono::seconds(1);
    for (auto& [app, series] : series_) {
        for (Packed& packed : series.ring) {
            packed.seconds = capped<std::uint32_t>(
                static_cast<std::uint64_t>(std::max<std::int64_t>(0, packed.seconds + seconds)));
        }
    }
}

void History::remove(const std::string& app) {
    series_.erase(app);
    if (store_ != nullptr) {
        store_->remove(app);
    }
}

}  // namespace berth::figures
