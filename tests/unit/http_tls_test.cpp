#include <catch2/catch.hpp>

#include "controller/http/tls_context.h"
#include "shared/os/file.h"
#include "tests/unit/temp_folder.h"

using namespace berth;
using namespace berth::http;
using test::TempFolder;

TEST_CASE("a certificate that is made can be used with its key, and with no other") {
    const TempFolder folder;
    const std::string one = folder.path() + "/one";
    const std::string two = folder.path() + "/two";
    for (const std::string& name : {one, two}) {
        const auto pair = make_self_signed({"localhost", "127.0.0.1", "[::1]"});
        REQUIRE(pair);
        REQUIRE(os::replace_file(name + ".crt", pair->certificate, 0600));
        REQUIRE(os::replace_file(name + ".key", pair->key, 0600));
    }
    const auto good = TlsContext::load(one + ".crt", one + ".key");
    REQUIRE(good);
    CHECK((*good)->complaint().empty());
    CHECK((*good)->fingerprint().size() == 32 * 3 - 1);
    const auto other = TlsContext::load(two + ".crt", two + ".key");
    REQUIRE(other);
    CHECK((*other)->fingerprint() != (*good)->fingerprint());

    const auto crossed = TlsContext::load(one + ".crt", two + ".key");
    REQUIRE_FALSE(crossed);
    CHECK(crossed.error().message.find("two.key\" is not the key of the certificate in") !=
          std::string::npos);
}

TEST_CASE("what cannot be used of a certificate's files is told by its name") {
    const TempFolder folder;
    const auto pair = make_self_signed({"localhost"});
    REQUIRE(pair);
    const auto put = [&folder](const std::string& name, const std::string& text) {
        REQUIRE(os::replace_file(folder.path() + "/" + name, text, 0600));
        return folder.path() + "/" + name;
    };
    const std::string certificate = put("good.crt", pair->certificate);
    const std::string key = put("good.key", pair->key);
    const std::string nonsense = put("nonsense", "-----BEGIN CERTIFICATE-----\nx\n");
    const std::string cut = put("cut.crt", pair->certificate.substr(0, 100));
    const std::string none = folder.path() + "/none";
    for (const auto& [bad, error] : {std::pair{nonsense, TlsContext::load(nonsense, key)},
                                     {cut, TlsContext::load(cut, key)},
                                     {none, TlsContext::load(none, key)},
                                     {none, TlsContext::load(certificate, none)},
                                     {nonsense, TlsContext::load(certificate, nonsense)},
                                     {certificate, TlsContext::load(certificate, certificate)},
                                     {key, TlsContext::load(key, key)}}) {
        CAPTURE(bad);
        REQUIRE_FALSE(error);
        CHECK(error.error().message.find(bad) != std::string::npos);
    }
    CHECK_FALSE(make_self_signed({"not a name,"}));
}
