#include "controller/access/devices.h"

#include <algorithm>

#include "controller/access/secrets.h"
#include "shared/base/text.h"

namespace berth::access {

namespace {

constexpr std::size_t kMostEntries = 5;
constexpr std::size_t kLongestCookie = 1024;
constexpr std::size_t kNumberBytes = 12;

}  // namespace

std::string Devices::text(const Entry& entry) const {
    const std::string said = entry.user + ':' + entry.number;
    return said + ':' + signature("known browser " + said, key_);
}

std::vector<Devices::Entry> Devices::read(std::string_view cookie) const {
    std::vector<Entry> entries;
    if (cookie.size() > kLongestCookie) {
        return entries;
    }
    for (const std::string_view item : split(cookie, '~')) {
        const auto parts = split(item, ':');
        if (parts.size() != 3 || entries.size() == kMostEntries || !is_valid_id(parts[0])) {
            continue;
        }
        Entry entry{std::string(parts[0]), std::string(parts[1])};
        if (same_secret(item, text(entry))) {
            entries.push_back(std::move(entry));
        }
    }
    return entries;
}

std::optional<std::string> Devices::find(std::string_view cookie, std::string_view user) const {
    for (Entry& entry : read(cookie)) {
        if (entry.user == user) {
            return std::move(entry.number);
        }
    }
    return std::nullopt;
}

bool Devices::knows_any(std::string_view cookie) const {
    return !cookie.empty() && !read(cookie).empty();
}

std::string Devices::with(std::string_view cookie, const std::string& user) const {
    std::vector<Entry> entries = read(cookie);
    const auto old = std::find_if(
        entries.begin(), entries.end(), [&user](const Entry& entry) { return entry.user == user; });
    if (old == entries.end()) {
        entries.insert(entries.begin(), Entry{user, random_token(kNumberBytes)});
    } else {
        std::rotate(entries.begin(), old, old + 1);
    }
    std::vector<std::string> texts;
    for (const Entry& entry : entries) {
        if (texts.size() < kMostEntries) {
            texts.push_back(text(entry));
        }
    }
    return join(texts, "~");
}

}  // namespace berth::access
