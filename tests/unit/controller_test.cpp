#include <atomic>
#include <set>
#include <thread>

#include "controller/app/api_description.h"
#include "tests/unit/controller_world.h"

using namespace std::chrono_literals;
using namespace berth;
using namespace berth::controller;  // NOLINT(google-build-using-namespace): tests read better

TEST_CASE("every route refuses whom it does not name, and all responses carry the headers") {
    World world;
    Client anonymous(world.it->url());
    Client viewer = world.user("vic", "viewer");
    Client op = world.user("oscar", "operator");
    const auto document = json::parse_json(anonymous.ask("GET", "/api/v1/openapi.json").body);
    REQUIRE(document);
    const std::set<std::string> not_asked = {"/api/v1/session", "/api/v1/setup", "/api/v1/live"};
    std::size_t routes = 0;
    for (const auto& path : document->find("paths")->members()) {
        if (not_asked.count(path.key) != 0) {
            continue;
        }
        for (const auto& operation : path.value.members()) {
            std::string address = path.key;
            for (auto open = address.find('{'); open != std::string::npos;
                 open = address.find('{')) {
                const auto size = address.find('}') - open + 1;
                const bool verb = address.substr(open, size) == "{verb}";
                address.replace(open, size, verb ? "stop" : "nothing");
            }
            std::string method = operation.key;
            std::transform(method.begin(), method.end(), method.begin(), [](char c) {
                return static_cast<char>(c - 32);
            });
            CAPTURE(method, address);
            const std::string role = *operation.value.get<std::string>("x-role");
            const Reply nobody = anonymous.ask(method, address, method == "GET" ? "" : "{}");
            CHECK((nobody.status == 401) == (role != "everybody"));
            for (const char* name : {"Content-Security-Policy",
                                     "X-Content-Type-Options",
                                     "Referrer-Policy",
                                     "Cross-Origin-Opener-Policy",
                                     "Cross-Origin-Resource-Policy",
                                     "Cache-Control"}) {
                CHECK_FALSE(nobody.header(name).empty());
            }
            const Reply low = viewer.ask(method, address, method == "GET" ? "" : "{}");
            CHECK((low.status == 403) == (role == "operator" || role == "admin"));
            const Reply middle = op.ask(method, address, method == "GET" ? "" : "{}");
            CHECK((middle.status == 403) == (role == "admin"));
            if (method != "GET") {
                CHECK(world.admin->ask(method, address, "{}", "Origin: http://evil.example\r\n")
                          .status == 403);
                CHECK(world.admin->ask(method, address, "{}", "Sec-Fetch-Site: cross-site\r\n")
                          .status == 403);
                CHECK(world.admin->ask(method, address, "{}", "Content-Type: text/plain\r\n")
                          .status == 415);
                Client forged = *world.admin;
                forged.csrf = "guess";
                CHECK(forged.ask(method, address, "{}").status == 403);
            }
            ++routes;
        }
    }
    CHECK(routes >= 23);
    // What no route names is refused.
    for (const char* path :
         {"/api", "/api/", "/api/v1/nothing", "/api/v1/agents/a/apps/b/c/d", "/api/v2/apps"}) {
        CAPTURE(path);
        CHECK(anonymous.ask("GET", path).status == (std::string(path) == "/api" ? 404 : 401));
        CHECK(world.admin->ask("GET", path).status == 404);
    }
}

TEST_CASE("a DELETE without a body needs no type, what carries a body does") {
    World world;
    const auto bare = [&world](const std::string& method, const std::string& body) {
        return world.admin->raw(
            method + " /api/v1/agents/nobody HTTP/1.1\r\nHost: " + world.admin->host() +
            "\r\nConnection: close\r\nCookie: " + world.admin->cookie +
            "\r\nX-CSRF-Token: " + world.admin->csrf +
            "\r\nContent-Length: " + std::to_string(body.size()) + "\r\n\r\n" + body);
    };
    CHECK(bare("DELETE", "").status == 404);
    CHECK(bare("DELETE", "{}").status == 415);
    Client forged = *world.admin;
    forged.csrf = "guess";
    CHECK(forged.ask("DELETE", "/api/v1/agents/nobody").status == 403);
}

