"""The panel's types, web/src/openapi.ts, are made from the description of the API as it is now."""

import difflib
import json
import pathlib
import shutil
import subprocess

import pytest

from berthlib import BIN

WEB = pathlib.Path(__file__).resolve().parents[2] / "web"
COMMAND = "build/release/bin/berth-controller openapi > build/openapi.json && (cd web && npm run types ../build/openapi.json)"


def describe(folder):
    """Without a home, and with nothing of this machine."""
    done = subprocess.run([BIN / "berth-controller", "openapi"], cwd=folder, env={}, capture_output=True, text=True, timeout=60, check=False)
    assert (done.returncode, done.stderr) == (0, "")
    return done.stdout


def test_the_description_needs_no_home_and_leaves_nothing(tmp_path):
    document = json.loads(describe(tmp_path))
    assert document["openapi"] == "3.1.0" and "/api/v1/openapi.json" in document["paths"]
    assert not list(tmp_path.iterdir())


@pytest.mark.skipif(not shutil.which("npm"), reason="there is no npm")
def test_the_panels_types_are_fresh(tmp_path):
    if not (WEB / "node_modules/openapi-typescript").is_dir():
        subprocess.run(["npm", "ci", "--no-audit", "--no-fund"], cwd=WEB, check=True, capture_output=True, timeout=300)
    document, made = tmp_path / "openapi.json", tmp_path / "openapi.ts"
    document.write_text(describe(tmp_path))
    done = subprocess.run(["npm", "run", "types", document, made], cwd=WEB, capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    kept = (WEB / "src/openapi.ts").read_text()
    changes = list(difflib.unified_diff(kept.splitlines(), made.read_text().splitlines(), "kept", "made", n=1, lineterm=""))
    if changes:
        pytest.fail("\n".join(["web/src/openapi.ts is not what the API is now; make it anew with", COMMAND, *changes[:40]]), pytrace=False)
