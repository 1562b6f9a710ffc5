#include "agent/relay/protocol/payload_preview.h"

#include <algorithm>
#include <array>
#include <bit>
#include <optional>
#include <utility>
#include <vector>

#include "shared/base/secrets.h"
#include "shared/base/text.h"
#include "shared/json/json_value.h"
#include "shared/json/json_writer.h"

namespace berth::relay {

namespace {

constexpr std::string_view kMask = "********";
constexpr std::string_view kMore = "…";

// How long a piece of `text` may be, so that no character of UTF-8 is cut.
std::string_view cut(std::string_view text, std::size_t length) {
    while (length > 0 && length < text.size() &&
           (static_cast<unsigned char>(text[length]) & 0xC0U) == 0x80U) {
        --length;
    }
    return text.substr(0, length);
}

// One payload on its way to JSON.
class PreviewWriter {
public:
    PreviewWriter(std::string_view bytes, const PreviewLimits& limits)
        : bytes_(bytes), limits_(limits) {}

    // False: it is no msgpack.
    bool run() { return value(0, /*hide=*/false) && at_ == bytes_.size(); }

    [[nodiscard]] bool whole() const { return whole_; }

    std::string take() { return json_.take(); }

    void show_bytes(std::string_view bytes, std::optional<int> ext = {}) {
        const std::size_t shown = std::min(bytes.size(), limits_.text / 2);
        whole_ = whole_ && shown == bytes.size();
        json_.begin_object();
        if (ext) {
            json_.field("ext", *ext);
        }
        json_.field("bytes", bytes.size()).field("hex", to_hex(bytes.substr(0, shown)));
        json_.end_object();
    }

private:
    // With hide, the value is read over and nothing is written.
    bool value(std::size_t depth, bool hide);
    bool sized(unsigned head, std::size_t depth, bool hide);
    bool is_too_deep(std::size_t depth);  // a mark is shown instead
    bool list(std::optional<std::uint64_t> count, std::size_t depth, bool hide);
    bool map(std::optional<std::uint64_t> count, std::size_t depth, bool hide);
    bool member(std::size_t depth, bool hide);
    bool text(std::optional<std::uint64_t> length, bool hide);
    bool binary(std::optional<std::uint64_t> length, bool hide, bool ext);
    void show_text(std::string_view text);
    bool show_json(std::string_view text);

    std::optional<std::uint64_t> number(std::size_t size) {
        if (bytes_.size() - at_ < size) {
            return std::nullopt;
        }
        std::uint64_t value = 0;
        for (std::size_t i = 0; i < size; ++i) {
            value = value << 8U | static_cast<unsigned char>(bytes_[at_++]);
        }
        return value;
    }

    template <class T>
    bool put(const T& v, bool hide) {
        if (!hide) {
            json_.value(v);
        }
        return true;
    }

    // A whole number that a reader with doubles alone would change is text.
    template <class T>
    bool put_whole(T v, bool hide) {
        constexpr std::int64_t kExact = std::int64_t{1} << 53U;
        if (hide || (std::cmp_less_equal(v, kExact) && std::cmp_greater_equal(v, -kExact))) {
            return put(v, hide);
        }
        json_.begin_object().field("int", std::to_string(v)).end_object();
        return true;
    }

    [[nodiscard]] bool is_full() const { return json_.size() > limits_.total; }