TEST_CASE("no route passes over what it does not know") {
    World world;
    const auto document = json::parse_json(world.admin->ask("GET", "/api/v1/openapi.json").body);
    REQUIRE(document);
    std::size_t routes = 0;
    for (const auto& path : document->find("paths")->members()) {
        if (path.key == "/{path}") {
            continue;
        }
        for (const auto& operation : path.value.members()) {
            std::string address = path.key;
            for (auto open = address.find('{'); open != std::string::npos;
                 open = address.find('{')) {
                const auto size = address.find('}') - open + 1;
                const bool verb = address.substr(open, size) == "{verb}";
                address.replace(open, size, verb ? "stop" : "nothing");
            }
            std::string method = operation.key;
            std::transform(method.begin(), method.end(), method.begin(), [](char c) {
                return static_cast<char>(c - 32);
            });
            CAPTURE(method, address);
            const bool changes = method != "GET";
            const Reply query = world.admin->ask(method, address + "?nonsense=1", "");
            CHECK(query.status == 400);
            CHECK(query.body.find("nonsense") != std::string::npos);
            CHECK(query.body.find("allowed") != std::string::npos);
            const Reply body = world.admin->ask(method, address, R"({"nonsense":1})");
            CHECK(body.status == 400);
            CHECK((body.body.find("nonsense") != std::string::npos) == changes);
            for (const auto& parameter : operation.value.find("parameters")->items()) {
                if (parameter.get<std::string>("in").value() != "query") {
                    continue;
                }
                const std::string name = *parameter.get<std::string>("name");
                CHECK(query.body.find(name) != std::string::npos);  // it says what there is
                CHECK(world.admin->ask("GET", address + "?" + name + "=").status != 400);
                if (parameter.find("schema")->find("enum") != nullptr) {
                    CHECK(world.admin->ask("GET", address + "?" + name + "=nonsense").status ==
                          400);
                }
            }
            ++routes;
        }
    }
    CHECK(routes >= 30);
    CHECK(world.admin->ask("GET", "/api/v1/apps?limit=1&limit=2").status == 400);
    CHECK(world.admin->ask("POST", "/api/v1/apps/actions", "[]").status == 400);
    CHECK(world.admin
              ->ask("POST",
                    "/api/v1/users",
                    R"({"name":"eve","password":"correct horse","role":"viewer","agents":[]})")
              .body.find("agents") != std::string::npos);
}

TEST_CASE("addresses that the panel does not know are not its page") {
    World world;
    const Client client(world.it->url());
    const std::string page = client.ask("GET", "/").body;
    for (const char* known :
         {"/", "/agents", "/agents/", "/login", "/setup", "/apps/a/b.c", "/agents/a/traffic"}) {
        CAPTURE(known);
        CHECK(client.ask("GET", known).body == page);
        CHECK(client.ask("GET", std::string(known) + "?any=thing").status == 200);
    }
    for (const char* unknown : {"/metrics", "/nothing", "/apps", "/apps/a/b/c", "/agents/a"}) {
        CAPTURE(unknown);
        const Reply reply = client.ask("GET", unknown);
        CHECK(reply.status == 404);
        CHECK(reply.body.find("\"status\":404") != std::string::npos);
        // Who looks for a page with a browser gets one that says so, with the way back.
        const Reply browser = client.ask("GET", unknown, "", "Accept: text/html,*/*\r\n");
        CHECK(browser.status == 404);
        CHECK(browser.body == page);
    }
}

