"""Messages between the apps of a Berth agent.

    import berth_ipc
    ipc = berth_ipc.connect()
    ipc.notify("printer", {"file": "a.pdf"})
    for message in ipc.poll(wait=10):
        print(message.sender, message.payload)
        message.ack()

Python 3.8 or newer and nothing else. An app that Berth starts finds everything in its environment;
others pass `app`, `secret` (printed by `berth token app ID`) and `endpoint`. A client connects by
itself, and again after the agent was away; every call ends within its timeout. It may be used by
any number of threads. See README.md beside this file.
"""

import asyncio
import collections
import itertools
import os
import select
import socket
import struct
import sys
import threading
import time
import traceback
import weakref

try:
    import msgpack as _msgpack
except ImportError:
    _msgpack = None

__all__ = ["AsyncClient", "Client", "Disconnected", "Event", "IpcError", "Message", "Sent", "Timeout",
           "connect", "pack", "unpack"]

VERSION = 1
_MAX_DEPTH = 64
_READ = 262144
_MAX_UNANSWERED = 1000
_HELLO = 1 << 62     # the request id of a hello
_FINAL = (400, 401, 409)  # a hello refused so would be refused again
_LONGEST = 86400.0   # seconds of one wait; the loops around it look at their deadline again
_LOOK = 0.1          # seconds after which who greets looks whether the client was closed
_GRACE = 2.0         # seconds that an answer may take on its way when the relay itself waits
_SOON = 0.005        # seconds after which handled messages are acknowledged, if not before
_TOGETHER = 256      # or so many of them
_NOTHING, _EVENTS, _EVERYTHING = "nothing", "events", "everything"  # what is pushed to us


class IpcError(Exception):
    """The relay has refused: `code` as in its contract (403 not allowed, 404 unknown, 429 full, ...)."""

    def __init__(self, code, text, info=None):
        super().__init__(f"{code}: {text}")
        self.code = code
        self.text = text
        self.info = info or {}


class Disconnected(IpcError):
    """The agent is not there, or went away before it answered something that must not be sent twice."""

    def __init__(self, text):
        super().__init__(503, text)


class Timeout(IpcError):
    """No answer in time."""

    def __init__(self, text="no answer in time"):
        super().__init__(504, text)


# --- msgpack ------------------------------------------------------------------------------------


class Ext:
    """A msgpack extension value that Python has no type for."""

    def __init__(self, code, data):
        self.code, self.data = code, data

    def __eq__(self, other):
        return isinstance(other, Ext) and (self.code, self.data) == (other.code, other.data)

    def __repr__(self):
        return f"Ext({self.code}, {self.data!r})"


def _pack_int(out, value):
    if 0 <= value < 0x80:
        out.append(value)
    elif -32 <= value < 0:
        out.append(value & 0xFF)
    elif 0 <= value:
        if value <= 0xFF:
            out += struct.pack(">BB", 0xCC, value)
        elif value <= 0xFFFF:
            out += struct.pack(">BH", 0xCD, value)
        elif value <= 0xFFFFFFFF:
            out += struct.pack(">BI", 0xCE, value)
        elif value <= 0xFFFFFFFFFFFFFFFF:
            out += struct.pack(">BQ", 0xCF, value)
        else:
            raise OverflowError("a message's whole number has at most 64 bits")
    elif value >= -0x80:
        out += struct.pack(">Bb", 0xD0, value)
    elif value >= -0x8000:
        out += struct.pack(">Bh", 0xD1, value)
    elif value >= -0x80000000:
        out += struct.pack(">Bi", 0xD2, value)
    elif value >= -0x8000000000000000:
        out += struct.pack(">Bq", 0xD3, value)
    else:
        raise OverflowError("a message's whole number has at most 64 bits")


def _pack_sized(out, size, fix, fix_limit, heads):
    if size < fix_limit:
        out.append(fix | size)
    elif heads[0] is not None and size <= 0xFF:
        out += struct.pack(">BB", heads[0], size)
    elif size <= 0xFFFF:
        out += struct.pack(">BH", heads[1], size)
    else:
        out += struct.pack(">BI", heads[2], size)


def _pack(out, value, default, depth):
    if depth > _MAX_DEPTH:
        raise ValueError(f"a message is nested deeper than {_MAX_DEPTH}")
    if value is None:
        out.append(0xC0)
    elif value is True:
        out.append(0xC3)
    elif value is False:
        out.append(0xC2)
    elif isinstance(value, int):
        _pack_int(out, value)
    elif isinstance(value, float):
        out += struct.pack(">Bd", 0xCB, value)
    elif isinstance(value, str):
        data = value.encode("utf-8", "surrogateescape")
        _pack_sized(out, len(data), 0xA0, 32, (0xD9, 0xDA, 0xDB))
        out += data
    elif isinstance(value, (bytes, bytearray, memoryview)):
        data = bytes(value)
        _pack_sized(out, len(data), 0, 0, (0xC4, 0xC5, 0xC6))
        out += data
    elif isinstance(value, (list, tuple)):
        _pack_sized(out, len(value), 0x90, 16, (None, 0xDC, 0xDD))
        for item in value:
            _pack(out, item, default, depth + 1)
    elif isinstance(value, dict):
        _pack_sized(out, len(value), 0x80, 16, (None, 0xDE, 0xDF))
        for key, item in value.items():
            _pack(out, key, default, depth + 1)
            _pack(out, item, default, depth + 1)
    elif isinstance(value, Ext):
        _pack_sized(out, len(value.data), 0, 0, (0xC7, 0xC8, 0xC9))
        out += struct.pack(">b", value.code) + value.data
    elif default is not None:
        _pack(out, default(value), default, depth + 1)
    else:
        raise TypeError(f"a message cannot hold {type(value).__name__} objects")


def pack(value, default=None):
    """The msgpack bytes of `value`: None, bool, int, float, str, bytes, lists and dicts of them.
    `default` turns anything else into something that can be packed."""
    out = bytearray()
    _pack(out, value, default, 0)
    return bytes(out)


class _Unpacker:
    _NUMBERS = {0xCA: ">f", 0xCB: ">d", 0xCC: ">B", 0xCD: ">H", 0xCE: ">I", 0xCF: ">Q",
                0xD0: ">b", 0xD1: ">h", 0xD2: ">i", 0xD3: ">q"}
    _SIZES = {0xC4: 1, 0xC5: 2, 0xC6: 4, 0xD9: 1, 0xDA: 2, 0xDB: 4, 0xDC: 2, 0xDD: 4, 0xDE: 2, 0xDF: 4,
              0xC7: 1, 0xC8: 2, 0xC9: 4}

    def __init__(self, data):
        self.data, self.at = data, 0

    def take(self, size):
        end = self.at + size
        if end > len(self.data):
            raise ValueError("msgpack: cut short")
        piece = self.data[self.at:end]
        self.at = end
        return piece

    def text(self, size):
        return self.take(size).decode("utf-8", "surrogateescape")

    def items(self, count, depth):
        if depth >= _MAX_DEPTH or count > len(self.data) - self.at:
            raise ValueError("msgpack: nested too deep, or more elements than bytes")
        return [self.value(depth + 1) for _ in range(count)]

    def pairs(self, count, depth):
        if depth >= _MAX_DEPTH or 2 * count > len(self.data) - self.at:
            raise ValueError("msgpack: nested too deep, or more elements than bytes")
        found = {}
        for _ in range(count):
            key = self.value(depth + 1)
            if isinstance(key, list):
                key = tuple(key)
            found[key] = self.value(depth + 1)
        return found

    def value(self, depth=0):
        head = self.take(1)[0]
        if head < 0x80:
            return head
        if head >= 0xE0:
            return head - 256
        if head < 0x90:
            return self.pairs(head & 15, depth)
        if head < 0xA0:
            return self.items(head & 15, depth)
        if head < 0xC0:
            return self.text(head & 31)
        if head in (0xC0, 0xC2, 0xC3):
            return {0xC0: None, 0xC2: False, 0xC3: True}[head]
        if head in self._NUMBERS:
            form = self._NUMBERS[head]
            return struct.unpack(form, self.take(struct.calcsize(form)))[0]
        if 0xD4 <= head <= 0xD8:
            return self.extension(1 << (head - 0xD4))
        if head not in self._SIZES:
            raise ValueError("msgpack: an unknown type")
        size = int.from_bytes(self.take(self._SIZES[head]), "big")
        if head <= 0xC6:
            return bytes(self.take(size))
        if head <= 0xC9:
            return self.extension(size)
        if head <= 0xDB:
            return self.text(size)
        return self.items(size, depth) if head <= 0xDD else self.pairs(size, depth)

    def extension(self, size):
        code = struct.unpack(">b", self.take(1))[0]
        return Ext(code, bytes(self.take(size)))


