#pragma once
/* Apps of Berth as shared libraries: `module = true` in a berth.toml whose command is a file that
 * ends in .so. Each runs in a process of its own, berth-module-host: its crash, exit or endless
 * loop ends nobody else. C99 and C++; functions are called by name, so nothing is linked.
 *
 *     #include <berth/module.h>
 *     BERTH_MODULE;
 *     int berth_module_init(berth_app* app) { return BERTH_MODULE_SERVE; }
 *     int berth_module_on_message(berth_app* app, const berth_message* message) { return 0; }
 *
 * berth_module_init() either is the app, and the app ends with the exit code that it returns; or it
 * returns BERTH_MODULE_SERVE, and then the host calls the handlers, one at a time, until the app is
 * to end. */
#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
#define BERTH_MODULE_C extern "C"
#else
#define BERTH_MODULE_C
#endif
#define BERTH_MODULE_EXPORT BERTH_MODULE_C __attribute__((visibility("default")))

/* Counts up when an old module would be misread. */
#define BERTH_MODULE_ABI 1

/* Once in every module: by this the host knows it and its version. */
#define BERTH_MODULE                                     \
    BERTH_MODULE_EXPORT const uint32_t berth_module_abi; \
    const uint32_t berth_module_abi = BERTH_MODULE_ABI

/* What berth_module_init() returns to be served; no exit code is as large. */
#define BERTH_MODULE_SERVE 0x5E24E

typedef struct berth_app berth_app;

/* Payloads are msgpack; those of berth/ipc.hpp, pack() and text(), do for plain values. What a
 * message or event points to is valid until the handler returns. */
typedef struct berth_message {
    uint64_t id;
    const char* from;     /* the sending app; "": the operator */
    uint64_t time_ms;     /* when it was sent, Unix time */
    uint64_t attempt;     /* 1: given out for the first time */
    uint64_t correlation; /* not 0: a request, whose sender waits for app->respond() */
    const void* payload;
    size_t size;
} berth_message;

typedef struct berth_event {
    const char* type;
    const char* from;
    uint64_t seq;
    const void* payload; /* NULL: none */
    size_t size;
} berth_event;

/* The app, and what the host does for it. The functions may be called from any thread; those that
 * talk to other apps give 0 or the relay's code: 403 not allowed, 404 unknown, 429 mailbox full,
 * 503 the agent is not there, 504 no answer in time. */
struct berth_app {
    uint32_t size; /* of this structure; later versions append */
    const char* id;
    const char* agent;
    const char* folder; /* of the module's file */
    const char* config; /* the config variables, a JSON object */
    int argc;           /* the words of the command; argv[0] is the module's file */
    char** argv;
    void* user; /* the module's own */

    /* Whether the app is to end. */
    int (*stopping)(const berth_app* app);
    /* Until the app is to end (gives 1), or `ms` milliseconds have passed (gives 0). */
    int (*wait)(const berth_app* app, uint32_t ms);
    /* Stored when it returns 0. */
    int (*notify)(berth_app* app, const char* to, const void* payload, size_t size);
    /* Asks an app; `answer` is called once, before it returns 0. */
    int (*request)(berth_app* app,
                   const char* to,
                   const void* payload,
                   size_t size,
                   uint32_t timeout_ms,
                   void (*answer)(void* context, const void* payload, size_t size),
                   void* context);
    int (*respond)(berth_app* app, const berth_message* message, const void* payload, size_t size);
    /* Tells every other app that listens now; without payload when `payload` is NULL. */
    int (*raise)(berth_app* app, const char* type, const void* payload, size_t size);
};

/* Required. */
BERTH_MODULE_EXPORT int berth_module_init(berth_app* app);

/* The app is to end (SIGTERM); after stop.timeout it is killed. While it is served: called after
 * the handler that runs, and the app ends when it returns. Else: called in a thread of its own, as
 * berth_module_init() may be in the middle of anything, and that should return soon. A module
 * without it ends at once when it is not served. */
BERTH_MODULE_EXPORT void berth_module_stop(berth_app* app);

/* A message, in the order they were sent. 0: done with it; anything else, or an exception: it comes
 * again after [ipc] redeliver_after, half a minute when that is not given; those behind it are not
 * held back meanwhile, so it is overtaken, which the app's log says. However long it takes, nobody
 * else gets the message. A request is answered with app->respond(). */
BERTH_MODULE_EXPORT int berth_module_on_message(berth_app* app, const berth_message* message);

BERTH_MODULE_EXPORT void berth_module_on_event(berth_app* app, const berth_event* event);
