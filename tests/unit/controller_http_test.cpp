// HTTP as proxies and browsers speak it, over real sockets.
#include "shared/base/text.h"
#include "tests/unit/controller_world.h"

using namespace berth;
using namespace berth::controller;  // NOLINT(google-build-using-namespace): tests read better

namespace {

bool has(const Reply& reply, const std::string& text) {
    return reply.body.find(text) != std::string::npos;
}

const World::Change kBehindProxy = [](Options& options) {
    options.urls = {"https://panel.example.org/berth/"};
};

}  // namespace

TEST_CASE("HTTP/1.0 is served, with and without a Host, and its body ends with the connection") {
    World world;
    const Client& client = *world.admin;
    CHECK(client.raw("GET /healthz HTTP/1.0\r\n\r\n").body == "ok\n");
    CHECK(client.raw("GET /healthz HTTP/1.1\r\n\r\n").status == 400);
    const Reply page = client.raw("GET / HTTP/1.0\r\nHost: localhost\r\n\r\n");
    CHECK(page.status == 200);
    CHECK(page.header("Connection") == "close");
    CHECK(page.header("Transfer-Encoding").empty());
    CHECK(client.raw("GET / HTTP/1.0\r\nHost: evil.example\r\n\r\n").status == 421);
}

TEST_CASE("the host is taken whatever way it is written, and only when it is one") {
    World world;
    const auto ask = [&](const std::string& target, const std::string& host) {
        return world.admin
            ->raw("GET " + target + " HTTP/1.1\r\nHost: " + host + "\r\nConnection: close\r\n\r\n")
            .status;
    };
    for (const char* good :
         {"LOCALHOST", "localhost.", "LocalHost.:1", "127.0.0.1:80", "[0::1]:9"}) {
        CAPTURE(good);
        CHECK(ask("/healthz", good) == 200);
    }
    for (const char* bad : {"127.0.0.1@evil", "evil@127.0.0.1", "[::1]x", "[::1", "a b", ""}) {
        CAPTURE(bad);
        CHECK(ask("/healthz", bad) == 400);
    }
    CHECK(ask("http://localhost/healthz", "evil.example") == 200);  // the target counts
    CHECK(ask("http://evil.example/healthz", "localhost") == 421);
    CHECK(ask("http://localhost@evil.example/healthz", "localhost") == 400);
    const Reply refused =
        world.admin->raw("GET / HTTP/1.1\r\nHost: panel.example.org\r\nConnection: close\r\n\r\n");
    CHECK(refused.status == 421);
    for (const char* said : {"panel.example.org", "localhost", "127.0.0.1", "--url"}) {
        CHECK(has(refused, said));
    }
}

TEST_CASE("each form of a file has its own tag, and tags are compared as the RFC says") {
    World world;
    const Client& client = *world.admin;
    const Reply plain = client.ask("GET", "/");
    const Reply gzip = client.ask("GET", "/", "", "Accept-Encoding: gzip\r\n");
    CHECK(gzip.header("Content-Encoding") == "gzip");
    CHECK(plain.header("Content-Encoding").empty());
    CHECK(plain.header("ETag") != gzip.header("ETag"));
    for (const char* refused : {"gzip;q=0", "*;q=0", "identity"}) {
        const Reply reply =
            client.ask("GET", "/", "", "Accept-Encoding: " + std::string(refused) + "\r\n");
        CHECK(reply.header("Content-Encoding").empty());
    }
    const auto known = [&](const std::string& tags, const std::string& more = "") {
        return client.ask("GET", "/", "", "If-None-Match: " + tags + "\r\n" + more);
    };
    const std::string tag = plain.header("ETag");
    for (const std::string& tags : {tag, "W/" + tag, "\"x\", " + tag, std::string("*")}) {
        CAPTURE(tags);
        const Reply reply = known(tags);
        CHECK(reply.status == 304);
        CHECK(reply.body.empty());
        CHECK(reply.header("ETag") == tag);
        CHECK(reply.header("Vary") == "Accept-Encoding");
    }
    CHECK(known(gzip.header("ETag")).status == 200);
    CHECK(known(gzip.header("ETag"), "Accept-Encoding: gzip\r\n").status == 304);
}

