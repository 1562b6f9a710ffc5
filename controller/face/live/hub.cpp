#include "controller/face/live/hub.h"

#include <algorithm>

#include "controller/face/answers.h"
#include "shared/base/text.h"
#include "shared/json/json_value.h"

namespace berth::live {

namespace {

constexpr std::size_t kMaxViewers = 1000;
constexpr std::size_t kMaxViewersOfUser = 100;
constexpr std::size_t kMaxFollows = 20;
constexpr std::uint64_t kMaxTail = 5000;
constexpr std::size_t kLogMark = 512U << 10U;  // above it, log lines are dropped and counted
constexpr Duration kFlushGap = std::chrono::milliseconds(100);
constexpr Duration kPing = std::chrono::seconds(15);
constexpr Duration kSilence = std::chrono::seconds(50);

bool has_word(std::string_view list, std::string_view word) {
    for (const std::string_view item : split(list, ',')) {
        if (to_lower(trim(item)) == word) {
            return true;
        }
    }
    return false;
}

// 16 bytes in Base64: 22 characters, of which the last holds 2 bits, and two of padding.
bool is_key(std::string_view key) {
    constexpr std::string_view kLetters =
        "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    return key.size() == 24 && key.find_first_not_of(kLetters) == 22 && key.substr(22) == "==" &&
           std::string_view("AQgw").find(key[21]) != std::string_view::npos;
}

// Why this is no handshake that may be accepted; nothing when it is one.
std::optional<http::Response> refuse_handshake(const http::Request& request) {
    const auto refuse = [](std::string_view why) {
        return std::move(face::problem(426, why).with("Upgrade", "websocket"));
    };
    if (request.method != http::Method::Get || request.http_1_0) {
        return refuse(
            "a WebSocket begins with GET in HTTP/1.1; a proxy in between must speak that to the "
            "controller (nginx: proxy_http_version 1.1)");
    }
    if (!has_word(request.header("upgrade").value_or(""), "websocket") ||
        !has_word(request.header("connection").value_or(""), "upgrade")) {
        return refuse(
            "this is a WebSocket: it wants \"Connection: Upgrade\" and \"Upgrade: websocket\", "
            "which a proxy in between must pass on");
    }
    if (!is_key(request.header("sec-websocket-key").value_or(""))) {
        return face::problem(400, "Sec-WebSocket-Key is 16 bytes in Base64");
    }
    if (request.header("sec-websocket-version").value_or("") != "13") {
        http::Response response = face::problem(426, "only version 13 of WebSocket is spoken here");
        return std::move(response.with("Sec-WebSocket-Version", "13"));
    }
    return std::nullopt;  // the router has looked where it comes from
}

// What a panel may ask for, and the members that it is said with.
enum class OrderKind : std::uint8_t { Follow, Unfollow };
constexpr auto kOrderNames = enum_names<OrderKind>("follow", "unfollow");

struct Order {
    OrderKind kind = OrderKind::Follow;
    std::string app;
    std::uint64_t tail = 200;
};

// What a frame asks for. Error: what is not understood of it.
Result<Order> read_order(std::string_view text) {
    BERTH_TRY(const auto frame, json::parse_json(text));
    if (!frame.is_object()) {
        return fail(ErrorCode::InvalidArgument, "a frame is a JSON object");
    }
    BERTH_TRY(const auto type, frame.get<std::string>("type"));
    const auto kind = kOrderNames.value(type);
    if (!kind) {
        return fail(ErrorCode::InvalidArgument,
                    "no frame of type \"" + printable(shortened(type, 60)) +
                        "\" is known here; there are follow and unfollow");
    }
    const bool follows = *kind == OrderKind::Follow;
    for (const json::JsonMember& member : frame.members()) {
        if (member.key != "type" && member.key != "app" && !(follows && member.key == "tail")) {
            return fail(ErrorCode::InvalidArgument,
                        "no member of \"" + type + "\" is named \"" +
                            printable(shortened(member.key, 60)) + "\"; there " +
                            (follows ? "are app and tail" : "is app"));
        }
    }
    Order order{*kind, {}};
    BERTH_TRY(order.app, frame.get<std::string>("app"));
    BERTH_TRY(const auto tail, frame.get_optional<std::uint64_t>("tail"));
    order.tail = std::min(tail.value_or(order.tail), kMaxTail);
    return order;
}

}  // namespace

Hub::Hub(loop::EventLoop& loop, access::Auth& auth, LogSource logs)
    : loop_(loop),
      auth_(auth),
      logs_(std::move(logs)),
      events_{[this](Viewer& viewer, std::string_view text) { on_message(viewer, text); },
              [this](Viewer& viewer) {
                  logs_.drop(viewer.id());
                  viewers_.erase(viewer.id());
              }},
      shown_(std::make_shared<const fleet::FleetView>()),
      newest_(shown_) {
    ping_ = loop_.after(kPing, [this] { ping(); });
}

Hub::~Hub() = default;

void Hub::accept(const http::Request& request,
                 const access::Identity& who,
                 const http::Responder& responder) {
    if (auto refused = refuse_handshake(request)) {
        return responder.send(std::move(*refused));
    }
    const std::string& user = who.user;
    const auto own = std::count_if(viewers_.begin(), viewers_.end(), [&user](const auto& entry) {
        return entry.second->user() == user;
    });
    if (viewers_.size() >= kMaxViewers || static_cast<std::size_t>(own) >= kMaxViewersOfUser) {
        return responder.send(
            face::problem(503,
                          "too many panels are open: at most " + std::to_string(kMaxViewersOfUser) +
                              " of a user and " + std::to_string(kMaxViewers) + " of all"));
    }
    http::Response response;
    response.status = 101;
    const auto key = request.header("sec-websocket-key").value_or("");
    response.with("Sec-WebSocket-Accept", accept_key(key));
    const Viewer::Owner owner{user, who.session};
    response.upgrade = [this, owner](std::unique_ptr<http::Stream> stream, std::string rest) {
        open(owner, std::move(stream), std::move(rest));
    };
    responder.send(std::move(response));
}

void Hub::open(const Viewer::Owner& owner, std::unique_ptr<http::Stream> stream, std::string rest) {
    const auto viewer = std::make_shared<Viewer>(loop_, next_++, owner, events_);
    viewers_.emplace(viewer->id(), viewer);
    if (!snapshot_) {
        snapshot_ = text_frame(snapshot_text(sequence_, *shown_));
    }
    viewer->send(text_frame(hello_text(sequence_)));
    viewer->send(snapshot_, snapshot_->size());
    viewer->start(std::move(stream), std::move(rest));
    if (!auth_.keep_alive(owner.session)) {  // it has ended since the handshake was checked
        viewer->dismiss("the session has ended");
    }
}

void Hub::show(fleet::FleetViewPtr view) {
    newest_ = std::move(view);
    if (flush_.active()) {
        return;
    }
    const MonoTime next = flushed_ + kFlushGap;
    flush_ = loop_.at(std::max(next, loop_.now().mono), [this] { flush(); });
}

void Hub::flush() {
    flush_.reset();
    flushed_ = loop_.now().mono;
    const std::string delta = delta_text(sequence_ + 1, *shown_, *newest_);
    shown_ = newest_;
    if (delta.empty()) {
        return;
    }
    ++sequence_;
    snapshot_.reset();
    const Frame frame = text_frame(delta);
    for (const auto& viewer : all()) {
        viewer->send(frame);
    }
}

std::vector<std::shared_ptr<Viewer>> Hub::all() const {
    std::vector<std::shared_ptr<Viewer>> viewers;
    viewers.reserve(viewers_.size());
    for (const auto& [id, viewer] : viewers_) {
        viewers.push_back(viewer);
    }
    return viewers;
}

// The text is for the panel, the frame for its WebSocket, whose answer shows that it lives.
void Hub::ping() {
    ping_ = loop_.after(kPing, [this] { ping(); });
    static const Frame ping_text = text_frame(R"({"type":"ping"})");
    static const Frame ping_bytes = ping_frame();
    for (const auto& viewer : all()) {
        if (loop_.now().mono - viewer->last_heard() > kSilence) {
            viewer->close();
        } else {
            viewer->send(ping_text);
            viewer->send(ping_bytes);
        }
    }
    check_sessions();
}

void Hub::check_sessions() {
    for (const auto& viewer : all()) {
        if (!auth_.keep_alive(viewer->session())) {
            viewer->dismiss("the session has ended");
        }
    }
}

void Hub::stop() {
    for (const auto& viewer : all()) {
        viewer->dismiss("the controller is ending");
    }
}

void Hub::on_message(Viewer& viewer, std::string_view text) {
    const auto order = read_order(text);
    if (!order) {
        return viewer.send(text_frame(error_text(order.error().message)));
    }
    if (order->kind == OrderKind::Follow) {
        on_follow(viewer, order->app, order->tail);
    } else if (viewer.follows.erase(order->app) != 0) {
        logs_.unfollow(viewer.id(), order->app);
    }
}

void Hub::on_follow(Viewer& viewer, const std::string& app, std::uint64_t tail) {
    const std::size_t slash = std::min(app.find('/'), app.size());
    const std::string agent = app.substr(0, slash);
    const std::string id = app.substr(std::min(slash + 1, app.size()));
    if (!is_valid_id(agent) || !is_valid_id(id)) {
        return viewer.send(text_frame(log_error_text(app, "an app is named AGENT/ID")));
    }
    if (viewer.follows.count(app) == 0 && viewer.follows.size() >= kMaxFollows) {
        return viewer.send(
            text_frame(log_error_text(app, "at most 20 logs can be followed at once")));
    }
    viewer.follows[app] = 0;
    logs_.follow(viewer.id(), agent, id, tail);
}

void Hub::deliver(const std::vector<fleet::FollowerId>& to,
                  const std::shared_ptr<const fleet::LogPiece>& piece) {
    Frame shared;
    for (const fleet::FollowerId id : to) {
        const auto found = viewers_.find(id);
        if (found == viewers_.end()) {
            continue;
        }
        const auto viewer = found->second;
        const auto follow = viewer->follows.find(piece->app);
        if (follow == viewer->follows.end()) {
            continue;
        }
        if (!piece->error.empty()) {
            viewer->follows.erase(follow);
            viewer->send(text_frame(log_error_text(piece->app, piece->error)));
        } else if (viewer->queued() > kLogMark) {
            follow->second += piece->skipped_lines + piece->count;
        } else if (follow->second > 0) {
            const std::uint64_t skipped = std::exchange(follow->second, 0);
            viewer->send(text_frame(log_text(*piece, skipped)));
        } else {
            shared = shared ? shared : text_frame(log_text(*piece, 0));
            viewer->send(shared);
        }
    }
}

}  // namespace berth::live
