#include "controller/service/sessions.h"

#include "controller/service/use_cases.h"
#include "shared/base/text.h"
#include "shared/log/log.h"

namespace berth::service {

Result<access::Opened> Sessions::open(const UseCase& use_case,
                                      const Caller& caller,
                                      const Proof& proof,
                                      const Open& open) {
    using Opening = Changed<access::Opened>;
    return runner_.change_now<access::Opened>(use_case, caller, [&]() -> Opening {
        Result<access::Opened> opened =
            open({proof.user, proof.password, caller.address, proof.devices, caller.who});
        // What was typed as a name may be a password: only real names are written down.
        Note note{is_valid_id(proof.user) ? proof.user : "-", "done"};
        if (opened) {
            if (caller.who) {
                auth_.log_out(caller.who->session);
            }
            return Opening::begun({std::move(opened)}, std::move(note));
        }
        // Of tries that are turned away unseen nothing is known, and there may be any number of
        // them.
        Error error = std::move(opened).error();
        if (error.code == ErrorCode::Exhausted) {
            log::warning("log-ins are slowed down after failures", {{"address", caller.address}});
            return Opening::not_begun(std::move(error));
        }
        const auto others = refusals_.admit(read_clocks().mono);
        if (!others) {
            return Opening::not_begun(std::move(error));
        }
        note.result =
            "refused: " + error.message +
            (*others > 0 ? "; " + std::to_string(*others) + " more were refused before" : "");
        return Opening::begun({fail(std::move(error))}, std::move(note));
    });
}

Result<access::Opened> Sessions::log_in(const Caller& caller,
                                        const Proof& proof,
                                        Duration& retry_after) {
    return open(kLogIn, caller, proof, [&](const access::Auth::Credentials& credentials) {
        return auth_.log_in(credentials, retry_after);
    });
}

Result<access::Opened> Sessions::set_up(const Caller& caller,
                                        const std::string& token,
                                        const Proof& proof,
                                        Duration& retry_after) {
    return open(kSetUp, caller, proof, [&](const access::Auth::Credentials& credentials) {
        auto opened = auth_.set_up(token, credentials, retry_after);
        if (opened) {
            set_up_();
        }
        return opened;
    });
}

Result<void> Sessions::log_out(const Caller& caller) {
    return runner_.change_now<void>(kLogOut, caller, [&] {
        auth_.log_out(caller.who->session);
        return Changed<void>::begun({Result<void>()}, {caller.who->user, "done"});
    });
}

Result<void> Sessions::change_own_password(const Caller& caller,
                                           const std::string& present,
                                           const std::string& password,
                                           Duration& retry_after) {
    return runner_.change_now<void>(kChangeOwnPassword, caller, [&] {
        auto done = auth_.change_own_password(*caller.who, present, password, retry_after);
        if (!done && done.error().code == ErrorCode::Exhausted) {
            return Changed<void>::not_begun(std::move(done).error());
        }
        const std::string result = done ? "done" : "refused: " + done.error().message;
        return Changed<void>::begun({std::move(done)}, {caller.who->user, result});
    });
}

Result<void> Sessions::check_ready() const {
    BERTH_TRY(const auto hash, tokens_.setup_token_hash());
    (void)hash;
    return {};
}

}  // namespace berth::service
