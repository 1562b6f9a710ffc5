#include <string>
#include <vector>

#include <catch2/catch.hpp>

#include "controller/http/request_reader.h"

using berth::http::Method;
using berth::http::RequestLimits;
using berth::http::RequestReader;
using Progress = RequestReader::Progress;

namespace {

// What came of feeding `bytes`: 0 for a complete request, -1 for more to come, else the status.
int outcome(const std::string& bytes, std::size_t step = std::string::npos) {
    RequestReader reader;
    for (std::size_t at = 0; at < bytes.size(); at += std::min(step, bytes.size())) {
        reader.feed(bytes.substr(at, step));
        if (reader.progress() == Progress::Rejected) {
            return reader.rejection().status;
        }
        if (reader.progress() == Progress::Complete) {
            return 0;
        }
    }
    return -1;
}

std::string get(const std::string& fields) {
    return "GET / HTTP/1.1\r\nHost: a\r\n" + fields + "\r\n";
}

std::string post(const std::string& fields, const std::string& body = "") {
    return "POST / HTTP/1.1\r\nHost: a\r\n" + fields + "\r\n" + body;
}

}  // namespace

TEST_CASE("requests are refused or taken by the letter") {
    struct Row {
        std::string bytes;
        int outcome;
    };

    const std::vector<Row> rows = {
        {get(""), 0},
        {"\r\n" + get(""), 0},
        {get("Accept: */*\r\nX-Empty:\r\n"), 0},
        {post("Content-Length: 3\r\n", "abc"), 0},
        {post("Content-Length: 3\r\n", "ab"), -1},
        {"GET / HTTP/1.1\r\nHost: a\r\n", -1},
        // two lengths, bad lengths, both kinds of length, chunks
        {post("Content-Length: 3\r\nContent-Length: 3\r\n", "abc"), 400},
        {post("Content-Length: 3, 3\r\n", "abc"), 400},
        {post("Content-Length: +3\r\n", "abc"), 400},
        {post("Content-Length: -1\r\n"), 400},
        {post("Content-Length: 0x3\r\n", "abc"), 400},
        {post("Content-Length: 3 \x0b\r\n", "abc"), 400},
        {post("Content-Length:\r\n"), 400},
        {post("Content-Length: 99999999999999999999\r\n"), 400},
        {post("Content-Length: 3\r\nTransfer-Encoding: chunked\r\n", "abc"), 400},
        {post("Transfer-Encoding: chunked\r\nContent-Length: 3\r\n", "abc"), 400},
        {post("Transfer-Encoding: chunked\r\n", "0\r\n\r\n"), 411},
        {post("transfer-ENCODING: identity\r\n"), 411},
        {post("Transfer-Encoding : chunked\r\n"), 400},
        {post("Content-Length : 3\r\n", "abc"), 400},
        // lines
        {"GET / HTTP/1.1\nHost: a\n\n", -1},
        {"GET / HTTP/1.1\r\nHost: a\nX: b\r\n\r\n", 400},
        {"GET / HTTP/1.1\r\nHost: a\r\nX: a\rb\r\n\r\n", 400},
        {get("X: a\r\n b\r\n"), 400},
        {get("X\r\n"), 400},
        {get(": x\r\n"), 400},
        {get("X y: z\r\n"), 400},
        {get(std::string("X: a\0b\r\n", 8)), 400},
        // the first line
        {"GET  / HTTP/1.1\r\nHost: a\r\n\r\n", 400},
        {"GET /\r\nHost: a\r\n\r\n", 400},
        {"GET / HTTP/1.1 x\r\nHost: a\r\n\r\n", 400},
        {"GET / HTTP/2.0\r\nHost: a\r\n\r\n", 505},
        {"GET / http/1.1\r\nHost: a\r\n\r\n", 505},
        {"GET http://a/ HTTP/1.1\r\nHost: a\r\n\r\n", 0},
        {"GET HTTP://a HTTP/1.0\r\n\r\n", 0},
        {"GET http://a/ HTTP/1.1\r\n\r\n", 400},
        {"GET ftp://a/ HTTP/1.1\r\nHost: a\r\n\r\n", 400},
        {"GET a/b HTTP/1.1\r\nHost: a\r\n\r\n", 400},
        {"CONNECT a:1 HTTP/1.1\r\nHost: a\r\n\r\n", 501},
        {"GET * HTTP/1.1\r\nHost: a\r\n\r\n", 400},
        {"OPTIONS * HTTP/1.1\r\nHost: a\r\n\r\n", 0},
        {"BREW / HTTP/1.1\r\nHost: a\r\n\r\n", 501},
        {"\x16\x03\x01\x02", 400},
        {" GET / HTTP/1.1\r\n\r\n", 400},
        {"GET /?a=%zz HTTP/1.1\r\nHost: a\r\n\r\n", 400},
        {"GET /?a=%00 HTTP/1.1\r\nHost: a\r\n\r\n", 400},
        {"GET /?a=1&b=2&%61=3 HTTP/1.1\r\nHost: a\r\n\r\n", 400},
        // the host
        {"GET / HTTP/1.1\r\n\r\n", 400},
        {"GET / HTTP/1.0\r\n\r\n", 0},
        {get("Host: b\r\n"), 400},
        {"GET / HTTP/1.0\r\nHost: a\r\nHost: b\r\n\r\n", 400},
        // sizes
        {post("Content-Length: 1048576\r\n"), -1},
        {post("Content-Length: 1048577\r\n"), 413},
        {"GET /" + std::string(9000, 'a') + " HTTP/1.1\r\nHost: a\r\n\r\n", 414},
        {get("X: " + std::string(9000, 'a') + "\r\n"), 431},
        {get(std::string(300, 'a') + ": b\r\n"), 431},
        {get("Expect: something\r\n"), 417},
    };
    for (const Row& row : rows) {
        CAPTURE(row.bytes.substr(0, 100));
        CHECK(outcome(row.bytes) == row.outcome);
        CHECK(outcome(row.bytes, 1) == row.outcome);
        CHECK(outcome(row.bytes, 7) == row.outcome);
    }
}

