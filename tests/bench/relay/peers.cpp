#include "tests/bench/relay/peers.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <cstdlib>
#include <cstring>
#include <deque>
#include <stdexcept>
#include <string_view>

namespace berth::bench {

namespace {

// A stream of text lines and counted bytes, which is what both protocols are.
class Stream {
public:
    explicit Stream(const std::string& endpoint) : fd_(open(endpoint)) {
        if (fd_ < 0) {
            throw std::runtime_error("cannot connect to " + endpoint);
        }
    }

    Stream(const Stream&) = delete;
    Stream& operator=(const Stream&) = delete;

    ~Stream() { (void)::close(fd_); }

    void put(std::string_view bytes) { out_ += bytes; }

    [[nodiscard]] std::size_t waiting() const { return out_.size(); }

    void flush() {
        for (std::size_t sent = 0; sent < out_.size();) {
            const ssize_t size = ::send(fd_, out_.data() + sent, out_.size() - sent, MSG_NOSIGNAL);
            if (size <= 0) {
                throw std::runtime_error("the broker has closed the connection");
            }
            sent += static_cast<std::size_t>(size);
        }
        out_.clear();
    }

    // Without its CRLF.
    std::string_view line() {
        for (std::size_t from = 0;;) {
            const std::size_t end = in_.find("\r\n", at_ + from);
            if (end != std::string::npos) {
                const std::string_view found = std::string_view(in_).substr(at_, end - at_);
                at_ = end + 2;
                return found;
            }
            const std::size_t have = in_.size() - at_;
            from = have > 0 ? have - 1 : 0;
            fill();
        }
    }

    // And the CRLF behind them.
    std::string_view counted(std::size_t size) {
        while (in_.size() - at_ < size + 2) {
            fill();
        }
        const std::string_view found = std::string_view(in_).substr(at_, size);
        at_ += size + 2;
        return found;
    }

    [[nodiscard]] bool has_more() const { return at_ < in_.size(); }

private:
    static int open(const std::string& endpoint) {
        if (endpoint.front() == '/') {
            sockaddr_un address{};
            address.sun_family = AF_UNIX;
            endpoint.copy(address.sun_path, sizeof address.sun_path - 1);
            const int fd = ::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
            return ::connect(fd, reinterpret_cast<const sockaddr*>(&address), sizeof address) == 0
                       ? fd
                       : -1;
        }
        sockaddr_in address{};
        address.sin_family = AF_INET;
        address.sin_port = htons(static_cast<std::uint16_t>(std::atoi(endpoint.c_str())));
        address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
        const int fd = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
        const int on = 1;
        (void)::setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
        return ::connect(fd, reinterpret_cast<const sockaddr*>(&address), sizeof address) == 0 ? fd
                                                                                               : -1;
    }

    void fill() {
        if (at_ > kKeep) {
            in_.erase(0, at_);
            at_ = 0;
        }
        const std::size_t had = in_.size();
        in_.resize(had + kRead);
        const ssize_t got = ::recv(fd_, in_.data() + had, kRead, 0);
        if (got <= 0) {
            throw std::runtime_error("the broker has closed the connection");
        }
        in_.resize(had + static_cast<std::size_t>(got));
    }

    static constexpr std::size_t kKeep = 1U << 20U;
    static constexpr std::size_t kRead = 256U << 10U;

    int fd_;
    std::string out_;
    std::string in_;
    std::size_t at_ = 0;
};

constexpr std::size_t kTogether = 64U << 10U;  // bytes that are sent at once, when many are

std::size_t number_of(std::string_view text) {
    return static_cast<std::size_t>(std::strtoull(std::string(text).c_str(), nullptr, 10));
}

class RedisWay : public Way {
public:
    explicit RedisWay(const Spec& spec)
        : spec_(spec),
          stream_(spec.endpoint),
          from_(spec.to.empty() ? spec.app : "back:" + spec.to) {}

    void send(const std::string& payload) override { push(spec_.to, payload); }

    void drain(std::size_t unanswered) override {
        if (unanswered_ <= unanswered) {
            return;
        }
        stream_.flush();
        while (unanswered_ > unanswered) {
            expect(':');
            --unanswered_;
        }
    }

    std::string receive() override {
        drain(0);
        command({"BRPOP", from_, "60"});
        stream_.flush();
        if (expect('*') != 2) {
            throw std::runtime_error("nothing came from Redis");
        }
        (void)stream_.counted(expect('$'));  // the list's name
        return std::string(stream_.counted(expect('$')));
    }

