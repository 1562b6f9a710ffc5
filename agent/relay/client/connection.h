#pragma once

#include <string>

#include "agent/relay/broker/link.h"
#include "agent/relay/client/local_endpoint.h"
#include "agent/relay/client/zmtp.h"

namespace berth::relay {

// One client on the unix socket. Owned by its endpoint, which destroys it at the end of the turn
// in which it ended.
class Connection : public Link, private ZmtpReader::Sink {
public:
    // `number`: in the order in which they come.
    Connection(LocalEndpoint& endpoint, os::UniqueFd socket, std::uint64_t number);
    ~Connection() override;

    void send(std::span<const std::string_view> parts) override;

    [[nodiscard]] std::size_t backlog() const override { return out_.size() - sent_; }

    void authenticated() override;
    void close() override;

    // Writes what is queued; goes on when the socket takes more.
    void flush();

    [[nodiscard]] int fd() const { return socket_.get(); }

    [[nodiscard]] std::uint64_t number() const { return number_; }

    [[nodiscard]] bool ended() const { return ended_; }

    [[nodiscard]] Session& session() { return *session_; }

private:
    void on_ready(bool readable, bool writable);
    void read();
    void parse(std::string_view bytes);
    void queue(std::string_view bytes);
    void mark_dirty();
    void update_interest();

    void greeted() override;
    void ready() override;
    bool message(std::span<const std::string_view> parts) override;
    void too_large(std::string_view header) override;
    void ping(std::string_view context) override;

    void hold_if_deaf();

    LocalEndpoint& endpoint_;
    os::UniqueFd socket_;
    std::uint64_t number_;
    Session* session_;
    ZmtpReader reader_;
    std::string pending_;  // read, not whole yet
    std::string out_;      // not taken by the peer yet, from sent_ on
    std::size_t sent_ = 0;
    bool dirty_ = false;
    bool ended_ = false;
    bool blocked_ = false;  // the socket takes no more until it is writable
    bool known_ = false;    // has said hello
    bool held_ = false;     // nothing is read until the peer has read
    bool deaf_ = false;     // the peer takes nothing any more; what it has sent is read to its end
    loop::Interest interest_ = loop::Interest::Read;
    loop::Registration watch_;
    loop::Registration deadline_;
};

}  // namespace berth::relay
