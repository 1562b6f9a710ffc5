#pragma once

#include "controller/store/agents.h"
#include "controller/store/audit.h"
#include "controller/store/sessions.h"
#include "controller/store/tokens.h"
#include "controller/store/users.h"

namespace berth::store {

// What one database keeps for the controller, by who uses it. Whoever needs a part takes that part;
// only who opens the database sees all of them. Its parts live as long as it does.
class Database {
public:
    Database() = default;
    virtual ~Database() = default;
    Database(const Database&) = delete;
    Database& operator=(const Database&) = delete;

    virtual Users& users() = 0;
    virtual Sessions& sessions() = 0;
    virtual Tokens& tokens() = 0;
    virtual Agents& agents() = 0;
    virtual Audit& audit() = 0;
};

}  // namespace berth::store
