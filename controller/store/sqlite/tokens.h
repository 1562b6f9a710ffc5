#pragma once

#include "controller/store/sqlite/connection.h"
#include "controller/store/tokens.h"

namespace berth::store::sqlite {

// The tokens and keys in controller.db.
class Tokens : public store::Tokens {
public:
    explicit Tokens(Connection& connection) : connection_(connection) {}

    Result<std::string> setup_token_hash() override;
    Result<void> set_setup_token_hash(const std::string& hash) override;
    Result<std::string> device_key(const std::string& offered) override;

private:
    Connection& connection_;
};

}  // namespace berth::store::sqlite
