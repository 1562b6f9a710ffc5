"""pyTainer's module for apps, on Berth: the calls, their arguments and what they return are those of
pyTainer 1.1.0 and of the versions before it, so its apps run unchanged.

    import sys, pathlib
    sys.path.insert(0, str(pathlib.Path(__file__).parent.resolve()) + '/../../ipc')
    import pytaineripc
    pytaineripc.notify('OTHERAPP', 'Hello')

What is better than it was: nothing is pickled, an app is who it says it is, messages survive the end
of the server and of the receiver, handlers are called at once instead of at the next poll, and no
failure of the connection ends a thread. New programs use berth_ipc.
"""

import enum
import json
import os
import pathlib
import pickle
import re
import sys
import threading

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))
import berth_ipc  # noqa: E402 the folder comes first
sys.path.pop(0)

VERSION = "1.1.0"  # of pyTainer, whose calls these are; apps compare it with what they need

_HOME = pathlib.Path(__file__).resolve().parent.parent
_TIMEOUT = 10.0

_lock = threading.RLock()
_ident = ""
_client = None
_notification_handler = None
_event_handler = None
_speed = 1.0
_destroyed = False  # the poller is
_ended = threading.Event()  # nothing keeps the process alive any more
_keeper = None


def _after_fork():
    """A forked child calls by itself; the handlers, and what keeps the process alive, are the parent's."""
    global _lock, _notification_handler, _event_handler, _ended, _keeper  # pylint: disable=global-statement
    _lock, _ended, _keeper = threading.RLock(), threading.Event(), None
    _notification_handler = _event_handler = None


os.register_at_fork(after_in_child=_after_fork)


def _own_ident(file):
    """The ident of the app that `file` belongs to: Berth says it, or the pytainer.toml beside it."""
    named = os.environ.get("BERTH_APP")
    if named:
        return named
    try:
        text = (pathlib.Path(file).resolve().parent / "pytainer.toml").read_text(encoding="utf-8")
    except (OSError, TypeError, ValueError):
        return str(file)
    app = re.split(r"(?m)^\s*\[(?!app\])", re.split(r"(?m)^\s*\[app\]", text, 1)[-1], 1)[0]
    found = re.search(r"""(?m)^\s*ident\s*=\s*(["'])(.*?)\1""", app)
    return found.group(2) if found else str(file)


def _secret_file(ident):
    return os.environ.get("BERTH_IPC_SECRET_FILE") or str(_HOME / "secrets" / ident)


def _connection():
    """The client; None when there is nothing to connect with."""
    global _client  # pylint: disable=global-statement
    with _lock:
        if _client is None:
            try:
                with open(_secret_file(_ident), encoding="ascii") as file:
                    secret = file.read().strip()
                endpoint = os.environ.get("BERTH_IPC") or f"ipc://{_HOME}/run/app.sock"
                _client = berth_ipc.connect(_ident, secret, endpoint, _TIMEOUT)
            except (OSError, ValueError):
                return None
        return _client


def _plain(value):
    """pyTainer could send any object that pickle takes; what has no plain form of its own gets the nearest
    one. TypeError: it could not be sent there either."""
    if callable(value) or isinstance(value, type(sys)):
        raise TypeError(f"{type(value).__name__} objects are not sent")
    if isinstance(value, (set, frozenset)):
        return sorted(value, key=repr)
    if isinstance(value, enum.Enum):
        return value.value
    if isinstance(value, BaseException):
        return str(value)
    if hasattr(value, "isoformat"):
        return value.isoformat()
    if isinstance(value, os.PathLike):
        return os.fspath(value)
    if hasattr(value, "tolist"):
        return value.tolist()
    if hasattr(value, "_asdict"):
        return value._asdict()
    pickle.dumps(value)  # a lock, a socket, a generator
    return vars(value) if hasattr(value, "__dict__") else str(value)


_UNSENDABLE = (TypeError, ValueError, OverflowError, RecursionError, AttributeError, pickle.PicklingError)


def _packable(value):
    return berth_ipc.unpack(berth_ipc.pack(value, _plain))


