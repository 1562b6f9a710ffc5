#include <catch2/catch.hpp>

#include "controller/access/cookies.h"
#include "controller/access/origin.h"
#include "controller/access/site.h"
#include "controller/http/negotiation.h"

using namespace std::chrono_literals;
using namespace berth::http;    // NOLINT(google-build-using-namespace): tests read better
using namespace berth::access;  // NOLINT(google-build-using-namespace): tests read better
using berth::os::IpAddress;
using berth::os::IpNetwork;

namespace {

Request request_of(std::vector<std::pair<std::string, std::string>> headers,
                   const std::string& peer = "10.0.0.1") {
    Request request;
    request.headers = std::move(headers);
    request.address = peer;
    return request;
}

Site site_with(const std::vector<std::string>& urls, const std::vector<std::string>& proxies) {
    Site site;
    for (const std::string& url : urls) {
        site.urls.push_back(*PublicUrl::parse(url));
    }
    site.prefix = urls.empty() ? "" : site.urls.front().prefix;
    for (const std::string& proxy : proxies) {
        site.trusted_proxies.push_back(*IpNetwork::parse(proxy));
    }
    return site;
}

}  // namespace

TEST_CASE(
    "a host is read whatever its case, its final dot and its brackets, and nothing else is one") {
    struct Row {
        const char* text;
        const char* read;  // null: it is none
    };

    for (const Row& row : std::vector<Row>{{"localhost", "localhost"},
                                           {"LocalHost", "localhost"},
                                           {"localhost.", "localhost"},
                                           {"LOCALHOST.:6880", "localhost:6880"},
                                           {"panel.Example.ORG.", "panel.example.org"},
                                           {"a:", "a"},
                                           {"127.0.0.1:80", "127.0.0.1:80"},
                                           {"[::1]", "[::1]"},
                                           {"[0:0:0:0:0:0:0:1]:1", "[::1]:1"},
                                           {"", nullptr},
                                           {".", nullptr},
                                           {"127.0.0.1@evil", nullptr},
                                           {"evil@127.0.0.1", nullptr},
                                           {"[::1]x", nullptr},
                                           {"[::1", nullptr},
                                           {"[]", nullptr},
                                           {"[::1]]", nullptr},
                                           {"[fe80::1%eth0]", nullptr},
                                           {"::1", nullptr},
                                           {"a:b", nullptr},
                                           {"a:65536", nullptr},
                                           {"a:-1", nullptr},
                                           {"a:1:2", nullptr},
                                           {"a b", nullptr},
                                           {"a/b", nullptr},
                                           {"a,b", nullptr},
                                           {".a", nullptr}}) {
        CAPTURE(row.text);
        const auto host = Host::parse(row.text);
        CHECK(host.has_value() == (row.read != nullptr));
        CHECK((host ? host->text() : "") == (row.read == nullptr ? "" : row.read));
    }
}

TEST_CASE("the port that a scheme has anyway counts as none") {
    CHECK(Origin::parse("https://A:443") == Origin::parse("https://a"));
    CHECK(Origin::parse("http://a:80") == Origin::parse("http://a"));
    CHECK_FALSE(Origin::parse("https://a:80") == Origin::parse("https://a"));
    CHECK_FALSE(Origin::parse("http://a") == Origin::parse("https://a"));
    for (const char* none : {"null", "", "a", "ftp://a", "http://", "http://a/", "http://a@b"}) {
        CAPTURE(none);
        CHECK_FALSE(Origin::parse(none));
    }
}

TEST_CASE("the address of a panel has a path that is not one of its own") {
    const auto url = PublicUrl::parse("https://Panel.example.org:443/berth/");
    REQUIRE(url);
    CHECK(url->text() == "https://panel.example.org/berth/");
    CHECK(url->prefix == "/berth");
    CHECK(PublicUrl::parse("http://a:8080")->text() == "http://a:8080/");
    CHECK(PublicUrl::parse("http://a/x/y")->prefix == "/x/y");
    for (const char* bad : {"panel.example.org",
                            "ftp://a/",
                            "https:///x",
                            "https://a b/",
                            "https://u@a/",
                            "https://a/x?y",
                            "https://a/x#y",
                            "https://a//x",
                            "https://a/../x",
                            "https://a/\"><script>",
                            "https://a/%41",
                            "https://a/api/",
                            "https://a/apps",
                            "https://a/assets/x"}) {
        CAPTURE(bad);
        CHECK_FALSE(PublicUrl::parse(bad));
    }
}