TEST_CASE("every response has a date, and HEAD the head of GET") {
    World world;
    const Client& client = *world.admin;
    for (const char* path : {"/", "/healthz", "/api/v1/openapi.json", "/nothing"}) {
        CAPTURE(path);
        const Reply get = client.ask("GET", path);
        const Reply head =
            client.raw("HEAD " + std::string(path) + " HTTP/1.1\r\nHost: " + client.host() +
                       "\r\nConnection: close\r\n\r\n");
        CHECK(head.status == get.status);
        CHECK(head.body.empty());
        for (const char* field : {"Content-Type", "Content-Length", "ETag", "Cache-Control"}) {
            CHECK(head.header(field) == get.header(field));
        }
        CHECK(get.header("Date").size() == std::string("Sun, 29 Nov 2026 18:00:00 GMT").size());
        CHECK(get.header("Date").substr(get.header("Date").size() - 4) == " GMT");
    }
    CHECK(client.raw("OPTIONS * HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n").status ==
          204);
}

TEST_CASE("media types are compared without regard to case") {
    World world;
    const auto log_in = [&](const std::string& type) {
        return world.admin
            ->ask("POST",
                  "/api/v1/session",
                  R"({"username":"ann","password":")" + std::string(kPassword) + "\"}",
                  "Content-Type: " + type + "\r\n")
            .status;
    };
    CHECK(log_in("Application/JSON; Charset=UTF-8") == 200);
    CHECK(log_in("text/json") == 415);
}

TEST_CASE("a WebSocket begins with GET in HTTP/1.1 and a key of 16 bytes") {
    World world;
    const auto shake = [&](const std::string& line, const std::string& key) {
        return world.admin
            ->raw(line + "\r\nHost: " + world.admin->host() + "\r\nCookie: " + world.admin->cookie +
                  "\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: "
                  "13\r\nSec-WebSocket-Key: " +
                  key + "\r\n\r\n")
            .status;
    };
    const std::string good = "dGhlIHNhbXBsZSBub25jZQ==";
    CHECK(shake("GET /api/v1/live HTTP/1.1", good) == 101);
    CHECK(shake("HEAD /api/v1/live HTTP/1.1", good) == 426);
    CHECK(shake("GET /api/v1/live HTTP/1.0", good) == 426);
    for (const char* bad : {"dGhlIHNhbXBsZSBub25jZQ=",
                            "dGhlIHNhbXBsZSBub25jZQ===",
                            "dGhlIHNhbXBsZSBub25jZR==",
                            "dGhl!HNhbXBsZSBub25jZQ==",
                            "aaaaaaaaaaaaaaaaaaaaaaaa",
                            "========================",
                            ""}) {
        CAPTURE(bad);
        CHECK(shake("GET /api/v1/live HTTP/1.1", bad) == 400);
    }
}

TEST_CASE("what is not there is not there, by whatever method") {
    World world;
    for (const char* path : {"/nothing",
                             "/healthz/",
                             "/healthz/x",
                             "/readyz/x",
                             "/assets/x",
                             "/apps/",
                             "/login/x",
                             "/agents/a/traffic/x",
                             "//",
                             "/api/v1/session/x",
                             "/api/v1/agents/a/apps/b/nonsense",
                             "/api/v1/setup/x"}) {
        for (const char* method : {"GET", "POST", "PUT", "PATCH", "DELETE"}) {
            CAPTURE(path, method);
            CHECK(world.admin->ask(method, path, "").status == 404);
        }
    }
    CHECK(world.admin->ask("POST", "/").status == 405);
    CHECK(world.admin->ask("POST", "/healthz").status == 405);
    CHECK(world.admin->ask("GET", "/api/v1/agents/a/apps/b/stop").status == 405);
}