def unpack(data):
    """The value of msgpack bytes; exactly one. ValueError when they are not that."""
    unpacker = _Unpacker(data)
    try:
        value = unpacker.value()
    except TypeError as error:  # a map's key that Python cannot use as one
        raise ValueError(f"msgpack: {error}") from None
    if unpacker.at != len(data):
        raise ValueError("msgpack: bytes behind its end")
    return value


def _fast_pack(value, default=None):
    try:
        return _msgpack.packb(value, use_bin_type=True, default=default, unicode_errors="surrogateescape")
    except (TypeError, ValueError, OverflowError):
        return pack(value, default)  # with its own words, or its own types


def _fast_unpack(data):
    try:
        return _msgpack.unpackb(data, raw=False, strict_map_key=False, unicode_errors="surrogateescape",
                                ext_hook=Ext)
    except Exception:  # pylint: disable=broad-except  # whatever it was, ours says it as a ValueError
        return unpack(data)


if _msgpack is not None and getattr(_msgpack, "version", (0,))[0] >= 1:
    _encode, _decode = _fast_pack, _fast_unpack
else:
    _encode, _decode = pack, unpack


# --- ZMTP 3.0, NULL ------------------------------------------------------------------------------

_GREETING = b"\xff" + bytes(8) + b"\x7f\x03\x00" + b"NULL".ljust(20, b"\0") + bytes(32)
_READY = b"\x04\x29\x05READY\x0bSocket-Type\0\0\0\x06DEALER\x08Identity\0\0\0\0"


def _frames(parts):
    out = []
    last = len(parts) - 1
    for index, part in enumerate(parts):
        more = 1 if index < last else 0
        size = len(part)
        out.append(bytes((more, size)) if size < 256 else struct.pack(">BQ", more | 2, size))
        out.append(part)
    return b"".join(out)


class _Framer:
    """Takes the relay's bytes apart into messages."""

    def __init__(self):
        self.buffer = bytearray()
        self.parts = []
        self.greeted = self.ready = False
        self.messages = collections.deque()
        self.to_send = b""  # what the protocol itself has to answer

    def feed(self, data):
        buffer = self.buffer
        buffer += data
        at = 0
        if not self.greeted:
            if len(buffer) < 64:
                return
            if buffer[0] != 0xFF or buffer[10] < 3:
                raise ConnectionError("what listens there does not speak ZMTP 3")
            self.greeted = True
            at = 64
        size_of = len(buffer)
        while size_of - at >= 2:
            flags = buffer[at]
            if flags & 2:
                if size_of - at < 9:
                    break
                size, begin = int.from_bytes(buffer[at + 1:at + 9], "big"), at + 9
            else:
                size, begin = buffer[at + 1], at + 2
            if size_of - begin < size:
                break
            body = bytes(memoryview(buffer)[begin:begin + size])
            at = begin + size
            if flags & 4:
                self.command(body)
                continue
            self.parts.append(body)
            if not flags & 1:
                self.messages.append(self.parts)
                self.parts = []
        del buffer[:at]

    def command(self, body):
        if body.startswith(b"\x05READY"):
            self.ready = True
        elif body.startswith(b"\x05ERROR"):
            raise ConnectionError("the relay refuses the connection")
        elif body.startswith(b"\x04PING"):
            pong = b"\x04PONG" + body[7:]
            self.to_send += bytes((4, len(pong))) + pong


def _left_ms(deadline):
    """Milliseconds until `deadline`, for poll(); None: for ever."""
    return None if deadline is None else min(max(deadline - time.monotonic(), 0), _LONGEST) * 1000


def _open_socket(endpoint, timeout):
    kind, _, address = endpoint.partition("://")
    if kind == "ipc":
        sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM | getattr(socket, "SOCK_CLOEXEC", 0))
        target = address
    elif kind == "tcp":
        host, _, port = address.rpartition(":")
        sock = socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET, socket.SOCK_STREAM)
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        target = (host.strip("[]"), int(port))
    else:
        raise ValueError(f"an endpoint is ipc://PATH or tcp://HOST:PORT, not {endpoint!r}")
    try:
        sock.settimeout(max(timeout, 0.001))
        sock.connect(target)
    except BaseException:
        sock.close()
        raise
    return sock


class _BuiltinTransport:
    """A connection with nothing but the standard library. send() for any thread, receive() for one
    at a time."""

    def __init__(self, endpoint, deadline, _keys=None, given_up=lambda: False):
        self.sock = _open_socket(endpoint, deadline - time.monotonic())
        self.framer = _Framer()
        self.pushed = 0  # messages that were, and are read
        self.send_lock = threading.Lock()
        try:
            self.sock.sendall(_GREETING)
            self._await(lambda: self.framer.greeted, deadline, given_up)
            self.sock.sendall(_READY)
            self._await(lambda: self.framer.ready, deadline, given_up)
            self.sock.setblocking(False)
        except BaseException:
            self.close()
            raise
        self.readable = select.poll()
        self.readable.register(self.sock, select.POLLIN)
        self.writable = select.poll()
        self.writable.register(self.sock, select.POLLOUT)

    def _await(self, done, deadline, given_up):
        while not done():
            self.sock.settimeout(min(max(deadline - time.monotonic(), 0.001), _LOOK))
            try:
                data = self.sock.recv(_READ)
            except socket.timeout:
                if given_up() or time.monotonic() >= deadline:
                    raise
                continue
            if not data:
                raise ConnectionError("the relay has closed the connection")
            self.framer.feed(data)

    def send(self, parts, deadline):
        data = memoryview(_frames(parts))
        with self.send_lock:
            while data:
                try:
                    data = data[self.sock.send(data):]
                except BlockingIOError:
                    left = _left_ms(deadline)
                    if left <= 0 or not self.writable.poll(left):
                        # Half a message is out: this connection is of no more use.
                        raise ConnectionError("the relay takes no more") from None

    def receive(self, timeout):
        """A message's frames; None when there is none in time."""
        framer = self.framer
        deadline = None if timeout is None else time.monotonic() + timeout
        while not framer.messages:
            if not self.readable.poll(_left_ms(deadline)):
                return None
            try:
                data = self.sock.recv(_READ)
            except BlockingIOError:
                continue
            if not data:
                raise ConnectionError("the relay has closed the connection")
            framer.feed(data)
            if framer.to_send:
                with self.send_lock:
                    pong, framer.to_send = framer.to_send, b""
                    self.sock.send(pong)
        return framer.messages.popleft()

    def wake(self):
        """Makes a receive() of another thread return."""
        try:
            self.sock.shutdown(socket.SHUT_RDWR)
        except OSError:
            pass

    def leave(self):
        """In a forked child: the connection stays the parent's."""
        self.sock.close()  # our copy of it

    def close(self):
        self.sock.close()


_left_behind = []


def _pyzmq():
    try:
        import zmq  # pylint: disable=import-outside-toplevel
    except ImportError as error:
        raise ImportError("CURVE (keys=) needs pyzmq: install it with `pip install pyzmq`, or "
                          "`apt install python3-zmq`") from error
    return zmq


