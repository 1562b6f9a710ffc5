#include <string>

#include <catch2/catch.hpp>

#include "agent/relay/client/secrets.h"
#include "shared/os/file.h"
#include "tests/unit/temp_folder.h"

using namespace berth;
using namespace berth::relay;

TEST_CASE("a secret is made once, and kept") {
    const test::TempFolder home;
    const auto made = ensure_secret(home.path(), "a", os::Sync::Later);
    REQUIRE(made);
    CHECK(made->size() == 64);
    CHECK(ensure_secret(home.path(), "a").value() == *made);
    CHECK(read_secret(home.path(), "a").value() == *made);
    CHECK(read_secret(home.path(), "b").error().code == ErrorCode::NotFound);
}

TEST_CASE("what a loss of power leaves in the place of a secret is none, and is replaced") {
    const test::TempFolder home;
    REQUIRE(os::make_folders(home.path() + "/secrets"));
    for (const std::string& left : {std::string(), std::string(65, '\0'), std::string("abc\n")}) {
        REQUIRE(os::replace_file(secret_file(home.path(), "a"), left));
        CHECK(read_secret(home.path(), "a").error().code == ErrorCode::NotFound);
        CHECK(ensure_secret(home.path(), "a", os::Sync::Later).value().size() == 64);
        CHECK(read_secret(home.path(), "a"));
    }
}

TEST_CASE("a secret that its owner has chosen stays") {
    const test::TempFolder home;
    const std::string own = "correct-horse-battery-staple-and-more";
    REQUIRE(os::make_folders(home.path() + "/secrets"));
    REQUIRE(os::replace_file(secret_file(home.path(), "a"), own + "\n"));
    CHECK(ensure_secret(home.path(), "a").value() == own);
}
