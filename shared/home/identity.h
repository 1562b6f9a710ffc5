#pragma once

#include <optional>
#include <string>

#include "shared/base/result.h"
#include "shared/home/places.h"

namespace berth::home {

// What the file <home>/home.id says: for which folder it was written. In a copy of that folder it
// is wrong, which tells a copy from its original.
struct Identity {
    std::string key;   // of the folder
    std::string mark;  // what the processes of this home carry, see marks.h; 32 hex digits
    std::string path;  // where the folder was when this was written
};

// What a home is to the folder that it may have been copied from.
enum class Standing {
    Own,       // it is the folder that its identity names, or has none yet
    Restored,  // it is a copy of one that does not live: a backup, or moved to another file system
    Copy,      // it is a copy of one that lives. Until it is said which of the two has the name and
               // the keys, it does nothing by itself
};

struct Being {
    Standing standing = Standing::Own;
    Identity identity;                 // what is in force: that of a copy is not written down
    std::optional<Identity> original;  // of Restored and Copy
};

// Why a home that is a copy of one that lives does nothing by itself; "" when it is none. And with
// what helps.
std::string reason_to_stand_by(const Being& being);
std::string standby_notice(const Being& being);

// Only looks. Looks at every process for what is left of an original.
Result<Being> being_of(const Places& places);

// Writes down what holds from now on; that of a copy stays the one of its original.
Result<void> settle(const Places& places, const Being& being);

// Says that a copy is a home of its own: from now on it is no copy. Nobody runs it.
Result<void> become_own(const Places& places);

// Says that a copy is the home now, with the name and the keys of the other one. Nobody runs it.
Result<void> take_over(const Places& places);

// What a home that has become its own owes the one that it was copied from, until it is done by the
// one who owns it: other keys, nothing that was still to be sent, no session. Survives a crash.
bool is_to_begin_anew(const Places& places);
Result<void> has_begun_anew(const Places& places);

}  // namespace berth::home
