#pragma once

#include <stdlib.h>

#include <array>
#include <functional>
#include <optional>
#include <string>
#include <thread>

#include <catch2/catch.hpp>

#include "controller/app/controller.h"
#include "shared/json/json_value.h"
#include "shared/os/fd.h"
#include "shared/os/file.h"
#include "shared/os/socket.h"

// The whole controller in this process: front, workers, hub and fleet in their own threads, spoken
// to over real sockets, without an agent.
namespace berth::controller {

inline constexpr const char* kPassword = "correct horse battery";

struct Folder {
    Folder() {
        std::array<char, 32> name{"/tmp/berth-test-XXXXXX"};
        REQUIRE(::mkdtemp(name.data()) != nullptr);
        path = name.data();
    }

    ~Folder() { (void)os::remove_tree(path); }

    std::string path;
};

struct Reply {
    int status = 0;
    std::string head;
    std::string body;

    // The last one of this name.
    [[nodiscard]] std::string header(const std::string& name) const {
        const auto at = head.rfind("\r\n" + name + ": ");
        if (at == std::string::npos) {
            return {};
        }
        const auto from = at + name.size() + 4;
        return head.substr(from, head.find("\r\n", from) - from);
    }
};

// A blocking client that reads to the end of the connection.
class Client {
public:
    explicit Client(const std::string& url)
        : address_(*os::parse_tcp_address(url.substr(7))), host_(url.substr(7)) {}

    Reply raw(const std::string& bytes) const {
        const auto socket = os::connect_tcp(address_);
        REQUIRE(socket);
        (void)os::send_some(socket->get(), bytes);
        os::shut_down_sending(*socket);  // so that it ends after the answer, whatever that is
        std::string all;
        std::array<char, 65536> buffer{};
        for (;;) {
            const auto got = os::read_some(socket->get(), buffer.data(), buffer.size());
            if (got.status != os::IoStatus::Done) {
                break;
            }
            all.append(buffer.data(), got.bytes);
        }
        Reply reply;
        const auto end = std::min(all.find("\r\n\r\n"), all.size());
        reply.head = all.substr(0, end);
        reply.body = all.substr(std::min(end + 4, all.size()));
        reply.status = all.size() > 12 ? std::atoi(all.c_str() + 9) : 0;
        return reply;
    }

    Reply ask(const std::string& method,
              const std::string& path,
              const std::string& body = "",
              const std::string& extra = "") const {
        std::string request = method + ' ' + path + " HTTP/1.1\r\nHost: " + host_ +
                              "\r\nConnection: close\r\n" + extra;
        if (!cookie.empty()) {
            request += "Cookie: " + cookie + "\r\nX-CSRF-Token: " + csrf + "\r\n";
        }
        if (method != "GET" && extra.find("Content-Type") == std::string::npos) {
            request += "Content-Type: application/json\r\n";
        }
        return raw(request + "Content-Length: " + std::to_string(body.size()) + "\r\n\r\n" + body);
    }

    Reply open(const std::string& path, const std::string& body) {
        Reply reply = ask("POST", path, body);
        const std::string set = reply.header("Set-Cookie");
        if (reply.status == 200) {
            cookie = set.substr(0, set.find(';'));
            csrf = *json::parse_json(reply.body)->get<std::string>("csrf");
        }
        return reply;
    }

    Reply log_in(const std::string& user) {
        return open("/api/v1/session",
                    R"({"username":")" + user + R"(","password":")" + kPassword + "\"}");
    }

    [[nodiscard]] const os::TcpAddress& address() const { return address_; }

    [[nodiscard]] const std::string& host() const { return host_; }

    std::string cookie;
    std::string csrf;

private:
    os::TcpAddress address_;
    std::string host_;
};

struct World {
    using Change = std::function<void(Options& options)>;

    explicit World(bool with_users = true, const Change& change = {}) {
        controller::Options options;
        options.home = folder.path;
        options.listen = "127.0.0.1:0";
        if (change) {
            change(options);
        }
        auto made = Controller::create(options);
        REQUIRE(made);
        it = std::move(*made);
        link = it->setup_link();
        thread = std::thread([this] { it->run(); });
        admin.emplace(it->url());
        if (with_users) {
            const std::string token = link.substr(link.find("token=") + 6);
            REQUIRE(admin
                        ->open("/api/v1/setup",
                               R"({"token":")" + token + R"(","username":"ann","password":")" +
                                   kPassword + "\"}")
                        .status == 200);
        }
    }

    ~World() {
        it->stop();
        thread.join();
    }

    Client user(const std::string& name, const std::string& role) {
        CHECK(admin
                  ->ask("POST",
                        "/api/v1/users",
                        R"({"name":")" + name + R"(","role":")" + role + R"(","password":")" +
                            kPassword + "\"}")
                  .status == 201);
        Client client(it->url());
        CHECK(client.log_in(name).status == 200);
        return client;
    }

    Folder folder;
    std::unique_ptr<Controller> it;
    std::string link;
    std::thread thread;
    std::optional<Client> admin;
};

// One text frame from an open WebSocket; "" when it ended.
inline std::string read_frame(const os::UniqueFd& socket, std::string& buffer) {
    const auto need = [&](std::size_t size) {
        std::array<char, 65536> chunk{};
        while (buffer.size() < size) {
            const auto got = os::read_some(socket.get(), chunk.data(), chunk.size());
            if (got.status != os::IoStatus::Done) {
                return false;
            }
            buffer.append(chunk.data(), got.bytes);
        }
        return true;
    };
    for (;;) {
        if (!need(2)) {
            return {};
        }
        std::size_t size = static_cast<unsigned char>(buffer[1]);
        std::size_t head = 2;
        if (size == 126) {
            if (!need(4)) {
                return {};
            }
            size = static_cast<unsigned char>(buffer[2]) * 256U +
                   static_cast<unsigned char>(buffer[3]);
            head = 4;
        }
        const bool text = (buffer[0] & 15) == 1;
        if (!need(head + size)) {
            return {};
        }
        std::string payload = buffer.substr(head, size);
        buffer.erase(0, head + size);
        if (text) {
            return payload;
        }
    }
}

}  // namespace berth::controller