TEST_CASE("behind a proxy, with a path that it cuts off or leaves") {
    // What Vite makes of the panel; not every build has it.
    const Folder panel;
    REQUIRE(os::make_folders(panel.path + "/assets"));
    REQUIRE(os::replace_file(panel.path + "/assets/app.js", "console.log(1);\n"));
    REQUIRE(os::replace_file(panel.path + "/index.html",
                             "<html><head><meta name=\"berth-base\" content=\"\"><script "
                             "src=\"/assets/app.js\"></script></head></html>\n"));
    World world(true, [&panel](Options& options) {
        kBehindProxy(options);
        options.panel_dir = panel.path;
    });
    const Client& client = *world.admin;
    CHECK(world.link.find("https://panel.example.org/berth/setup#token=") == 0);
    const std::string page = client.ask("GET", "/").body;
    CHECK(page.find("=\"/berth/assets/") != std::string::npos);
    CHECK(page.find("=\"/assets/") == std::string::npos);
    CHECK(page.find("name=\"berth-base\" content=\"/berth\"") != std::string::npos);
    for (const char* path : {"/berth/", "/berth/agents", "/agents"}) {
        CHECK(client.ask("GET", path).body == page);
    }
    const std::size_t at = page.find("/berth/assets/");
    const std::string script = page.substr(at, page.find('"', at) - at);
    CHECK(client.ask("GET", script).status == 200);
    CHECK(client.ask("GET", script.substr(6)).status == 200);
    CHECK(client.ask("GET", "/berth").header("Location") == "/berth/");
    CHECK(client.ask("GET", "/berthx").status == 404);
    CHECK(client.ask("GET", "/berth/api/v1/session").status == 200);
    CHECK(client.ask("GET", "/berth/healthz").status == 200);
    CHECK(client.ask("GET", "/berth/berth/healthz").status == 404);

    const auto log_in = [&](const std::string& host, const std::string& more) {
        const std::string body =
            R"({"username":"ann","password":")" + std::string(kPassword) + "\"}";
        return client.raw("POST /berth/api/v1/session HTTP/1.1\r\nHost: " + host +
                          "\r\nConnection: close\r\nContent-Type: application/json\r\n" + more +
                          "Content-Length: " + std::to_string(body.size()) + "\r\n\r\n" + body);
    };
    const std::string ours = "Origin: https://panel.example.org\r\n";
    for (const std::string& host :
         {client.host(), std::string("panel.example.org"), std::string("panel.example.org:443")}) {
        CAPTURE(host);
        const Reply in = log_in(host, ours);
        CHECK(in.status == 200);
        const std::string cookie = in.header("Set-Cookie");
        CHECK(cookie.find("__Secure-berth_session_") == 0);
        CHECK(cookie.find("; Path=/berth/; Secure") != std::string::npos);
    }
    CHECK(log_in(client.host(), "X-Forwarded-Proto: https\r\n")
              .header("Set-Cookie")
              .find("__Secure-") == 0);
    CHECK(log_in(client.host(), "").header("Set-Cookie").find("berth_session_") == 0);
    const Reply foreign = log_in("panel.example.org", "Origin: https://evil.example\r\n");
    CHECK(foreign.status == 403);
    for (const char* said : {"https://evil.example", "https://panel.example.org", "--url"}) {
        CHECK(has(foreign, said));
    }
    CHECK(log_in("other.example.org", ours).status == 421);

    // The audit log has who is behind the proxy, and nobody before the proxies is believed.
    CHECK(log_in(client.host(), "X-Forwarded-For: 6.6.6.6, 203.0.113.9\r\n").status == 200);
    CHECK(log_in(client.host(), "Forwarded: for=203.0.113.10\r\n").status == 200);
    const Reply audit = world.admin->ask("GET", "/api/v1/audit");
    CHECK(has(audit, "203.0.113.9\""));
    CHECK(has(audit, "203.0.113.10\""));
    CHECK_FALSE(has(audit, "6.6.6.6"));
}