    std::string_view bytes_;
    const PreviewLimits& limits_;
    json::JsonWriter json_;
    std::size_t at_ = 0;
    bool whole_ = true;
};

constexpr std::size_t kDeepest = 128;  // beyond it, nothing is read: each level costs stack

bool PreviewWriter::value(std::size_t depth, bool hide) {
    const auto first = number(1);
    if (!first || depth > kDeepest) {
        return false;
    }
    const auto head = static_cast<unsigned>(*first);
    if (!hide && is_full() && depth > 0) {
        whole_ = false;
        json_.value(kMore);
        hide = true;
    }
    if (head < 0x80) {
        return put(head, hide);
    }
    if (head < 0x90) {
        return map(head & 0x0FU, depth, hide);
    }
    if (head < 0xA0) {
        return list(head & 0x0FU, depth, hide);
    }
    if (head < 0xC0) {
        return text(head & 0x1FU, hide);
    }
    if (head >= 0xE0) {
        return put(static_cast<int>(head) - 256, hide);
    }
    return sized(head, depth, hide);
}

bool PreviewWriter::sized(unsigned head, std::size_t depth, bool hide) {
    switch (head) {
        case 0xC0:
            return hide || (json_.null(), true);
        case 0xC2:
        case 0xC3:
            return put(head == 0xC3, hide);
        case 0xC4:
        case 0xC5:
        case 0xC6:
            return binary(number(std::size_t{1} << (head - 0xC4U)), hide, /*ext=*/false);
        case 0xC7:
        case 0xC8:
        case 0xC9:
            return binary(number(std::size_t{1} << (head - 0xC7U)), hide, /*ext=*/true);
        case 0xCA: {
            const auto bits = number(4);
            return bits &&
                   put(double{std::bit_cast<float>(static_cast<std::uint32_t>(*bits))}, hide);
        }
        case 0xCB: {
            const auto bits = number(8);
            return bits && put(std::bit_cast<double>(*bits), hide);
        }
        case 0xCC:
        case 0xCD:
        case 0xCE:
        case 0xCF: {
            const auto whole = number(std::size_t{1} << (head - 0xCCU));
            return whole && put_whole(*whole, hide);
        }
        case 0xD0:
        case 0xD1:
        case 0xD2:
        case 0xD3: {
            const std::size_t size = std::size_t{1} << (head - 0xD0U);
            const auto whole = number(size);
            const unsigned shift = 64U - 8U * static_cast<unsigned>(size);
            return whole && put_whole(static_cast<std::int64_t>(*whole << shift) >> shift, hide);
        }
        case 0xD4:
        case 0xD5:
        case 0xD6:
        case 0xD7:
        case 0xD8:
            return binary(std::uint64_t{1} << (head - 0xD4U), hide, /*ext=*/true);
        case 0xD9:
        case 0xDA:
        case 0xDB:
            return text(number(std::size_t{1} << (head - 0xD9U)), hide);
        case 0xDC:
        case 0xDD:
            return list(number(head == 0xDC ? 2 : 4), depth, hide);
        case 0xDE:
        case 0xDF:
            return map(number(head == 0xDE ? 2 : 4), depth, hide);
        default:
            return false;  // 0xC1 is never used
    }
}

bool PreviewWriter::is_too_deep(std::size_t depth) {
    if (depth < limits_.depth) {
        return false;
    }
    whole_ = false;
    json_.value(kMore);
    return true;
}

bool PreviewWriter::list(std::optional<std::uint64_t> count, std::size_t depth, bool hide) {
    if (!count || *count > bytes_.size() - at_) {
        return false;
    }
    hide = hide || is_too_deep(depth);
    const bool shown = !hide;
    if (shown) {
        json_.begin_array();
    }
    for (std::uint64_t i = 0; i < *count; ++i) {
        if (!hide && (i >= limits_.items || is_full())) {
            whole_ = false;
            json_.value(kMore);
            hide = true;
        }
        if (!value(depth + 1, hide)) {
            return false;
        }
    }
    if (shown) {
        json_.end_array();
    }
    return true;
}

bool PreviewWriter::map(std::optional<std::uint64_t> count, std::size_t depth, bool hide) {
    if (!count || *count > (bytes_.size() - at_) / 2) {
        return false;
    }
    hide = hide || is_too_deep(depth);
    const bool shown = !hide;
    if (shown) {
        json_.begin_object();
    }
    for (std::uint64_t i = 0; i < *count; ++i) {
        if (!hide && (i >= limits_.items || is_full())) {
            whole_ = false;
            json_.field(kMore, std::to_string(*count - i) + " more");
            hide = true;
        }
        if (!member(depth, hide)) {
            return false;
        }
    }
    if (shown) {
        json_.end_object();
    }
    return true;
}

bool PreviewWriter::member(std::size_t depth, bool hide) {
    const std::size_t from = at_;
    if (!value(depth + 1, /*hide=*/true)) {
        return false;
    }
    if (hide) {
        return value(depth + 1, /*hide=*/true);
    }
    // A number is shown as a value would be; a list or map as bytes, as keys in keys would double
    // their backslashes with every level.
    const std::string_view packed = bytes_.substr(from, at_ - from);
    const auto head = static_cast<unsigned char>(packed.front());
    const bool nested = (head >= 0x80 && head < 0xA0) || (head >= 0xDC && head < 0xE0);
    PreviewWriter key(packed, limits_);
    if (nested) {
        key.show_bytes(packed);
    } else if (!key.run()) {
        return false;
    }
    whole_ = whole_ && key.whole();
    std::string name = key.take();
    if (const auto plain = json::parse_json(name); plain && plain->is_string()) {
        name = plain->as<std::string>().value();
    }
    json_.key(name);
    const bool masked = looks_secret(name);
    if (masked) {
        json_.value(kMask);
    }
    return value(depth + 1, masked);
}

bool PreviewWriter::text(std::optional<std::uint64_t> length, bool hide) {
    if (!length || *length > bytes_.size() - at_) {
        return false;
    }
    const std::string_view text = bytes_.substr(at_, *length);
    at_ += *length;
    if (!hide && !show_json(text)) {
        show_text(text);
    }
    return true;
}

void PreviewWriter::show_text(std::string_view text) {
    if (text.size() <= limits_.text) {
        json_.value(text);
        return;
    }
    whole_ = false;
    json_.value(std::string(cut(text, limits_.text)) + std::string(kMore));
}

bool PreviewWriter::binary(std::optional<std::uint64_t> length, bool hide, bool ext) {
    std::optional<int> type;
    if (ext) {
        const auto byte = number(1);
        if (!byte) {
            return false;
        }
        type = static_cast<std::int8_t>(*byte);
    }
    if (!length || *length > bytes_.size() - at_) {
        return false;
    }
    if (!hide) {
        show_bytes(bytes_.substr(at_, *length), type);
    }
    at_ += *length;
    return true;
}

// --- JSON in a string

bool has_secrets(const json::JsonValue& value) {
    const auto& items = value.items();
    const auto& members = value.members();
    return std::any_of(items.begin(), items.end(), has_secrets) ||
           std::any_of(members.begin(), members.end(), [](const json::JsonMember& member) {
               return looks_secret(member.key) || has_secrets(member.value);
           });
}

// A string that is JSON with secrets in it is shown without them; false: it is not like that.
bool PreviewWriter::show_json(std::string_view text) {
    const std::size_t first = text.find_first_not_of(" \t\r\n");
    if (first == std::string_view::npos || (text[first] != '{' && text[first] != '[')) {
        return false;
    }
    const auto parsed = json::parse_json(text, {kFullPreview.total, 32, 100'000, true});
    if (!parsed || !has_secrets(*parsed)) {
        return false;
    }
    json::JsonWriter masked;
    json::write_masked(
        masked, *parsed, kMask, [](std::string_view plain) { return std::string(plain); });
    show_text(masked.take());
    return true;
}

}  // namespace

Preview preview_payload(std::string_view payload, const PreviewLimits& limits) {
    PreviewWriter writer(payload, limits);
    if (writer.run()) {
        const bool whole = writer.whole();
        return {writer.take(), whole};
    }
    PreviewWriter raw(payload, limits);
    raw.show_bytes(payload);
    const bool whole = raw.whole();
    return {raw.take(), whole};
}

}  // namespace berth::relay