TEST_CASE("no request is smuggled behind one that two programs could read differently") {
    const std::string hidden = "GET /hidden HTTP/1.1\r\nHost: a\r\n\r\n";
    const std::string chunk = "0\r\n\r\n";
    const std::vector<std::string> heads = {
        // the length said twice, in two ways, or with an encoding
        "Content-Length: 5\r\nTransfer-Encoding: chunked\r\n",
        "Transfer-Encoding: chunked\r\nContent-Length: 5\r\n",
        "Transfer-Encoding: chunked\r\nTransfer-Encoding: identity\r\n",
        "Transfer-Encoding: chunked, identity\r\n",
        "Transfer-Encoding: xchunked\r\n",
        "Transfer-Encoding:\tchunked\r\n",
        "Transfer-Encoding: \"chunked\"\r\n",
        "Transfer-Encoding: chunked;x=y\r\n",
        "TRANSFER-ENCODING: CHUNKED\r\n",
        "Content-Length: 0\r\nContent-Length: 5\r\n",
        "Content-Length: 5\r\ncontent-length: 5\r\n",
        "Content-Length: 0, 5\r\n",
        "Content-Length: 0_\r\n",
        "Content-Length: 00x\r\n",
        "Content-Length: 0x5\r\n",
        "Content-Length: 5.0\r\n",
        "Content-Length: +0\r\n",
        "Content-Length: -0\r\n",
        "Content-Length: \xef\xbc\x95\r\n",
        // a field that is one for some only
        "Content-Length : 0\r\n",
        "Content-Length\t: 0\r\n",
        "Transfer-Encoding : chunked\r\n",
        "Transfer-Encoding\x0b: chunked\r\n",
        "Transfer-Encoding: \x0b"
        "chunked\r\n",
        " Transfer-Encoding: chunked\r\n",
        "X: y\r\n\tTransfer-Encoding: chunked\r\n",
        "X: y\r\n Transfer-Encoding: chunked\r\n",
        "Transfer-Encoding:\r\n chunked\r\n",
        "X: y\nTransfer-Encoding: chunked\r\n",
        "X: y\rTransfer-Encoding: chunked\r\n",
        "X: y\n\nGET /hidden HTTP/1.1\r\n",
        "\nX: y\r\n",
        std::string("X: y\0Transfer-Encoding: chunked\r\n", 32),
        std::string("Transfer-Encoding\0: chunked\r\n", 30),
        std::string("Content-Length: 0\0\r\n", 20),
        "Transfer_Encoding chunked\r\n",
        ":Content-Length: 5\r\n",
        "Content-Length: 5: 0\r\n",
        "Cont\xc3\xa9nt-Length: 5\r\n",
        // whose host it is
        "Host: b\r\n",
        "Host : b\r\n",
    };
    for (const std::string& fields : heads) {
        for (const std::size_t step : {std::size_t{1}, std::size_t{7}, std::string::npos}) {
            CAPTURE(fields, step);
            const std::string bytes = post(fields, chunk) + hidden;
            RequestReader reader;
            bool hidden_taken = false;
            for (std::size_t at = 0; at < bytes.size(); at += std::min(step, bytes.size())) {
                reader.feed(bytes.substr(at, step));
                while (reader.progress() == Progress::Complete) {
                    hidden_taken = hidden_taken || reader.take().path == "/hidden";
                }
                if (reader.progress() == Progress::Rejected) {
                    break;
                }
            }
            CHECK(reader.progress() == Progress::Rejected);
            CHECK_FALSE(hidden_taken);
        }
    }
}