TEST_CASE("what is said of the panel's address is kept, and can be forgotten") {
    Folder folder;
    Options options;
    options.home = folder.path;
    options.listen = "127.0.0.1:0";
    const std::string file = folder.path + "/controller/controller.toml";
    const auto start = [&](std::vector<std::string> urls, std::vector<std::string> proxies = {}) {
        Options now = options;
        now.urls = std::move(urls);
        now.trusted_proxies = std::move(proxies);
        const auto made = Controller::create(now);
        return made ? (*made)->public_url() : "error: " + made.error().message;
    };
    // Where it listens is another matter, and kept too.
    const auto text = [&file] {
        std::string rest;
        const auto whole = os::read_file(file);
        for (const std::string_view line : split(*whole, '\n')) {
            rest += line.empty() || line.substr(0, 6) == "listen" ? "" : std::string(line) + '\n';
        }
        return rest;
    };
    CHECK(start({}).empty());
    CHECK(text() == "[http]\n");
    CHECK(start({"https://panel.example.org"}) == "https://panel.example.org/");
    CHECK(start({}) == "https://panel.example.org/");
    const std::string kept = *os::read_file(file);
    CHECK(kept.find("trusted_proxies = [\"127.0.0.1\", \"::1\"]") != std::string::npos);
    REQUIRE(os::replace_file(file,
                             "# ours\n[http] # here\nurl = [\n  \"http://a/x\", # one\n  "
                             "\"http://b/x/\",\n]\n\n[http.more]\n",
                             0644));
    CHECK(start({}) == "http://a/x/");  // a key that nobody reads is warned of
    REQUIRE(os::replace_file(file,
                             "# ours\n[http] # here\nurl = [\n  \"http://a/x\", # one\n  "
                             "\"http://b/x/\",\n]\ntrusted_proxies = [\"10.0.0.0/8\"]\n",
                             0644));
    CHECK(start({}) == "http://a/x/");
    CHECK(start({"http://c/"}) == "http://c/");
    CHECK(text() ==
          "# ours\n[http] # here\nurl = [\"http://c/\"]\ntrusted_proxies = [\"10.0.0.0/8\"]\n");
    CHECK(start({}, {"::1", "10.1.0.0/16"}) == "http://c/");
    CHECK(os::read_file(file)->find("[\"::1\", \"10.1.0.0/16\"]") != std::string::npos);
    CHECK(start({"none"}, {"none"}).empty());
    CHECK(text() == "# ours\n[http] # here\n");
    for (const char* bad : {"panel", "http://a/api", "http://a b"}) {
        CHECK(start({bad}).find("error: \"" + std::string(bad)) == 0);
    }
    CHECK(start({"http://a/x", "http://b/y"}).find("the same path") != std::string::npos);
    CHECK(start({}, {"example.org"}).find("no address") != std::string::npos);
    CHECK(text() == "# ours\n[http] # here\n");
    REQUIRE(os::replace_file(file, "[http]\nurl = 5\n", 0644));
    CHECK(start({}).find(file + ":2") != std::string::npos);
}

TEST_CASE("two panels on one host leave each other's sessions be") {
    World one;
    World two;
    Client browser(one.it->url());
    Client other(two.it->url());
    CHECK(browser.log_in("ann").status == 200);
    CHECK(other.log_in("ann").status == 200);
    CHECK(browser.cookie.substr(0, browser.cookie.find('=')) !=
          other.cookie.substr(0, other.cookie.find('=')));
    // A browser sends both to both.
    browser.cookie = other.cookie + "; " + browser.cookie;
    other.cookie = browser.cookie;
    CHECK(browser.ask("GET", "/api/v1/session").status == 200);
    CHECK(other.ask("GET", "/api/v1/session").status == 200);
    CHECK(other.ask("DELETE", "/api/v1/session").status == 204);
    CHECK(browser.ask("GET", "/api/v1/session").status == 200);
}

TEST_CASE("the last thousand operations are remembered") {
    service::Operations operations;
    const std::string first = operations.begin("a/b", "stop");
    const std::string second = operations.begin("a/b", "stop");
    for (int i = 0; i < 999; ++i) {
        (void)operations.begin("a/b", "start");
    }
    CHECK_FALSE(operations.find(first));
    CHECK(operations.find(second));
    operations.end(first, service::OperationState::Done, "");
    CHECK_FALSE(operations.find(first));
}

TEST_CASE("of refused log-ins thirty a minute are written, and the others counted") {
    service::Refusals refusals;
    MonoTime now{std::chrono::hours(1)};
    for (int i = 0; i < 1000; ++i) {
        CHECK(refusals.admit(now).has_value() == (i < 30));
    }
    now += std::chrono::seconds(61);
    CHECK(refusals.admit(now) == 970U);
    CHECK(refusals.admit(now) == 0U);
}
