#pragma once

#include <array>
#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <unordered_map>
#include <vector>

namespace berth::http {

class Connection;

// How much a connection has shown of itself, from least to most.
enum class Rank : std::uint8_t {
    HalfOpen,  // has never sent a whole request
    Stranger,  // its last request came from nobody in particular
    Known,     // its last request came from who is signed in, or with a browser that is known
};

// The connections there are, so that a crowd costs itself: who makes room is, of the lowest rank
// there is, the one that came, or rose, first. Http loop thread.
class Places {
public:
    explicit Places(std::size_t of_one_address) : of_one_address_(of_one_address) {}

    // Adds a connection that is half open. `owner`: whose address it has.
    void add(std::shared_ptr<Connection> connection, const std::string& owner);

    void rank(Connection& connection, Rank rank);

    // How many bytes of requests that are not whole a connection holds now.
    void holds(Connection& connection, std::size_t bytes);

    void remove(Connection& connection);

    // Who has to go before another one of this owner comes; null: there is room. Nobody has more
    // half-open connections than fit.
    [[nodiscard]] Connection* surplus_of(const std::string& owner) const;

    // Who has to go when all places are taken; null: all of them are of Known that are being
    // answered.
    [[nodiscard]] Connection* least() const;

    // Who has to go when all together hold more than they may, so that `bytes` are given back: of
    // the lowest rank those that hold most, then of the next.
    [[nodiscard]] std::vector<std::shared_ptr<Connection>> heaviest(std::size_t bytes) const;

    [[nodiscard]] std::size_t size() const { return places_.size(); }

    [[nodiscard]] std::size_t bytes() const { return bytes_; }

    [[nodiscard]] std::vector<std::shared_ptr<Connection>> all() const;

private:
    using Order = std::map<std::uint64_t, Connection*>;  // the oldest first

    struct Place {
        std::shared_ptr<Connection> connection;
        std::string owner;
        Rank rank = Rank::HalfOpen;
        std::uint64_t number = 0;
        std::size_t bytes = 0;
    };

    [[nodiscard]] Order& order_of(Rank rank) { return orders_[static_cast<std::size_t>(rank)]; }

    void leave(const Place& place);

    std::size_t of_one_address_;
    std::uint64_t next_ = 0;
    std::size_t bytes_ = 0;
    std::unordered_map<Connection*, Place> places_;
    std::array<Order, 3> orders_;
    std::unordered_map<std::string, Order> half_open_;  // by owner
};

}  // namespace berth::http