def _curve_key(key):
    """The key as libzmq takes it: 32 bytes, or 40 characters of Z85."""
    text = key if isinstance(key, str) else key.decode()
    return bytes.fromhex(text) if len(text) == 64 else text.encode()


# Held while libraries may hold locks of their own that all threads share: as pyzmq is imported, and as
# sockets of it come and go. A fork waits for it, or the child would find them held by nobody.
_zmq_steps = threading.RLock()
os.register_at_fork(before=_zmq_steps.acquire, after_in_parent=_zmq_steps.release, after_in_child=_zmq_steps.release)


class _ZmqTransport:
    """The same through pyzmq, which CURVE needs. A ZeroMQ socket is for one thread at a time, and its
    descriptor only says "look again": whoever has used it wakes the reader when something is left."""

    def __init__(self, endpoint, deadline, keys=None, given_up=lambda: False):
        with _zmq_steps:
            self.zmq = _pyzmq()
        self.lock = threading.Lock()
        self.closed = False
        self.pushed = 0
        self.wake_out, self.wake_in = os.pipe()
        os.set_blocking(self.wake_in, False)
        os.set_blocking(self.wake_out, False)
        with _zmq_steps:
            self._open(keys)
        try:
            with _zmq_steps:
                self.sock.connect(endpoint)
            while not self.monitor.poll(min(max(_left_ms(deadline), 1), _LOOK * 1000)):
                if not given_up() and time.monotonic() < deadline:
                    continue
                raise ConnectionError("it does not answer" + (", or its key is another one" if keys else ""))
            self._check_monitor()
        except BaseException:
            self.close()
            raise
        self.poller = select.poll()
        self.monitor_fd = self.monitor.fd
        for fd in (self.sock.fd, self.monitor_fd, self.wake_out):
            self.poller.register(fd, select.POLLIN)

    def _open(self, keys):
        from zmq.utils.monitor import recv_monitor_message  # pylint: disable=import-outside-toplevel
        zmq, self.recv_monitor_message = self.zmq, recv_monitor_message
        self.sock = zmq.Context.instance().socket(zmq.DEALER)
        self.sock.linger = 0
        self.sock.sndhwm = self.sock.rcvhwm = 0
        if keys:
            self.sock.curve_serverkey, self.sock.curve_publickey, self.sock.curve_secretkey = (
                _curve_key(key) for key in keys)
            self.sock.heartbeat_ivl, self.sock.heartbeat_timeout = 2000, 6000
        self.monitor = self.sock.get_monitor_socket(
            zmq.EVENT_HANDSHAKE_SUCCEEDED | zmq.EVENT_HANDSHAKE_FAILED_AUTH | zmq.EVENT_DISCONNECTED)

    def _check_monitor(self):
        while self.monitor.getsockopt(self.zmq.EVENTS) & self.zmq.POLLIN:
            event = self.recv_monitor_message(self.monitor)["event"]
            if event == self.zmq.EVENT_HANDSHAKE_FAILED_AUTH:
                raise IpcError(401, "the agent refuses this CURVE key; its agent.toml allows keys with [ipc] allow")
            if event == self.zmq.EVENT_DISCONNECTED:
                raise ConnectionError("the relay has closed the connection")

    def send(self, parts, _deadline):
        with self.lock:
            if self.closed:
                raise ConnectionError("closed")
            self.sock.send_multipart(parts, self.zmq.NOBLOCK)
            if self.sock.getsockopt(self.zmq.EVENTS) & self.zmq.POLLIN:
                self._wake_reader()

    def _wake_reader(self):
        try:
            os.write(self.wake_in, b"x")
        except (BlockingIOError, OSError):
            pass

    def receive(self, timeout):
        deadline = None if timeout is None else time.monotonic() + timeout
        while True:
            with self.lock:
                if self.closed:
                    raise ConnectionError("closed")
                try:
                    return self.sock.recv_multipart(self.zmq.NOBLOCK)
                except self.zmq.Again:
                    pass
            ready = [fd for fd, _ in self.poller.poll(_left_ms(deadline))]
            if not ready:
                return None
            if self.wake_out in ready:
                os.read(self.wake_out, 4096)
            if self.monitor_fd in ready:
                with self.lock:
                    if not self.closed:
                        self._check_monitor()

    def wake(self):
        with self.lock:
            if not self.closed:
                self.closed = True
                self._wake_reader()

    def leave(self):
        """In a forked child: ZeroMQ's own threads are not there, so nothing of it may be touched."""
        _left_behind.append(self)

    def close(self):
        with self.lock, _zmq_steps:
            self.closed = True
            self.sock.disable_monitor()
            self.monitor.close(0)
            self.sock.close(0)
            os.close(self.wake_in)
            os.close(self.wake_out)


# --- what apps see -------------------------------------------------------------------------------


class Message:
    """A message from another app: `sender`, `payload`, `id`, `time` (Unix seconds), `attempt` (1 the
    first time it is given out). It comes again until ack()."""

    __slots__ = ("id", "sender", "payload", "time", "attempt", "correlation", "_client")

    def __init__(self, client, meta, payload):
        self._client = client
        self.id = meta["id"]
        self.sender = meta["from"]
        self.time = meta["time_ms"] / 1000
        self.attempt = meta["attempt"]
        self.correlation = meta.get("correlation")
        self.payload = payload

    def ack(self):
        """Done with it: it will not come again."""
        return self._client.ack([self.id])

    def working(self):
        """Still at it: it is not offered again for another while. Handlers need not say so."""
        return self._client.working([self])

    def release(self):
        """Gives it back: it is offered again at once."""
        return self._client.release([self])

    def respond(self, payload):
        """Answers a request(); that acknowledges it as well."""
        return self._client.respond(self, payload)

    def __repr__(self):
        return f"Message({self.id}, from {self.sender!r}, {self.payload!r})"


Event = collections.namedtuple("Event", "type sender payload seq agent", defaults=(None,))
Event.__doc__ = """What another app has raised: `type`, `sender`, `payload`, `seq` (counts up by one per agent), and the
`agent` where it was raised."""
Sent = collections.namedtuple("Sent", "ids known agent", defaults=(None,))
Sent.__doc__ = """A stored notify: the `ids` of its messages, and whether its receiver is `known`. To an app of another
agent, `agent` is "connected", "away" or "unknown", and `known` is None until that agent has told it."""


def _sent(info, _=None):
    return Sent(info["ids"], info["known"], info.get("agent"))


def _event(info, payload):
    return Event(info["type"], info["from"], payload, info["seq"], info.get("agent"))


class _Slot:
    """An answer that somebody waits for."""

    __slots__ = ("done", "code", "info", "payloads", "error", "request", "again", "future", "sent", "handed", "acked")

    def __init__(self, request, again):
        self.done = self.sent = False
        self.handed = False     # a poll that gets what was pushed instead of its answer
        self.acked = ()         # the ids that it acknowledges, of handled messages
        self.code = self.info = self.payloads = self.error = self.future = None
        self.request = request  # frames, to be sent again after a reconnection
        self.again = again      # whether that is harmless

    def result(self):
        if self.error is not None:
            raise self.error
        if self.code != 0:
            text = self.info.get("error", "refused")
            if self.code == 504:
                raise Timeout(text)
            raise IpcError(self.code, text, self.info)
        return self.info, self.payloads


def _settings(app, secret, endpoint):
    """What a client needs, from its arguments or from the environment that Berth gives to its apps."""
    app = app or os.environ.get("BERTH_APP")
    endpoint = endpoint or os.environ.get("BERTH_IPC")
    if not secret:
        file = os.environ.get("BERTH_IPC_SECRET_FILE")
        if file:
            with open(file, encoding="ascii") as opened:
                secret = opened.read().strip()
    if not (app and secret and endpoint):
        raise ValueError("not started by Berth: pass app, secret and endpoint (see `berth token app ID`)")
    return app, secret, endpoint


