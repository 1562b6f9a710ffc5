#include "controller/app/api_description.h"

#include "controller/access/auth.h"
#include "controller/face/rest/openapi.h"
#include "controller/face/rest/services.h"
#include "controller/store/sqlite/open.h"

namespace berth::controller {

// Routes say what they are beside what they call, so all that can be called is made here. None of
// it is begun: the fleet looks for no agent, no loop turns, and the database is in memory.
Result<std::string> api_description() {
    BERTH_TRY(const auto database, store::sqlite::open(":memory:"));
    BERTH_TRY(const auto auth,
              access::Auth::create({database->users(), database->sessions(), database->tokens()}));
    BERTH_TRY(const auto loop, loop::EventLoop::create());
    loop::WorkerPool workers{loop::WorkerPool::LaneOptions{}};
    fleet::Fleet fleet(*loop, "", nullptr, {});
    service::Services use({*database,
                           *auth,
                           workers,
                           fleet,
                           *loop,
                           std::make_shared<loop::Poster>(*loop),
                           nullptr,
                           nullptr});
    live::Hub hub(*loop, *auth, {});
    const panel::Assets assets("", "");
    const access::Cookies cookies("ID", "");
    const rest::Services services{use, hub, assets, cookies};
    return rest::openapi_document(rest::all_routes(services),
                                  cookies.plain_name(access::kSessionCookie));
}

}  // namespace berth::controller
