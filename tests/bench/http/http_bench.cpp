// A client that asks one address again and again, a thread for each connection, and prints how many
// answers there were in how many seconds:
//
//     http_bench PORT PATH plain|tls keep|anew CONNECTIONS SECONDS
//
// keep: on connections that stay; anew: each request on a connection (and a handshake) of its own.

#include <arpa/inet.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <openssl/ssl.h>
#include <sys/socket.h>
#include <unistd.h>

#include <array>
#include <atomic>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <memory>
#include <string>
#include <thread>
#include <vector>

namespace {

using Clock = std::chrono::steady_clock;

struct Plan {
    std::uint16_t port = 0;
    std::string request;
    bool tls = false;
    bool keep = true;
    Clock::time_point end;
    SSL_CTX* context = nullptr;
};

[[noreturn]] void give_up(const char* what) {
    std::perror(what);
    std::exit(1);  // NOLINT(concurrency-mt-unsafe): a tool
}

struct Connection {
    explicit Connection(const Plan& plan) {
        socket = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
        sockaddr_in address{};
        address.sin_family = AF_INET;
        address.sin_port = htons(plan.port);
        address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
        const int on = 1;
        (void)::setsockopt(socket, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
        // NOLINTNEXTLINE(cppcoreguidelines-pro-type-reinterpret-cast): the socket API
        if (::connect(socket, reinterpret_cast<const sockaddr*>(&address), sizeof address) != 0) {
            give_up("connect");
        }
        if (plan.tls) {
            ssl = SSL_new(plan.context);
            (void)SSL_set_fd(ssl, socket);
            if (SSL_connect(ssl) != 1) {
                give_up("handshake");
            }
        }
    }

    ~Connection() {
        if (ssl != nullptr) {
            (void)SSL_shutdown(ssl);
            SSL_free(ssl);
        }
        (void)::close(socket);
    }

    Connection(const Connection&) = delete;
    Connection& operator=(const Connection&) = delete;

    void send(const std::string& bytes) const {
        const auto size = static_cast<int>(bytes.size());
        const auto sent = ssl != nullptr
                              ? SSL_write(ssl, bytes.data(), size)
                              : static_cast<int>(::send(socket, bytes.data(), bytes.size(), 0));
        if (sent != size) {
            give_up("send");
        }
    }

    // One answer, whose length its head tells.
    void receive() {
        std::size_t used = 0;
        std::size_t whole = 0;
        while (whole == 0 || used < whole) {
            const auto room = static_cast<int>(buffer.size() - used);
            const auto got = ssl != nullptr
                                 ? SSL_read(ssl, buffer.data() + used, room)
                                 : static_cast<int>(::recv(
                                       socket, buffer.data() + used, buffer.size() - used, 0));
            if (got <= 0) {
                give_up("receive");
            }
            used += static_cast<std::size_t>(got);
            buffer.at(used) = '\0';
            const char* const end = whole == 0 ? std::strstr(buffer.data(), "\r\n\r\n") : nullptr;
            const char* const length =
                end == nullptr ? nullptr : std::strstr(buffer.data(), "Content-Length: ");
            if (length != nullptr) {
                whole = static_cast<std::size_t>(end - buffer.data()) + 4 +
                        std::strtoul(length + 16, nullptr, 10);
            }
        }
    }

    int socket = -1;
    SSL* ssl = nullptr;
    std::array<char, 65536> buffer{};
};

void ask(const Plan& plan, std::atomic<std::uint64_t>& answers) {
    auto connection = std::make_unique<Connection>(plan);
    std::uint64_t own = 0;
    while (Clock::now() < plan.end) {
        if (!connection) {
            connection = std::make_unique<Connection>(plan);
        }
        connection->send(plan.request);
        connection->receive();
        ++own;
        if (!plan.keep) {
            connection.reset();
        }
    }
    answers += own;
}

}  // namespace

int main(int argc, char** argv) {
    if (argc != 7) {
        (void)std::fputs("usage: http_bench PORT PATH plain|tls keep|anew CONNECTIONS SECONDS\n",
                         stderr);
        return 2;
    }
    Plan plan;
    plan.port = static_cast<std::uint16_t>(std::strtoul(argv[1], nullptr, 10));
    plan.tls = std::string(argv[3]) == "tls";
    plan.keep = std::string(argv[4]) == "keep";
    plan.request = "GET " + std::string(argv[2]) + " HTTP/1.1\r\nHost: localhost\r\n\r\n";
    plan.context =
        SSL_CTX_new(TLS_client_method());  // whose certificate it is does not matter here
    const double seconds = std::strtod(argv[6], nullptr);
    const auto begun = Clock::now();
    plan.end =
        begun + std::chrono::duration_cast<Clock::duration>(std::chrono::duration<double>(seconds));
    std::atomic<std::uint64_t> answers = 0;
    std::vector<std::thread> threads;
    for (unsigned long i = 0; i < std::strtoul(argv[5], nullptr, 10); ++i) {
        threads.emplace_back([&] { ask(plan, answers); });
    }
    for (std::thread& thread : threads) {
        thread.join();
    }
    const std::chrono::duration<double> took = Clock::now() - begun;
    (void)std::printf("%llu %.3f\n", static_cast<unsigned long long>(answers.load()), took.count());
    SSL_CTX_free(plan.context);
    return 0;
}
