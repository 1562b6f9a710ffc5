#include "agent/checks/probe.h"

#include <array>
#include <cerrno>
#include <charconv>
#include <vector>

#include "shared/base/text.h"
#include "shared/os/fd.h"
#include "shared/os/os_error.h"
#include "shared/os/socket.h"

namespace berth::checks {

namespace {

constexpr const char* kThisMachine = "localhost";
constexpr std::uint16_t kHttpPort = 80;
constexpr std::size_t kMaxStatusLine = 4096;

// "HOST:PORT" taken apart; the host may be a name, in brackets when it is IPv6, or missing.
os::TcpAddress split_address(std::string_view text, std::uint16_t default_port) {
    os::TcpAddress address;
    address.port = default_port;
    const std::size_t bracket = text.rfind(']');
    const std::size_t colon = text.rfind(':');
    const bool has_port =
        colon != std::string_view::npos && (bracket == std::string_view::npos || colon > bracket);
    if (has_port) {
        address.port = parse_integer<std::uint16_t>(text.substr(colon + 1)).value_or(0);
        text = text.substr(0, colon);
    }
    if (text.size() > 2 && text.front() == '[' && text.back() == ']') {
        text = text.substr(1, text.size() - 2);
    }
    address.host = text.empty() ? kThisMachine : std::string(text);
    return address;
}

// That we have run out of something says nothing about the one who was to be asked.
Verdict verdict_of(int error) {
    return os::means_exhausted(error) ? Verdict::Unknown : Verdict::Bad;
}

// Connects, and says something when there is something to be said.
class SocketProbe : public Probe {
public:
    // `words` go out once it is connected; empty: to be connected is enough.
    SocketProbe(ProbeContext context, std::string what, std::string words, ProbeDone done)
        : context_(context),
          what_(std::move(what)),
          words_(std::move(words)),
          done_(std::move(done)) {}

    void begin(const os::TcpAddress& address, Duration timeout) {
        timeout_ = context_.loop.after(timeout, [this, timeout] {
            finish(Verdict::Bad, "no answer within " + short_duration(timeout));
        });
        if (address.host == kThisMachine) {
            // Both families: many servers listen to one of them alone.
            others_ = {{"::1", address.port}};
            return connect({"127.0.0.1", address.port});
        }
        if (os::parse_tcp_address(address.text())) {
            return connect(address);
        }
        context_.resolver.resolve(
            address.host, alive_, [this, address](const Result<std::string>& numeric) {
                numeric ? connect({*numeric, address.port})
                        : finish(verdict_of(numeric.error().os_errno), numeric.error().message);
            });
    }

private:
    void connect(const os::TcpAddress& address) {
        auto socket = os::begin_connect_tcp(address);
        if (!socket) {
            // Not from within begin(): its caller does not hold us yet.
            const int error = socket.error().os_errno;
            soon_ = context_.loop.after(Duration::zero(), [this, error] {
                failed(verdict_of(error), os::error_text(error));
            });
            return;
        }
        socket_ = std::move(*socket);
        watch_ = context_.loop.watch(
            socket_.get(), loop::Interest::Write, [this](bool, bool) { connected(); });
    }

    void connected() {
        if (const int error = os::connect_error(socket_); error != 0) {
            return failed(Verdict::Bad, os::error_text(error));
        }
        if (words_.empty()) {
            return finish(Verdict::Good, "connected");
        }
        // A fresh socket takes a few hundred bytes at once.
        if (os::send_some(socket_.get(), words_).bytes != words_.size()) {
            return failed(Verdict::Bad, "the connection broke");
        }
        watch_.reset();  // one descriptor, one watch
        watch_ = context_.loop.watch(
            socket_.get(), loop::Interest::Read, [this](bool, bool) { answered(); });
    }