TEST_CASE("addresses and networks") {
    CHECK(IpAddress::parse("::ffff:10.0.0.1")->text() == "10.0.0.1");
    CHECK(IpAddress::parse("[::1]")->text() == "::1");
    CHECK(IpAddress::parse("fe80::1%eth0")->text() == "fe80::1");
    CHECK(IpAddress::parse("10.0.0.1")->owner() == "10.0.0.1");
    CHECK(IpAddress::parse("2001:db8:1:2:3:4:5:6")->owner() == "2001:db8:1:2::/64");
    const auto in = [](const char* network, const char* address) {
        return IpNetwork::parse(network)->contains(*IpAddress::parse(address));
    };
    CHECK(in("10.0.0.0/8", "10.255.0.1"));
    CHECK_FALSE(in("10.0.0.0/8", "11.0.0.1"));
    CHECK(in("10.0.0.1", "::ffff:10.0.0.1"));
    CHECK_FALSE(in("10.0.0.1", "10.0.0.2"));
    CHECK(in("0.0.0.0/0", "1.2.3.4"));
    CHECK_FALSE(in("0.0.0.0/0", "::1"));
    CHECK(in("2001:db8::/33", "2001:db8:7fff::1"));
    CHECK_FALSE(in("2001:db8::/33", "2001:db8:8000::1"));
    for (const char* bad :
         {"", "a", "10.0.0.0/33", "10.0.0.0/", "10.0.0/8", "::/129", "10.0.0.1/-1"}) {
        CAPTURE(bad);
        CHECK_FALSE(IpNetwork::parse(bad));
    }
}

TEST_CASE("who is behind a proxy is believed of trusted proxies only") {
    struct Row {
        std::string what;
        std::vector<std::pair<std::string, std::string>> headers;
        std::string peer;
        std::string address;
        std::string host;
        bool secure;
    };

    const Site site = site_with({}, {"10.0.0.0/8", "::1"});
    const std::vector<Row> rows = {
        {"a stranger's words",
         {{"host", "a"},
          {"x-forwarded-for", "9.9.9.9"},
          {"x-forwarded-proto", "https"},
          {"x-forwarded-host", "b"},
          {"forwarded", "for=8.8.8.8;proto=https;host=c"}},
         "1.2.3.4",
         "1.2.3.4",
         "a",
         false},
        {"a proxy's",
         {{"host", "a"},
          {"x-forwarded-for", "9.9.9.9"},
          {"x-forwarded-proto", "HTTPS"},
          {"x-forwarded-host", "B:8443"}},
         "10.0.0.1",
         "9.9.9.9",
         "b:8443",
         true},
        {"invented before the client",
         {{"host", "a"}, {"x-forwarded-for", "6.6.6.6, 9.9.9.9"}},
         "10.0.0.1",
         "9.9.9.9",
         "a",
         false},
        {"through two of ours",
         {{"host", "a"}, {"x-forwarded-for", "6.6.6.6, 9.9.9.9, 10.1.1.1"}},
         "10.0.0.1",
         "9.9.9.9",
         "a",
         false},
        {"in two fields",
         {{"host", "a"}, {"x-forwarded-for", "6.6.6.6"}, {"x-forwarded-for", "9.9.9.9"}},
         "10.0.0.1",
         "9.9.9.9",
         "a",
         false},
        {"all of ours",
         {{"host", "a"}, {"x-forwarded-for", "10.3.3.3, 10.2.2.2"}},
         "10.0.0.1",
         "10.3.3.3",
         "a",
         false},
        {"with ports",
         {{"host", "a"}, {"x-forwarded-for", "9.9.9.9:1234"}},
         "10.0.0.1",
         "9.9.9.9",
         "a",
         false},
        {"IPv6",
         {{"host", "a"}, {"x-forwarded-for", "[2001:db8::9]:1234"}},
         "::1",
         "2001:db8::9",
         "a",
         false},
        {"IPv6, bare",
         {{"host", "a"}, {"x-forwarded-for", "2001:db8::9"}},
         "::1",
         "2001:db8::9",
         "a",
         false},
        {"no address",
         {{"host", "a"}, {"x-forwarded-for", "9.9.9.9, unknown"}},
         "10.0.0.1",
         "10.0.0.1",
         "a",
         false},
        {"RFC 7239",
         {{"host", "a"},
          {"forwarded", "for=6.6.6.6, For=\"[2001:db8::9]:80\";Proto=https;host=\"b:1\""}},
         "10.0.0.1",
         "2001:db8::9",
         "b:1",
         true},
        {"RFC 7239, hidden",
         {{"host", "a"}, {"forwarded", "for=_hidden;proto=http"}},
         "10.0.0.1",
         "10.0.0.1",
         "a",
         false},
        {"both: X- counts",
         {{"host", "a"},
          {"x-forwarded-for", "9.9.9.9"},
          {"forwarded", "for=6.6.6.6;proto=https;host=b"}},
         "10.0.0.1",
         "9.9.9.9",
         "a",
         false},
    };
    for (const Row& row : rows) {
        CAPTURE(row.what);
        Request request = request_of(row.headers, row.peer);
        CHECK(find_origin(request, site));
        CHECK(request.address == row.address);
        CHECK(request.host == row.host);
        CHECK(request.secure == row.secure);
    }
    Request bad = request_of({{"host", "a"}, {"x-forwarded-host", "a@b"}});
    CHECK_FALSE(find_origin(bad, site));
    Request without = request_of({});
    CHECK_FALSE(find_origin(without, site));
    without.http_1_0 = true;
    CHECK(find_origin(without, site));
}

