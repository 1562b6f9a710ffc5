#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "agent/apps/figures/history.h"
#include "agent/apps/figures/store.h"
#include "agent/backend/backend.h"
#include "agent/backend/sample.h"
#include "shared/loop/event_loop.h"
#include "shared/model/app_status.h"

namespace berth::figures {

// A run whose figures can be taken.
struct Subject {
    backend::RunName run;
    std::int32_t pid = 0;
};

// CPU, memory and the like of the apps that run: taken when somebody asks, every 5 s while somebody
// looks, and every 5 minutes in any case, while anything runs. Owned by Apps. Loop thread.
class Sampler {
public:
    using Subjects = std::function<std::vector<Subject>()>;

    // How it learns of an app's mailbox; nothing: it has none.
    using MailboxOf = std::function<std::optional<MailboxStatus>(const std::string& app)>;

    Sampler(loop::EventLoop& loop, backend::Backend& backend, Subjects subjects);

    // Keeps the week in FILE from now on; without that it is not kept, which is logged.
    void keep_in(const std::string& file);

    void set_mailbox_of(MailboxOf mailbox_of) { mailbox_of_ = std::move(mailbox_of); }

    // Takes them anew, but those that were taken within `fresh`.
    void sample(Duration fresh);

    // What was taken last; all unset: nothing of the present run.
    [[nodiscard]] Sample of(const std::string& id) const;

    // The ids whose figures are others than when this was asked last, whoever has taken them since:
    // what subscribers do not know yet.
    std::set<std::string> untold();

    // Somebody looks at the figures, or nobody does any more.
    void watch(bool watched);

    // Its run has begun or ended: what was taken of the one before says nothing.
    void reset(const std::string& id) { latest_.erase(id); }

    // The app is no more.
    void remove(const std::string& id);

    [[nodiscard]] const History& history() const { return history_; }

private:
    // What subscribers were told last.
    struct Told {
        std::optional<std::uint64_t> rss_bytes;
        std::optional<std::int64_t> cpu_tenths;  // of a percent

        friend bool operator==(const Told&, const Told&) = default;
    };

    struct Latest {
        Sample sample;
        Told told;
    };

    void arm();
    void sample_all();

    loop::EventLoop& loop_;
    backend::Backend& backend_;
    Subjects subjects_;
    MailboxOf mailbox_of_;
    std::map<std::string, Latest> latest_;
    std::unique_ptr<Store> store_;  // null: it cannot be opened
    History history_{nullptr};
    bool watched_ = false;
    MonoTime kept_at_;
    loop::Registration timer_;
    loop::Registration clock_hook_;
};

}  // namespace berth::figures
