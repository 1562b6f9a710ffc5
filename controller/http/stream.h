#pragma once

#include <cstddef>
#include <memory>
#include <string_view>

#include "shared/os/fd.h"
#include "shared/os/unique_fd.h"

namespace berth::http {

// The bytes of one connection, in clear or within TLS. Never blocks. Owned by who speaks over it;
// the end of it closes the connection. Http loop thread.
class Stream {
public:
    Stream() = default;
    virtual ~Stream() = default;
    Stream(const Stream&) = delete;
    Stream& operator=(const Stream&) = delete;

    virtual os::IoOutcome read(char* buffer, std::size_t size) = 0;

    // Takes some of `bytes`. What was taken may still wait here: see flush().
    virtual os::IoOutcome write(std::string_view bytes) = 0;

    // Sends what was taken and waits here. Done: nothing waits.
    virtual os::IoStatus flush() = 0;

    // Says to the peer that nothing more comes; what it sends can still be read.
    virtual void end() = 0;

    // Has the peer notice, when this is closed, that what it got is not whole.
    virtual void abort() = 0;

    // To be watched, for both directions.
    [[nodiscard]] virtual int descriptor() const = 0;

    // Whether reading may have to wait until something can be written, and the other way round: so
    // that each readiness is one for both.
    [[nodiscard]] virtual bool is_crossed() const = 0;

    // Whether nobody in between can read along.
    [[nodiscard]] virtual bool is_secure() const = 0;

    // Whether the peer has spoken plain HTTP where TLS is spoken. It can be answered the same way.
    [[nodiscard]] virtual bool is_misdirected() const = 0;
};

// As they are.
class PlainStream : public Stream {
public:
    explicit PlainStream(os::UniqueFd socket) : socket_(std::move(socket)) {}

    os::IoOutcome read(char* buffer, std::size_t size) override;
    os::IoOutcome write(std::string_view bytes) override;

    os::IoStatus flush() override { return os::IoStatus::Done; }

    void end() override;
    void abort() override;

    [[nodiscard]] int descriptor() const override { return socket_.get(); }

    [[nodiscard]] bool is_crossed() const override { return false; }

    [[nodiscard]] bool is_secure() const override { return false; }

    [[nodiscard]] bool is_misdirected() const override { return false; }

private:
    os::UniqueFd socket_;
};

}  // namespace berth::http
