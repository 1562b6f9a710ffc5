"""The relay over TCP: CURVE, an allow-list, and hello all the same."""

import os
import pathlib
import shutil
import subprocess
import sys

import pytest
import zmq.utils.z85

from berthlib import alive, wait_for
from relaylib import Apps, Wire, pack

SDK = pathlib.Path(__file__).resolve().parents[2] / "agent/sdk/python"


@pytest.fixture
def remote(home):
    own = zmq.curve_keypair()
    (home.agent_home / "agent.toml").write_text(
        f'[ipc]\nlisten = "tcp://127.0.0.1:0"\nallow = ["{zmq.utils.z85.decode(own[0]).hex()}"]\n')
    home.down()
    home.up()
    apps = Apps(home)
    for name in ("a", "b"):
        apps.install(name)
    apps.own = own
    apps.server = (home.agent_home / "keys" / "agent.pub").read_text().strip().encode()
    apps.tcp = (home.agent_home / "run" / "ipc_endpoint").read_text().strip()
    yield apps
    apps.close()


def test_an_allowed_key_with_the_right_secret(remote):
    wire = Wire(remote.tcp, keys=(remote.server, *remote.own))
    assert wire.ask("ping").code == 401
    assert wire.ask("hello", app="a", secret=remote.secret("b")).code == 401
    wire.do("hello", app="a", secret=remote.secret("a"), subscribe=True)
    near = remote.wire("b")
    wire.do("notify", "from afar", to="b")
    assert [(m["from"], p) for m, p in near.poll()] == [("a", "from afar")]
    near.do("notify", "x" * 100_000, 2, to="a")
    assert [wire.push().payload for _ in range(2)] == [["x" * 100_000], [2]]
    assert wire.ask("notify", *["x"] * 10_001, to="b").code == 413
    wire.close()


@pytest.mark.parametrize("who", ["stranger", "wrong server key", "no curve"])
def test_nobody_else_gets_a_word_in(remote, who):
    other = zmq.curve_keypair()
    keys = {"stranger": (remote.server, *other), "wrong server key": (other[0], *remote.own), "no curve": None}[who]
    wire = Wire(remote.tcp, timeout=1.5, keys=keys)
    try:
        wire.socket.send(pack([1, 1, "hello", {"app": "a", "secret": remote.secret("a")}]), zmq.NOBLOCK)
    except zmq.Again:
        pass  # refused already: there is nobody to send to
    assert not wire.receive()
    wire.close()


def test_the_python_client_over_tcp(remote):
    sys.path.insert(0, str(remote.home.agent_home / "ipc"))
    try:
        import berth_ipc  # pylint: disable=import-outside-toplevel,import-error
    finally:
        sys.path.pop(0)
    keys = (zmq.utils.z85.decode(remote.server).hex(), remote.own[0].decode(), zmq.utils.z85.decode(remote.own[1]).hex())
    with berth_ipc.connect("a", remote.secret("a"), remote.tcp, keys=keys) as far:
        got = []
        far.listen(got.append)
        assert far.notify("b", "hi").known
        near = remote.wire("b")
        near.do("notify", "back", to="a")
        wait_for(lambda: [m.payload for m in got] == ["back"], "it is pushed over TCP")
        old = remote.home.kill("agent")
        wait_for(lambda: not alive(old), "its end")
        remote.home.berth("notify", "a", "after", check=0)
        assert (remote.home.agent_home / "run" / "ipc_endpoint").exists()


NODE = pathlib.Path(__file__).resolve().parents[2] / "agent/sdk/node"
JS = """
const { connect } = require(process.argv[2]);
const [serverKey, publicKey, secretKey] = process.argv.slice(3);
const ipc = connect({ curve: { serverKey, publicKey, secretKey }, timeoutMs: 5000 });
ipc.notify("b", "from node").then((sent) => console.log("known", sent.known),
                                       (error) => console.log(error.code, error.message)).finally(() => ipc.close());
"""


@pytest.mark.skipif(not shutil.which("node") or not (NODE / "node_modules/zeromq").is_dir(), reason="no Node.js, or no zeromq for it")
def test_the_node_client_over_tcp(remote, tmp_path):
    (tmp_path / "script.js").write_text(JS)

    def run(keys):
        done = subprocess.run(["node", tmp_path / "script.js", NODE, *[k.decode() for k in keys]], capture_output=True, text=True,
                              timeout=60, check=False, env={
                                  **os.environ, "BERTH_APP": "a", "BERTH_IPC": remote.tcp,
                                  "BERTH_IPC_SECRET_FILE": str(remote.home.agent_home / "secrets/a")})
        assert done.returncode == 0, done.stderr
        return done.stdout.strip()
    remote.secret("a")
    assert run((remote.server, *remote.own)) == "known true"
    refused = run((remote.server, *zmq.curve_keypair()))
    assert refused.startswith("401 ") and "CURVE key" in refused and "allow" in refused
    assert run((zmq.curve_keypair()[0], *remote.own)).startswith("503 ")


def test_a_refused_key_is_named_in_python(remote):
    sys.path.insert(0, str(SDK))
    try:
        import berth_ipc  # pylint: disable=import-outside-toplevel,import-error
    finally:
        sys.path.pop(0)
    with berth_ipc.connect("a", remote.secret("a"), remote.tcp, keys=(remote.server, *zmq.curve_keypair())) as far:
        with pytest.raises(berth_ipc.IpcError) as refused:
            far.ping(timeout=10)
        assert refused.value.code == 401 and "CURVE key" in str(refused.value)


def test_without_pyzmq_python_says_what_to_install(tmp_path):
    (tmp_path / "zmq.py").write_text("raise ImportError('not here')\n")
    code = "import berth_ipc; berth_ipc.connect('a', 's', 'tcp://127.0.0.1:1', keys=('x', 'y', 'z'))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=False,
                          env={**os.environ, "PYTHONPATH": f"{tmp_path}:{SDK}"})
    assert done.returncode == 1 and "pip install pyzmq" in done.stderr.splitlines()[-1]
