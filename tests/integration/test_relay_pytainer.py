"""pyTainer's apps run unchanged, on a Python that has neither pyzmq nor msgpack."""

import importlib.util
import json
import pathlib
import textwrap
import time

import pytest

from berthlib import wait_for

SDK = pathlib.Path(__file__).resolve().parents[2] / "agent/sdk/python"

# As its manual has it: the sys.path line, import, handlers, and every call.
MANIFEST = """
[app]
ident = "{ident}"
name = "An app"
version = "1.0"
requires = []
launcher = "init.py"
language = "{language}"
args = ""
standalone = {standalone}

[requirements]
modules = []
pytainerversion = "1.0.0"

[info]
author = "John Doe"
website = "http://example.com"

[config.word]
title = "A word"
description = ""
type = "string"
value = "Hello"
[config.size]
title = "A number"
description = ""
type = "int"
value = 5
"""

IMPORT = """
import sys
import pathlib
sys.path.insert(0, str(pathlib.Path(__file__).parent.resolve()) + '/../../ipc')
import pytaineripc
assert 'zmq' not in sys.modules and 'msgpack' not in sys.modules
"""

CALLER = IMPORT + """
import json, os
try:
    import zmq
    sys.exit('this Python has pyzmq')
except ImportError:
    pass
seen = {
    'ident': pytaineripc.getIdent(), 'version': pytaineripc.getVersion(), 'config': pytaineripc.getConfig(),
    'config_of': pytaineripc.getConfig('caller'),
    'notify': pytaineripc.notify('listener', {'text': 'hi', 'n': [1, 2.5, None, True, (1, 2)]}),
    'notify_nobody': pytaineripc.notify('nobody', 'x'),
    'raise': pytaineripc.raiseEvent('MADE', {'x': 1}), 'raise_bare': pytaineripc.raiseEvent('BARE'),
    'poll': pytaineripc.poll(), 'poll_own': pytaineripc.poll('caller'), 'poll_other': pytaineripc.poll('listener'),
    'running': pytaineripc.isRunning('listener'), 'running_nobody': pytaineripc.isRunning('nobody'),
    'available': pytaineripc.isAvailable('other'), 'available_nobody': pytaineripc.isAvailable('nobody'),
    'start': pytaineripc.start('other'), 'start_nobody': pytaineripc.start('nobody'),
    'speed': pytaineripc.setPollSpeed(0.01), 'old_speed': pytaineripc.setSpeed(2),
    'unknown': pytaineripc.do('NONSENSE', None), 'set_ident': pytaineripc.setIdent('x'),
    'ident_after': pytaineripc.getIdent(), 'do': pytaineripc.do('ISRUNNING', 'listener'),
    'set': pytaineripc.notify('caller', {1, 2}), 'set_back': pytaineripc.poll(),
    'clear': [pytaineripc.notify('caller', 1), pytaineripc.clearNotifications(), pytaineripc.poll()],
}
while not pytaineripc.isRunning('other')['DATA']:
    pass
seen['stop'] = pytaineripc.stop('other')
pytaineripc.destroy()
print('SEEN', json.dumps(seen), flush=True)
"""

LISTENER = IMPORT + """
import json, threading
def notif(items):
    print('NOTIF', json.dumps(items), flush=True)
    if items == ['answer']:
        pytaineripc.notify('caller2', 'from a handler')
def ev(event):
    print('EVENT', json.dumps(event), flush=True)
print('HANDLERS', pytaineripc.setHandlers(notif, ev), flush=True)
threading.Event().wait()
"""

MODULE = """
import sys
import pytaineripc
def notif(items):
    print('NOTIF', items, flush=True)
def pytainer_init(app):
    if not 'pytainerserver' in sys.modules:
        print('not a module', flush=True)
    print('INIT', app.config['word'], app.running, app.stopped(), pytaineripc.getIdent(), flush=True)
    pytaineripc.setNotificationHandler(notif)
    while not app.stopped():
        app.wait(60)
    sys.stdout.write('LEFT\\n')  # in one piece: the other thread writes too
def pytainer_stop(app):
    sys.stdout.write(f'STOP {app.stopped()} {app.running}\\n')
"""

