#include <catch2/catch.hpp>

#include "controller/access/gate.h"

using namespace berth;
using namespace berth::access;

namespace {

// Signs in whoever names himself in a field; of it browsers send nothing by themselves.
class Badge : public Authenticator {
public:
    explicit Badge(std::string field) : field_(std::move(field)) {}

    [[nodiscard]] std::optional<Identity> identify(const http::Request& request) const override {
        const auto name = request.header(field_);
        return name ? std::optional(Identity{std::string(*name), role, "", ""}) : std::nullopt;
    }

    [[nodiscard]] std::optional<Refusal> refuse_change(const http::Request& /*request*/,
                                                       const Identity& /*who*/) const override {
        return proof_wanted ? std::optional(Refusal{403, "no proof"}) : std::nullopt;
    }

    [[nodiscard]] bool knows(const http::Request& request) const override {
        return request.header("seen-before").has_value();
    }

    [[nodiscard]] bool still_holds(const Identity& /*who*/) const override { return holds; }

    Role role = Role::Operator;
    bool proof_wanted = false;
    bool holds = true;

private:
    std::string field_;
};

http::Request request(http::Method method,
                      std::vector<std::pair<std::string, std::string>> fields) {
    http::Request request;
    request.method = method;
    request.headers = std::move(fields);
    request.headers.emplace_back("host", "localhost");
    request.headers.emplace_back("content-type", "application/json");
    return request;
}

Site site() {
    Site site;
    site.hosts.push_back(*Host::parse("localhost"));
    return site;
}

}  // namespace

TEST_CASE("ways to sign in are asked in their order, and each has its own proof for changes") {
    Badge cookie("cookie");
    Badge bearer("authorization");
    cookie.proof_wanted = true;
    bearer.role = Role::Viewer;
    const Gate gate(site(), {&cookie, &bearer});

    const auto both = request(http::Method::Post, {{"authorization", "bob"}, {"cookie", "ann"}});
    const Visitor ann = gate.identify(both);
    REQUIRE(ann.who);
    CHECK(ann.who->user == "ann");
    CHECK(ann.known);
    CHECK(gate.refuse(Right::Operate, both, ann)->detail == "no proof");
    CHECK_FALSE(gate.refuse(Right::Operate, request(http::Method::Get, {}), ann));

    // Who is signed in by what browsers do not send by themselves needs no proof.
    const auto one = request(http::Method::Post, {{"authorization", "bob"}});
    const Visitor bob = gate.identify(one);
    REQUIRE(bob.who);
    CHECK_FALSE(gate.refuse(Right::See, one, bob));
    CHECK(gate.refuse(Right::Operate, one, bob)->status == 403);
    CHECK(gate.still_holds(bob));
    bearer.holds = false;
    CHECK_FALSE(gate.still_holds(bob));
}

TEST_CASE("nobody may do what everybody may") {
    const Badge badge("authorization");
    const Gate gate(site(), {&badge});
    const auto change = request(http::Method::Post, {});
    const Visitor nobody = gate.identify(change);
    CHECK_FALSE(nobody.who);
    CHECK_FALSE(nobody.known);
    CHECK_FALSE(gate.refuse(kPublic, change, nobody));
    CHECK(gate.refuse(Right::See, change, nobody)->status == 401);
    CHECK_FALSE(gate.still_holds(nobody));
    CHECK(gate.identify(request(http::Method::Get, {{"seen-before", "1"}})).known);
}

TEST_CASE("a request is let in that is for us, and a change that comes from us") {
    const Gate gate(site(), {});
    http::Request ours = request(http::Method::Post, {{"origin", "http://localhost"}});
    CHECK_FALSE(gate.admit(ours));
    CHECK(ours.host == "localhost");
    CHECK_FALSE(gate.refuse_foreign(ours));
    http::Request other = request(http::Method::Get, {});
    other.headers.front().second = "evil.example";
    CHECK(gate.admit(other)->status == 421);
    http::Request foreign = request(http::Method::Post, {{"origin", "https://evil.example"}});
    REQUIRE_FALSE(gate.admit(foreign));
    CHECK(gate.refuse_foreign(foreign)->status == 403);
    http::Request form = request(http::Method::Post, {});
    form.headers.back().second = "text/plain";
    REQUIRE_FALSE(gate.admit(form));
    CHECK(gate.refuse_foreign(form)->status == 415);
}

TEST_CASE("rights include those before them") {
    const std::vector<std::optional<Role>> roles = {
        std::nullopt, Role::Viewer, Role::Operator, Role::Admin};
    const std::vector<std::optional<Right>> rights = {
        kPublic, Right::See, Right::Operate, Right::Administer};
    for (std::size_t role = 0; role < roles.size(); ++role) {
        for (std::size_t right = 0; right < rights.size(); ++right) {
            CHECK(allows(roles[role], rights[right]) == (role >= right));
        }
        CHECK(sees_secrets(roles[role]) == (roles[role] == Role::Admin));
    }
}
