#include "controller/http/stream.h"

#include "shared/os/socket.h"

namespace berth::http {

os::IoOutcome PlainStream::read(char* buffer, std::size_t size) {
    return os::read_some(socket_.get(), buffer, size);
}

os::IoOutcome PlainStream::write(std::string_view bytes) {
    return os::send_some(socket_.get(), bytes);
}

void PlainStream::end() {
    os::shut_down_sending(socket_);
}

void PlainStream::abort() {
    os::reset_when_closed(socket_);
}

}  // namespace berth::http