BARE = "/usr/bin/python3 -S"  # without its site-packages


def install(home, ident, code, standalone=True):
    folder = home.agent_home / "repos" / ident
    folder.mkdir(parents=True)
    manifest = MANIFEST.format(ident=ident, language=BARE, standalone=str(standalone).lower())
    (folder / "pytainer.toml").write_text(manifest)
    (folder / "init.py").write_text(textwrap.dedent(code))
    home.berth("scan", check=0)


def lines(home, ident, word):
    found = [text.decode() for stream, text in home.log_lines(ident) if stream == "stdout"]
    return [line[len(word) + 1:] for line in found if line.startswith(word + " ")]


def line(home, ident, word):
    def look():
        try:
            return lines(home, ident, word)
        except FileNotFoundError:
            return []
    try:
        return wait_for(look, f"{ident} prints {word}")[-1]
    except AssertionError as error:
        raise AssertionError(f"{error}\n{home.log_lines(ident)}") from None


@pytest.fixture
def listener(home):
    install(home, "listener", LISTENER)
    install(home, "other", "import threading\nthreading.Event().wait()\n")
    home.berth("start", "listener", check=0)
    assert line(home, "listener", "HANDLERS") == "True"
    return home


def test_every_call_and_its_shape(listener):
    home = listener
    # That the listener is connected shows with the first event that reaches it.
    wait_for(lambda: home.berth("raise", "READY").code == 0 and lines(home, "listener", "EVENT"), "it listens")
    install(home, "caller", CALLER)
    home.berth("start", "caller", check=0)
    seen = json.loads(line(home, "caller", "SEEN"))
    ok = {"OK": True, "DATA": False}
    assert seen["ident"] == seen["ident_after"] == "caller"
    assert seen["version"] == {"OK": True, "DATA": "1.1.0"}  # which apps compare with what they need
    assert seen["config"] == seen["config_of"] == {"word": "Hello", "size": 5}
    assert seen["notify"] == {**ok, "FOUND": True}
    assert seen["notify_nobody"] == {**ok, "FOUND": False}
    assert seen["raise"] == seen["raise_bare"] == ok
    assert seen["poll"] == seen["poll_own"] == {"OK": True, "DATA": []}
    assert seen["poll_other"]["OK"] is True and seen["poll_other"]["DATA"] == []
    assert seen["running"] == seen["do"] == {"OK": True, "DATA": True}
    assert seen["running_nobody"] == seen["available_nobody"] == ok
    assert seen["available"] == {"OK": True, "DATA": True}
    assert seen["start"] == {"OK": True, "DATA": "Starting other"}
    assert seen["start_nobody"]["OK"] is True and seen["start_nobody"]["DATA"] == "Starting nobody"
    assert seen["start_nobody"]["FOUND"] is False and seen["start_nobody"]["ERR"]
    assert seen["stop"] == {"OK": True, "DATA": "Stopping other"}
    assert seen["speed"] is True and seen["old_speed"] is True and seen["set_ident"] is None
    assert seen["unknown"] == {"OK": False, "DATA": False, "ERR": "Unknown Method"}
    assert seen["set_back"] == {"OK": True, "DATA": [[1, 2]]}
    assert seen["clear"][1:] == [{"OK": True, "DATA": []}, {"OK": True, "DATA": []}]
    wait_for(lambda: home.state("other") == "stopped", "stop has stopped it")

    assert json.loads(line(home, "listener", "NOTIF")) == [{"text": "hi", "n": [1, 2.5, None, True, [1, 2]]}]
    wait_for(lambda: len(lines(home, "listener", "EVENT")) >= 3, "all events")
    events = [json.loads(e) for e in lines(home, "listener", "EVENT")]
    assert [e for e in events if e["TYPE"] != "READY"] == [
        {"TYPE": "MADE", "BY": "caller", "PAYLOAD": {"x": 1}}, {"TYPE": "BARE", "BY": "caller", "PAYLOAD": False}]
    assert events[0]["BY"] == ""


