#include <array>
#include <thread>

#include <catch2/catch.hpp>

#include "controller/http/front.h"
#include "shared/os/fd.h"

using namespace berth;
using namespace berth::http;  // NOLINT(google-build-using-namespace): tests read better

namespace {

// A front whose every answer is a stream of two pieces, of which the second may fail.
struct World {
    explicit World(bool fails) {
        FrontOptions options;
        options.listen = {"127.0.0.1", 0};
        front = std::move(
            *Front::create(*loop,
                           poster,
                           options,
                           {[fails](const Request&, const Responder& responder) {
                                Response response;
                                auto pieces = std::make_shared<int>(0);
                                response.stream = [fails, pieces](const StreamAnswer& answer) {
                                    const bool second = ++*pieces == 2;
                                    answer({second ? "two" : "one", second, second && fails});
                                };
                                responder.send(std::move(response));
                                return false;
                            },
                            [](const Request&) { return false; },
                            [](int status, std::string_view why) {
                                return text_response(std::string(why), status);
                            }}));
        thread = std::thread([this] { loop->run(); });
    }

    ~World() {
        loop->stop();
        thread.join();
        poster->close();
    }

    struct Read {
        std::string body;
        os::IoStatus end;
    };

    Read ask(const std::string& version) const {
        const auto socket = os::connect_tcp(front->address());
        REQUIRE(socket);
        (void)os::send_some(socket->get(),
                            "GET / HTTP/" + version + "\r\nHost: a\r\nConnection: close\r\n\r\n");
        std::string all;
        std::array<char, 4096> buffer{};
        for (;;) {
            const auto got = os::read_some(socket->get(), buffer.data(), buffer.size());
            if (got.status != os::IoStatus::Done) {
                return {all.substr(std::min(all.find("\r\n\r\n") + 4, all.size())), got.status};
            }
            all.append(buffer.data(), got.bytes);
        }
    }

    std::unique_ptr<loop::EventLoop> loop = std::move(*loop::EventLoop::create());
    loop::PosterPtr poster = std::make_shared<loop::Poster>(*loop);
    std::unique_ptr<Front> front;
    std::thread thread;
};

}  // namespace

TEST_CASE("a stream ends as the version of HTTP knows it") {
    const World world(/*fails=*/false);
    CHECK(world.ask("1.1").body == "3\r\none\r\n3\r\ntwo\r\n0\r\n\r\n");
    const World::Read old = world.ask("1.0");
    CHECK(old.body == "onetwo");
    CHECK(old.end == os::IoStatus::Closed);
}

TEST_CASE("a stream that fails does not end as one that is whole") {
    const World world(/*fails=*/true);
    const World::Read read = world.ask("1.1");
    CHECK(read.body.find("0\r\n\r\n") == std::string::npos);
    // HTTP/1.0 knows no other sign than that the connection breaks.
    CHECK(world.ask("1.0").end == os::IoStatus::Failed);
}