TEST_CASE("requests that are not meant for us, or by the wrong method") {
    World world;
    const Client& client = *world.admin;
    CHECK(client.raw("GET / HTTP/1.1\r\nHost: evil.example\r\nConnection: close\r\n\r\n").status ==
          421);
    CHECK(client.raw("GET / HTTP/1.1\r\nHost: localhost:1\r\nConnection: close\r\n\r\n").status ==
          200);
    CHECK(client.raw("GET / HTTP/1.0\r\nHost: [::1]\r\n\r\n").status == 200);
    CHECK(client
              .raw("GET / HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\nTransfer-Encoding: "
                   "chunked\r\n\r\n")
              .status == 400);
    CHECK(client.raw("\x16\x03\x01").status == 400);
    const Reply wrong = client.ask("PUT", "/api/v1/agents");
    CHECK(wrong.status == 405);
    CHECK(wrong.header("Allow") == "GET, HEAD, POST, OPTIONS");
    CHECK(client.ask("OPTIONS", "/api/v1/agents").status == 204);
    const Reply head =
        client.raw("HEAD / HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n");
    CHECK(head.status == 200);
    CHECK(head.body.empty());
    CHECK(head.header("Content-Length") != "0");
    const Reply page = client.ask("GET", "/apps/a/b?tab=logs");
    CHECK(page.status == 200);
    CHECK(page.header("Cache-Control") == "no-cache");
    CHECK(client.ask("GET", "/", "", "If-None-Match: " + page.header("ETag") + "\r\n").status ==
          304);
    CHECK(client.ask("GET", "/nothing.js").status == 404);
    CHECK(client.ask("GET", "/..%2f..%2fetc/passwd").status == 404);
    CHECK(client.ask("POST", "/api/v1/apps/actions", "{nonsense").status == 400);
    CHECK(client.ask("POST", "/api/v1/apps/actions", R"({"verb":"stop","apps":["../x"]})").status ==
          400);
    CHECK(client.ask("POST", "/api/v1/agents/..%2f/apps/x/stop", "{}").status == 400);
}

TEST_CASE("logging in sets a safe cookie, and wrong tries look alike") {
    World world;
    Client client(world.it->url());
    const Reply in = client.log_in("ann");
    CHECK(in.status == 200);
    const std::string cookie = in.header("Set-Cookie");
    for (const char* rule : {"HttpOnly", "SameSite=Strict", "Path=/"}) {
        CHECK(cookie.find(rule) != std::string::npos);
    }
    const std::string before = client.cookie;
    CHECK(client.log_in("ann").status == 200);
    CHECK(client.cookie != before);
    Client old(world.it->url());
    old.cookie = before;
    CHECK(old.ask("GET", "/api/v1/session").status == 401);  // logging in anew ended it
    CHECK(client.ask("DELETE", "/api/v1/session").status == 204);
    CHECK(client.ask("GET", "/api/v1/session").status == 401);
    CHECK_FALSE(os::exists(world.folder.path + "/controller/run/setup-link"));

    Client guesser(world.it->url());
    const auto guess = [&guesser](const std::string& user) {
        return guesser.open("/api/v1/session",
                            R"({"username":")" + user + R"(","password":"not the password"})");
    };
    CHECK(guess("ann").body == guess("nobody").body);
    Reply last;
    for (int i = 0; i < 6; ++i) {
        last = guess("ann");
    }
    CHECK(last.status == 429);
    CHECK_FALSE(last.header("Retry-After").empty());
}