def test_messages_wait_for_an_app_that_does_not_run(home):
    install(home, "late", IMPORT + "print('GOT', pytaineripc.poll('late'), flush=True)\n")
    for word in ("first", "second"):
        home.berth("notify", "late", word, check=0)
    home.berth("start", "late", check=0)
    assert line(home, "late", "GOT") == "{'OK': True, 'DATA': ['first', 'second']}"


def test_handlers_and_calls_go_on_after_a_kill_of_the_agent(listener):
    home = listener
    install(home, "caller2", IMPORT + """
while True:
    got = pytaineripc.poll()
    if got and got['DATA']:
        print('POLLED', got['DATA'], flush=True)
        break
""")
    home.kill("agent")
    home.berth("notify", "listener", "answer", check=0)
    home.berth("start", "caller2", check=0)
    assert line(home, "caller2", "POLLED") == "['from a handler']"
    home.berth("stop", "caller2")


def test_the_old_signatures(home):
    install(home, "old", IMPORT + """
import threading
done = threading.Event()
def notif(items):
    print('NOTIF', items, flush=True)
    done.set()
pytaineripc.init(__file__, notif, None)
print('CONFIG', pytaineripc.getConfig('old'), flush=True)
pytaineripc.notify('old', 'to myself')
done.wait()
""")
    home.berth("start", "old", check=0)
    assert line(home, "old", "CONFIG") == "{'word': 'Hello', 'size': 5}"
    assert line(home, "old", "NOTIF") == "['to myself']"


def test_without_a_server_a_call_is_false(home, tmp_path):
    """Started by hand, with an agent that is not there: no exception, as before."""
    install(home, "alone", IMPORT + """
pytaineripc._TIMEOUT = 0.3
print('GOT', pytaineripc.notify('x', 1), pytaineripc.getConfig(), pytaineripc.setHandlers(None, None), flush=True)
""")
    home.down()
    import subprocess  # pylint: disable=import-outside-toplevel
    done = subprocess.run([*BARE.split(), str(home.agent_home / "repos/alone/init.py")], capture_output=True,
                          text=True, timeout=60, check=False, cwd=tmp_path)
    assert done.stdout.startswith("GOT False {} False"), done
    assert done.returncode == 0


def test_a_module_app(home):
    install(home, "mod", MODULE, standalone=False)
    home.berth("start", "mod", check=0)
    assert line(home, "mod", "INIT") == "Hello True False mod"
    home.berth("notify", "mod", "pushed", check=0)
    assert line(home, "mod", "NOTIF") == "['pushed']"
    home.berth("stop", "mod", check=0)
    assert line(home, "mod", "STOP") == "False True"  # as with pyTainer, they change when it has returned
    assert b"LEFT" in [text for _, text in home.log_lines("mod")]
    assert home.state("mod") in ("stopped", "exited")


@pytest.mark.parametrize("body", ["import os; os.abort()", "import sys; sys.exit(3)", "raise RuntimeError('x')"])
def test_the_end_of_a_module_is_its_own(home, body):
    install(home, "fine", MODULE, standalone=False)
    install(home, "bad", f"def pytainer_init(app):\n    {body}\n", standalone=False)
    home.berth("start", "fine", check=0)
    line(home, "fine", "INIT")
    pid = home.app("fine")["pid"]
    home.berth("start", "bad", "--no-wait")
    wait_for(lambda: home.state("bad") == "failed", "the bad one has failed")
    assert home.app("fine")["pid"] == pid and home.state("fine") == "running"


