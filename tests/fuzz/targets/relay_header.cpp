#include "agent/relay/protocol/requests.h"
#include "tests/fuzz/targets/target.h"

// The header frame of a request to the relay: any bytes are read or refused.
void fuzz_one(std::string_view bytes) {
    using namespace berth::relay;  // NOLINT(google-build-using-namespace)
    RequestHeader request;
    if (!read_request(bytes, request)) {
        return;
    }
    fuzz_check(request.id != 0, "a request has a number");
    std::uint64_t sum = 0;
    request.args.ids.for_each([&sum](std::uint64_t id) { sum += id; });
    for (const auto& text : {request.args.app,
                             request.args.secret,
                             request.args.to,
                             request.args.type,
                             request.args.dedupe}) {
        fuzz_check(!text || (text->data() >= bytes.data() &&
                             text->data() + text->size() <= bytes.data() + bytes.size()),
                   "arguments are views of the frame");
    }
    (void)error_header(request.id + sum, Code::Malformed, "x");
}
