"""The executables of an older version: built once from its commit, and kept below build/."""

import os
import pathlib
import shutil
import subprocess

import pytest

# The last commit before the files moved into rooms: libzmq still serves the control sockets, the Broker and the
# HTTP server are one class each, and no verb, field or table of a database is what a later commit made of it.
OLD_COMMIT = "c96f62ef9662cc4027cea0c7b7535d8c6c10666a"
PROGRAMS = ("berth", "berth-agent", "berth-keeper", "berth-controller")
SOURCES = pathlib.Path(__file__).resolve().parents[2]


def run(*words, **more):
    done = subprocess.run([str(word) for word in words], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, check=False, **more)
    assert done.returncode == 0, f"{words}: {done.stdout.decode(errors='replace')[-4000:]}"


def old_bin():
    """The folder of the old executables; skips the test where the commit is not there."""
    if given := os.environ.get("BERTH_OLD_BIN"):
        return pathlib.Path(given)
    folder = SOURCES / "build" / f"old-{OLD_COMMIT[:12]}"
    bin_folder = folder / "build/release/bin"
    if (folder / "complete").exists() and all((bin_folder / name).exists() for name in PROGRAMS):
        return bin_folder
    git = ["git", "-C", SOURCES]
    if subprocess.run([*map(str, git), "cat-file", "-e", OLD_COMMIT + "^{commit}"], capture_output=True, check=False).returncode:
        pytest.skip(f"commit {OLD_COMMIT[:12]} is not here, as in a shallow clone; BERTH_OLD_BIN names a folder with its executables")
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    run(*git, "archive", "-o", folder / "sources.tar", OLD_COMMIT)
    run("tar", "-xf", folder / "sources.tar", "-C", folder)
    (folder / "sources.tar").unlink()
    run("cmake", "--preset", "release", "-DBERTH_PANEL=OFF", cwd=folder)  # no page of the panel is read here
    run("cmake", "--build", "--preset", "release", "--parallel", "2", "--target", *PROGRAMS, cwd=folder)
    (folder / "complete").touch()
    return bin_folder
