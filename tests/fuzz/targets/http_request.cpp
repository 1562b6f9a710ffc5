#include "controller/http/request_reader.h"
#include "tests/fuzz/targets/target.h"

// What a client of the controller sends, in pieces.
void fuzz_one(std::string_view bytes) {
    using namespace berth::http;  // NOLINT(google-build-using-namespace)
    RequestReader reader(RequestLimits{2048, 1024, 256, 20});
    while (!bytes.empty()) {
        reader.feed(fuzz_piece(bytes));
        while (reader.progress() == RequestReader::Progress::Complete) {
            const Request request = reader.take();
            fuzz_check(request.body.size() <= 1024, "a body is within its limit");
            (void)request.header("host");
            (void)request.parameter("q");
        }
        if (reader.progress() == RequestReader::Progress::Rejected) {
            fuzz_check(reader.rejection().status >= 400, "a rejection says which");
            return;
        }
    }
    (void)reader.take_rest();
}
