"""Drives the real executables in a home of its own, for the integration tests."""

import ctypes
import gzip
import json
import os
import pathlib
import shutil
import signal
import sqlite3
import subprocess
import time

SLOW = float(os.environ.get("BERTH_SLOW", "1"))  # how much slower than usual this machine is
BIN = pathlib.Path(os.environ.get("BERTH_BIN", pathlib.Path(__file__).resolve().parents[2] / "build/dev/bin"))


CAPABILITIES = {"chown": 0, "setgid": 6, "setuid": 7, "net_admin": 12, "sys_admin": 21, "sys_nice": 23}  # capabilities(7)


def may(*names):
    """Whether this process has these capabilities: root of a container may lack some."""
    with open("/proc/self/status", encoding="ascii") as file:
        effective = int(next(line.split()[1] for line in file if line.startswith("CapEff:")), 16)
    return all(effective >> CAPABILITIES[name] & 1 for name in names)


def become_subreaper():
    """Orphans of what a test kills come to us, whatever process 1 of this machine does with them."""
    ctypes.CDLL(None, use_errno=True).prctl(36, 1, 0, 0, 0)


def reap():
    """Collects the dead children that are nobody else's."""
    try:
        while os.waitpid(-1, os.WNOHANG)[0] > 0:
            pass
    except ChildProcessError:
        pass


def wait_for(condition, what, deadline=60.0):
    """Gives the condition's first true value; it is looked at again and again until the deadline."""
    end = time.monotonic() + deadline * SLOW
    while True:
        value = condition()
        if value:
            return value
        if time.monotonic() > end:
            raise AssertionError(f"not within {deadline} s: {what}")
        time.sleep(0.01)


def alive(pid):
    """Whether the process is there and no zombie."""
    try:
        with open(f"/proc/{pid}/stat", encoding="utf-8", errors="replace") as file:
            return file.read().rsplit(")", 1)[1].split()[0] not in "ZX"
    except (FileNotFoundError, ProcessLookupError):
        return False


def processes_with(entry):
    """Pids of the living whose environment holds a part of this text."""
    found = []
    for name in os.listdir("/proc"):
        if not name.isdigit() or not alive(name):
            continue
        try:
            with open(f"/proc/{name}/environ", "rb") as file:
                if entry.encode() in file.read():
                    found.append(int(name))
        except (FileNotFoundError, PermissionError, ProcessLookupError):
            pass
    return found


class Result:
    def __init__(self, code, out, err):
        self.code, self.out, self.err = code, out, err

    def json(self):
        return json.loads(self.out)


