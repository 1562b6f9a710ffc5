"""What each key may ask of an agent: shared/command/verbs.h, written down once more."""

import itertools
import json
import shutil
import socket

import msgpack
import pytest
import zmq
import zmq.utils.z85

from berthlib import Home, wait_for

ROLES = ("viewer", "operator", "admin")
# Each verb with members that make sense, and the least role.
REQUESTS = {
    "hello": ({}, "viewer"), "subscribe": ({}, "viewer"), "list": ({}, "viewer"), "show": ({"id": "a"}, "viewer"),
    "explain": ({"id": "a"}, "viewer"), "check": ({"patterns": ["a"]}, "viewer"), "logs": ({"id": "a"}, "viewer"),
    "events": ({}, "viewer"), "crashes": ({"id": "a"}, "viewer"), "metrics": ({"id": "a"}, "viewer"),
    "mailbox": ({"id": "a"}, "viewer"), "mailboxes": ({}, "viewer"), "messages": ({"id": "a"}, "viewer"),
    "trace": ({}, "viewer"), "outbox": ({}, "viewer"),
    "act": ({"verb": "reload", "ids": ["a"]}, "operator"), "scan": ({}, "operator"), "scale": ({"id": "a", "count": 1}, "operator"),
    "input": ({"id": "a", "data": "x"}, "operator"), "resize": ({"id": "a", "rows": 2, "columns": 2}, "operator"),
    "message": ({"verb": "version"}, "operator"), "remove_message": ({"id": "a", "message": 1}, "operator"),
    "load": ({"paths": ["/nowhere"], "cwd": "/"}, "admin"), "peers": ({}, "admin"),
    "authorize": ({"key": "0" * 64}, "here"), "revoke": ({"key": "0" * 64}, "here"), "token": ({"app": "a"}, "here"),
    "shutdown": ({}, "here"), "upgrade": ({"folder": "/nowhere"}, "here"),
}
FORBIDDEN = 403


class Door:
    """Speaks the control protocol, over TCP with a key or over the local socket."""

    numbers = itertools.count(1)

    def __init__(self, endpoint, keys=None):
        self.socket = zmq.Context.instance().socket(zmq.DEALER)
        self.socket.linger = 0
        self.socket.rcvtimeo = 20_000
        if keys:
            self.socket.curve_serverkey, self.socket.curve_publickey, self.socket.curve_secretkey = keys
        self.socket.connect(endpoint)

    def ask(self, verb, args):
        number = next(self.numbers)
        self.socket.send(msgpack.packb([1, number, verb, args]))
        while True:
            _, answered, code, info = msgpack.unpackb(self.socket.recv())
            if answered == number:
                return code, info


def free_port():
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return one.getsockname()[1]


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    home = Home(tmp_path_factory.mktemp("rights"))
    home.up()
    home.load("a.toml", '[app]\nid = "a"\ncommand = "sleep 1000"\nautostart = false\nenv = { API_TOKEN = "hidden-words" }\n')
    port = free_port()
    server = (home.agent_home / "keys/agent.pub").read_text().strip().encode()
    doors = {}
    for role in ROLES:
        public, secret = zmq.curve_keypair()
        said = home.berth("agent", "authorize", zmq.utils.z85.decode(public).hex(), "--role", role, "--name", role,
                          "--listen", f"127.0.0.1:{port}", check=0).out
        assert said.startswith("authorized" + ("\n" if role == "admin" else f" as {role}\n"))
        doors[role] = Door(f"tcp://127.0.0.1:{port}", (server, public, secret))
    home.doors, home.local = doors, Door(f"ipc://{home.agent_home}/run/control.sock")
    yield home
    home.down()
    shutil.rmtree(home.path, ignore_errors=True)


@pytest.mark.parametrize("role", ROLES)
@pytest.mark.parametrize("verb", REQUESTS)
def test_each_verb_wants_its_right(place, verb, role):
    args, least = REQUESTS[verb]
    code, info = place.doors[role].ask(verb, args)
    may = least != "here" and ROLES.index(role) >= ROLES.index(least)
    assert (code != FORBIDDEN) == may, info
    if not may:
        assert ("local socket" if least == "here" else "has not the right") in info["error"]


def test_every_verb_is_in_the_list(place):
    """The owner of the home may all; what is in no table is no verb."""
    for verb, (args, _) in REQUESTS.items():
        if verb not in ("shutdown", "upgrade", "authorize", "revoke"):
            assert place.local.ask(verb, args)[0] != FORBIDDEN
    assert place.local.ask("no_such_verb", {})[0] == 404


def test_giving_up_what_waits_wants_more_than_looking(place):
    assert place.doors["viewer"].ask("outbox", {"drop": "far"})[0] == FORBIDDEN
    assert place.doors["operator"].ask("outbox", {"drop": "far"}) == (0, {"dropped": 0})


def test_secrets_are_for_who_administers(place):
    for role, shown in (("viewer", False), ("operator", False), ("admin", True)):
        code, info = place.doors[role].ask("show", {"id": "a", "secrets": True})
        assert code == 0
        assert ("hidden-words" in info["spec"]) == shown


def test_a_member_of_another_type_is_refused_by_its_name(place):
    for verb, args, why in (("list", {"patterns": "a"}, '"patterns" must be a list of texts'),
                            ("list", {"lines": -1}, '"lines" must be a whole number of 0 or more'),
                            ("act", {"verb": "stop", "ids": ["a"], "wait": "no"}, '"wait" must be true or false'),
                            ("show", {"id": 7}, '"id" must be a text')):
        code, info = place.local.ask(verb, args)
        assert (code, info["error"]) == (400, why)
    assert place.local.ask("list", {"patterns": None, "from_tomorrow": 1})[0] == 0, "newer members are passed over"


def test_the_peers_are_shown_with_their_roles(place):
    peers = json.loads(place.berth("--json", "agent", "peers", check=0).out)["peers"]
    assert {peer["name"]: peer["role"] for peer in peers} == {role: role for role in ROLES}
    wrong = place.berth("agent", "authorize", "0" * 64, "--role", "king")
    assert wrong.code != 0 and "viewer, operator or admin" in wrong.err


def test_a_key_that_is_taken_off_the_list_may_nothing(place):
    public, secret = zmq.curve_keypair()
    key = zmq.utils.z85.decode(public).hex()
    place.berth("agent", "authorize", key, check=0)
    server = (place.agent_home / "keys/agent.pub").read_text().strip().encode()
    endpoint = json.loads(place.berth("--json", "agent", "peers", check=0).out)["endpoint"]
    door = Door(endpoint, (server, public, secret))
    assert door.ask("list", {})[0] == 0
    place.berth("agent", "revoke", key, check=0)
    wait_for(lambda: door.ask("list", {})[0] == FORBIDDEN, "it is refused at its next word")