TEST_CASE("an origin is ours by the host that was asked, or by what is configured") {
    const Site site =
        site_with({"https://panel.example.org/berth/", "http://other:8080/berth"}, {});
    const auto ours = [&](const char* host, const char* origin) {
        Request request = request_of({{"host", host}, {"origin", origin}});
        REQUIRE(find_origin(request, site));
        return is_ours(*Origin::parse(origin), request, site);
    };
    CHECK(ours("a:6880", "http://a:6880"));
    CHECK(ours("name:443", "https://name"));
    CHECK(ours("name:80", "http://name"));
    CHECK(ours("name", "https://NAME:443"));
    CHECK(ours("127.0.0.1:6880", "https://panel.example.org"));
    CHECK(ours("other", "http://other:8080"));
    CHECK_FALSE(ours("name:443", "http://name"));
    CHECK_FALSE(ours("name", "http://name:8080"));
    CHECK_FALSE(ours("127.0.0.1:6880", "http://panel.example.org"));
    CHECK_FALSE(ours("a", "http://evil.example"));
    CHECK_FALSE(ours("a", "http://a.evil.example"));
}

TEST_CASE("whether a browser speaks TLS is known by its origin, its proxy, or what is configured") {
    const Site site = site_with({"https://panel.example.org/", "http://panel.lan/"}, {"10.0.0.1"});
    const auto secure = [&](std::vector<std::pair<std::string, std::string>> headers) {
        Request request = request_of(std::move(headers));
        REQUIRE(find_origin(request, site));
        return request.secure;
    };
    CHECK(secure({{"host", "panel.example.org"}}));
    CHECK_FALSE(secure({{"host", "panel.lan"}}));
    CHECK_FALSE(secure({{"host", "127.0.0.1:6880"}}));
    CHECK_FALSE(secure({{"host", "panel.example.org"}, {"x-forwarded-proto", "http"}}));
    CHECK(secure({{"host", "panel.lan"}, {"x-forwarded-proto", "https"}}));
    CHECK(secure({{"host", "127.0.0.1:6880"}, {"origin", "https://panel.example.org"}}));
    CHECK_FALSE(secure({{"host", "127.0.0.1:6880"}, {"origin", "https://evil.example"}}));
    CHECK_FALSE(secure({{"host", "panel.example.org"},
                        {"origin", "http://panel.example.org"},
                        {"x-forwarded-proto", "https"}}));
}

TEST_CASE("cookies are of one controller, and safer over TLS") {
    const Cookies cookies("12ab", "");
    Request plain = request_of({{"cookie", "berth_session_ffff=other; berth_session_12ab=mine"}});
    CHECK(cookies.read(plain, "session") == "mine");
    CHECK(cookies.set(plain, "session", "x") ==
          "berth_session_12ab=x; HttpOnly; SameSite=Strict; Path=/");
    CHECK(cookies.forget(plain, "session").find("Max-Age=0") != std::string::npos);

    Request secure = plain;
    secure.secure = true;
    CHECK(cookies.read(secure, "session").empty());  // a page without TLS may have set it
    CHECK(cookies.set(secure, "session", "x", 1min) ==
          "__Host-berth_session_12ab=x; HttpOnly; SameSite=Strict; Path=/; Secure; Max-Age=60");
    CHECK(Cookies("12ab", "/berth").set(secure, "session", "x") ==
          "__Secure-berth_session_12ab=x; HttpOnly; SameSite=Strict; Path=/berth/; Secure");
    const Request both =
        request_of({{"cookie", "berth_session_12ab=a; __Host-berth_session_12ab=b"}});
    CHECK(cookies.read(both, "session") == "b");
}

TEST_CASE("what is accepted, and which entity is known") {
    CHECK(accepts_gzip("gzip, deflate, br"));
    CHECK(accepts_gzip("GZIP;Q=0.5"));
    CHECK(accepts_gzip("br, *"));
    for (const char* no :
         {"", "identity", "gzip;q=0", "gzip; q=0.000", "*;q=0", "gzip;q=0, *", "notgzip"}) {
        CAPTURE(no);
        CHECK_FALSE(accepts_gzip(no));
    }
    CHECK(is_media_type("Application/JSON; charset=utf-8", "application/json"));
    CHECK_FALSE(is_media_type("application/jsonx", "application/json"));
    CHECK(accepts_media("Text/HTML,application/xml;q=0.9", "text/html"));
    CHECK_FALSE(accepts_media("application/xml, text/html;q=0", "text/html"));
    for (const char* yes : {"\"a\"", "W/\"a\"", "\"b\", \"a\"", "\"b,c\" , W/\"a\"", "*", " * "}) {
        CAPTURE(yes);
        CHECK(names_etag(yes, "\"a\""));
    }
    for (const char* no : {"", "a", "\"aa\"", "\"b\"", "\"a-gz\"", "\"a", "\"b*\""}) {
        CAPTURE(no);
        CHECK_FALSE(names_etag(no, "\"a\""));
    }
}
