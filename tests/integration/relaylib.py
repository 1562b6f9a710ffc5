"""The wire of the relay with Debian's pyzmq and msgpack alone: nothing of ours is between."""

import itertools
import time

import msgpack
import zmq

CONTEXT = zmq.Context()


class Refused(Exception):
    def __init__(self, code, info):
        super().__init__(f"{code} {info}")
        self.code, self.info = code, info


class Answer:
    def __init__(self, code, info, payload):
        self.code, self.info, self.payload = code, info, payload


class Push:
    def __init__(self, kind, meta, payload):
        self.kind, self.meta, self.payload = kind, meta, payload


def pack(value):
    return msgpack.packb(value, use_bin_type=True)


def unpack(data):
    return msgpack.unpackb(data, raw=False, strict_map_key=False)


class Wire:
    """One DEALER. ask() for one request at a time; send() and answer() to pipeline."""

    def __init__(self, endpoint, timeout=10.0, keys=None):
        self.socket = CONTEXT.socket(zmq.DEALER)
        self.socket.linger = 0
        self.socket.sndhwm = self.socket.rcvhwm = 0
        if keys:
            self.socket.curve_serverkey, self.socket.curve_publickey, self.socket.curve_secretkey = keys
        self.socket.connect(endpoint)
        self.timeout = timeout
        self.numbers = itertools.count(1)
        self.pushes = []
        self.answers = {}

    def close(self):
        self.socket.close(0)

    def send(self, verb, *payload, **args):
        number = next(self.numbers)
        self.send_raw(pack([1, number, verb, args]), *map(pack, payload))
        return number

    def send_raw(self, *frames):
        self.socket.send_multipart(frames)

    def receive(self, timeout=None):
        """Takes one message in; False when there is none in time."""
        if not self.socket.poll((self.timeout if timeout is None else timeout) * 1000):
            return False
        frames = self.socket.recv_multipart()
        _, number, third, info = unpack(frames[0])
        payload = [unpack(f) for f in frames[1:]]
        if isinstance(third, str):
            self.pushes.append(Push(third, info, payload))
        else:
            self.answers[number] = Answer(third, info, payload)
        return True

    def answer(self, number, timeout=None):
        deadline = time.monotonic() + (self.timeout if timeout is None else timeout)
        while number not in self.answers:
            left = deadline - time.monotonic()
            if left <= 0 or not self.receive(left):
                raise TimeoutError(f"no answer to request {number}")
        return self.answers.pop(number)

    def ask(self, verb, *payload, **args):
        """The answer, whatever its code."""
        return self.answer(self.send(verb, *payload, **args))

    def do(self, verb, *payload, **args):
        """The answer's info; its code must be 0."""
        answer = self.ask(verb, *payload, **args)
        if answer.code != 0:
            raise Refused(answer.code, answer.info)
        return answer.info

    def push(self, kind="message", timeout=None):
        """The next push of this kind."""
        deadline = time.monotonic() + (self.timeout if timeout is None else timeout)
        while True:
            for index, push in enumerate(self.pushes):
                if push.kind == kind:
                    return self.pushes.pop(index)
            left = deadline - time.monotonic()
            if left <= 0 or not self.receive(left):
                raise TimeoutError(f"no push {kind}")

    def poll(self, **args):
        """[(meta, payload)]"""
        answer = self.ask("poll", **args)
        assert answer.code == 0, answer.info
        assert len(answer.info["messages"]) == len(answer.payload)
        return list(zip(answer.info["messages"], answer.payload))


class Apps:
    """Apps of a home and connections that speak for them."""

    def __init__(self, home):
        self.home = home
        self.endpoint = f"ipc://{home.agent_home}/run/app.sock"
        self.wires = []

    def install(self, name, extra="", command="sleep 1000", start=False):
        self.home.load(f"{name}.toml", f'[app]\nid = "{name}"\ncommand = "{command}"\n{extra}')
        if start:
            self.home.berth("start", name, check=0)

    def secret(self, name):
        file = self.home.agent_home / "secrets" / name
        if not file.exists():
            self.home.berth("token", "app", f"{self.home.agent}/{name}", check=0)
        return file.read_text().strip()

    def stranger(self, timeout=10.0):
        wire = Wire(self.endpoint, timeout)
        self.wires.append(wire)
        return wire

    def wire(self, name, subscribe=False):
        wire = self.stranger()
        wire.do("hello", app=name, secret=self.secret(name), subscribe=subscribe)
        return wire

    def close(self):
        for wire in self.wires:
            wire.close()
