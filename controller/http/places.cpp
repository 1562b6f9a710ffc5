#include "controller/http/places.h"

#include <algorithm>

#include "controller/http/connection.h"

namespace berth::http {

void Places::add(std::shared_ptr<Connection> connection, const std::string& owner) {
    Connection* const key = connection.get();
    const Place place{std::move(connection), owner, Rank::HalfOpen, next_++, 0};
    order_of(Rank::HalfOpen).emplace(place.number, key);
    half_open_[owner].emplace(place.number, key);
    places_.emplace(key, place);
}

void Places::leave(const Place& place) {
    order_of(place.rank).erase(place.number);
    if (place.rank != Rank::HalfOpen) {
        return;
    }
    const auto same = half_open_.find(place.owner);
    same->second.erase(place.number);
    if (same->second.empty()) {
        half_open_.erase(same);
    }
}

void Places::rank(Connection& connection, Rank rank) {
    const auto found = places_.find(&connection);
    if (found == places_.end() || found->second.rank == rank) {
        return;
    }
    leave(found->second);
    found->second.rank = rank;
    found->second.number = next_++;
    order_of(rank).emplace(found->second.number, &connection);
}

void Places::holds(Connection& connection, std::size_t bytes) {
    const auto found = places_.find(&connection);
    if (found != places_.end()) {
        bytes_ = bytes_ - found->second.bytes + bytes;
        found->second.bytes = bytes;
    }
}

std::vector<std::shared_ptr<Connection>> Places::heaviest(std::size_t bytes) const {
    std::vector<const Place*> holders;
    for (const auto& [key, place] : places_) {
        if (place.bytes > 0) {
            holders.push_back(&place);
        }
    }
    std::sort(holders.begin(), holders.end(), [](const Place* a, const Place* b) {
        return a->rank != b->rank ? a->rank < b->rank : a->bytes > b->bytes;
    });
    std::vector<std::shared_ptr<Connection>> heaviest;
    std::size_t given_back = 0;
    for (const Place* const holder : holders) {
        if (given_back >= bytes) {
            break;
        }
        given_back += holder->bytes;
        heaviest.push_back(holder->connection);
    }
    return heaviest;
}

void Places::remove(Connection& connection) {
    const auto found = places_.find(&connection);
    if (found != places_.end()) {
        bytes_ -= found->second.bytes;
        leave(found->second);
        places_.erase(found);
    }
}

Connection* Places::surplus_of(const std::string& owner) const {
    const auto found = half_open_.find(owner);
    return found != half_open_.end() && found->second.size() >= of_one_address_
               ? found->second.begin()->second
               : nullptr;
}

Connection* Places::least() const {
    for (const Order& order : orders_) {
        const bool known = &order == &orders_.back();
        const auto found = std::find_if(order.begin(), order.end(), [known](const auto& entry) {
            return !known || entry.second->idle();
        });
        if (found != order.end()) {
            return found->second;
        }
    }
    return nullptr;
}

std::vector<std::shared_ptr<Connection>> Places::all() const {
    std::vector<std::shared_ptr<Connection>> connections;
    connections.reserve(places_.size());
    for (const auto& [key, place] : places_) {
        connections.push_back(place.connection);
    }
    return connections;
}

}  // namespace berth::http
