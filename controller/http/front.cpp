#include "controller/http/front.h"

#include "controller/http/tls_stream.h"
#include "shared/os/ip_network.h"

namespace berth::http {

namespace {

constexpr int kBacklog = 1024;

}  // namespace

Front::Front(loop::EventLoop& loop,
             loop::PosterPtr poster,
             const FrontOptions& options,
             Service service)
    : loop_(loop),
      options_(options),
      environment_{loop,
                   std::move(poster),
                   options.deadlines,
                   options.limits,
                   service.fixed_fields,
                   std::move(service.handle),
                   std::move(service.knows),
                   std::move(service.refuse),
                   [this](Connection& connection, Rank rank) { places_.rank(connection, rank); },
                   [this](Connection& connection, std::size_t bytes) { held(connection, bytes); },
                   [this](Connection& connection) { places_.remove(connection); }},
      places_(options.max_half_open) {}

Front::~Front() {
    stop();
}

Result<std::unique_ptr<Front>> Front::create(loop::EventLoop& loop,
                                             loop::PosterPtr poster,
                                             const FrontOptions& options,
                                             Service service) {
    std::unique_ptr<Front> front(new Front(loop, std::move(poster), options, std::move(service)));
    BERTH_TRY(os::UniqueFd listening, os::listen_tcp(options.listen, kBacklog));
    BERTH_TRY(front->options_.listen.port, os::bound_port(listening));
    front->acceptor_ = std::make_unique<loop::Acceptor>(
        loop, std::move(listening), os::accept_tcp, [self = front.get()](os::Accepted accepted) {
            self->add(std::move(accepted));
        });
    return front;
}

void Front::add(os::Accepted accepted) {
    const auto address = os::IpAddress::parse(accepted.address);
    const std::string owner = address ? address->owner() : accepted.address;
    if (Connection* const surplus = places_.surplus_of(owner)) {
        surplus->close();
    }
    if (places_.size() >= options_.max_connections) {
        Connection* const least = places_.least();
        if (least == nullptr) {
            return;  // all of them are being answered: the new one is closed
        }
        least->close();
    }
    std::unique_ptr<Stream> stream;
    if (tls_) {
        stream = std::make_unique<TlsStream>(std::move(accepted.socket), *tls_);
    } else {
        stream = std::make_unique<PlainStream>(std::move(accepted.socket));
    }
    const auto connection =
        std::make_shared<Connection>(environment_, std::move(stream), accepted.address);
    places_.add(connection, owner);
    connection->start();
}

void Front::held(Connection& connection, std::size_t bytes) {
    places_.holds(connection, bytes);
    if (places_.bytes() <= options_.max_bytes) {
        return;
    }
    // An eighth at once, so that a crowd does not make us look for the next after every read.
    for (const auto& heaviest : places_.heaviest(options_.max_bytes / 8)) {
        heaviest->close();
    }
}

void Front::stop() {
    acceptor_.reset();
    for (const auto& connection : places_.all()) {
        connection->close();
    }
}

}  // namespace berth::http