class Home:
    """A $BERTH_HOME with an agent that runs while the test does; the executables are those of `folder`."""

    def __init__(self, path, agent="default", folder=BIN):
        self.path = pathlib.Path(path)
        self.agent = agent
        self.folder = pathlib.Path(folder)
        self.agent_home = self.path / "agents" / agent
        self.env = {**os.environ, "BERTH_HOME": str(self.path), "PATH": f"{self.folder}:{os.environ['PATH']}"}
        self.env.pop("NO_COLOR", None)

    def berth(self, *words, stdin=None, check=None, timeout=60, cwd=None, program="berth", env=None, group=None, folder=None):
        """Runs a program of `folder`, of the home's own unless it is given."""
        def enter():
            (group / "cgroup.procs").write_text("0")

        done = subprocess.run(
            [str((folder or self.folder) / program), *map(str, words)], preexec_fn=enter if group else None,
            input=stdin, capture_output=True, timeout=timeout * SLOW, cwd=cwd, check=False,
            env={**self.env, **(env or {})}, **({"stdin": subprocess.DEVNULL} if stdin is None else {}))
        result = Result(done.returncode, done.stdout.decode(errors="replace"), done.stderr.decode(errors="replace"))
        if check is not None:
            assert result.code == check, f"berth {words}: {result.code}\n{result.out}\n{result.err}"
        return result

    def up(self):
        group = None
        if "BERTH_SERVICE_GROUP" in os.environ:  # where a service manager would start it, see tests/qemu
            group = pathlib.Path(os.environ["BERTH_SERVICE_GROUP"], f"{os.getpid()}-{time.monotonic_ns()}")
            group.mkdir()
        self.berth("agent", "run", "--name", self.agent, "--detach", check=0, group=group)

    def down(self):
        result = self.berth("agent", "stop", "--agent", self.agent, timeout=120)
        assert result.code in (0, 4), result.err

    def write(self, name, text):
        path = self.path / "src" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
        return path

    def load(self, name, text):
        return self.berth("--agent", self.agent, "load", self.write(name, text), check=0)

    def apps(self):
        return {app["id"]: app for app in self.berth("list", "--agent", self.agent, "--json", check=0).json()}

    def app(self, app):
        return self.apps()[app]

    def state(self, app):
        return self.app(app)["state"]

    def pid_of(self, which):
        try:
            return int((self.agent_home / "run" / f"{which}.pid").read_text())
        except (FileNotFoundError, ValueError):
            return None

    def kill(self, which):
        pid = self.pid_of(which)
        if pid and alive(pid):
            try:
                os.kill(pid, signal.SIGKILL)
                return pid
            except ProcessLookupError:
                pass
        return None

    def kill_all(self):
        """All of Berth at once. They start each other again, so all are held still before the first is killed."""
        pattern = f"berth-(keeper|agent|controller).*{self.path}"
        while subprocess.run(["pkill", "-STOP", "-f", pattern], check=False).returncode == 0:
            subprocess.run(["pkill", "-9", "-f", pattern], check=False)
            reap()

    def destroy(self):
        """Whatever a test has left. One that is forking at this moment may have got away from a first look."""
        self.kill_all()
        while left := processes_with(f"BERTH_HOME_DIR={self.path}"):
            for pid in left:
                try:
                    os.kill(pid, signal.SIGKILL)
                except ProcessLookupError:
                    pass
            reap()
        # What runs nowhere any more; it is outside of the home.
        if (self.agent_home / "run").is_symlink():
            shutil.rmtree(os.path.realpath(self.agent_home / "run"), ignore_errors=True)

    def processes_of(self, app):
        """Pids of the living that the app, or what it has started, consists of."""
        return processes_with(f"BERTH_HOME_DIR={self.agent_home}/data/{app}\0")

    def runs(self, app):
        """The stored runs: generation -> exit status as SPMI counts it, None when it is unknown."""
        with sqlite3.connect(f"file:{self.agent_home}/agent.db?mode=ro", uri=True, timeout=10) as db:
            rows = db.execute("SELECT generation, exit_kind, exit_value FROM run WHERE app = ?", (app,)).fetchall()
        return {g: None if kind is None or kind == 2 else (value if kind == 0 else -value) for g, kind, value in rows}

    def log_lines(self, app):
        """(stream, text) of each whole line, in order, over all files of the log."""
        folder = self.agent_home / "logs" / app
        numbers = sorted({n.split(".")[0] for n in os.listdir(folder) if n.endswith((".log", ".log.gz"))})
        names = [f"{number}.log" for number in numbers] + ["current"]
        parts = {"stdout": b"", "stderr": b""}
        lines = []
        for name in names:
            try:
                data = (folder / name).read_bytes()
            except FileNotFoundError:
                try:  # the agent has compressed it
                    data = gzip.decompress((folder / f"{name}.gz").read_bytes())
                except FileNotFoundError:
                    continue
            for raw in data.split(b"\n")[:-1]:
                fields = raw.split(b" ", 3)
                if len(fields) < 4:
                    continue  # a keeper that was killed while it wrote has left half a line
                _, stream, tag, text = fields
                stream = stream.decode()
                parts[stream] += text
                if tag == b"F":
                    lines.append((stream, parts[stream]))
                    parts[stream] = b""
        return lines