def _choose_transport(endpoint, keys):
    wanted = os.environ.get("BERTH_IPC_TRANSPORT", "")
    if keys or wanted == "pyzmq":
        _pyzmq()  # that it is missing is said now, not by a call
        return _ZmqTransport
    return _BuiltinTransport


def _milliseconds(seconds):
    return int(min(max(seconds, 0), 365 * _LONGEST) * 1000)


def _ids(messages):
    return [getattr(one, "id", one) for one in messages]


class _Verbs:
    """The calls, in terms of _call(verb, args, payloads, again, timeout, convert, grace): `grace` is
    added to the timeout once the relay is there, which then waits itself."""

    _agent = None  # whose events are wanted besides our own agent's: a name, a list, or "*"
    _wants = _NOTHING

    def _hello(self):
        hello = {"app": self.app, "secret": self._secret, "subscribe": self._wants == _EVERYTHING}
        if self._wants == _EVENTS:
            hello["events"] = True
        if self._agent is not None and self._wants != _NOTHING:
            hello["agent"] = self._agent
        return hello

    def _new_identity(self):
        self._pid = os.getpid()
        self._ids = itertools.count(1)
        self._nonce = os.urandom(9).hex() + "-"
        self._dedupe = itertools.count(1)

    def _same_process(self):
        """A fork that Python was not told of, by a library in C, is found here."""
        if self._pid != os.getpid():
            self._forked()

    def __reduce__(self):
        raise TypeError(f"a {type(self).__name__} cannot be sent to another process: it connects there by itself, "
                        "with berth_ipc.connect()")

    def _notify_args(self, to, payloads, ttl, durable, dedupe):
        self._same_process()
        args = {"to": to}
        if not durable:
            args["durable"] = False
        elif dedupe is None:
            # Sent again after a reconnection, the relay knows it: it is stored once.
            args["dedupe"] = f"{self._nonce}{next(self._dedupe)}"
        if dedupe is not None:
            args["dedupe"] = dedupe
        if ttl is not None:
            args["ttl_ms"] = max(1, _milliseconds(ttl))
        return args, [_encode(p) for p in payloads], durable or dedupe is not None

    def notify(self, to, *payloads, ttl=None, durable=True, dedupe=None, timeout=None):
        """Sends one message for each payload to app `to`, and gives a Sent when they are stored.
        `ttl`: seconds after which they are worthless. `durable=False`: kept in memory alone, faster.
        `dedupe`: a key by which a repeated call is known as the same."""
        args, frames, again = self._notify_args(to, payloads, ttl, durable, dedupe)
        return self._call("notify", args, frames, again, timeout,
                          _sent)

    def _poll_args(self, most, wait, ack, auto_ack, timeout):
        """The arguments, and how long it may take: (timeout, grace)."""
        args = {"max": most, "wait_ms": _milliseconds(wait)}
        if ack:
            args["ack"] = _ids(ack)
        if auto_ack:
            args["auto_ack"] = True
        if timeout is not None or wait <= 0:
            return args, (self.timeout if timeout is None else timeout) + max(wait, 0), 0
        return args, max(wait, min(self.timeout, 1.0)), _GRACE

    def _messages(self, info, payloads):
        return [Message(self, meta, _decode(data)) for meta, data in zip(info["messages"], payloads)]

    def ack(self, messages, timeout=None):
        """Done with these Messages, or ids: they will not come again."""
        return self._call("ack", {"ids": _ids(messages)}, [], True, timeout, lambda *_: None)

    def working(self, messages, timeout=None):
        """Still at these Messages, or ids: they are not offered again for another while."""
        return self._call("working", {"ids": _ids(messages)}, [], True, timeout, lambda *_: None)

    def release(self, messages, timeout=None):
        """Gives these Messages, or ids, back: they are offered again at once, to this app's next who asks."""
        ids = _ids(messages)
        for number in ids:
            self._held.pop(number, None)
        return self._call("release", {"ids": ids}, [], True, timeout, lambda *_: None)

    def clear(self, timeout=None):
        """Throws away everything that waits for this app; gives how many messages those were."""
        return self._call("clear", {}, [], True, timeout, lambda info, _: info["removed"])

    def request(self, to, payload, timeout=None):
        """Asks app `to` and gives its answer. IpcError 504 when there is none in time."""
        limit = self.timeout if timeout is None else timeout
        return self._call("request", {"to": to, "timeout_ms": _milliseconds(limit)}, [_encode(payload)], False,
                          limit, lambda _, payloads: _decode(payloads[0]), _GRACE)

    def respond(self, message, payload, timeout=None):
        """Answers a Message that is a request. IpcError 404 when it comes too late."""
        args = {"to": message.sender, "correlation": message.correlation or 0}
        return self._call("respond", args, [_encode(payload)], False, timeout, lambda *_: None)

    def raise_event(self, type, payload=None, timeout=None):  # pylint: disable=redefined-builtin
        """Tells every other app that listens now. Gives the event's number."""
        return self._call("raise", {"type": type}, [_encode(payload)], False, timeout,
                          lambda info, _: info["seq"])

    def _control(self, verb, app, timeout):
        return self._call(verb, {"app": app}, [], False, timeout, lambda info, _: info["state"])

    def start(self, app, timeout=None):
        """Starts an app; gives its state then. IpcError 404: unknown, 409: it is active, 403: not allowed."""
        return self._control("start", app, timeout)

    def stop(self, app, timeout=None):
        """Stops an app; gives its state then."""
        return self._control("stop", app, timeout)

    def restart(self, app, timeout=None):
        """Stops an app and starts it; gives its state then."""
        return self._control("restart", app, timeout)

    def is_running(self, app, timeout=None):
        """Whether the app has processes."""
        return self._call("is_running", {"app": app}, [], True, timeout, lambda info, _: info["running"])

    def is_available(self, app, timeout=None):
        """Whether there is such an app."""
        return self._call("is_available", {"app": app}, [], True, timeout, lambda info, _: info["found"])

    def status(self, app, timeout=None):
        """What is known of an app, as a dict; None when there is no such app."""
        return self._call("status", {"app": app}, [], True, timeout, lambda info, _: info.get("app"))

    def list(self, timeout=None):
        """The apps of this agent, as dicts."""
        return self._call("list", {}, [], True, timeout, lambda info, _: info["apps"])

    def config(self, timeout=None):
        """This app's config variables."""
        return self._call("config", {}, [], True, timeout, lambda info, _: info["variables"])

    def ping(self, timeout=None):
        """Returns when the relay has answered."""
        return self._call("ping", {}, [], True, timeout, lambda *_: None)

    def version(self, timeout=None):
        """The agent's version."""
        return self._call("version", {}, [], True, timeout, lambda info, _: info["version"])


_clients = weakref.WeakSet()  # those that a forked child must not share with its parent


def _after_fork():
    for client in list(_clients):
        client._forked()  # pylint: disable=protected-access


os.register_at_fork(after_in_child=_after_fork)


