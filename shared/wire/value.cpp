#include "shared/wire/value.h"

#include <algorithm>
#include <limits>

#define MSGPACK_NO_BOOST
#include <msgpack.hpp>

#include "shared/wire/cursor.h"

namespace berth::wire {

namespace {

const Value kNil;             // NOLINT(cert-err58-cpp): no allocation
const std::string kNoString;  // NOLINT(cert-err58-cpp)
const Value::Array kNoArray;  // NOLINT(cert-err58-cpp)
const Value::Map kNoMap;      // NOLINT(cert-err58-cpp)

template <class T>
const T* get(const Value& value) {
    return std::get_if<T>(&value.data());
}

// Walks a msgpack value without allocating, before msgpack-c makes it: that one's own limits still
// let 93 bytes ask for 69 MiB.
class Guard {
public:
    Guard(std::string_view bytes, const Limits& limits)
        : bytes_(bytes), limits_(limits), cursor_(bytes) {}

    Result<void> walk() {
        BERTH_CHECK(value(0));
        if (!cursor_.at_end()) {
            const std::size_t left = bytes_.size() - cursor_.position();
            return broken(std::to_string(left) + " bytes behind its end");
        }
        return {};
    }

private:
    using Kind = Cursor::Kind;

    tl::unexpected<Error> broken(const std::string& what) const {
        return fail(ErrorCode::InvalidArgument,
                    "msgpack: " + what + " at byte " + std::to_string(cursor_.position()));
    }

    // Why there is no item at `begin`.
    tl::unexpected<Error> no_item(std::size_t begin) const {
        const auto type = begin < bytes_.size() ? static_cast<unsigned char>(bytes_[begin]) : 0U;
        const bool extension = (type >= 0xC7 && type <= 0xC9) || (type >= 0xD4 && type <= 0xD8);
        const bool counted = (type >= 0x80 && type <= 0x9F) || (type >= 0xDC && type <= 0xDF);
        return broken(extension || type == 0xC1 ? "a type that is not used here"
                      : counted                 ? "more elements than bytes"
                                                : "cut short");
    }

    Result<void> value(std::size_t depth) {
        const std::size_t begin = cursor_.position();
        const auto item = cursor_.item();
        if (!item) {
            return no_item(begin);
        }
        if (item->kind == Kind::Extension) {
            return broken("a type that is not used here");
        }
        const bool map = item->kind == Kind::Map;
        return map || item->kind == Kind::Array ? elements(item->number, map, depth)
                                                : Result<void>();
    }

    Result<void> elements(std::uint64_t count, bool map, std::size_t depth) {
        if (depth + 1 > limits_.depth) {
            return broken("nested deeper than " + std::to_string(limits_.depth));
        }
        const std::uint64_t values = map ? count * 2 : count;
        if (values > bytes_.size() - cursor_.position()) {
            return broken("more elements than bytes");
        }
        seen_ += values;
        if (seen_ > limits_.elements) {
            return broken("more than " + std::to_string(limits_.elements) + " elements");
        }
        for (std::uint64_t i = 0; i < count; ++i) {
            if (map) {
                const auto key = cursor_.item();
                if (!key || key->kind != Kind::Text) {
                    return broken("a map key that is no string");
                }
            }
            BERTH_CHECK(value(depth + 1));
        }
        return {};
    }

    std::string_view bytes_;
    const Limits& limits_;
    Cursor cursor_;
    std::uint64_t seen_ = 0;
};

using Packer = msgpack::packer<msgpack::sbuffer>;

void pack(Packer& out, const Value& value);

struct PackVisitor {
    Packer& out;

    void operator()(std::monostate) const { out.pack_nil(); }

    void operator()(bool v) const { out.pack(v); }

    void operator()(std::int64_t v) const { out.pack(v); }

    void operator()(std::uint64_t v) const { out.pack(v); }

    void operator()(double v) const { out.pack(v); }

    void operator()(const std::string& v) const { out.pack(v); }

    void operator()(const Value::Array& v) const {
        out.pack_array(static_cast<std::uint32_t>(v.size()));
        for (const Value& element : v) {
            pack(out, element);
        }
    }

