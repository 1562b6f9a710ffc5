#include "agent/relay/protocol/payload_preview.h"

#include <algorithm>
#include <array>
#include <optional>
#include <utility>
#include <vector>

#include "shared/base/secrets.h"
#include "shared/base/text.h"
#include "shared/json/json_value.h"
#include "shared/json/json_writer.h"
#include "shared/wire/cursor.h"

namespace berth::relay {

namespace {

using wire::Cursor;
using Kind = Cursor::Kind;

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
        : bytes_(bytes), cursor_(bytes), limits_(limits) {}

    // False: it is no msgpack.
    bool run() { return value(0, /*hide=*/false) && cursor_.at_end(); }

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
    bool is_too_deep(std::size_t depth);  // a mark is shown instead
    bool list(std::uint64_t count, std::size_t depth, bool hide);
    bool map(std::uint64_t count, std::size_t depth, bool hide);
    bool member(std::size_t depth, bool hide);
    void show_scalar(const Cursor::Item& item);
    void show_text(std::string_view text);
    bool show_json(std::string_view text);

    // A whole number that a reader with doubles alone would change is text.
    template <class T>
    void show_whole(T v) {
        constexpr std::int64_t kExact = std::int64_t{1} << 53U;
        if (std::cmp_less_equal(v, kExact) && std::cmp_greater_equal(v, -kExact)) {
            json_.value(v);
        } else {
            json_.begin_object().field("int", std::to_string(v)).end_object();
        }
    }

    [[nodiscard]] bool is_full() const { return json_.size() > limits_.total; }

    std::string_view bytes_;
    Cursor cursor_;
    const PreviewLimits& limits_;
    json::JsonWriter json_;
    bool whole_ = true;
};

constexpr std::size_t kDeepest = 128;  // beyond it, nothing is read: each level costs stack

bool PreviewWriter::value(std::size_t depth, bool hide) {
    if (depth > kDeepest) {
        return false;
    }
    const auto item = cursor_.item();
    if (!item) {
        return false;
    }
    if (!hide && is_full() && depth > 0) {
        whole_ = false;
        json_.value(kMore);
        hide = true;
    }
    if (item->kind == Kind::Map) {
        return map(item->number, depth, hide);
    }
    if (item->kind == Kind::Array) {
        return list(item->number, depth, hide);
    }
    if (!hide) {
        show_scalar(*item);
    }
    return true;
}

void PreviewWriter::show_scalar(const Cursor::Item& item) {
    switch (item.kind) {
        case Kind::Nil:
            json_.null();
            break;
        case Kind::Bool:
            json_.value(item.number != 0);
            break;
        case Kind::Whole:
            show_whole(item.number);
            break;
        case Kind::Negative:
            show_whole(item.negative);
            break;
        case Kind::Float:
            json_.value(item.real);
            break;
        case Kind::Text:
            if (!show_json(item.bytes)) {
                show_text(item.bytes);
            }
            break;
        case Kind::Binary:
            show_bytes(item.bytes);
            break;
        case Kind::Extension:
            show_bytes(item.bytes, item.extension);
            break;
        case Kind::Array:
        case Kind::Map:
            break;  // no scalars
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

bool PreviewWriter::list(std::uint64_t count, std::size_t depth, bool hide) {
    hide = hide || is_too_deep(depth);
    const bool shown = !hide;
    if (shown) {
        json_.begin_array();
    }
    for (std::uint64_t i = 0; i < count; ++i) {
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

bool PreviewWriter::map(std::uint64_t count, std::size_t depth, bool hide) {
    hide = hide || is_too_deep(depth);
    const bool shown = !hide;
    if (shown) {
        json_.begin_object();
    }
    for (std::uint64_t i = 0; i < count; ++i) {
        if (!hide && (i >= limits_.items || is_full())) {
            whole_ = false;
            json_.field(kMore, std::to_string(count - i) + " more");
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
    const std::size_t from = cursor_.position();
    if (!value(depth + 1, /*hide=*/true)) {
        return false;
    }
    if (hide) {
        return value(depth + 1, /*hide=*/true);
    }
    // A number is shown as a value would be; a list or map as bytes, as keys in keys would double
    // their backslashes with every level.
    const std::string_view packed = bytes_.substr(from, cursor_.position() - from);
    const auto first = Cursor(packed).item();
    const bool nested = first && (first->kind == Kind::Array || first->kind == Kind::Map);
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

void PreviewWriter::show_text(std::string_view text) {
    if (text.size() <= limits_.text) {
        json_.value(text);
        return;
    }
    whole_ = false;
    json_.value(std::string(cut(text, limits_.text)) + std::string(kMore));
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