    std::size_t receive_many() override {
        command({"BLMPOP", "60", "1", from_, "RIGHT", "COUNT", "1000"});
        stream_.flush();
        if (expect('*') != 2) {
            throw std::runtime_error("nothing came from Redis");
        }
        (void)stream_.counted(expect('$'));
        const std::size_t count = expect('*');
        for (std::size_t i = 0; i < count; ++i) {
            (void)stream_.counted(expect('$'));
        }
        return count;
    }

    void reply(const std::string& payload) override {
        push("back:" + spec_.app, payload);
        drain(0);
    }

private:
    void push(const std::string& list, const std::string& payload) {
        command({"LPUSH", list, payload});
        ++unanswered_;
        if (stream_.waiting() > kTogether) {
            stream_.flush();
        }
    }

    void command(std::initializer_list<std::string_view> words) {
        stream_.put("*" + std::to_string(words.size()) + "\r\n");
        for (const std::string_view word : words) {
            stream_.put("$" + std::to_string(word.size()) + "\r\n");
            stream_.put(word);
            stream_.put("\r\n");
        }
    }

    std::size_t expect(char kind) {
        const std::string_view line = stream_.line();
        if (line.empty() || line.front() != kind) {
            throw std::runtime_error("Redis said " + std::string(line));
        }
        return number_of(line.substr(1));
    }

    Spec spec_;
    Stream stream_;
    std::string from_;  // the list that this side reads
    std::size_t unanswered_ = 0;
};

class NatsWay : public Way {
public:
    explicit NatsWay(const Spec& spec) : spec_(spec), stream_(spec.endpoint) {
        (void)stream_.line();  // INFO
        stream_.put("CONNECT {\"verbose\":false,\"pedantic\":false}\r\nSUB ");
        stream_.put((spec.to.empty() ? spec.app : "back." + spec.to) + " 1\r\n");
        ping();
        drain(0);
    }

    void send(const std::string& payload) override {
        publish(spec_.to, payload);
        if (++since_ping_ == kPerPing) {
            ping();
        }
    }

    // What is not acknowledged yet is counted in PINGs, each for so many messages.
    void drain(std::size_t unanswered) override {
        if (unanswered == 0 && since_ping_ > 0) {
            ping();
        }
        if (pings_ * kPerPing <= unanswered) {
            return;
        }
        stream_.flush();
        while (pings_ > 0 && pings_ * kPerPing > unanswered) {
            (void)next();
        }
    }

    std::string receive() override {
        if (stream_.waiting() > 0) {
            stream_.flush();
        }
        while (!next()) {
        }
        return payload_;
    }

    std::size_t receive_many() override {
        (void)receive();
        return 1;
    }

    void reply(const std::string& payload) override {
        publish("back." + spec_.app, payload);
        stream_.flush();
    }

private:
    static constexpr std::size_t kPerPing = 100;

    void publish(const std::string& subject, const std::string& payload) {
        stream_.put("PUB " + subject + " " + std::to_string(payload.size()) + "\r\n");
        stream_.put(payload);
        stream_.put("\r\n");
        if (stream_.waiting() > kTogether) {
            stream_.flush();
        }
    }

    void ping() {
        stream_.put("PING\r\n");
        ++pings_;
        since_ping_ = 0;
    }

    // Takes the next thing that the server says; true: it was a message.
    bool next() {
        const std::string_view line = stream_.line();
        if (line == "PONG") {
            --pings_;
        } else if (line == "PING") {
            stream_.put("PONG\r\n");
            stream_.flush();
        } else if (line.substr(0, 4) == "MSG ") {
            const std::size_t size = number_of(line.substr(line.rfind(' ') + 1));
            payload_ = stream_.counted(size);
            return true;
        } else if (line.substr(0, 4) == "-ERR") {
            throw std::runtime_error("NATS said " + std::string(line));
        }
        return false;
    }

    Spec spec_;
    Stream stream_;
    std::size_t pings_ = 0;
    std::size_t since_ping_ = 0;
    std::string payload_;
};

}  // namespace

std::unique_ptr<Way> redis_way(const Spec& spec) {
    return std::make_unique<RedisWay>(spec);
}

std::unique_ptr<Way> nats_way(const Spec& spec) {
    return std::make_unique<NatsWay>(spec);
}

}  // namespace berth::bench
