#include "agent/relay/disk/batch.h"

#include "shared/wire/append.h"
#include "shared/wire/cursor.h"

namespace berth::relay {

void Batch::add_known(const UsedKey& added) {
    wire::append_whole(known, added.first_id);
    wire::append_whole(known, added.count);
    wire::append_whole(known, added.time_ms);
    wire::append_text(known, added.key);
    known_id = added.first_id;
}

void unpack_known(std::string_view packed, const std::function<void(const UsedKey&)>& each) {
    wire::Cursor cursor(packed);
    while (cursor.ok() && !cursor.at_end()) {
        UsedKey one;
        one.first_id = cursor.whole().value_or(0);
        one.count = cursor.whole().value_or(0);
        one.time_ms = cursor.whole().value_or(0);
        const auto key = cursor.text();
        if (key && cursor.ok()) {
            one.key = *key;
            each(one);
        }
    }
}

}  // namespace berth::relay
