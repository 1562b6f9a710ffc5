#include "agent/store/store.h"

#include "agent/store/schema.h"

namespace berth::store {

Result<std::unique_ptr<Store>> Store::open(const std::string& file) {
    db::Options options;
    options.file = file;
    BERTH_TRY(auto database, db::Database::open(options, agent_schema()));
    return std::unique_ptr<Store>(new Store(std::move(database)));
}

}  // namespace berth::store
