"""A virtual machine with Debian's cloud kernel and a disk that holds what is given to it: for what this machine's
kernel does not have (writable cgroup controllers) and what must not happen to it (power cuts).

The packages are the group `qemu` of deploy/packages. Nothing is reached over a network; the guest has none.
"""

import glob
import gzip
import os
import pathlib
import re
import shutil
import subprocess
import tempfile

# In the order in which they can be loaded; what the kernel has built in is passed over.
MODULES = ["virtio_ring", "virtio", "virtio_pci_legacy_dev", "virtio_pci_modern_dev", "virtio_pci", "virtio_blk"]

INIT = """#!/bin/busybox sh
/bin/busybox mkdir -p /proc /dev /root
/bin/busybox mount -t proc proc /proc
/bin/busybox mount -t devtmpfs dev /dev
for module in /modules/*; do /bin/busybox insmod $module; done
while [ ! -e /dev/vda ]; do /bin/busybox usleep 10000; done
/bin/busybox mount -t ext4 /dev/vda /root || { echo "GUEST cannot mount"; /bin/busybox poweroff -f; }
/bin/busybox mount --move /dev /root/dev
exec /bin/busybox switch_root /root /guest-init
"""

GUEST_INIT = """#!/bin/busybox sh
export PATH=/usr/local/bin:/usr/bin:/bin:/usr/sbin:/sbin HOME=/root LANG=C.UTF-8
mount -t proc proc /proc
mount -t sysfs sys /sys
mount -t cgroup2 cgroup /sys/fs/cgroup
mkdir -p /dev/pts /dev/shm
mount -t devpts pts /dev/pts
mount -t tmpfs shm /dev/shm
mount -t tmpfs tmp /tmp
busybox ip link set lo up
hostname guest
echo "GUEST begins"
/bin/bash /guest-command
echo "GUEST ended $?"
sync
busybox poweroff -f
"""


def kernel():
    """(path of the kernel, its version): the newest cloud kernel that is installed."""
    found = sorted(glob.glob("/boot/vmlinuz-*-cloud-amd64"))
    if not found:
        raise SystemExit("no cloud kernel: deploy/install-packages qemu")
    return found[-1], found[-1].removeprefix("/boot/vmlinuz-")


def libraries_of(program):
    """Where the shared libraries of a program or library are."""
    out = subprocess.run(["ldd", program], capture_output=True, text=True, check=False).stdout
    return set(re.findall(r"(/\S+) \(0x", out))


class Disk:
    """The folder that becomes the guest's disk."""

    def __init__(self, folder):
        self.folder = pathlib.Path(folder)
        for name in ("dev", "proc", "sys", "tmp", "root", "run", "etc", "var/lib", "usr/bin", "usr/lib", "usr/sbin", "usr/lib64"):
            (self.folder / name).mkdir(parents=True, exist_ok=True)
        for name in ("bin", "sbin", "lib", "lib64"):
            (self.folder / name).symlink_to(f"usr/{name}")
        for name in ("passwd", "group", "nsswitch.conf", "localtime"):
            if pathlib.Path("/etc", name).exists():
                shutil.copy(f"/etc/{name}", self.folder / "etc" / name)
        self.write("/etc/hosts", "127.0.0.1 localhost guest\n")
        self.program("/bin/busybox")
        self.program("/bin/bash")
        for applet in ("mount", "mkdir", "hostname", "sync"):
            (self.folder / "usr/sbin" / applet).symlink_to("/usr/bin/busybox")

    def write(self, path, text, mode=0o644):
        target = self.folder / path.lstrip("/")
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_text(text)
        target.chmod(mode)

    def copy(self, path, to=None):
        """A file or folder, at the same place or at `to`."""
        target = self.folder / str(to or path).lstrip("/")
        target.parent.mkdir(parents=True, exist_ok=True)
        if os.path.isdir(path):
            shutil.copytree(path, target, symlinks=True, dirs_exist_ok=True, ignore=shutil.ignore_patterns("__pycache__"))
        else:
            shutil.copy(path, target)

    def program(self, path, to=None):
        """A program with its libraries."""
        real = os.path.realpath(path)
        self.copy(real, to or path)
        for library in libraries_of(real):
            if not (self.folder / library.lstrip("/")).exists():
                self.copy(library)

    def programs(self, *names):
        for name in names:
            self.program(shutil.which(name, path="/usr/bin:/bin:/usr/sbin:/sbin") or name)

    def python(self, *packages):
        """Debian's python3 with its standard library and these packages of it."""
        self.program("/usr/bin/python3.11")
        (self.folder / "usr/bin/python3").symlink_to("python3.11")
        self.copy("/usr/lib/python3.11")
        for package in packages:
            found = [p for p in glob.glob(f"/usr/lib/python3/dist-packages/{package}*")]
            if not found:
                raise SystemExit(f"no python3 package {package}")
            for path in found:
                self.copy(path)
        for extension in glob.glob(f"{self.folder}/usr/lib/python3*/**/*.so", recursive=True):
            for library in libraries_of(extension):
                if not (self.folder / library.lstrip("/")).exists():
                    self.copy(library)

    def image(self, path, megabytes):
        """The disk as an ext4 image."""
        self.write("/guest-init", GUEST_INIT, 0o755)
        subprocess.run(["mke2fs", "-q", "-F", "-t", "ext4", "-d", self.folder, path, f"{megabytes}M"], check=True)


def make_initramfs(path):
    _, version = kernel()
    with tempfile.TemporaryDirectory() as name:
        root = pathlib.Path(name)
        (root / "bin").mkdir()
        (root / "modules").mkdir()
        shutil.copy(os.path.realpath("/bin/busybox"), root / "bin/busybox")
        (root / "init").write_text(INIT)
        (root / "init").chmod(0o755)
        for number, module in enumerate(MODULES):
            found = glob.glob(f"/lib/modules/{version}/**/{module}.ko*", recursive=True)
            if found:
                shutil.copy(found[0], root / f"modules/{number}-{module}.ko")
        names = "\n".join(str(p.relative_to(root)) for p in sorted(root.rglob("*")))
        archive = subprocess.run(["/bin/busybox", "cpio", "-o", "-H", "newc"], cwd=root, input=names.encode(), capture_output=True, check=True)
        pathlib.Path(path).write_bytes(gzip.compress(archive.stdout, 1))


class Machine:
    """One boot of an image. Its console comes as lines."""

    def __init__(self, image, initramfs, megabytes=1024, processors=2):
        vmlinuz, _ = kernel()
        # Emulated, also where /dev/kvm is there: in a machine that is virtual itself it does not always work.
        self.process = subprocess.Popen(
            ["qemu-system-x86_64", "-accel", "tcg", "-m", str(megabytes), "-smp", str(processors), "-nographic", "-nodefaults",
             "-no-reboot", "-serial", "stdio", "-nic", "none", "-kernel", vmlinuz, "-initrd", initramfs,
             "-append", "console=ttyS0 quiet panic=-1 cgroup_no_v1=all",
             "-drive", f"file={image},format=raw,if=virtio,cache=writeback"],
            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)

    def lines(self):
        for line in self.process.stdout:
            yield line.decode(errors="replace").rstrip()

    def run(self, show=print):
        """To its end; gives the exit code of the guest's command, None: it did not come to that."""
        code = None
        for line in self.lines():
            show(line)
            if line.startswith("GUEST ended "):
                code = int(line.split()[-1])
        self.process.wait()
        return code

    def cut(self):
        """The power, from one moment to the next: what the guest has not flushed is lost."""
        self.process.kill()
        self.process.wait()
        self.process.stdout.close()
