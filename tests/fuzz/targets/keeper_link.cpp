#include "agent/keeperlink/messages.h"
#include "tests/fuzz/targets/target.h"

// The stream between agent and keeper: what is understood is written back as the same bytes.
void fuzz_one(std::string_view bytes) {
    using namespace berth::keeperlink;  // NOLINT(google-build-using-namespace)
    FrameBuffer buffer;
    while (!bytes.empty()) {
        buffer.append(fuzz_piece(bytes));
        for (;;) {
            const auto frame = buffer.next();
            if (!frame) {
                return;
            }
            if (!*frame) {
                break;
            }
            const auto message = decode(**frame);
            fuzz_check(!message || std::string_view(encode(*message)).substr(4) == **frame,
                       "a message is written as it was read");
        }
    }
}
