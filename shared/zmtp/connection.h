#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>

#include "shared/loop/event_loop.h"
#include "shared/os/unique_fd.h"
#include "shared/zmtp/codec.h"
#include "shared/zmtp/peer.h"

namespace berth::zmtp {

class Pool;

// One connection over a unix socket. Owned by its pool, which destroys it at the end of the turn in
// which it ended. It has the pool's strangers' limits until trust(). Loop thread.
//
// Over 25 methods: those of Reader::Sink are its own.
class Connection : private Reader::Sink {
public:
    // `number`: in the order in which they come.
    Connection(Pool& pool, os::UniqueFd socket, std::uint64_t number);
    ~Connection() override;

    void set_peer(std::unique_ptr<Peer> peer) { peer_ = std::move(peer); }

    // Queues one message, which goes out at the end of the turn. Before ready() and after the end
    // it goes nowhere.
    void send(std::span<const std::string_view> parts);

    // How many bytes the other side has not taken yet.
    [[nodiscard]] std::size_t backlog() const { return out_.size() - sent_; }

    // Whether messages go through.
    [[nodiscard]] bool is_open() const { return !ended_ && !deaf_ && reader_.is_ready(); }

    // The other side has said who it is: what it may send grows.
    void trust();

    void close();

    // Writes what is queued; goes on when the socket takes more.
    void flush();

    [[nodiscard]] int fd() const { return socket_.get(); }

    [[nodiscard]] std::uint64_t number() const { return number_; }

    [[nodiscard]] bool ended() const { return ended_; }

private:
    void on_ready(bool readable, bool writable);
    void read();
    void parse(std::string_view bytes);
    void queue(std::string_view bytes);
    void mark_dirty();
    void update_interest();
    void hold_if_deaf();

    void greeted() override;
    void ready() override;
    bool message(std::span<const std::string_view> parts) override;
    void too_large(std::string_view header) override;
    void ping(std::string_view context) override;

    Pool& pool_;
    os::UniqueFd socket_;
    std::uint64_t number_;
    std::unique_ptr<Peer> peer_;
    Reader reader_;
    std::string pending_;  // read, not whole yet
    std::string out_;      // not taken by the other side yet, from sent_ on
    std::size_t sent_ = 0;
    bool dirty_ = false;
    bool ended_ = false;
    bool blocked_ = false;  // the socket takes no more until it is writable
    bool trusted_ = false;
    bool held_ = false;  // nothing is read until the other side has read
    bool deaf_ = false;  // it takes nothing any more; what it has sent is read to its end
    loop::Interest interest_ = loop::Interest::Read;
    loop::Registration watch_;
    loop::Registration deadline_;
};

}  // namespace berth::zmtp