    void operator()(const Value::Map& v) const {
        out.pack_map(static_cast<std::uint32_t>(v.size()));
        for (const auto& [key, member] : v) {
            out.pack(key);
            pack(out, member);
        }
    }
};

void pack(Packer& out, const Value& value) {
    std::visit(PackVisitor{out}, value.data());
}

Value convert(const msgpack::object& object) {
    switch (object.type) {
        case msgpack::type::BOOLEAN:
            return object.via.boolean;
        case msgpack::type::POSITIVE_INTEGER:
            return std::uint64_t{object.via.u64};
        case msgpack::type::NEGATIVE_INTEGER:
            return std::int64_t{object.via.i64};
        case msgpack::type::FLOAT32:
        case msgpack::type::FLOAT64:
            return object.via.f64;
        case msgpack::type::STR:
            return std::string(object.via.str.ptr, object.via.str.size);
        case msgpack::type::BIN:
            return std::string(object.via.bin.ptr, object.via.bin.size);
        case msgpack::type::ARRAY: {
            Value::Array array;
            array.reserve(object.via.array.size);
            for (std::uint32_t i = 0; i < object.via.array.size; ++i) {
                array.push_back(convert(object.via.array.ptr[i]));
            }
            return array;
        }
        case msgpack::type::MAP: {
            Value::Map map;
            map.reserve(object.via.map.size);
            for (std::uint32_t i = 0; i < object.via.map.size; ++i) {
                const msgpack::object_kv& member = object.via.map.ptr[i];
                map.emplace_back(std::string(member.key.via.str.ptr, member.key.via.str.size),
                                 convert(member.val));
            }
            return map;
        }
        case msgpack::type::NIL:
        case msgpack::type::EXT:
            break;
    }
    return {};
}

bool has_duplicate_keys(const Value& value) {
    if (value.is_array()) {
        const auto& array = value.as_array();
        return std::any_of(array.begin(), array.end(), has_duplicate_keys);
    }
    std::vector<std::string_view> keys;
    for (const auto& [key, member] : value.as_map()) {
        if (has_duplicate_keys(member)) {
            return true;
        }
        keys.push_back(key);
    }
    std::sort(keys.begin(), keys.end());
    return std::adjacent_find(keys.begin(), keys.end()) != keys.end();
}

}  // namespace

bool Value::is_unsigned() const {
    const auto* const number = get<std::int64_t>(*this);
    return get<std::uint64_t>(*this) != nullptr || (number != nullptr && *number >= 0);
}

bool Value::as_bool(bool fallback) const {
    const auto* const v = get<bool>(*this);
    return v != nullptr ? *v : fallback;
}

std::int64_t Value::as_int(std::int64_t fallback) const {
    if (const auto* const v = get<std::int64_t>(*this)) {
        return *v;
    }
    const auto* const u = get<std::uint64_t>(*this);
    const bool fits =
        u != nullptr && *u <= static_cast<std::uint64_t>(std::numeric_limits<std::int64_t>::max());
    return fits ? static_cast<std::int64_t>(*u) : fallback;
}

std::uint64_t Value::as_uint(std::uint64_t fallback) const {
    if (const auto* const u = get<std::uint64_t>(*this)) {
        return *u;
    }
    const auto* const v = get<std::int64_t>(*this);
    return v != nullptr && *v >= 0 ? static_cast<std::uint64_t>(*v) : fallback;
}

double Value::as_double(double fallback) const {
    if (const auto* const v = get<double>(*this)) {
        return *v;
    }
    if (const auto* const u = get<std::uint64_t>(*this)) {
        return static_cast<double>(*u);
    }
    const auto* const i = get<std::int64_t>(*this);
    return i != nullptr ? static_cast<double>(*i) : fallback;
}

const std::string& Value::as_string() const {
    const auto* const v = get<std::string>(*this);
    return v != nullptr ? *v : kNoString;
}

const Value::Array& Value::as_array() const {
    const auto* const v = get<Array>(*this);
    return v != nullptr ? *v : kNoArray;
}

const Value::Map& Value::as_map() const {
    const auto* const v = get<Map>(*this);
    return v != nullptr ? *v : kNoMap;
}

const Value& Value::operator[](std::string_view key) const {
    for (const auto& [name, member] : as_map()) {
        if (name == key) {
            return member;
        }
    }
    return kNil;
}

const Value& Value::at(std::size_t index) const {
    const Array& array = as_array();
    return index < array.size() ? array[index] : kNil;
}

std::vector<std::string> Value::as_strings() const {
    std::vector<std::string> texts;
    for (const Value& element : as_array()) {
        if (element.is_string()) {
            texts.push_back(element.as_string());
        }
    }
    return texts;
}

Value strings(const std::vector<std::string>& values) {
    Value::Array array;
    array.reserve(values.size());
    for (const std::string& value : values) {
        array.emplace_back(value);
    }
    return array;
}

std::string encode(const Value& value) {
    msgpack::sbuffer buffer;
    Packer packer(buffer);
    pack(packer, value);
    return {buffer.data(), buffer.size()};
}

Result<Value> decode(std::string_view bytes, const Limits& limits) {
    if (bytes.size() > limits.bytes) {
        return fail(ErrorCode::TooLarge,
                    "msgpack: larger than " + std::to_string(limits.bytes) + " bytes");
    }
    BERTH_CHECK(Guard(bytes, limits).walk());
    try {
        const auto handle = msgpack::unpack(bytes.data(), bytes.size());
        Value value = convert(handle.get());
        if (has_duplicate_keys(value)) {
            return fail(ErrorCode::InvalidArgument, "msgpack: a map has the same key twice");
        }
        return value;
    } catch (const msgpack::unpack_error& error) {
        return fail(ErrorCode::InvalidArgument, std::string("msgpack: ") + error.what());
    }
}

}  // namespace berth::wire
