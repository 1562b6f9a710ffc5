#include <string>

#include "shared/zmtp/codec.h"
#include "tests/fuzz/targets/target.h"

namespace {

using berth::zmtp::Reader;

struct Sink : Reader::Sink {
    void greeted() override {}

    void ready() override {}

    bool message(std::span<const std::string_view> parts) override {
        fuzz_check(!parts.empty(), "a message has a part");
        std::size_t size = 0;
        for (const std::string_view part : parts) {
            size += part.size();
            fuzz_check(part.empty() || part.front() == part.data()[0], "parts can be read");
        }
        fuzz_check(size <= 1024 + 2048, "a message is within its limits");
        return ++messages % 7 != 0;  // now and then, it stops there
    }

    void too_large(std::string_view header) override {
        fuzz_check(header.size() <= 1024, "a header is within its limit");
    }

    void ping(std::string_view context) override {
        std::string out;
        berth::zmtp::append_pong(out, context);
    }

    std::size_t messages = 0;
};

}  // namespace

// What a peer sends to the relay's socket, in pieces.
void fuzz_one(std::string_view bytes) {
    Reader reader;
    reader.set_limits({1024, 2048, 3072, 20});
    Sink sink;
    std::string pending;
    while (!bytes.empty() && !reader.broken()) {
        pending += fuzz_piece(bytes);
        for (;;) {  // as long as it stops because the sink said so
            const std::size_t before = sink.messages;
            const std::size_t used = reader.consume(pending, sink);
            fuzz_check(used <= pending.size(), "no more is used than there is");
            pending.erase(0, used);
            if (used == 0 || sink.messages == before || reader.broken()) {
                break;
            }
        }
    }
}