TEST_CASE("a panel gets hello, a snapshot, deltas, and a goodbye") {
    World world;
    const auto handshake = [&](const std::string& extra) {
        return "GET /api/v1/live HTTP/1.1\r\nHost: " + world.admin->host() +
               "\r\nUpgrade: websocket\r\nConnection: keep-alive, "
               "Upgrade\r\nSec-WebSocket-Version: 13\r\n"
               "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n" +
               extra + "\r\n";
    };
    const std::string cookie = "Cookie: " + world.admin->cookie + "\r\n";
    CHECK(world.admin->raw(handshake("Connection: close\r\n")).status == 401);
    CHECK(
        world.admin->raw(handshake(cookie + "Origin: http://evil.example\r\nConnection: close\r\n"))
            .status == 403);

    const auto socket = os::connect_tcp(world.admin->address());
    REQUIRE(socket);
    (void)os::send_some(socket->get(),
                        handshake(cookie + "Origin: http://" + world.admin->host() + "\r\n"));
    std::string buffer;
    std::array<char, 4096> chunk{};
    while (buffer.find("\r\n\r\n") == std::string::npos) {
        const auto got = os::read_some(socket->get(), chunk.data(), chunk.size());
        REQUIRE(got.status == os::IoStatus::Done);
        buffer.append(chunk.data(), got.bytes);
    }
    CHECK(buffer.find(" 101 ") != std::string::npos);
    CHECK(buffer.find("s3pPLMBiTxaQ9kYGzzhZRbK+xOo=") != std::string::npos);
    buffer.erase(0, buffer.find("\r\n\r\n") + 4);
    CHECK(read_frame(*socket, buffer).find("\"hello\"") != std::string::npos);
    const auto snapshot = json::parse_json(read_frame(*socket, buffer));
    REQUIRE(snapshot);
    CHECK(snapshot->find("agents")->items().empty());

    // What is not understood is answered, and nothing else happens.
    const auto say = [&](const std::string& text, char opcode = 1) {
        std::string frame{static_cast<char>(0x80 | opcode), static_cast<char>(0x80 | text.size())};
        frame += std::string(4, '\0') + text;  // a mask of zeros
        (void)os::send_some(socket->get(), frame);
        return read_frame(*socket, buffer);
    };
    for (const char* unknown : {R"({"type":"attach","app":"a/b"})",
                                R"({"type":"follow"})",
                                R"({"type":"follow","app":"a/b","lines":5})",
                                R"({"type":"follow","app":"a/b","tail":"x"})",
                                R"({"type":"unfollow","app":"a/b","tail":5})",
                                R"({"app":"a/b"})",
                                "[]",
                                "nonsense"}) {
        CAPTURE(unknown);
        CHECK(say(unknown).find(R"({"type":"error","error":")") == 0);
    }
    CHECK(say(R"({"type":"attach","app":"a/b"})").find("attach") != std::string::npos);
    CHECK(say("\x01\x02", 2).find(R"("type":"error")") != std::string::npos);

    // An agent's folder appears: it is shown, though nobody answers there.
    REQUIRE(os::make_folders(world.folder.path + "/agents/new"));
    const std::string delta = read_frame(*socket, buffer);
    CHECK(delta.find("\"delta\"") != std::string::npos);
    CHECK(delta.find("\"new\"") != std::string::npos);
    CHECK(world.admin->ask("GET", "/api/v1/agents/new").status == 200);
    CHECK(world.admin->ask("POST", "/api/v1/agents/new/apps/x/stop", "{}").status == 503);
    CHECK(world.admin->ask("DELETE", "/api/v1/agents/new").status == 409);

    CHECK(world.admin->ask("DELETE", "/api/v1/session").status == 204);
    std::string frame;
    for (int i = 0; i < 20 && frame.find("\"bye\"") == std::string::npos; ++i) {
        frame = read_frame(*socket, buffer);
    }
    CHECK(frame.find("the session has ended") != std::string::npos);
    CHECK(read_frame(*socket, buffer).empty());
}

TEST_CASE("remote agents are added and forgotten, and only with good names and keys") {
    World world;
    const std::string key(40, 'a');
    const auto add =
        [&](const std::string& name, const std::string& endpoint, const std::string& with) {
            return world.admin
                ->ask("POST",
                      "/api/v1/agents",
                      R"({"name":")" + name + R"(","endpoint":")" + endpoint +
                          R"(","public_key":")" + with + "\"}")
                .status;
        };
    CHECK(add("../x", "tcp://127.0.0.1:1", key) == 400);
    CHECK(add("far", "ipc:///tmp/x", key) == 400);
    CHECK(add("far", "tcp://127.0.0.1", key) == 400);
    CHECK(add("far", "tcp://127.0.0.1:1", "short") == 400);
    CHECK(add("far", "tcp://127.0.0.1:1", key) == 201);
    CHECK(add("far", "tcp://127.0.0.1:1", key) == 409);
    CHECK(add("other", "tcp://127.0.0.1:2", key) == 409);  // the same agent
    CHECK(add("digits", "127.0.0.1:2", std::string(64, 'b')) == 201);
    CHECK(add("wrong", "tcp://127.0.0.1:3", std::string(64, 'x')) == 400);
    CHECK(world.admin->ask("DELETE", "/api/v1/agents/digits").status == 204);
    Reply shown;
    const auto deadline = std::chrono::steady_clock::now() + std::chrono::seconds(20);
    while (shown.status != 200 && std::chrono::steady_clock::now() < deadline) {
        shown = world.admin->ask("GET", "/api/v1/agents/far");
    }
    CHECK(shown.status == 200);
    CHECK(world.admin->ask("DELETE", "/api/v1/agents/far").status == 204);
    CHECK(world.admin->ask("DELETE", "/api/v1/agents/far").status == 404);
    CHECK(world.admin->ask("GET", "/api/v1/audit").body.find("\"remove agent\"") !=
          std::string::npos);
}

