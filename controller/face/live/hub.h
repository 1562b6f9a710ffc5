#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "controller/access/auth.h"
#include "controller/face/live/viewer.h"
#include "controller/fleet/fleet_view.h"
#include "controller/fleet/log_follow.h"
#include "controller/http/request.h"
#include "controller/http/responder.h"
#include "shared/loop/event_loop.h"

namespace berth::live {

// Where the hub gets logs from; called on the http loop, must not block.
struct LogSource {
    std::function<void(Viewer::Id viewer, std::string agent, std::string id, std::uint64_t tail)>
        follow;
    std::function<void(Viewer::Id viewer, std::string app)> unfollow;
    std::function<void(Viewer::Id viewer)> drop;
};

// All open panels. Each gets "hello", a snapshot, and numbered deltas, at most ten a second; a
// delta is written once and shared. Logs are dropped, and counted, for a viewer that is slow; one
// that is slower still is closed. Http loop thread; destroyed after the loop has ended.
class Hub {
public:
    Hub(loop::EventLoop& loop, access::Auth& auth, LogSource logs);
    ~Hub();
    Hub(const Hub&) = delete;
    Hub& operator=(const Hub&) = delete;

    // The handler of GET /api/v1/live: checks the handshake and takes the connection over.
    // `who`: who has asked, signed in.
    void accept(const http::Request& request,
                const access::Identity& who,
                const http::Responder& responder);

    // A new view; what is new in it goes out soon.
    void show(fleet::FleetViewPtr view);

    void deliver(const std::vector<fleet::FollowerId>& to,
                 const std::shared_ptr<const fleet::LogPiece>& piece);

    // Closes the viewers whose sessions are over.
    void check_sessions();

    // Says goodbye to all, as the controller ends.
    void stop();

    [[nodiscard]] std::size_t viewers() const { return viewers_.size(); }

private:
    void open(const Viewer::Owner& owner, std::unique_ptr<http::Stream> stream, std::string rest);
    void flush();
    void ping();
    void on_message(Viewer& viewer, std::string_view text);
    void on_follow(Viewer& viewer, const std::string& app, std::uint64_t tail);
    std::vector<std::shared_ptr<Viewer>> all() const;

    loop::EventLoop& loop_;
    access::Auth& auth_;
    LogSource logs_;
    Viewer::Events events_;
    std::map<Viewer::Id, std::shared_ptr<Viewer>> viewers_;
    Viewer::Id next_ = 1;
    fleet::FleetViewPtr shown_;  // what viewers know, as of sequence_
    fleet::FleetViewPtr newest_;
    std::uint64_t sequence_ = 1;
    Frame snapshot_;  // of shown_; made when it is needed
    MonoTime flushed_;
    loop::Registration flush_;
    loop::Registration ping_;
};

}  // namespace berth::live
