#pragma once

#include <map>
#include <set>
#include <string>
#include <vector>

#include "agent/apps/conductor.h"
#include "agent/apps/ledger.h"
#include "agent/apps/table.h"
#include "shared/model/app_spec.h"

namespace berth::apps {

// The id that an app's descriptor gives it: "web" for "web" and for "web.1", an instance of it.
std::string base_of(const AppSpec& spec);

// Apps that are on their way out because another number, or another form, of them is wanted (one
// plain "web", or "web.1", "web.2"), and those that start in their place, but not before they are
// gone. Both are stored, so that an agent that is killed meanwhile goes on with it. Owned by the
// Catalog. Loop thread.
class Succession {
public:
    Succession(Table& table, Ledger& ledger, Conductor& conductor)
        : table_(table), ledger_(ledger), conductor_(conductor) {}

    // What the agent before this one had not done yet; of apps that are in the table.
    void recall();

    // Stops it; once nothing of it runs take_gone() gives it.
    void retire(const std::string& id, const Actor& actor);

    // It is wanted after all.
    void keep(const std::string& id);

    // These start when none of the same base is on its way out any more.
    void inherit(const std::vector<std::string>& ids);

    [[nodiscard]] bool retires(const std::string& id) const { return retiring_.count(id) != 0; }

    // Whether any app of this base is to start when the others have gone.
    [[nodiscard]] bool has_heirs(const std::string& base) const;

    // The end of a turn: those that are down now and are to be forgotten; then start_heirs().
    std::vector<std::string> take_gone();
    void start_heirs();

private:
    void store();
    [[nodiscard]] bool any_retires(const std::string& base) const;

    Table& table_;
    Ledger& ledger_;
    Conductor& conductor_;
    std::set<std::string> retiring_;
    std::set<std::string> heirs_;
};

}  // namespace berth::apps
