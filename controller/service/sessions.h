#pragma once

#include <functional>
#include <string>

#include "controller/access/auth.h"
#include "controller/service/refusals.h"
#include "controller/service/runner.h"
#include "controller/store/tokens.h"

namespace berth::service {

// What somebody shows to get in.
struct Proof {
    std::string user;
    std::string password;
    std::string devices;  // the cookie of known browsers, "" for none
};

// Getting in and out. What hashes blocks: worker threads, but for setup_required().
class Sessions {
public:
    // All outlive it. `set_up`: the setup link was used.
    Sessions(const Runner& runner,
             access::Auth& auth,
             store::Tokens& tokens,
             Refusals& refusals,
             std::function<void()> set_up)
        : runner_(runner),
          auth_(auth),
          tokens_(tokens),
          refusals_(refusals),
          set_up_(std::move(set_up)) {}

    // Whether there is no user yet.
    [[nodiscard]] bool setup_required() const { return auth_.setup_required(); }

    // Opens a session; the one that the caller has ends, so that none can be fixed beforehand.
    // Unauthenticated, and Exhausted: `retry_after` says how long to wait.
    Result<access::Opened> log_in(const Caller& caller, const Proof& proof, Duration& retry_after);

    // The same for the first admin, who is made with the one-time token. PermissionDenied.
    Result<access::Opened> set_up(const Caller& caller,
                                  const std::string& token,
                                  const Proof& proof,
                                  Duration& retry_after);

    Result<void> log_out(const Caller& caller);

    // The user's other sessions end. PermissionDenied, Exhausted.
    Result<void> change_own_password(const Caller& caller,
                                     const std::string& present,
                                     const std::string& password,
                                     Duration& retry_after);

    // Whether the database answers.
    [[nodiscard]] Result<void> check_ready() const;

private:
    using Open = std::function<Result<access::Opened>(const access::Auth::Credentials&)>;

    Result<access::Opened> open(const UseCase& use_case,
                                const Caller& caller,
                                const Proof& proof,
                                const Open& open);

    const Runner& runner_;
    access::Auth& auth_;
    store::Tokens& tokens_;
    Refusals& refusals_;
    std::function<void()> set_up_;
};

}  // namespace berth::service