TEST_CASE("a connection closes when one of its options says so") {
    for (const auto& [field, kept] : std::vector<std::pair<std::string, bool>>{
             {"", true},
             {"Connection: keep-alive\r\n", true},
             {"Connection: close\r\n", false},
             {"Connection: Close\r\n", false},
             {"Connection: x, close\r\n", false},
             {"Connection: upgrade\r\nConnection: close\r\n", false},
             {"Connection: closed\r\n", true}}) {
        CAPTURE(field);
        RequestReader reader;
        reader.feed(get(field));
        REQUIRE(reader.progress() == Progress::Complete);
        CHECK(reader.take().keep_alive == kept);
    }
}

TEST_CASE("what is encoded in a field stays as it was sent") {
    RequestReader reader;
    reader.feed(get("X: =?utf-8?q?a=0d=0aY:_z?=\r\n"));
    REQUIRE(reader.progress() == Progress::Complete);
    CHECK(reader.take().header("x") == "=?utf-8?q?a=0d=0aY:_z?=");
}

TEST_CASE("a head is bounded in bytes and fields") {
    std::string many = "GET / HTTP/1.1\r\nHost: a\r\n";
    for (int i = 0; i < 100; ++i) {
        many += "X" + std::to_string(i) + ": y\r\n";
    }
    CHECK(outcome(many + "\r\n") == 431);

    RequestReader endless;
    std::size_t fed = 0;
    endless.feed("GET / HTTP/1.1\r\n");
    while (endless.progress() == Progress::Head && fed < (1U << 20U)) {
        endless.feed("X: 0123456789\r\n");
        fed += 15;
    }
    CHECK(endless.progress() == Progress::Rejected);
    CHECK(endless.rejection().status == 431);
    CHECK(fed < (66U << 10U));
}