def test_an_endless_loop_in_a_module_is_ended(home):
    install(home, "loop", """
def pytainer_init(app):
    print('IN', 1, flush=True)
    while True:
        pass
def pytainer_stop(app):
    print('STOP', 1, flush=True)
""", standalone=False)
    home.berth("start", "loop", check=0)
    line(home, "loop", "IN")
    home.berth("kill", "loop", check=0)
    assert home.state("loop") in ("stopped", "failed", "exited")


def test_names_values_and_raw_methods_as_in_pytainer(home):
    install(home, "target", "import threading\nthreading.Event().wait()\n")
    install(home, "details", IMPORT + """
import enum, json, threading
class Colour(enum.Enum):
    RED = 'red'
class Thing:
    def __init__(self):
        self.x = 1
loop = []
loop.append(loop)
print('DETAILS', json.dumps({
    'keywords': [pytaineripc.notify(repo='target', data=1), pytaineripc.poll(repo='details'), pytaineripc.isRunning(repo='target'),
                 pytaineripc.isAvailable(repo='target'), pytaineripc.start(repo='target'), pytaineripc.stop(repo='target'),
                 pytaineripc.raiseEvent(type='X', payload=1), pytaineripc.setPollSpeed(speed=1)],
    'no_handlers': [pytaineripc.setHandlers(notificationHandler=False, eventHandler=False),
                    pytaineripc.setNotificationHandler(notificationHandler=False), pytaineripc.setEventHandler(eventHandler=False)],
    'raw': [pytaineripc.do('NOTIFY', {'REPO': 'details', 'DATA': {'REPO': 'x'}}), pytaineripc.do('POLL', 'details'),
            pytaineripc.do('NOTIFY', {'DATA': 1}), pytaineripc.do('NOTIFY'), pytaineripc.do('START', {}), pytaineripc.do('VERSION'),
            pytaineripc.do('RAISEEVENT', {'type': 'X', 'repo': 'details', 'payload': 1}), pytaineripc.do('RAISEEVENT', 'X'),
            pytaineripc.do('NOTIFY', {'REPO': 'details', 'DATA': 7}), pytaineripc.do('_AUTOPOLL', {'repo': 'details', 'lastpoll': None}),
            pytaineripc.do('CLEARNOTIFICATIONS', 'details')],
    'unsendable': [pytaineripc.notify('details', value) for value in
                   (2 ** 64, threading.Lock(), lambda: 1, (n for n in ()), loop, sys, print, '\\ud800', {'deep': object}, [threading.Event()])]
                  + [pytaineripc.raiseEvent('X', threading.Lock())],
    'sent': [pytaineripc.notify('details', value) for value in (Colour.RED, Thing(), ValueError('why'), 2 ** 63, {1, 2})],
    'got': pytaineripc.poll(),
    'destroyed': [pytaineripc.destroy(), pytaineripc.notify('details', 'after'), pytaineripc.poll(), pytaineripc.getVersion(),
                  pytaineripc.setHandlers(print, print)],
}), flush=True)
""")
    home.berth("start", "details", "--no-wait", check=0)
    seen = json.loads(line(home, "details", "DETAILS"))
    ok, found = {"OK": True, "DATA": False}, {"OK": True, "DATA": False, "FOUND": True}
    assert seen["keywords"] == [found, {"OK": True, "DATA": []}, ok, {"OK": True, "DATA": True},
                                {"OK": True, "DATA": "Starting target"}, {"OK": True, "DATA": "Stopping target"}, ok, True]
    assert seen["no_handlers"] == [True, True, True]
    polled = {"OK": True, "DATA": False, "NOTIFICATIONS": [7], "EVENTS": []}
    assert seen["raw"] == [found, {"OK": True, "DATA": [{"REPO": "x"}]}, False, False, False, {"OK": True, "DATA": "1.1.0"}, ok, False,
                           found, polled, {"OK": True, "DATA": []}]
    assert seen["unsendable"] == [False] * 11
    assert seen["sent"] == [found] * 5 and seen["got"] == {"OK": True, "DATA": ["red", {"x": 1}, "why", 2 ** 63, [1, 2]]}
    assert seen["destroyed"] == [None, found, {"OK": True, "DATA": ["after"]}, {"OK": True, "DATA": "1.1.0"}, True]
    wait_for(lambda: home.state("details") == "exited", "nothing keeps it alive: no handler, and then destroy()")
    assert json.loads(home.berth("messages", "None", "--json").out)["messages"] == []


