#include "controller/http/tls_stream.h"

#include <openssl/bio.h>
#include <openssl/err.h>
#include <openssl/ssl.h>

#include <algorithm>
#include <array>

#include "shared/base/ensure.h"
#include "shared/os/socket.h"

namespace berth::http {

namespace {

constexpr char kHandshake = 0x16;            // the type of the record that TLS begins with
constexpr std::size_t kRecord = 16U << 10U;  // bytes, the most that one holds
constexpr std::size_t kFirstRead = 4U << 10U;

}  // namespace

// OpenSSL reads from the socket, and writes to what waits. Its own sockets would raise SIGPIPE.
struct TlsStream::Callbacks {
    static TlsStream& self(BIO* bio) { return *static_cast<TlsStream*>(BIO_get_data(bio)); }

    static int read(BIO* bio, char* buffer, int size) {
        BIO_clear_retry_flags(bio);
        const os::IoOutcome outcome = self(bio).take_heard(buffer, static_cast<std::size_t>(size));
        switch (outcome.status) {
            case os::IoStatus::Done:
                return static_cast<int>(outcome.bytes);
            case os::IoStatus::WouldBlock:
                BIO_set_retry_read(bio);
                return -1;
            case os::IoStatus::Closed:
                return 0;
            case os::IoStatus::Failed:
                break;
        }
        return -1;
    }

    static int write(BIO* bio, const char* bytes, int size) {
        self(bio).waiting_.append(bytes, static_cast<std::size_t>(size));
        return size;
    }

    static long control(BIO* /*bio*/, int command, long /*number*/, void* /*pointer*/) {
        return command == BIO_CTRL_FLUSH ? 1 : 0;
    }

    static const BIO_METHOD* methods() {
        static const BIO_METHOD* const kMethods = [] {
            BIO_METHOD* const made =
                BIO_meth_new(BIO_get_new_index() | BIO_TYPE_SOURCE_SINK, "berth");
            ENSURE(made != nullptr, "this fails without memory only");
            (void)BIO_meth_set_read(made, read);
            (void)BIO_meth_set_write(made, write);
            (void)BIO_meth_set_ctrl(made, control);
            return made;
        }();
        return kMethods;
    }
};

void TlsStream::SslFree::operator()(ssl_st* ssl) const {
    SSL_free(ssl);
}

TlsStream::TlsStream(os::UniqueFd socket, const TlsContext& context)
    : socket_(std::move(socket)), ssl_(SSL_new(context.get())) {
    BIO* const bio = BIO_new(Callbacks::methods());
    ENSURE(ssl_ != nullptr && bio != nullptr, "this fails without memory only");
    BIO_set_data(bio, this);
    BIO_set_init(bio, 1);
    SSL_set_bio(ssl_.get(), bio, bio);
    SSL_set_accept_state(ssl_.get());
}

TlsStream::~TlsStream() = default;

// What was heard before it was known what is spoken, then what comes.
os::IoOutcome TlsStream::take_heard(char* buffer, std::size_t size) {
    if (heard_.empty()) {
        return os::read_some(socket_.get(), buffer, size);
    }
    const std::size_t taken = std::min(size, heard_.size());
    std::copy_n(heard_.begin(), taken, buffer);
    heard_.erase(0, taken);
    return {os::IoStatus::Done, taken, 0};
}

os::IoOutcome TlsStream::hear_first() {
    std::array<char, kFirstRead> buffer;
    const os::IoOutcome outcome = os::read_some(socket_.get(), buffer.data(), buffer.size());
    if (outcome.status == os::IoStatus::Done) {
        heard_.assign(buffer.data(), outcome.bytes);
        speech_ = heard_.front() == kHandshake ? Speech::Tls : Speech::Plain;
    }
    return outcome;
}

os::IoOutcome TlsStream::read(char* buffer, std::size_t size) {
    if (speech_ == Speech::Unknown) {
        const os::IoOutcome outcome = hear_first();
        if (outcome.status != os::IoStatus::Done) {
            return outcome;
        }
    }
    if (speech_ == Speech::Plain) {
        return take_heard(buffer, size);
    }
    ERR_clear_error();
    std::size_t got = 0;
    const int done = SSL_read_ex(ssl_.get(), buffer, size, &got);
    const int error = done == 1 ? SSL_ERROR_NONE : SSL_get_error(ssl_.get(), done);
    const os::IoStatus flushed = flush();  // of a handshake, or an alert
    if (done == 1) {
        return {os::IoStatus::Done, got, 0};
    }
    if (flushed == os::IoStatus::Closed || flushed == os::IoStatus::Failed) {
        return {flushed, 0, 0};
    }
    switch (error) {
        case SSL_ERROR_WANT_READ:
        case SSL_ERROR_WANT_WRITE:
            return {os::IoStatus::WouldBlock, 0, 0};
        case SSL_ERROR_ZERO_RETURN:
            return {os::IoStatus::Closed, 0, 0};
        default:
            return {os::IoStatus::Failed, 0, 0};
    }
}

os::IoOutcome TlsStream::write(std::string_view bytes) {
    if (speech_ == Speech::Plain) {
        return os::send_some(socket_.get(), bytes);
    }
    if (const os::IoStatus flushed = flush(); flushed != os::IoStatus::Done) {
        return {flushed, 0, 0};
    }
    ERR_clear_error();
    std::size_t taken = 0;
    const std::string_view part = bytes.substr(0, kRecord);
    const int done = SSL_write_ex(ssl_.get(), part.data(), part.size(), &taken);
    if (done != 1) {
        // Nothing that it writes has to wait: what it lacks is the peer's part of the handshake.
        const bool waits = SSL_get_error(ssl_.get(), done) == SSL_ERROR_WANT_READ;
        return {waits ? os::IoStatus::WouldBlock : os::IoStatus::Failed, 0, 0};
    }
    const os::IoStatus flushed = flush();
    return flushed == os::IoStatus::Done || flushed == os::IoStatus::WouldBlock
               ? os::IoOutcome{os::IoStatus::Done, taken, 0}
               : os::IoOutcome{flushed, 0, 0};
}

os::IoStatus TlsStream::flush() {
    while (sent_ < waiting_.size()) {
        const os::IoOutcome outcome =
            os::send_some(socket_.get(), std::string_view(waiting_).substr(sent_));
        if (outcome.status != os::IoStatus::Done) {
            return outcome.status;
        }
        sent_ += outcome.bytes;
    }
    waiting_.clear();
    sent_ = 0;
    if (ending_) {
        ending_ = false;
        os::shut_down_sending(socket_);
    }
    return os::IoStatus::Done;
}

void TlsStream::end() {
    if (speech_ == Speech::Tls) {
        ERR_clear_error();
        (void)SSL_shutdown(ssl_.get());  // the peer's own goodbye is not waited for
    }
    ending_ = true;
    (void)flush();  // the next one goes on with it
}

void TlsStream::abort() {
    os::reset_when_closed(socket_);
}

}  // namespace berth::http