class Client(_Verbs):
    """A connection for ordinary, blocking code; see connect(). Any thread may call. In a forked child it
    is a client of its own: with a new connection, made at its first call, and without the parent's
    listen(). close() ends the calls that wait; it lets a handler that runs finish, for five seconds."""

    def __init__(self, app=None, secret=None, endpoint=None, timeout=30.0, keys=None):
        self.app, self._secret, self._endpoint = _settings(app, secret, endpoint)
        self.timeout = timeout
        self._keys = keys
        self._transport_type = _choose_transport(self._endpoint, keys)
        self._closed = False
        self._begin_anew()
        _clients.add(self)

    def _begin_anew(self):
        self._new_identity()
        self._cond = threading.Condition()
        self._transport = None
        self._greeting = None     # one that says hello, or the same
        self._reading = False     # a thread is in receive()
        self._connecting = False  # a thread is in _connect()
        self._handling = False    # handlers are called
        self._slots = {}
        self._polls = {}          # of these, polls that wait
        self._wants, self._agent = _NOTHING, None
        self._handlers = (None, None, None)
        self._thread = self._claimer = None
        self._inbox = collections.deque()   # pushes, for the handlers
        self._pushed = collections.deque()  # messages that no handler wants, for poll(): (when, meta, payloads)
        self._held = {}           # id of each pushed message that is ours; False: its ack is on its way
        self._holding, self._ended = threading.Event(), threading.Event()
        self._claim = 0.0         # seconds after which the relay offers it to others

    def _forked(self):
        """In a forked child: the connection, who waits on it, and the names of what it has sent are the
        parent's. Whatever lock a thread held that is not here is held no more."""
        transport, slots = self._transport, list(self._slots.values())
        self._begin_anew()
        for slot in slots:
            slot.error, slot.done = Disconnected("this process was forked while the call was on its way"), True
        if transport is not None:
            transport.leave()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    # --- connecting

    def _connect(self, deadline):
        """A transport that has said hello. One thread at a time."""
        delay = 0.02
        problem = None
        while True:
            try:
                return self._connect_once(deadline)
            except IpcError as error:
                if error.code in _FINAL:
                    raise
                if problem is None or not isinstance(error, Timeout):  # a refusal says more
                    problem = error
            except (OSError, ValueError) as error:
                problem = error
            left = deadline - time.monotonic()
            with self._cond:
                if self._closed:
                    raise Disconnected("this client is closed")
                if left <= 0:
                    # A refusal that may pass, as of too many mailboxes, is told as what it is.
                    if isinstance(problem, IpcError) and not isinstance(problem, (Disconnected, Timeout)):
                        raise problem
                    raise Disconnected(f"the agent is not there: {problem}")
                self._cond.wait(min(delay, left))
            delay = min(delay * 2, 1.0)

    def _connect_once(self, deadline):
        transport = self._transport_type(self._endpoint, min(deadline, time.monotonic() + 5), self._keys,
                                         lambda: self._closed)
        self._greeting = transport
        try:
            if self._closed:
                raise Disconnected("this client is closed")
            transport.send([_encode([VERSION, _HELLO, "hello", self._hello()])], deadline)
            while True:
                parts = transport.receive(max(deadline - time.monotonic(), 0.001))
                if parts is None:
                    raise Timeout("no answer to hello")
                header = _decode(parts[0])
                if header[1] == _HELLO:
                    break
            if header[2] == 503:
                raise Disconnected(header[3].get("error", "it is stopping"))
            if header[2] != 0:
                raise IpcError(header[2], header[3].get("error", "refused"))
            self._claim = header[3].get("redeliver_ms", 0) / 1000
            return transport
        except BaseException:
            self._greeting = None
            transport.close()
            raise

    def _ensure(self, deadline):
        """The living transport, made when there is none."""
        with self._cond:
            while True:
                if self._closed:
                    raise Disconnected("this client is closed")
                if self._transport is not None:
                    return self._transport
                if not self._connecting:
                    self._connecting = True
                    break
                left = deadline - time.monotonic()
                if left <= 0:
                    raise Disconnected("the agent is not there")
                self._cond.wait(min(left, _LONGEST))
        transport = None
        try:
            transport = self._connect(deadline)
            return transport
        finally:
            with self._cond:
                self._connecting = False
                self._transport = transport
                waiting = [s for s in self._slots.values() if s.again] if transport else []
                self._cond.notify_all()
            for slot in waiting:
                try:
                    transport.send(slot.request, deadline)
                except OSError:
                    break  # lost again; the next connection sends it

    def _lost(self, transport, why):
        """The connection has ended: what may be sent twice stays for the next one."""
        with self._cond:
            if self._transport is transport:
                self._transport = None
                transport.close()
                self._pushed.clear()  # they come again
                for number, slot in list(self._slots.items()):
                    if not slot.again:
                        slot.error = Disconnected(f"the connection ended before the answer came: {why}")
                        slot.done = True
                        del self._slots[number]
            self._cond.notify_all()

    # --- calling

    def _call(self, verb, args, frames, again, timeout, convert, grace=0):
        limit = self.timeout if timeout is None else timeout
        deadline = time.monotonic() + limit
        number, slot = self._begin(verb, args, frames, again, deadline)
        self._wait(number, slot, deadline, grace)
        return convert(*slot.result())

    def _request(self, verb, args, frames, again):
        number = next(self._ids)
        return number, _Slot([_encode([VERSION, number, verb, args]), *frames], again)

    def _begin(self, verb, args, frames, again, deadline):
        self._same_process()
        number, slot = self._request(verb, args, frames, again)
        while True:
            transport = self._ensure(deadline)
            self._slots[number] = slot
            try:
                transport.send(slot.request, deadline)
                return number, slot
            except OSError as error:
                self._slots.pop(number, None)
                self._lost(transport, error)
                if slot.error is not None or time.monotonic() >= deadline:
                    raise Disconnected(f"the agent is not there: {error}") from None

    def _post(self, verb, args, acked=()):
        """Asks for something that nobody waits for; without a connection the next one sends it."""
        number, slot = self._request(verb, args, [], True)
        slot.acked = acked
        with self._cond:
            self._slots[number] = slot
            transport = self._transport
        if transport is None:
            return
        try:
            transport.send(slot.request, time.monotonic() + self.timeout)
        except OSError as error:
            self._lost(transport, error)

    def _wait(self, number, slot, deadline, grace=0):
        """Until the slot is done. Who waits first reads for everybody."""
        while not slot.done:
            until = deadline + (grace if self._transport is not None else 0)
            left = until - time.monotonic()
            if left <= 0:
                self._slots.pop(number, None)
                if self._transport is None:
                    raise Disconnected("the agent is not there")
                raise Timeout()
            with self._cond:
                if slot.done:
                    return
                if self._reading:
                    self._cond.wait(min(left, _LONGEST))
                    continue
                self._reading = True
            transport = None
            try:
                transport = self._ensure(deadline)
                while not slot.done:
                    parts = transport.receive(max(until - time.monotonic(), 0))
                    if parts is None:
                        break
                    self._dispatch(transport, parts)
            except OSError as error:
                self._lost(transport, error)
            except IpcError:
                self._slots.pop(number, None)
                raise
            finally:
                with self._cond:
                    self._reading = False
                    self._cond.notify_all()

    def _dispatch(self, transport, parts):
        """Takes one message of the relay. Nothing that comes can make it raise."""
        try:
            header = _decode(parts[0])
            number, third, info = header[1], header[2], header[3]
            if number == 0:
                self._take_push(third, info, parts[1:])
                if third == "message":
                    transport.pushed += 1  # after it was taken: see close()
                return
        except (ValueError, TypeError, IndexError, KeyError):
            return
        if third == 401 and number != _HELLO:  # it has forgotten this connection: a new one says hello
            raise ConnectionError("the relay does not know this connection any more")
        slot = self._slots.pop(number, None)
        if slot is None:
            if third == 0 and isinstance(info, dict) and info.get("messages"):
                for meta, payload in zip(info["messages"], parts[1:]):  # of a poll that waits no more
                    self._offer(meta, [payload])
            return
        slot.code, slot.info, slot.payloads = third, info, parts[1:]
        for number in slot.acked:
            self._held.pop(number, None)
        slot.done = True
        with self._cond:
            self._cond.notify_all()

    def _take_push(self, kind, info, payloads):
        on_message, _, on_messages = self._handlers
        if kind != "message":
            self._inbox.append((kind, info, payloads))
        elif info["id"] in self._held:
            pass  # pushed again after a reconnection, and still ours
        elif on_message is None and on_messages is None:
            self._offer(info, payloads)
        else:
            self._held[info["id"]] = True
            self._inbox.append((kind, info, payloads))
            self._holding.set()

    # --- poll, and what came without one

    def poll(self, max=1000, wait=0, ack=(), auto_ack=False, timeout=None):  # pylint: disable=redefined-builtin
        """The waiting messages, oldest first; waits up to `wait` seconds for the first. They come
        again later unless they are acknowledged, by ack() or in the next poll's `ack`. `auto_ack`
        acknowledges them as they are taken. Without `timeout` a poll that waits ends in that time, with
        Disconnected when the agent was away all the while."""
        args, limit, grace = self._poll_args(max, wait, ack, auto_ack, timeout)
        self._same_process()
        deadline = time.monotonic() + limit
        while True:
            pushed = self._take_pushed(max)
            if pushed:
                done = _ids(ack) + (_ids(pushed) if auto_ack else [])
                if done:
                    self.ack(done, timeout=limit)
                return pushed
            number, slot = self._begin("poll", args, [], not auto_ack, deadline)
            with self._cond:
                self._polls[number] = slot
                self._hand_over()
            try:
                self._wait(number, slot, deadline, grace)
            finally:
                self._polls.pop(number, None)
            if not slot.handed:
                return self._messages(*slot.result())

    def _take_pushed(self, most):
        now = time.monotonic()
        found = []
        with self._cond:
            while self._pushed and len(found) < most:
                when, meta, payloads = self._pushed.popleft()
                if self._claim == 0 or now - when < self._claim:  # else it is offered again
                    found.append(Message(self, meta, _decode(payloads[0])))
        return found

    def _offer(self, meta, payloads):
        """A message for the next poll, or for one that waits."""
        with self._cond:
            self._pushed.append((time.monotonic(), meta, payloads))
            self._hand_over()

    def _hand_over(self):
        if self._pushed and self._polls:
            number = next(iter(self._polls))
            slot = self._polls.pop(number)
            self._slots.pop(number, None)
            slot.handed = slot.done = True
            self._cond.notify_all()

    def submit(self, to, *payloads, ttl=None, durable=True, dedupe=None):
        """notify() without waiting: gives a function that waits for the answer and gives the Sent. For
        throughput; at most 1000 are unanswered, then the oldest is waited for."""
        args, frames, again = self._notify_args(to, payloads, ttl, durable, dedupe)
        deadline = time.monotonic() + self.timeout
        while len(self._slots) >= _MAX_UNANSWERED:
            number, slot = next(iter(self._slots.items()), (0, None))
            if slot is not None:
                self._wait(number, slot, deadline)
        number, slot = self._begin("notify", args, frames, again, deadline)

        def answer():
            self._wait(number, slot, time.monotonic() + self.timeout)
            info, _ = slot.result()
            return _sent(info)
        return answer

    # --- being told

    def listen(self, on_message=None, on_event=None, on_messages=None, agent=None):
        """Calls `on_message(message)` and `on_event(event)` in a thread of this client as they come. A
        message is acknowledged when its handler returns, and comes again later when that raised; however
        long a handler takes, nobody else gets its message meanwhile. `on_messages(list)` gets all that are
        there at once instead. With `on_event` alone messages wait for poll(). `agent`: events of this other
        agent too, of a list of them, or of all ("*")."""
        self._same_process()
        wants = _EVERYTHING if on_message or on_messages else _EVENTS if on_event else _NOTHING
        with self._cond:
            self._handlers = (on_message, on_event, on_messages)
            agent = self._agent if agent is None else agent
            news = (wants, agent) != (self._wants, self._agent)
            self._wants, self._agent = wants, agent
            started = self._thread is None and wants != _NOTHING
            connected = self._transport is not None
            if started:
                self._thread = threading.Thread(target=self._run, name="berth-ipc", daemon=True)
            claiming = self._claimer is None and wants == _EVERYTHING
            if claiming:
                self._claimer = threading.Thread(target=self._keep_claims, name="berth-ipc-claims", daemon=True)
        if started:
            self._thread.start()
        if claiming:
            self._claimer.start()
        if connected and news:  # before it was known that somebody listens, or to whom
            self._call("hello", self._hello(), [], True, None, lambda *_: None)

    def _run(self):
        me = threading.current_thread()
        while not self._closed and self._thread is me:
            try:
                self._run_once()
            except IpcError as error:
                with self._cond:
                    if self._closed:
                        return
                    if error.code != 503:
                        print(f"berth_ipc: {error}", file=sys.stderr)
                    self._cond.wait(1.0)
            except Exception:  # pylint: disable=broad-except  # a thread of ours never dies of one
                traceback.print_exc()
                with self._cond:
                    self._cond.wait(1.0)

    def _run_once(self):
        with self._cond:
            while self._reading and not self._closed:
                self._cond.wait(1.0)  # a call reads; it hands over when it is done
            self._reading = True
        transport = None
        try:
            transport = self._ensure(time.monotonic() + 60)
            while not self._closed:
                if self._inbox and not self._more(transport):
                    self._reading_paused(self._deliver)
                if self._closed or self._transport is not transport:
                    break  # it was closed by the handlers' end, or lost while others read
                parts = transport.receive(None)
                if parts is not None:
                    self._dispatch(transport, parts)
        except OSError as error:
            if transport is not None:
                self._lost(transport, error)
        finally:
            with self._cond:
                self._reading = False
                self._cond.notify_all()

    @staticmethod
    def _more(transport):
        """Whether more has been read already: it is taken before the handlers are called."""
        framer = getattr(transport, "framer", None)
        return framer is not None and bool(framer.messages)

    def _reading_paused(self, work):
        """Handlers may call: meanwhile the reading is theirs, or another thread's."""
        with self._cond:
            self._reading = False
            self._handling = True
            self._cond.notify_all()
        try:
            work()
        finally:
            with self._cond:
                self._handling = False
                self._cond.notify_all()
                while self._reading and not self._closed:
                    self._cond.wait(1.0)
                self._reading = True

    def _deliver(self):
        """Calls the handlers. What they are done with is acknowledged after a few milliseconds at most, so
        that neither a slow handler nor the end of this process makes much come again."""
        pid = self._pid
        done = []
        messages = []
        since = time.monotonic()
        while self._inbox and not self._closed:
            on_message, on_event, on_messages = self._handlers
            kind, info, payloads = self._inbox.popleft()
            try:
                payload = _decode(payloads[0]) if payloads else None
                if kind == "event" and on_event is not None:
                    on_event(_event(info, payload))
                elif kind == "message" and on_messages is not None:
                    messages.append(Message(self, info, payload))
                elif kind == "message" and on_message is not None:
                    message = Message(self, info, payload)
                    on_message(message)
                    if message.correlation:
                        self._let_go(message.id)
                    elif message.id in self._held:  # else the handler has given it back
                        done.append(message.id)
                elif kind == "message":  # since then listen() was called again
                    self._let_go(info["id"])
                    self._offer(info, payloads)
            except Exception:  # pylint: disable=broad-except  # the app's own; it is told on stderr
                traceback.print_exc()
                if kind == "message":
                    self._let_go(info["id"])
            if self._pid != pid:
                return  # the handler has forked, and this is the child: the messages are the parent's
            now = time.monotonic()
            if len(done) >= _TOGETHER or (done and now - since >= _SOON):
                self._acknowledge(done)
                done, since = [], now
        if messages:
            try:
                self._handlers[2](messages)
                done.extend(m.id for m in messages if m.id in self._held)
            except Exception:  # pylint: disable=broad-except
                traceback.print_exc()
                for message in messages:
                    self._let_go(message.id)
        if done and self._pid == pid:
            self._acknowledge(done)

    def _let_go(self, number):
        self._held.pop(number, None)

    def _acknowledge(self, done):
        for number in done:
            self._held[number] = False  # until the relay has answered: it might push it again before
        self._post("ack", {"ids": done}, done)

    def _keep_claims(self):
        """While handlers run, their messages and those behind them stay ours."""
        ended, holding, me = self._ended, self._holding, threading.current_thread()
        while self._claimer is me:
            holding.wait()
            if ended.wait(max(self._claim / 3, 0.02) if self._claim else 1.0):
                return
            ids = [number for number, mine in list(self._held.items()) if mine]
            if not ids:
                holding.clear()
                if any(list(self._held.values())):  # one has come meanwhile
                    holding.set()
            elif self._transport is not None:
                for at in range(0, len(ids), 1000):
                    self._post("working", {"ids": ids[at:at + 1000]})

    def close(self):
        """Ends the connection, the thread, and every call that waits."""
        self._same_process()
        thread = self._thread
        with self._cond:
            self._closed = True
            self._cond.notify_all()
            if thread is not threading.current_thread():
                self._cond.wait_for(lambda: not self._handling, 5)  # its acknowledgement is still sent
            transport = self._transport
            read = 0 if transport is None else transport.pushed
            unseen = [info["id"] for kind, info, _ in self._inbox if kind == "message"]
            unseen += [info["id"] for _, info, _ in self._pushed]
        self._ended.set()
        self._holding.set()
        greeting = self._greeting
        if greeting is not None and greeting is not transport:
            greeting.wake()
        if transport is not None:
            if unseen or self._claimer is not None:
                self._wants = _NOTHING  # else they would be pushed to us again
                self._post("hello", self._hello())
                # And what is on its way to us: all that was pushed behind what we have read.
                self._post("release", {"ids": unseen, "unseen": True, "read": read})
            transport.wake()
        if thread is not None and thread is not threading.current_thread():
            thread.join(5)
        if transport is not None:
            self._lost(transport, "closed")
        with self._cond:
            for slot in self._slots.values():
                slot.error, slot.done = Disconnected("this client was closed"), True
            self._slots.clear()
            self._polls.clear()
            self._cond.notify_all()