    void answered() {
        std::array<char, 512> buffer{};
        const os::IoOutcome outcome = os::read_some(socket_.get(), buffer.data(), buffer.size());
        if (outcome.status == os::IoStatus::WouldBlock) {
            return;
        }
        if (outcome.status == os::IoStatus::Done) {
            answer_.append(buffer.data(), outcome.bytes);
        }
        drop_interim();
        const std::size_t end = answer_.find('\n');
        const bool over = outcome.status != os::IoStatus::Done || answer_.size() > kMaxStatusLine;
        const bool interim =
            answer_.starts_with("HTTP/1.1 1") && !answer_.starts_with("HTTP/1.1 101");
        if ((end == std::string::npos || interim) && !over) {
            return;
        }
        // "HTTP/1.1 200 OK"
        int status = 0;
        const std::size_t space = answer_.find(' ');
        if (end != std::string::npos && answer_.rfind("HTTP/", 0) == 0 && space < end) {
            (void)std::from_chars(answer_.data() + space + 1, answer_.data() + end, status);
        }
        if (status < 100 || status > 599) {
            return failed(Verdict::Bad,
                          interim_.empty() ? "what came back is not HTTP"
                                           : "answered " + interim_ + " and nothing after that");
        }
        const std::string text = "answered " + std::to_string(status);
        status >= 200 && status < 400 ? finish(Verdict::Good, text) : failed(Verdict::Bad, text);
    }

    // Whole answers that only say that another one comes (RFC 9110, 15.2), as 103 Early Hints.
    void drop_interim() {
        while (answer_.starts_with("HTTP/1.1 1") && !answer_.starts_with("HTTP/1.1 101")) {
            const std::size_t end = answer_.find("\r\n\r\n");
            if (end == std::string::npos) {
                return;  // what of it is there is looked at as it is, should no more come
            }
            interim_ = answer_.substr(9, 3);
            answer_.erase(0, end + 4);
        }
    }

    // At this address; there may be another.
    void failed(Verdict verdict, const std::string& outcome) {
        if (others_.empty() || verdict == Verdict::Unknown) {
            const bool same = first_failure_.empty() || first_failure_ == outcome ||
                              outcome == os::error_text(EADDRNOTAVAIL) ||
                              outcome == os::error_text(EAFNOSUPPORT) ||
                              outcome == os::error_text(ENETUNREACH);  // no IPv6 here
            return finish(verdict,
                          first_failure_.empty() ? outcome
                          : same                 ? first_failure_
                                                 : first_failure_ + ", at [::1] " + outcome);
        }
        first_failure_ = outcome;
        const os::TcpAddress next = others_.front();
        others_.erase(others_.begin());
        watch_.reset();
        answer_.clear();
        interim_.clear();
        connect(next);
    }

    void finish(Verdict verdict, const std::string& outcome) {
        watch_.reset();
        timeout_.reset();
        soon_.reset();
        const ProbeDone done = std::move(done_);  // it may destroy us
        done({verdict, what_ + ": " + outcome});
    }

    ProbeContext context_;
    std::string what_;
    std::string words_;
    ProbeDone done_;
    std::string answer_;
    std::string interim_;  // the status of the last one before it
    os::UniqueFd socket_;
    loop::Registration watch_;
    loop::Registration timeout_;
    loop::Registration soon_;
    std::vector<os::TcpAddress> others_;  // to be tried when this one fails
    std::string first_failure_;
    std::shared_ptr<bool> alive_ = std::make_shared<bool>(true);
};

}  // namespace

std::unique_ptr<Probe> probe_tcp(ProbeContext context,
                                 const std::string& address,
                                 Duration timeout,
                                 ProbeDone done) {
    const os::TcpAddress to = split_address(address, 0);
    auto probe =
        std::make_unique<SocketProbe>(context, "tcp " + to.text(), std::string(), std::move(done));
    probe->begin(to, timeout);
    return probe;
}

std::unique_ptr<Probe> probe_http(ProbeContext context,
                                  const std::string& url,
                                  Duration timeout,
                                  ProbeDone done) {
    constexpr std::string_view kScheme = "http://";  // the descriptor allows no other
    const std::string_view rest = std::string_view(url).substr(kScheme.size());
    const std::size_t path_at = rest.find_first_of("/?#");
    const std::string_view host = rest.substr(0, path_at);
    std::string path(path_at == std::string_view::npos ? "/" : rest.substr(path_at));
    path = path.substr(0, path.find('#'));
    if (path.empty() || path.front() != '/') {
        path.insert(0, "/");
    }
    const std::string request = "GET " + path + " HTTP/1.1\r\nHost: " + std::string(host) +
                                "\r\nUser-Agent: berth\r\nAccept: */*\r\nConnection: close\r\n\r\n";
    auto probe = std::make_unique<SocketProbe>(context, "GET " + url, request, std::move(done));
    probe->begin(split_address(host, kHttpPort), timeout);
    return probe;
}

}  // namespace berth::checks
