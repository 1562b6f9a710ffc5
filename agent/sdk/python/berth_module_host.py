"""Runs a Python file that has `pytainer_init(app)`, and perhaps `pytainer_stop(app)`, as an app of its
own: `python3 -u berth_module_host.py FILE [ARGUMENT...]`. A crash, sys.exit or endless loop in it hurts
nobody else. SIGTERM calls pytainer_stop, then the process ends when pytainer_init returns; when there
is no pytainer_stop, or it comes twice, at once.
"""

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
    """What pytainer_init and pytainer_stop get: `config`, the variables; `repo`, what is known of the
    app; `running`; `wd`, its directory; `stopped()`."""

    def __init__(self, folder):
        self.config = _read_json(os.environ.get("BERTH_CONFIG_FILE"))
        self.ident = os.environ.get("BERTH_APP", "")
        self.name = self.ident
        self.repo = {"app": {"ident": self.ident, "standalone": False}, "path": str(folder)}
        self.wd = str(folder)
        self.running = True
        self.output = []
        self._ended = threading.Event()

    def stopped(self):
        """Whether the app is to end."""
        return not self.running

    def wait(self, timeout=None):
        """Until the app is to end; False when `timeout` seconds passed before."""
        return self._ended.wait(timeout)

    def end(self):
        """The app is to end."""
        self.running = False
        self._ended.set()


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


def _stop_on_sigterm(module, app):
    """pytainer_stop is called in a thread of its own: pytainer_init may be in the middle of anything."""
    wake_out, wake_in = os.pipe()
    os.set_blocking(wake_in, False)

    def stop():
        os.read(wake_out, 1)
        app.end()
        handler = getattr(module, "pytainer_stop", None)
        if handler is None:
            os._exit(128 + signal.SIGTERM)
        try:
            handler(app)
        except BaseException:  # pylint: disable=broad-except  # the app's own; it ends all the same
            traceback.print_exc()
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
    app = App(file.parent)
    module = _load(file)
    if not hasattr(module, "pytainer_init"):
        sys.exit(f"{file.name}: a module app has a function pytainer_init(app)")
    _stop_on_sigterm(module, app)
    module.pytainer_init(app)


if __name__ == "__main__":
    main()