def test_events_alone_leave_the_messages_to_poll(home):
    install(home, "both", IMPORT + """
import time
pytaineripc.setEventHandler(lambda event: print('EVENT', event['TYPE'], flush=True))
got = []
while len(got) < 3:
    got += pytaineripc.poll()['DATA']
    time.sleep(0.01)
print('GOT', got, flush=True)
""")
    home.berth("start", "both", "--no-wait", check=0)
    wait_for(lambda: home.berth("raise", "READY").code == 0 and lines(home, "both", "EVENT"), "it listens")
    for number in range(3):
        home.berth("notify", "both", str(number), "--parse", check=0)
    assert line(home, "both", "GOT") == "[0, 1, 2]"
    home.berth("stop", "both", check=0)
    assert home.state("both") == "stopped"


# The template of pyTainer's "Create", which sets its handlers and has nothing else to do.
CREATED = IMPORT + """
def notificationHandler(notifications):
    print('NOTIF', notifications, flush=True)
def eventHandler(event):
    print('EVENT', event['TYPE'], flush=True)
pytaineripc.setHandlers(notificationHandler, eventHandler)
print('SET', 1, flush=True)
"""


def test_an_app_that_only_sets_handlers_stays_alive_until_it_is_stopped(home):
    install(home, "created", CREATED)
    home.berth("start", "created", check=0)
    assert line(home, "created", "SET") == "1"
    for word in ("one", "two"):
        home.berth("notify", "created", word, check=0)
        wait_for(lambda: f"['{word}']" in lines(home, "created", "NOTIF"), "it is called")  # pylint: disable=cell-var-from-loop
    assert home.state("created") == "running"
    home.berth("stop", "created", check=0)
    assert home.state("created") == "stopped"


def test_a_module_that_only_sets_handlers_stays_alive_until_it_is_stopped(home):
    install(home, "quiet", """
import pytaineripc
def pytainer_init(app):
    pytaineripc.setHandlers(lambda items: print('NOTIF', items, flush=True), False)
    repo = app.repo
    print('ABOUT', app.getName(), repo['name'], repo['config']['app']['name'], repo['config']['config']['size']['value'],
          repo['launcher'].endswith('/quiet/init.py'), repo['path'].endswith('/quiet'), app.running, app.stopped(), flush=True)
    print('OUTPUT', app.getOutput()[-1].startswith('ABOUT'), app.output[-1].startswith('ABOUT'), flush=True)
def pytainer_stop(app):
    print('STOP', app.running, flush=True)
""", standalone=False)
    home.berth("start", "quiet", check=0)
    assert line(home, "quiet", "ABOUT") == "quiet quiet An app 5 True True True False"
    assert line(home, "quiet", "OUTPUT") == "True True"
    home.berth("notify", "quiet", "x", check=0)
    assert line(home, "quiet", "NOTIF") == "['x']"
    began = time.monotonic()
    home.berth("stop", "quiet", check=0)
    assert line(home, "quiet", "STOP") == "True" and time.monotonic() - began < 8  # by itself, not killed after the grace


def test_a_manifest_is_read_without_a_reader_of_toml():
    spec = importlib.util.spec_from_file_location("berth_module_host", SDK / "berth_module_host.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    text = MANIFEST.format(ident="x", language="python", standalone="false")
    tomllib = pytest.importorskip("tomllib")
    assert module._read_plain_toml(text) == tomllib.loads(text)
