#pragma once

namespace berth::bus {

// ZeroMQ takes connections in a thread of its own until there are no descriptors left, and then
// aborts the process (unix sockets) or tries again without a pause (TCP). It cannot be told
// otherwise, so a program with a Context has an accept4(2) of its own, which libzmq finds before
// that of the C library: it turns connections away while descriptors are scarce, see
// os::accept_connection(). This does nothing but to have it linked.
void use_own_accept4();

}  // namespace berth::bus
