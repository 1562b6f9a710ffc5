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

import json
import os
import pathlib
import re
import sys
import threading

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))
import berth_ipc  # pylint: disable=wrong-import-position
sys.path.pop(0)

_HOME = pathlib.Path(__file__).resolve().parent.parent
_TIMEOUT = 10.0

_lock = threading.RLock()
_ident = ""
_client = None
_listening = False
_notification_handler = None
_event_handler = None
_kept = []  # pushed to us while there was no handler: for poll()
_speed = 1.0
_destroyed = False


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
        if _client is None and not _destroyed:
            try:
                with open(_secret_file(_ident), encoding="ascii") as file:
                    secret = file.read().strip()
                endpoint = os.environ.get("BERTH_IPC") or f"ipc://{_HOME}/run/app.sock"
                _client = berth_ipc.connect(_ident, secret, endpoint, _TIMEOUT)
            except (OSError, ValueError):
                return None
        return _client


def _plain(value):
    """pyTainer could send any object; what has no plain form of its own gets the nearest one."""
    if isinstance(value, (set, frozenset)):
        return sorted(value, key=repr)
    if hasattr(value, "isoformat"):
        return value.isoformat()
    if isinstance(value, os.PathLike):
        return os.fspath(value)
    if hasattr(value, "tolist"):
        return value.tolist()
    if hasattr(value, "_asdict"):
        return value._asdict()
    if hasattr(value, "__dict__"):
        return vars(value)
    return str(value)


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


def _init(file, notifHandler=None, eventHandler=None):
    """Says whose messages these are: those of the app that `file` belongs to."""
    global _ident  # pylint: disable=global-statement
    _ident = _own_ident(file)
    if notifHandler is not None or eventHandler is not None:
        setHandlers(notifHandler, eventHandler)
    return True


def init(file=None, notifHandler=None, eventHandler=None):
    """As the versions before 1.1 wanted it called first. Not needed any more."""
    return _init(file or _main_file(), notifHandler, eventHandler)


def _main_file():
    return getattr(sys.modules.get("__main__"), "__file__", None) or sys.argv[0]


def _take_messages(messages):
    with _lock:
        handler = _notification_handler
        if handler is None:
            _kept.extend(message.payload for message in messages)
            return
    handler([message.payload for message in messages])


def _take_event(event):
    handler = _event_handler
    if handler is not None:
        handler({"TYPE": event.type, "BY": event.sender, "PAYLOAD": event.payload})


def _listen():
    global _listening  # pylint: disable=global-statement
    with _lock:
        client = _connection()
        if client is None:
            return False
        if not _listening:
            _listening = True
            starter = threading.Thread(target=_start_listening, args=(client,), daemon=True)
            starter.start()
        return True


def _start_listening(client):
    try:
        client.listen(on_messages=_take_messages, on_event=_take_event)
    except (berth_ipc.IpcError, OSError):
        pass  # the client's own thread goes on trying


def setHandlers(notif, ev):
    """`notif(list)` is called with the messages that have come, `ev({'TYPE','BY','PAYLOAD'})` for each
    event. True; False when there is no server to get them from."""
    global _notification_handler, _event_handler  # pylint: disable=global-statement
    _notification_handler, _event_handler = notif, ev
    return _listen()


def setNotificationHandler(notif):
    """As setHandlers, for messages alone."""
    global _notification_handler  # pylint: disable=global-statement
    _notification_handler = notif
    return _listen()


def setEventHandler(ev):
    """As setHandlers, for events alone."""
    global _event_handler  # pylint: disable=global-statement
    _event_handler = ev
    return _listen()


def setPollSpeed(speed):
    """Was how often the server is asked. Handlers are called at once now, whatever it says."""
    global _speed  # pylint: disable=global-statement
    _speed = max(0.1, float(speed))
    return True


setSpeed = setPollSpeed


def destroy():
    """Ends the connection."""
    global _client, _destroyed, _listening  # pylint: disable=global-statement
    with _lock:
        client, _client, _destroyed, _listening = _client, None, True, False
    if client is not None:
        client.close()


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
    return _ask(lambda client: client.version())


# --- messages and events


def notify(ident, data):
    """Sends `data` to app `ident`: {'OK': True, 'DATA': False}. It is kept until that polls for it."""
    value = _packable(data)
    reply = _ask(lambda client: client.notify(str(ident), value))
    if isinstance(reply, dict):
        sent = reply["DATA"]
        reply["DATA"] = False
        if sent is not None:
            reply["FOUND"] = sent.known
    return reply


def poll(ident=None):
    """What was sent to this app since the last poll, oldest first: {'OK': True, 'DATA': [...]}."""
    if ident not in (None, _ident):
        return {"OK": True, "DATA": [], "ERR": "an app can poll its own messages only"}
    with _lock:
        kept = list(_kept)
        _kept.clear()
    reply = _ask(lambda client: kept + [m.payload for m in _drain(client)], lambda value: value or [])
    if reply is False and kept:
        with _lock:
            _kept[:0] = kept
    return reply


def _drain(client):
    messages = []
    while True:
        more = client.poll(auto_ack=True)
        messages.extend(more)
        if len(more) < 1000:
            return messages


def clearNotifications():
    """Throws away what waits for this app: {'OK': True, 'DATA': []}."""
    with _lock:
        _kept.clear()
    return _ask(lambda client: client.clear(), lambda _: [])


def raiseEvent(type, payload=False):  # pylint: disable=redefined-builtin
    """Tells all other apps that have an event handler: {'OK': True, 'DATA': False}."""
    value = _packable(payload)
    return _ask(lambda client: client.raise_event(str(type), value), lambda _: False)


# --- other apps


def start(ident):
    """Starts an app: {'OK': True, 'DATA': 'Starting X'}; 'ERR' says why, when it does not start."""
    return _ask(lambda client: client.start(str(ident)), lambda _: f"Starting {ident}")


def stop(ident):
    """Stops an app: {'OK': True, 'DATA': 'Stopping X'}."""
    return _ask(lambda client: client.stop(str(ident)), lambda _: f"Stopping {ident}")


def isRunning(ident):
    """{'OK': True, 'DATA': whether it runs}."""
    return _ask(lambda client: client.is_running(str(ident)), bool)


def isAvailable(ident):
    """{'OK': True, 'DATA': whether there is such an app}."""
    return _ask(lambda client: client.is_available(str(ident)), bool)


def _member(payload, *names):
    if isinstance(payload, dict):
        for key, value in payload.items():
            if str(key).upper() in names:
                return value
        return None
    return payload


def do(method, payload=None):
    """Any method by its name, as the wire of pyTainer had them; False when the server cannot be reached."""
    ident = _member(payload, "IDENT", "APP", "TO")
    methods = {
        "VERSION": getVersion,
        "NOTIFY": lambda: notify(ident, _member(payload, "DATA", "PAYLOAD", "MESSAGE")),
        "RAISEEVENT": lambda: raiseEvent(_member(payload, "TYPE"), _member(payload, "PAYLOAD")),
        "POLL": lambda: poll(ident),
        "_AUTOPOLL": lambda: poll(ident),
        "CLEARNOTIFICATIONS": clearNotifications,
        "START": lambda: start(ident),
        "STOP": lambda: stop(ident),
        "ISRUNNING": lambda: isRunning(ident),
        "ISAVAILABLE": lambda: isAvailable(ident),
    }
    if method not in methods:
        return {"OK": False, "DATA": False, "ERR": "Unknown Method"}
    return methods[method]()


_init(_main_file())
