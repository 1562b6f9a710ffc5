#!/usr/bin/env python3
"""Runs the tests of limits and of stopping trees where the kernel lends us its cgroup controllers: in a virtual
machine, in a group that is delegated as systemd does it with Delegate=yes.

    tests/qemu/cgroups.py build/release/bin [test file ...]
"""

import pathlib
import sys
import tempfile

from machine import Disk, Machine, make_initramfs

TESTS = pathlib.Path(__file__).resolve().parents[1]

# Each agent is started in a group of its own below that of the "service"; the tests run beside it.
COMMAND = """
mkdir -p /sys/fs/cgroup/service /sys/fs/cgroup/tests
echo '+memory +cpu +pids' > /sys/fs/cgroup/cgroup.subtree_control
echo '+memory +cpu +pids' > /sys/fs/cgroup/service/cgroup.subtree_control
echo $$ > /sys/fs/cgroup/tests/cgroup.procs
cd /berth/tests/integration
export BERTH_BIN=/berth/bin BERTH_SERVICE_GROUP=/sys/fs/cgroup/service PYTHONDONTWRITEBYTECODE=1 BERTH_SLOW=10
python3 -m pytest -q -p no:cacheprovider {files}
"""


def main():
    if len(sys.argv) < 2:
        sys.exit(__doc__)
    binaries = pathlib.Path(sys.argv[1])
    files = sys.argv[2:] or ["test_limits.py", "test_stop.py"]
    with tempfile.TemporaryDirectory(prefix="berth-qemu-") as name:
        folder = pathlib.Path(name)
        disk = Disk(folder / "disk")
        disk.python("pytest", "_pytest", "pluggy", "iniconfig", "packaging", "attr", "py", "msgpack", "zmq")
        disk.programs("sh", "sleep", "cat", "ls", "ps", "kill", "env", "setsid", "seq", "true", "false", "mkfifo", "nohup", "pkill", "id", "head",
                      "tail", "grep", "rm", "cp", "mv", "ln", "touch", "chmod", "chown", "uname", "date", "dd", "yes", "tr", "wc", "stat")
        for program in sorted(binaries.iterdir()):
            if program.is_file() and (program.name.startswith("berth") or program.name in ("chaos_app", "line_app")):
                disk.program(str(program), f"/berth/bin/{program.name}")
        disk.copy(TESTS / "integration", "/berth/tests/integration")
        disk.copy(TESTS / "unit/descriptors", "/berth/tests/unit/descriptors")
        disk.copy(TESTS.parent / "agent/sdk/python", "/berth/agent/sdk/python")
        disk.write("/guest-command", COMMAND.format(files=" ".join(files)))
        disk.image(folder / "disk.img", 1024)
        make_initramfs(folder / "initramfs")
        code = Machine(folder / "disk.img", folder / "initramfs").run()
    sys.exit(1 if code is None else code)


if __name__ == "__main__":
    main()