TEST_CASE("a request is read with its parts") {
    RequestReader reader;
    reader.feed(
        "POST /api/v1/a%20b?x=1+2&y=%26&z HTTP/1.1\r\nHost: h:1\r\n"
        "COOKIE: a=1; berth_session=tok; b=2\r\nContent-Length: 2\r\n\r\n{}GET / HT");
    REQUIRE(reader.progress() == Progress::Complete);
    const auto request = reader.take();
    CHECK(request.method == Method::Post);
    CHECK(request.path == "/api/v1/a%20b");
    CHECK(request.parameter("x") == "1 2");
    CHECK(request.parameter("y") == "&");
    CHECK(request.parameter("z").empty());
    CHECK(request.parameter("none").empty());
    CHECK(request.cookie("berth_session") == "tok");
    CHECK(request.cookie("session").empty());
    CHECK(request.header("host") == "h:1");
    CHECK_FALSE(request.header("origin"));
    CHECK(request.body == "{}");
    CHECK(request.keep_alive);

    // The rest belongs to the next request.
    CHECK(reader.began());
    reader.feed("TP/1.0\r\nHost: h\r\n\r\n");
    REQUIRE(reader.progress() == Progress::Complete);
    const auto next = reader.take();
    CHECK(next.path == "/");
    CHECK_FALSE(next.keep_alive);
    CHECK(next.body.empty());
    CHECK_FALSE(reader.began());
}

TEST_CASE("an authority in the target stands for the Host") {
    RequestReader reader;
    reader.feed(
        "GET http://Other:81/a?b=c HTTP/1.1\r\nHost: h\r\n\r\nGET https://x?y=z HTTP/1.1\r\nHost: "
        "h\r\n\r\n");
    const auto request = reader.take();
    CHECK(request.header("host") == "Other:81");
    CHECK(request.path == "/a");
    CHECK(request.parameter("b") == "c");
    const auto next = reader.take();
    CHECK(next.header("host") == "x");
    CHECK(next.path == "/");
    CHECK(next.parameter("y") == "z");
}

TEST_CASE("HTTP/1.0 knows no continuation") {
    RequestReader reader;
    reader.feed("POST / HTTP/1.0\r\nContent-Length: 3\r\nExpect: 100-continue\r\n\r\n");
    CHECK(reader.progress() == Progress::Body);
    CHECK_FALSE(reader.expects_continue());
}

TEST_CASE("requests that come at once are taken one after the other") {
    RequestReader reader;
    reader.feed(get("") + post("Content-Length: 1\r\n", "x") + get("Connection: close\r\n"));
    std::vector<std::string> bodies;
    std::vector<bool> kept;
    while (reader.progress() == Progress::Complete) {
        const auto request = reader.take();
        bodies.push_back(request.body);
        kept.push_back(request.keep_alive);
    }
    CHECK(bodies == std::vector<std::string>{"", "x", ""});
    CHECK(kept == std::vector<bool>{true, true, false});
}

TEST_CASE("no bytes make the reader fail") {
    std::uint64_t state = 88172645463325252U;
    const auto random = [&state] {
        state ^= state << 13U;
        state ^= state >> 7U;
        state ^= state << 17U;
        return state;
    };
    const std::string seed = post("Content-Length: 5\r\nExpect: 100-continue\r\nX: y\r\n", "12345");
    for (int round = 0; round < 3000; ++round) {
        std::string bytes = seed;
        for (std::uint64_t i = 0, n = random() % 8; i < n; ++i) {
            bytes[random() % bytes.size()] = static_cast<char>(random());
        }
        (void)outcome(bytes, 1 + random() % 40);
    }
    CHECK(outcome(seed) == 0);
}

TEST_CASE("percent codes") {
    using berth::http::percent_decode;
    CHECK(percent_decode("a%2Fb") == "a/b");
    CHECK(percent_decode("%41%62") == "Ab");
    CHECK(percent_decode("a+b") == "a+b");
    CHECK(percent_decode("a+b", true) == "a b");
    for (const char* bad : {"%", "%4", "%g0", "a%00", "%0a", "\x01"}) {
        CHECK_FALSE(percent_decode(bad));
    }
}
