#include "shared/home/identity.h"

#include "shared/base/text.h"
#include "shared/home/marks.h"
#include "shared/home/runtime_folder.h"
#include "shared/os/file.h"

namespace berth::home {

namespace {

constexpr std::size_t kMarkSize = 32;
constexpr const char* kAnewFile = "/home.anew";

std::string file_of(const Places& places) {
    return places.home + "/home.id";
}

std::optional<Identity> read(const Places& places) {
    const auto text = os::read_file(file_of(places));
    const auto lines = split(text ? *text : std::string_view(), '\n');
    if (lines.size() < 3 || lines[0].empty() || lines[1].size() != kMarkSize) {
        return std::nullopt;
    }
    return Identity{std::string(lines[0]), std::string(lines[1]), std::string(lines[2])};
}

Result<void> write(const Places& places, const Identity& identity) {
    return os::replace_file(file_of(places),
                            identity.key + '\n' + identity.mark + '\n' + identity.path + '\n');
}

bool lives(const Places& places, const Identity& original) {
    return is_held(places.runtime_base, original.key) || !processes_marked(original.mark).empty();
}

// The version before drew the mark when it made the keeper's records, and kept it in these: a copy
// of them has the mark of the original. Where that is, its processes tell.
void recognise_old_layout(const Places& places, Being& being) {
    const auto mark = mark_of_records(places.at("keeper.records"));
    if (!mark) {
        return;
    }
    for (const MarkedProcess& process : processes_marked(*mark)) {
        const auto key =
            process.home.empty() ? Result<std::string>(being.identity.key) : key_of(process.home);
        if (key && *key != being.identity.key) {
            being.standing = Standing::Copy;
            being.original = Identity{*key, *mark, process.home};
            return;
        }
    }
    being.identity.mark = *mark;
}

}  // namespace

std::string reason_to_stand_by(const Being& being) {
    if (being.standing != Standing::Copy) {
        return {};
    }
    return "this home is a copy of " + being.original->path + ", which lives";
}

std::string standby_notice(const Being& being) {
    const std::string why = reason_to_stand_by(being);
    return why.empty() ? why
                       : why +
                             ": nothing starts by itself here, and nothing is sent; say `berth "
                             "home --as-copy` to make it a home of its own, or end the other one "
                             "and say `berth home --takes-over`";
}

Result<Being> being_of(const Places& places) {
    BERTH_TRY(const std::string key, key_of(places.home));
    Being being;
    being.identity = {key, key, places.home};
    const auto written = read(places);
    if (!written) {
        if (places.old_layout) {
            recognise_old_layout(places, being);
        }
        return being;
    }
    if (written->key == key) {
        being.identity.mark = written->mark;
        return being;
    }
    being.original = written;
    being.standing = lives(places, *written) ? Standing::Copy : Standing::Restored;
    return being;
}

Result<void> settle(const Places& places, const Being& being) {
    const auto written = read(places);
    if (being.standing == Standing::Copy) {
        // That of the layout before is lost with the records.
        return written ? Result<void>() : write(places, *being.original);
    }
    if (written && written->key == being.identity.key && written->mark == being.identity.mark &&
        written->path == being.identity.path) {
        return {};
    }
    return write(places, being.identity);
}

Result<void> become_own(const Places& places) {
    BERTH_TRY(const std::string key, key_of(places.home));
    BERTH_CHECK(os::replace_file(places.home + kAnewFile, ""));
    return write(places, {key, key, places.home});
}

Result<void> take_over(const Places& places) {
    BERTH_TRY(const std::string key, key_of(places.home));
    return write(places, {key, key, places.home});
}

bool is_to_begin_anew(const Places& places) {
    return os::exists(places.home + kAnewFile);
}

Result<void> has_begun_anew(const Places& places) {
    return os::remove_tree(places.home + kAnewFile);
}

}  // namespace berth::home
