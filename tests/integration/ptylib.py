"""Runs a program in a terminal of its own, of any size, and sees what it does to it."""

import fcntl
import os
import pty
import re
import select
import signal
import struct
import termios
import time

from berthlib import BIN, SLOW

ESCAPE = re.compile(rb"\x1b\[[0-9;?]*[ -/]*[@-~]|\x1b[@-Z\\^_=>78]|\x1b\][^\x07]*\x07")


class Terminal:
    """One command in a terminal; ends with the block that it is made in."""

    def __init__(self, home, *words, rows=24, columns=80, env=None, argv=None):
        self.seen = b""
        self.code = None
        self.pid, self.fd = pty.fork()
        if self.pid == 0:
            environment = {**home.env, "TERM": "xterm-256color", **(env or {})}
            path, *rest = argv or [str(BIN / "berth"), *map(str, words)]
            signal.pthread_sigmask(signal.SIG_SETMASK, [])
            time.sleep(0)
            os.read(0, 1)  # until the window has its size
            os.execve(path, [path, *rest], environment)
        self.resize(rows, columns)
        self.before = termios.tcgetattr(self.fd)
        os.write(self.fd, b"\n")
        self.until(b"\n")
        self.seen = b""

    def __enter__(self):
        return self

    def __exit__(self, *_):
        if self.code is None:
            try:
                os.kill(self.pid, signal.SIGKILL)
                os.waitpid(self.pid, 0)
            except (ProcessLookupError, ChildProcessError):
                pass
        os.close(self.fd)

    def resize(self, rows, columns):
        fcntl.ioctl(self.fd, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))

    def type(self, data):
        os.write(self.fd, data if isinstance(data, bytes) else data.encode())

    def look(self, seconds=0.05):
        """What was written since; False: nobody has it open any more."""
        if not select.select([self.fd], [], [], seconds)[0]:
            return True
        try:
            data = os.read(self.fd, 65536)
        except OSError:
            return False
        self.seen += data
        return bool(data)

    def until(self, wanted, deadline=20.0):
        """Waits until this text, or what matches this function of all that was seen, is there."""
        wanted = wanted.encode() if isinstance(wanted, str) else wanted
        test = wanted if callable(wanted) else lambda seen: wanted in seen
        end = time.monotonic() + deadline * SLOW
        while not test(self.seen):
            if time.monotonic() > end:
                raise AssertionError(f"not within {deadline} s: {wanted}; seen: {self.seen!r}")
            if not self.look() and not test(self.seen):
                raise AssertionError(f"it ended without {wanted}; seen: {self.seen!r}")
        return self.seen

    def end(self, deadline=20.0):
        """Waits for its end; gives its exit code, negative for a signal."""
        end = time.monotonic() + deadline * SLOW
        while time.monotonic() < end:
            self.look(0.02)
            pid, status = os.waitpid(self.pid, os.WNOHANG)
            if pid == self.pid:
                self.code = os.waitstatus_to_exitcode(status)
                while select.select([self.fd], [], [], 0)[0] and self.look(0):
                    pass
                return self.code
        raise AssertionError(f"it has not ended; seen: {self.seen!r}")

    def text(self):
        return ESCAPE.sub(b"", self.seen).decode(errors="replace").replace("\r", "")

    def modes(self):
        return termios.tcgetattr(self.fd)
