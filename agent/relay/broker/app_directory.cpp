#include "agent/relay/broker/app_directory.h"

#include "shared/base/text.h"

namespace berth::relay {

void AppDirectory::changed(std::vector<AppFacts> changed, const std::vector<std::string>& removed) {
    for (AppFacts& app : changed) {
        rights_.set(app.id, Rights::Kind::Control, app.may_control);
        rights_.set(app.id, Rights::Kind::Notify, app.may_notify);
        const std::string id = app.id;
        apps_[id] = std::move(app);
        if (Box* const box = boxes_.find(id)) {
            settle(*box);
        }
    }
    for (const std::string& id : removed) {
        rights_.remove(id);
        apps_.erase(id);
        if (Box* const box = boxes_.find(id)) {
            settle(*box);
        }
    }
}

const AppFacts* AppDirectory::find(std::string_view app) const {
    const auto found = apps_.find(app);
    return found == apps_.end() ? nullptr : &found->second;
}

bool AppDirectory::is_known(std::string_view app) const {
    if (find(app) != nullptr) {
        return true;
    }
    const Box* const box = boxes_.find(app);
    return box != nullptr && box->seen;
}

Result<Box*> AppDirectory::box(std::string_view app) {
    if (Box* const box = boxes_.find(app)) {
        return box;
    }
    BERTH_TRY(Box* const made, boxes_.make(std::string(app), clock_.key_ms()));
    settle(*made);
    return made;
}

Box& AppDirectory::restore_box(const std::string& app) {
    Box* const found = boxes_.find(app);
    Box& box = found != nullptr ? *found : boxes_.restore(app);
    if (found == nullptr) {
        settle(box);
    }
    return box;
}

// How its messages are given out, by the app's descriptor.
void AppDirectory::settle(Box& box) const {
    const AppFacts* const app = find(*box.mail.app());
    const auto own = app != nullptr ? app->redeliver_after : std::nullopt;
    box.redeliver_after = own.value_or(redelivery_);
    box.max_attempts = app != nullptr ? app->max_attempts : 0;
}

Result<std::string_view> AppDirectory::local_target(std::string_view to) const {
    const std::size_t slash = to.find('/');
    const bool named = slash != std::string_view::npos;
    const std::string_view agent = named ? to.substr(0, slash) : agent_;
    const std::string_view app = named ? to.substr(slash + 1) : to;
    if (!is_valid_id(app) || !is_valid_id(agent)) {
        return fail(ErrorCode::InvalidArgument,
                    "that is no ID and no AGENT/ID, each " + std::string(kIdRule));
    }
    if (agent != agent_) {
        return fail(ErrorCode::NotFound,
                    "agent \"" + std::string(agent) + "\" cannot be reached from here");
    }
    return app;
}

std::optional<PeerAddress> AppDirectory::peer_target(std::string_view to) const {
    const std::size_t slash = to.find('/');
    if (slash == std::string_view::npos) {
        return std::nullopt;
    }
    const std::string_view agent = to.substr(0, slash);
    const std::string_view app = to.substr(slash + 1);
    if (agent == agent_ || !is_valid_id(agent) || !is_valid_id(app)) {
        return std::nullopt;
    }
    return PeerAddress{std::string(agent), std::string(app)};
}

Result<void> AppDirectory::check_notify(const Session& session, std::string_view to) const {
    if (!session.is_operator &&
        !rights_.allowed(*session.box->mail.app(), Rights::Kind::Notify, to)) {
        return fail(ErrorCode::PermissionDenied,
                    "this app may not notify \"" + std::string(to) + "\"");
    }
    return {};
}

Result<void> AppDirectory::check_control(const Session& session, std::string_view to) const {
    if (!session.is_operator &&
        !rights_.allowed(*session.box->mail.app(), Rights::Kind::Control, to)) {
        return fail(ErrorCode::PermissionDenied,
                    "this app may not control \"" + std::string(to) + "\"");
    }
    return {};
}

Result<void> AppDirectory::check_notify_peer(const Session& session,
                                             const PeerAddress& to,
                                             std::string_view name) const {
    // One that has no descriptor was given its secret by hand; there is nowhere to say more.
    const AppFacts* const sender = session.is_operator ? nullptr : find(*session.box->mail.app());
    if (sender != nullptr && !sender->may_notify) {
        return fail(ErrorCode::PermissionDenied,
                    "without a word about it an app may notify apps of its own agent only; "
                    "[ipc] may_notify = [\"" +
                        to.agent + "/.*\"] in its descriptor allows others");
    }
    return check_notify(session, name);
}

}  // namespace berth::relay
