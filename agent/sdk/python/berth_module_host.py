"""Runs a Python file that has `pytainer_init(app)`, and perhaps `pytainer_stop(app)`, as an app of its
own: `python3 -u berth_module_host.py FILE [ARGUMENT...]`. A crash, sys.exit or endless loop in it hurts
nobody else. SIGTERM calls pytainer_stop, then the process ends when pytainer_init returns, or has
returned; when there is no pytainer_stop, or it comes twice, at once. A module that only sets handlers
of pytaineripc goes on until then.
"""

import collections
import importlib.util
import json
import os
import pathlib
import signal
import sys
import threading
import traceback
import types

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))


class App:
    """What pytainer_init and pytainer_stop get, as from pyTainer: `config`, the variables; `repo`, what is
    known of the app, with its manifest in `repo['config']`; `getName()`, its ident; `output` and
    `getOutput()`, the last lines that it has printed; `running` and `stopped()`, which change when
    pytainer_stop has returned. Ours are `ident`, `name`, `wd`, and `wait()`."""

    def __init__(self, file):
        manifest = _read_manifest(file.parent / "pytainer.toml")
        about = manifest.setdefault("app", {})
        self.config = _read_json(os.environ.get("BERTH_CONFIG_FILE"))
        self.ident = os.environ.get("BERTH_APP") or about.get("ident", "")
        about.setdefault("ident", self.ident)
        about.setdefault("name", self.ident)
        about.setdefault("standalone", False)
        self.name = self.ident
        self.repo = {"name": self.ident, "clearname": file.parent.name, "path": str(file.parent),
                     "launcher": str(file), "config": manifest, "module": False, "spec": False,
                     "app": about}
        self.wd = str(file.parent)
        self.running = True
        self.output = collections.deque(maxlen=_LINES)
        self._ended = threading.Event()

    def getName(self):
        """Its ident, which was its thread's name."""
        return self.ident

    def getOutput(self):
        """The last lines that it has printed, oldest first."""
        return list(self.output)

    def stopped(self):
        """Whether the app is to end."""
        return self._ended.is_set()

    def wait(self, timeout=None):
        """Until the app is to end; False when `timeout` seconds passed before."""
        return self._ended.wait(timeout)

    def end(self):
        """The app is to end."""
        self.running = False
        self._ended.set()


_LINES = 100  # that pyTainer kept


class _Output:
    """stdout, whose lines the app can look at."""

    def __init__(self, stream, lines):
        self._stream, self._lines, self._begun = stream, lines, ""

    def write(self, text):
        """As a stream has it."""
        *whole, self._begun = (self._begun + text).split("\n")
        self._lines.extend(whole)
        return self._stream.write(text)

    def writelines(self, texts):
        """As a stream has it."""
        for text in texts:
            self.write(text)

    def __getattr__(self, name):
        return getattr(self._stream, name)


def _read_manifest(file):
    """The pytainer.toml as a dict; {} when there is none. Before Python 3.11, which reads TOML, as much of it as
    manifests have."""
    try:
        text = file.read_text(encoding="utf-8")
    except (OSError, ValueError):
        return {}
    try:
        import tomllib  # pylint: disable=import-outside-toplevel
    except ImportError:
        return _read_plain_toml(text)
    try:
        return tomllib.loads(text)
    except tomllib.TOMLDecodeError:
        return {}


def _read_plain_toml(text):
    found = {}
    table = found
    for line in text.splitlines():
        line = line.strip()
        if line.startswith("["):
            table = found
            for part in line.strip("[]").split("."):
                table = table.setdefault(part.strip().strip("\"'"), {})
        elif "=" in line and not line.startswith("#"):
            key, value = (part.strip() for part in line.split("=", 1))
            if value.startswith("'"):
                value = json.dumps(value[1:value.find("'", 1)])
            try:
                table[key], _ = json.JSONDecoder().raw_decode(value)
            except ValueError:
                table[key] = value
    return found


def _read_json(file):
    try:
        with open(file, encoding="utf-8") as opened:
            return json.load(opened)
    except (OSError, TypeError, ValueError):
        return {}


def _load(file):
    spec = importlib.util.spec_from_file_location(file.stem, file)
    module = importlib.util.module_from_spec(spec)
    sys.modules[file.stem] = module
    sys.path.insert(0, str(file.parent))
    spec.loader.exec_module(module)
    return module


def _let_end():
    """Nothing that the module has imported keeps the process alive."""
    poller = sys.modules.get("pytaineripc")
    if poller is not None:
        poller.destroy()


def _stop_on_sigterm(module, app):
    """pytainer_stop is called in a thread of its own: pytainer_init may be in the middle of anything."""
    wake_out, wake_in = os.pipe()
    os.set_blocking(wake_in, False)

    def stop():
        os.read(wake_out, 1)
        handler = getattr(module, "pytainer_stop", None)
        if handler is None:
            os._exit(128 + signal.SIGTERM)
        try:
            handler(app)
        except BaseException:  # pylint: disable=broad-except  # the app's own; it ends all the same
            traceback.print_exc()
        app.end()
        _let_end()
        os.read(wake_out, 1)
        os._exit(128 + signal.SIGTERM)

    threading.Thread(target=stop, name="berth-stop", daemon=True).start()
    signal.set_wakeup_fd(wake_in, warn_on_full_buffer=False)
    signal.signal(signal.SIGTERM, lambda *_: None)


def main():
    if len(sys.argv) < 2:
        sys.exit("usage: berth_module_host.py FILE [ARGUMENT...]")
    file = pathlib.Path(sys.argv[1]).resolve()
    sys.argv = sys.argv[1:]
    sys.modules["__main__"].__file__ = str(file)  # pytaineripc looks beside it
    # How an app finds out that it is a module, in the words of pyTainer's manual.
    sys.modules["pytainerserver"] = types.ModuleType("pytainerserver")
    app = App(file)
    sys.stdout = _Output(sys.stdout, app.output)
    module = _load(file)
    if not hasattr(module, "pytainer_init"):
        sys.exit(f"{file.name}: a module app has a function pytainer_init(app)")
    _stop_on_sigterm(module, app)
    module.pytainer_init(app)


if __name__ == "__main__":
    main()
