#pragma once

#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <set>
#include <string>

#include "controller/face/live/frames.h"
#include "controller/fleet/log_follow.h"
#include "controller/http/stream.h"
#include "shared/loop/event_loop.h"

struct wslay_event_context;

namespace berth::live {

// One open panel: a WebSocket. Writes what is queued as fast as it reads; one that falls behind by
// more than its bound, be it with what it was sent or with the answers to its own pings, is told so
// and closed; and so is one that says more than a hundred things a second. Http loop thread; owned
// by the hub. Its members are what one state machine between a connection and wslay has to know.
class Viewer : public std::enable_shared_from_this<Viewer> {
public:
    using Id = fleet::FollowerId;

    struct Events {
        std::function<void(Viewer& viewer, std::string_view text)> message;
        std::function<void(Viewer& viewer)> closed;
    };

    // Whose panel it is.
    struct Owner {
        std::string user;
        std::string session;
    };

    Viewer(loop::EventLoop& loop, Id id, Owner owner, const Events& events);
    ~Viewer();
    Viewer(const Viewer&) = delete;
    Viewer& operator=(const Viewer&) = delete;

    // Takes the connection over; `rest` was read behind the handshake.
    void start(std::unique_ptr<http::Stream> stream, std::string rest);

    // Queues a frame. `extra_room` widens the bound for good: a snapshot is as large as it is.
    void send(const Frame& frame, std::size_t extra_room = 0);

    // Sends "bye" with the reason, then closes; what is queued is dropped.
    void dismiss(std::string_view reason);

    void close();

    [[nodiscard]] Id id() const { return id_; }

    [[nodiscard]] const std::string& user() const { return owner_.user; }

    [[nodiscard]] const std::string& session() const { return owner_.session; }

    [[nodiscard]] std::size_t queued() const { return queued_; }

    [[nodiscard]] MonoTime last_heard() const { return last_heard_; }

    // The apps whose logs it follows, and how many lines of each were dropped because it was slow.
    std::map<std::string, std::uint64_t> follows;

private:
    struct ContextFree {
        void operator()(wslay_event_context* context) const;
    };
    struct Callbacks;

    void ready(bool readable, bool writable);
    bool read();
    void write();
    void parse();
    void push(const Frame& frame);
    bool may_say_more();

    loop::EventLoop& loop_;
    Id id_;
    Owner owner_;
    const Events& events_;
    std::unique_ptr<http::Stream> stream_;
    std::unique_ptr<wslay_event_context, ContextFree> context_;
    std::string input_;
    std::deque<Frame> queue_;
    std::size_t written_ = 0;  // of the first in the queue
    std::size_t queued_ = 0;   // bytes
    std::size_t room_ = 0;
    bool writable_ = true;
    bool ending_ = false;    // says nothing more when the queue is empty
    bool finished_ = false;  // all is said: waits for the peer's end, which has a deadline
    bool behind_ = false;    // more answers to its pings wait than fit
    MonoTime last_heard_;
    MonoTime counted_since_;  // what it says is counted, each second anew
    std::size_t said_ = 0;
    loop::Registration rest_;  // there is more to read, after the others have had their turn
    loop::Registration watch_;
    loop::Registration deadline_;
};

}  // namespace berth::live
