#pragma once

#include <memory>
#include <string>

#include "controller/http/stream.h"
#include "controller/http/tls_context.h"

struct ssl_st;

namespace berth::http {

// Bytes within TLS, as the server. The handshake is done by the first reads. What TLS wants to send
// waits here until the socket takes it, at most one record and a handshake; while any of it waits,
// nothing more is taken. A peer that begins with anything but a handshake is spoken to in clear:
// see is_misdirected().
class TlsStream : public Stream {
public:
    TlsStream(os::UniqueFd socket, const TlsContext& context);
    ~TlsStream() override;

    os::IoOutcome read(char* buffer, std::size_t size) override;
    os::IoOutcome write(std::string_view bytes) override;
    os::IoStatus flush() override;
    void end() override;
    void abort() override;

    [[nodiscard]] int descriptor() const override { return socket_.get(); }

    [[nodiscard]] bool is_crossed() const override { return true; }

    [[nodiscard]] bool is_secure() const override { return speech_ == Speech::Tls; }

    [[nodiscard]] bool is_misdirected() const override { return speech_ == Speech::Plain; }

private:
    enum class Speech : std::uint8_t { Unknown, Tls, Plain };

    struct Callbacks;

    struct SslFree {
        void operator()(ssl_st* ssl) const;
    };

    os::IoOutcome hear_first();
    os::IoOutcome take_heard(char* buffer, std::size_t size);

    os::UniqueFd socket_;
    std::unique_ptr<ssl_st, SslFree> ssl_;
    Speech speech_ = Speech::Unknown;
    std::string heard_;  // what has come and nobody has read yet
    std::string waiting_;
    std::size_t sent_ = 0;  // of `waiting_`
    bool ending_ = false;   // when nothing waits any more
};

}  // namespace berth::http