def _ask(call, shape=lambda value: value):
    """`call(client)` in pyTainer's envelope; False when the server cannot be reached."""
    client = _connection()
    if client is None:
        return False
    try:
        return {"OK": True, "DATA": shape(call(client))}
    except (berth_ipc.Disconnected, berth_ipc.Timeout, OSError):
        return False
    except berth_ipc.IpcError as error:
        return {"OK": True, "DATA": shape(None), "ERR": error.text, "FOUND": error.code != 404}


# --- setting up


def _init(repo, notificationHandler=None, eventHandler=None):
    """Says whose messages these are: those of the app that the file `repo` belongs to."""
    global _ident  # pylint: disable=global-statement
    _ident = _own_ident(repo)
    if callable(notificationHandler) or callable(eventHandler):
        setHandlers(notificationHandler, eventHandler)
    return True


def init(repo=None, notificationHandler=None, eventHandler=None):
    """As the versions before 1.1 wanted it called first. Not needed any more."""
    return _init(repo or _main_file(), notificationHandler, eventHandler)


def _main_file():
    return getattr(sys.modules.get("__main__"), "__file__", None) or sys.argv[0]


def _take_messages(messages):
    handler = _notification_handler
    if handler is None:
        for message in messages:
            message.release()  # for poll()
        return
    handler([message.payload for message in messages])


def _take_event(event):
    handler = _event_handler
    if handler is not None:
        handler({"TYPE": event.type, "BY": event.sender, "PAYLOAD": event.payload})


def _listen():
    """Handlers or not: what the client does about it. Without one for messages those wait for poll()."""
    with _lock:
        client = _connection()
        if client is None:
            return False
        if not _destroyed:
            starter = threading.Thread(target=_start_listening, args=(client,), daemon=True)
            starter.start()
            _stay_alive()
        return True


def _start_listening(client):
    with _lock:
        on_messages = _take_messages if _notification_handler is not None and not _destroyed else None
        on_event = _take_event if _event_handler is not None and not _destroyed else None
    try:
        client.listen(on_messages=on_messages, on_event=on_event)
    except (berth_ipc.IpcError, OSError):
        pass  # the client's own thread goes on trying


def _stay_alive():
    """pyTainer's poller was a thread that kept its process alive: apps that only set handlers rely on it."""
    global _keeper  # pylint: disable=global-statement
    wanted = _notification_handler is not None or _event_handler is not None
    if wanted and _keeper is None:
        _keeper = threading.Thread(target=_ended.wait, name="IPCPollHandler", daemon=False)
        _keeper.start()


def setHandlers(notificationHandler, eventHandler):
    """`notificationHandler(list)` is called with the messages that have come,
    `eventHandler({'TYPE','BY','PAYLOAD'})` for each event; False is none. True; False when there is no server
    to get them from. An app with a handler goes on when its own code has ended, until it is stopped."""
    global _notification_handler, _event_handler  # pylint: disable=global-statement
    _notification_handler, _event_handler = _handler(notificationHandler), _handler(eventHandler)
    return _listen()


def _handler(given):
    return given if callable(given) else None


def setNotificationHandler(notificationHandler):
    """As setHandlers, for messages alone."""
    return setHandlers(notificationHandler, _event_handler)


def setEventHandler(eventHandler):
    """As setHandlers, for events alone."""
    return setHandlers(_notification_handler, eventHandler)


def setPollSpeed(speed):
    """Was how often the server is asked. Handlers are called at once now, whatever it says."""
    global _speed  # pylint: disable=global-statement
    _speed = max(0.1, float(speed))
    return True


setSpeed = setPollSpeed


def destroy():
    """Ends the poller: no handler is called any more, and nothing keeps the process alive. Calls go on."""
    global _destroyed  # pylint: disable=global-statement
    with _lock:
        client, _destroyed = _client, True
    _ended.set()
    if client is not None:
        _start_listening(client)


# --- who we are


def getIdent():
    """The ident of this app."""
    return _ident


def setIdent(ident):  # pylint: disable=unused-argument
    """Has no effect, as it had none."""


def getConfig(ident=None):
    """The config variables of this app (or of `ident`), as a dict; {} when there are none."""
    file = os.environ.get("BERTH_CONFIG_FILE") if ident in (None, _ident) else None
    try:
        with open(file or _HOME / "tmp" / f"{ident or _ident}_config.json", encoding="utf-8") as opened:
            config = json.load(opened)
    except (OSError, ValueError):
        return {}
    return config if isinstance(config, dict) else {}


