#pragma once

#include <map>
#include <memory>
#include <string>
#include <vector>

#include "agent/apps/app.h"
#include "agent/supervisor/needs.h"
#include "shared/base/result.h"

namespace berth::apps {

// The apps of this home, by id. Owned by Apps; an App stays where it is until it is erased. Loop
// thread.
class Table final : public supervisor::Machines {
public:
    using Entries = std::map<std::string, std::unique_ptr<App>>;

    // Null: there is none.
    [[nodiscard]] const App* find(const std::string& id) const;
    [[nodiscard]] App* find(const std::string& id);

    // Error: NotFound.
    [[nodiscard]] Result<App*> require(const std::string& id);

    // In the order of their ids.
    [[nodiscard]] const Entries& all() const { return apps_; }

    App& insert(std::unique_ptr<App> app);

    void erase(const std::string& id) { apps_.erase(id); }

    // Whether the backend has anything of any of them.
    [[nodiscard]] bool any_occupied() const;

    [[nodiscard]] const supervisor::Machine* machine(const std::string& id) const override;
    [[nodiscard]] std::vector<std::string> instances_of(const std::string& base) const override;
    [[nodiscard]] std::vector<std::string> ids() const override;

private:
    Entries apps_;
};

}  // namespace berth::apps