def connect(app=None, secret=None, endpoint=None, timeout=30.0, keys=None):
    """A Client. It connects at its first call. `timeout`: seconds that a call may take unless it says
    otherwise. `keys`: for tcp:// with CURVE, (the agent's public key, own public key, own secret key), each in 64
    hexadecimal digits, as `berth agent peers` shows it, or in 40 characters of Z85."""
    return Client(app, secret, endpoint, timeout, keys)


# --- asyncio -------------------------------------------------------------------------------------


class _Ended(Exception):
    """The client was closed."""


class _Stream:
    """What was pushed and nobody has taken yet, and those who wait for it."""

    def __init__(self):
        self.items = collections.deque()
        self.waiting = collections.deque()

    def put(self, item):
        self.items.append(item)
        self._wake()

    def _wake(self):
        while self.waiting:
            future = self.waiting.popleft()
            if not future.done():
                future.set_result(None)
                return

    def fail(self, error):
        """Those who wait get `error`."""
        waiting, self.waiting = self.waiting, collections.deque()
        for future in waiting:
            if not future.done():
                future.set_exception(error)

    async def get(self):
        while not self.items:
            future = asyncio.get_running_loop().create_future()
            self.waiting.append(future)
            try:
                await future
            except asyncio.CancelledError:
                if future.done() and not future.cancelled() and self.items:
                    self._wake()  # what it was woken for is for the next one
                raise
        return self.items.popleft()


