#pragma once

#include <string>
#include <string_view>

#include "shared/base/result.h"

namespace berth::home {

// Names a folder by what it is on its file system (device, inode, birth time), however its path is
// written and wherever it was moved to there: 32 hex digits. A copy of it, or another folder that
// the file system later gives the same inode, has another key. Error: there is no such folder.
Result<std::string> key_of(const std::string& folder);

// Where the parts of one home (of an agent, or of a controller) lie.
//
// What is true only while processes live (sockets, pid files, FIFOs, the keeper's records) is in a
// folder of its own outside of the home, so that no copy and no backup of the home has it:
//
//   /run/berth/KEY            of a home that belongs to root
//   /tmp/berth-UID/KEY        of one of another user, whoever looks
//   DIR/KEY                   when the file <home>/runtime-dir says DIR
//
// Never in the session's folder ($XDG_RUNTIME_DIR): that one goes at log-out, while apps live. The
// locks are in the home: whoever runs a home is decided there. <home>/run is a link to the folder,
// for people and old clients; our programs never follow it, as a copy has it too.
struct Places {
    std::string home;
    std::string key;           // "": there is no such home
    unsigned owner = 0;        // user id, of the home
    std::string runtime_base;  // what the runtime folders of this user are in
    std::string runtime;       // "" without a key
    // The home was last used by a version which had all this in <home>/run: `runtime` is that, and
    // the locks are in it. The next keeper or controller moves it.
    bool old_layout = false;

    // "control.sock" in the runtime folder.
    [[nodiscard]] std::string at(std::string_view name) const;

    // The lock that WHO ("keeper", "agent", "controller", "up") holds while it runs this home.
    [[nodiscard]] std::string lock(std::string_view who) const;
    [[nodiscard]] std::string pid_file(std::string_view who) const;
};

// Only looks. A home that is not there has no key, and nothing in it is found.
Places places_of(const std::string& home);

// The same home as its next keeper or controller will have it.
Places new_layout_of(Places places);

// Makes DIR the folder in which the home's runtime folder is. Error: DIR is not absolute, or
// somebody runs the home.
Result<void> choose_runtime_base(const std::string& home, const std::string& folder);

}  // namespace berth::home