TEST_CASE("many clients at once, good and bad, from several threads") {
    World world;
    std::atomic<int> good = 0;
    std::vector<std::thread> threads;
    for (int t = 0; t < 4; ++t) {
        threads.emplace_back([&, t] {
            const Client& client = *world.admin;
            std::vector<os::UniqueFd> half_open;
            for (int i = 0; i < 25; ++i) {
                auto half = os::connect_tcp(client.address());
                if (half) {
                    (void)os::send_some(half->get(), "GET / HTTP/1.1\r\nHo");
                    half_open.push_back(std::move(*half));
                }
                const char* const paths[] = {
                    "/", "/api/v1/apps", "/api/v1/users", "/api/v1/openapi.json"};
                const std::string request = "GET " + std::string(paths[(t + i) % 4]) +
                                            " HTTP/1.1\r\nHost: " + client.host() +
                                            "\r\nConnection: close\r\nCookie: " + client.cookie +
                                            "\r\n\r\n";
                // Catch's checks are for one thread, so only counting here.
                const auto socket = os::connect_tcp(client.address());
                if (!socket) {
                    continue;
                }
                (void)os::send_some(socket->get(), request);
                std::array<char, 64> start{};
                const auto got = os::read_some(socket->get(), start.data(), start.size());
                const bool ok =
                    got.status == os::IoStatus::Done &&
                    std::string_view(start.data(), got.bytes).substr(0, 12) == "HTTP/1.1 200";
                good += ok ? 1 : 0;
            }
        });
    }
    for (std::thread& thread : threads) {
        thread.join();
    }
    CHECK(good == 100);
}

TEST_CASE("the API is described alike with and without a controller that runs") {
    World world;
    const auto options = controller::parse_options({"openapi"});
    REQUIRE(options);
    CHECK(options->command == "openapi");
    const auto alone = controller::api_description();
    REQUIRE(alone);
    // The rest is the name of the cookie.
    const auto described = [](const std::string& text) {
        const auto end = text.find("\"securitySchemes\"");
        REQUIRE(end != std::string::npos);
        return text.substr(0, end);
    };
    CHECK(described(*alone) == described(world.admin->ask("GET", "/api/v1/openapi.json").body));
    CHECK_FALSE(controller::parse_options({"openapi", "more"}));
}

TEST_CASE("one controller a home, and none on open addresses by accident") {
    World world(/*with_users=*/false);
    CHECK_FALSE(world.link.empty());
    controller::Options options;
    options.home = world.folder.path;
    options.listen = "127.0.0.1:0";
    const auto second = Controller::create(options);
    REQUIRE_FALSE(second);
    CHECK(second.error().code == ErrorCode::AlreadyExists);

    const Folder other;
    options.home = other.path;
    options.listen = "0.0.0.0:0";
    const auto open = Controller::create(options);
    REQUIRE_FALSE(open);
    CHECK(open.error().message.find("--allow-remote") != std::string::npos);
    options.listen = "nonsense";
    CHECK_FALSE(Controller::create(options));
    CHECK_FALSE(controller::parse_options({"--home"}));
    CHECK_FALSE(controller::parse_options({"--home", "/x", "--what"}));
    CHECK_FALSE(controller::parse_options({"add-user", "--home", "/x"}));
    CHECK(controller::parse_options({"--home", "/x", "--listen", "127.0.0.1:1"})->listen ==
          "127.0.0.1:1");
}