class AsyncClient(_Verbs):
    """The same calls for asyncio: `await client.notify(...)`, and `async for message in
    client.messages()`. Made in a running loop and used in that alone; `await client.close()` ends it.
    `subscribe`: messages and events are pushed; "events": events alone, then messages wait for poll().
    `agent`: events of other agents too, see Client.listen(). In a forked child it is a client of its own,
    which is not subscribed."""

    def __init__(self, app=None, secret=None, endpoint=None, timeout=30.0, subscribe=False, agent=None):
        self.app, self._secret, self._endpoint = _settings(app, secret, endpoint)
        self.timeout = timeout
        self._closed = False
        self._others = []  # what a forked child must not let go of: it is of its parent's loop
        self._begin_anew()
        self._wants = _EVENTS if subscribe == "events" else _EVERYTHING if subscribe else _NOTHING
        self._agent = agent
        self._start()
        _clients.add(self)

    def _begin_anew(self):
        self._new_identity()
        self._wants, self._agent = _NOTHING, None
        self._loop = None
        self._task = None
        self._wanted = None         # set by a call, when hello was refused for good
        self._slots = {}
        self._polls = {}            # of these, polls that wait
        self._writer = None         # of a connection that has said hello
        self._pushed = _Stream()    # (when, Message)
        self._events = _Stream()
        self._held = {}             # id of each pushed message that is ours; False: its ack is on its way
        self._readers = 0           # that are in messages()
        self._read = 0              # messages that were pushed over this connection, and are read
        self._claim = 0.0

    def _forked(self):
        if self._pid == os.getpid():
            return
        self._others.append((self._task, self._writer, self._slots, self._pushed, self._events))
        self._begin_anew()

    def _start(self):
        self._loop = asyncio.get_running_loop()
        self._wanted = asyncio.Event()
        self._task = asyncio.ensure_future(self._run())

    def _here(self):
        self._same_process()
        if self._closed:
            raise Disconnected("this client is closed")
        if self._loop is None:
            self._start()
        elif self._loop is not asyncio.get_running_loop():
            raise RuntimeError("an AsyncClient is for the loop that it was made in; others make their own")
        self._wanted.set()

    async def __aenter__(self):
        return self

    async def __aexit__(self, *_):
        await self.close()

    # --- the connection

    async def _run(self):
        delay = 0.02
        while True:
            try:
                await self._session()
            except IpcError as error:
                if error.code in _FINAL:
                    for number in list(self._slots):
                        self._settle(number, error)
                    self._pushed.fail(error)
                    self._events.fail(error)
                    self._wanted.clear()
                    await self._wanted.wait()  # the next call tries again
                    continue
                self._problem = error
            except asyncio.CancelledError:
                raise
            except Exception as error:  # pylint: disable=broad-except  # it is tried again
                self._problem = error
            if self._said_hello:
                delay = 0.02
            await asyncio.sleep(delay)
            delay = min(delay * 2, 1.0)

    _problem = None
    _said_hello = False

    async def _session(self):
        pid = os.getpid()
        self._said_hello = False
        self._read = 0
        kind, _, address = self._endpoint.partition("://")
        if kind == "ipc":
            reader, writer = await asyncio.open_unix_connection(address)
        else:
            host, _, port = address.rpartition(":")
            reader, writer = await asyncio.open_connection(host.strip("[]"), int(port))
        framer = _Framer()
        claims = asyncio.ensure_future(self._keep_claims())
        try:
            writer.write(_GREETING)
            while True:
                data = await reader.read(_READ)
                if not data:
                    raise ConnectionError("the relay has closed the connection")
                greeted, ready = framer.greeted, framer.ready
                framer.feed(data)
                if framer.greeted and not greeted:
                    writer.write(_READY)
                if framer.ready and not ready:
                    writer.write(_frames([_encode([VERSION, _HELLO, "hello", self._hello()])]))
                if framer.to_send:
                    writer.write(framer.to_send)
                    framer.to_send = b""
                while framer.messages:
                    self._take(framer.messages.popleft(), writer)
        finally:
            if pid == os.getpid():  # else it is the parent's, in a child that lets go of everything
                self._lost()
                claims.cancel()
                writer.close()

    def _lost(self):
        if self._writer is None:
            return
        self._writer = None
        self._polls.clear()
        for number, slot in list(self._slots.items()):
            if slot.sent and not slot.again:
                self._settle(number, Disconnected("the connection ended before the answer came"))
            slot.sent = False

    def _settle(self, number, error=None):
        slot = self._slots.pop(number, None)
        if slot is None:
            return
        slot.error = error
        if slot.future is not None and not slot.future.done():
            slot.future.set_result(None)

    def _write(self, slot):
        slot.sent = True
        self._writer.write(_frames(slot.request))

    def _take(self, parts, writer):
        try:
            header = _decode(parts[0])
            number, third, info = header[1], header[2], header[3]
            if number == 0:
                self._take_push(third, info, parts[1:])
                return
        except (ValueError, TypeError, IndexError, KeyError):
            return
        if number == _HELLO:
            if third == 503:
                raise Disconnected(info.get("error", "it is stopping"))
            if third != 0:
                raise IpcError(third, info.get("error", "refused"))
            self._claim = info.get("redeliver_ms", 0) / 1000
            self._writer, self._problem, self._said_hello = writer, None, True
            for slot in self._slots.values():
                self._write(slot)
            return
        if third == 401:  # it has forgotten this connection: a new one says hello
            raise ConnectionError("the relay does not know this connection any more")
        slot = self._slots.get(number)
        if slot is None:
            if third == 0 and isinstance(info, dict) and info.get("messages"):
                for message in self._messages(info, parts[1:]):  # of a poll that waits no more
                    self._offer(message)
            return
        slot.code, slot.info, slot.payloads = third, info, parts[1:]
        for one in slot.acked:
            self._held.pop(one, None)
        self._settle(number)

    def _take_push(self, kind, info, payloads):
        if kind == "message":
            self._read += 1
            if self._left:  # it was on its way when messages() was left
                self._post("release", {"ids": [info["id"]], "unseen": True})
            elif info["id"] not in self._held:  # else pushed again after a reconnection, and still ours
                self._held[info["id"]] = True
                self._offer(Message(self, info, _decode(payloads[0])))
        elif kind == "event":
            self._events.put(_event(info, _decode(payloads[0]) if payloads else None))

    def _offer(self, message):
        self._pushed.put((time.monotonic(), message))
        if self._readers == 0:
            self._hand_over()

    def _hand_over(self):
        if self._pushed.items and self._polls:
            number = next(iter(self._polls))
            self._polls.pop(number).handed = True
            self._settle(number)

    # --- calling

    async def _call(self, verb, args, frames, again, timeout, convert, grace=0):
        slot = await self._ask(verb, args, frames, again, self.timeout if timeout is None else timeout, grace)
        return convert(*slot.result())

    async def _ask(self, verb, args, frames, again, limit, grace=0, poll=False):
        self._here()
        number = next(self._ids)
        slot = _Slot([_encode([VERSION, number, verb, args]), *frames], again)
        slot.future = self._loop.create_future()
        slot.acked = args["ids"] if verb == "ack" else args.get("ack", ()) if verb == "poll" else ()
        for one in slot.acked:
            if one in self._held:
                self._held[one] = False
        self._slots[number] = slot
        if poll:
            self._polls[number] = slot
        deadline = time.monotonic() + limit
        try:
            if self._writer is not None:
                self._write(slot)
                await self._drained(limit)
            while not slot.future.done():
                until = deadline + (grace if self._writer is not None else 0)
                left = until - time.monotonic()
                if left > 0:
                    await asyncio.wait({slot.future}, timeout=min(left, _LONGEST))
                elif self._writer is not None:
                    raise Timeout()
                elif isinstance(self._problem, IpcError) and self._problem.code not in (503, 504):
                    raise self._problem  # a refusal that may pass, told as what it is
                else:
                    raise Disconnected(f"the agent is not there: {self._problem}")
        finally:
            self._slots.pop(number, None)
            self._polls.pop(number, None)
        return slot

    async def _drained(self, limit):
        """Waits while too much is on its way; it is sent again, or told, when the connection ends."""
        try:
            await asyncio.wait_for(self._writer.drain(), limit)
        except (asyncio.TimeoutError, ConnectionError):
            pass

    async def poll(self, max=1000, wait=0, ack=(), auto_ack=False, timeout=None):  # pylint: disable=redefined-builtin
        """As Client.poll(). What was pushed and messages() has not given yet is given first."""
        args, limit, grace = self._poll_args(max, wait, ack, auto_ack, timeout)
        self._here()
        deadline = time.monotonic() + limit
        while True:
            pushed = self._take_pushed(max)
            if pushed:
                done = _ids(ack) + (_ids(pushed) if auto_ack else [])
                if done:
                    await self.ack(done, timeout=limit)
                return pushed
            slot = await self._ask("poll", args, [], not auto_ack, deadline - time.monotonic(), grace, poll=True)
            if not slot.handed:
                return self._messages(*slot.result())

    def _take_pushed(self, most):
        now = time.monotonic()
        found = []
        while self._pushed.items and len(found) < most:
            when, message = self._pushed.items.popleft()
            self._held.pop(message.id, None)
            if message.correlation or self._claim == 0 or now - when < self._claim or self._wants == _EVERYTHING:
                found.append(message)
        return found

    # --- being told

    async def messages(self):
        """Messages as they come (with subscribe=True). Each comes again until `await message.ack()`; nobody
        else gets it before the next one is asked for. Who leaves the loop gives back what it held."""
        self._here()
        if self._readers == 0 and self._wants != _EVERYTHING and self._left:
            await self._listen_again()
        self._readers += 1
        message = None
        try:
            while not self._closed:
                message = None
                try:
                    _, message = await self._pushed.get()
                except _Ended:
                    return
                yield message
                if self._held.get(message.id):
                    self._held.pop(message.id)  # not acknowledged: it comes again later
        finally:
            if self._pid == os.getpid():
                self._readers -= 1
                if self._readers == 0 and not self._closed:
                    self._leave(message)

    _left = False  # messages() was left: no messages are pushed until it is called again

    async def _listen_again(self):
        self._left, self._wants = False, _EVERYTHING
        await self._call("hello", self._hello(), [], True, None, lambda *_: None)

    def _leave(self, message):
        """Nobody is in messages() any more: what waits here is for others, and nothing more is pushed."""
        if self._wants != _EVERYTHING:
            return
        self._wants, self._left = _EVENTS, True
        unseen = [one.id for _, one in self._pushed.items]
        seen = [message.id] if message is not None and self._held.get(message.id) else []
        self._pushed.items.clear()
        for one in unseen + seen:
            self._held.pop(one, None)
        self._post("hello", self._hello())  # before: else they would be pushed to us again
        if unseen:
            self._post("release", {"ids": unseen, "unseen": True})
        if seen:
            self._post("release", {"ids": seen})

    def _post(self, verb, args):
        """Asks for something that nobody waits for."""
        if self._writer is not None:
            self._writer.write(_frames([_encode([VERSION, next(self._ids), verb, args])]))

    async def _keep_claims(self):
        while True:
            await asyncio.sleep(max(self._claim / 3, 0.02) if self._claim else 1.0)
            ids = [number for number, mine in self._held.items() if mine]
            for at in range(0, len(ids), 1000):
                self._post("working", {"ids": ids[at:at + 1000]})

    async def events(self):
        """Events as they come (with subscribe=True, or "events")."""
        self._here()
        while not self._closed:
            try:
                event = await self._events.get()
            except _Ended:
                return
            yield event

    async def close(self):
        """Ends the connection, messages(), events(), and every call that waits."""
        self._same_process()
        self._closed = True
        unseen = [message.id for _, message in self._pushed.items]
        if unseen or self._left or self._wants == _EVERYTHING:
            self._wants = _NOTHING  # else they would be pushed to us again
            self._post("hello", self._hello())
            # And what is on its way to us: all that was pushed behind what we have read.
            self._post("release", {"ids": unseen, "unseen": True, "read": self._read})
        if self._task is not None:
            self._task.cancel()
            try:
                await self._task
            except asyncio.CancelledError:
                pass
        for number in list(self._slots):
            self._settle(number, Disconnected("this client was closed"))
        self._pushed.fail(_Ended())
        self._events.fail(_Ended())
