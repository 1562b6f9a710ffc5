// A module app in C++: counts what it gets, answers with the count, and says it to others.
#include <berth/module.h>

#include <cstdio>
#include <string_view>

#include <berth/ipc.hpp>

BERTH_MODULE;

namespace {

long count = 0;

}  // namespace

int berth_module_init(berth_app* app) {
    std::printf("%s counts; its config is %s\n", app->id, app->config);
    return BERTH_MODULE_SERVE;
}

int berth_module_on_message(berth_app* app, const berth_message* message) {
    ++count;
    const std::string payload(static_cast<const char*>(message->payload), message->size);
    std::printf("%ld: %s\n", count, berth::ipc::text(payload).c_str());
    if (message->correlation != 0) {
        const std::string answer = berth::ipc::pack(std::to_string(count));
        return app->respond(app, message, answer.data(), answer.size());
    }
    return 0;
}

void berth_module_on_event(berth_app* app, const berth_event* event) {
    (void)app;
    std::printf("event %s\n", event->type);
}

void berth_module_stop(berth_app* app) {
    (void)app;
    std::printf("counted %ld\n", count);
}