def getVersion():
    """{'OK': True, 'DATA': the version of the server}."""
    return _ask(lambda client: client.version() and VERSION)


# --- messages and events


def notify(repo, data):
    """Sends `data` to app `repo`: {'OK': True, 'DATA': False}. It is kept until that polls for it. False when
    `data` cannot be sent."""
    try:
        value = _packable(data)
    except _UNSENDABLE:
        return False
    reply = _ask(lambda client: client.notify(str(repo), value))
    if isinstance(reply, dict):
        sent = reply["DATA"]
        reply["DATA"] = False
        if sent is not None:
            reply["FOUND"] = sent.known
    return reply


def poll(repo=False):
    """What was sent to this app since the last poll, oldest first: {'OK': True, 'DATA': [...]}."""
    if repo and repo != _ident:
        return {"OK": True, "DATA": [], "ERR": "an app can poll its own messages only"}
    return _ask(lambda client: [m.payload for m in _drain(client)], lambda value: value or [])


def _drain(client):
    messages = []
    while True:
        more = client.poll(auto_ack=True)
        messages.extend(more)
        if len(more) < 1000:
            return messages


def clearNotifications():
    """Throws away what waits for this app: {'OK': True, 'DATA': []}."""
    return _ask(lambda client: client.clear(), lambda _: [])


def raiseEvent(type, payload=False):  # pylint: disable=redefined-builtin
    """Tells all other apps that have an event handler: {'OK': True, 'DATA': False}. False when `payload` cannot
    be sent."""
    try:
        value = _packable(payload)
    except _UNSENDABLE:
        return False
    return _ask(lambda client: client.raise_event(str(type), value), lambda _: False)


# --- other apps


def start(repo):
    """Starts an app: {'OK': True, 'DATA': 'Starting X'}; 'ERR' says why, when it does not start."""
    return _ask(lambda client: client.start(str(repo)), lambda _: f"Starting {repo}")


def stop(repo):
    """Stops an app: {'OK': True, 'DATA': 'Stopping X'}."""
    return _ask(lambda client: client.stop(str(repo)), lambda _: f"Stopping {repo}")


def isRunning(repo):
    """{'OK': True, 'DATA': whether it runs}."""
    return _ask(lambda client: client.is_running(str(repo)), bool)


def isAvailable(repo):
    """{'OK': True, 'DATA': whether there is such an app}."""
    return _ask(lambda client: client.is_available(str(repo)), bool)


_MISSING = object()


def _member(payload, *names, default=_MISSING):
    """What `payload` says under one of these names; a payload that is no dict is that itself."""
    if not isinstance(payload, dict):
        return default if payload is False or payload is None else payload
    for key, value in payload.items():
        if str(key).upper() in names:
            return value
    return default


def _auto_poll(repo):
    reply = poll(repo)
    if isinstance(reply, dict):  # events are told to handlers alone
        reply = {"OK": True, "DATA": False, "NOTIFICATIONS": reply["DATA"], "EVENTS": []}
    return reply


def do(method, payload=False):
    """Any method by its name, as the wire of pyTainer had them; False when the server cannot be reached, or
    the payload does not say what it needs."""
    repo = _member(payload, "REPO", "IDENT", "APP", "TO")
    own = _member(payload, "REPO", "IDENT", default=False)
    data = _member(payload, "DATA", "PAYLOAD", "MESSAGE") if isinstance(payload, dict) else _MISSING
    event = _member(payload, "TYPE") if isinstance(payload, dict) else _MISSING
    methods = {
        "VERSION": (getVersion,),
        "NOTIFY": (notify, repo, data),
        "RAISEEVENT": (raiseEvent, event, _member(payload, "PAYLOAD", default=False)),
        "POLL": (poll, own),
        "_AUTOPOLL": (_auto_poll, own),
        "CLEARNOTIFICATIONS": (clearNotifications,),
        "START": (start, repo),
        "STOP": (stop, repo),
        "ISRUNNING": (isRunning, repo),
        "ISAVAILABLE": (isAvailable, repo),
    }
    if method not in methods:
        return {"OK": False, "DATA": False, "ERR": "Unknown Method"}
    call, *arguments = methods[method]
    return False if _MISSING in arguments else call(*arguments)


_init(_main_file())
