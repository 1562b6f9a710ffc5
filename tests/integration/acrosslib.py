"""Two agents and a controller: one agent beside the controller, the other in a home of its own, over TCP with CURVE."""

import os
import signal
import socket

from berthlib import BIN, Home, alive, wait_for
from relaylib import Apps
from test_controller import Up


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


class House(Home):
    """The agent `house`, which listens on TCP."""

    def __init__(self, path, ipc="", folder=BIN):
        super().__init__(path, "house", folder)
        self.endpoint = f"tcp://127.0.0.1:{free_port()}"
        self.agent_home.mkdir(parents=True)
        self.configure(ipc)

    def configure(self, ipc):
        (self.agent_home / "agent.toml").write_text(f'[control]\nlisten = "{self.endpoint}"\n[ipc]\n{ipc}\n')


class Pair:
    """`default` and `house`, `near` and `far` as the apps of them, and who joins them; each side's executables."""

    def __init__(self, folder, near_bin=BIN, far_bin=BIN):
        self.up = Up(folder / "near", folder=near_bin)
        self.house = House(folder / "far", folder=far_bin)
        self.near, self.far = Apps(self.up), Apps(self.house)

    def begin(self, ipc=""):
        self.up.agent_home.mkdir(parents=True, exist_ok=True)
        (self.up.agent_home / "agent.toml").write_text(f"[ipc]\n{ipc}\n")
        self.up.begin()
        self.house.up()
        key = self.up.berth("controller", "public-key", check=0).out.strip()
        self.house.berth("--agent", "house", "agent", "authorize", "--", key, check=0)
        own = (self.house.agent_home / "keys" / "agent.pub").read_text().strip()
        self.up.berth("controller", "add-agent", "house", "--endpoint", self.house.endpoint, "--key", own, check=0)
        self.joined()

    def joined(self):
        for agent, other in ((self.up, "house"), (self.house, "default")):
            wait_for(lambda agent=agent, other=other: self.state(agent, other) == "connected", f"a way to {other}", 30)

    @staticmethod
    def outbox(home, agent):
        listed = home.berth("--agent", home.agent, "outbox", "--json", check=0).json()
        return next((box for box in listed if box["agent"] == agent), None)

    def state(self, home, agent):
        """As one says who sends a message to nobody in particular."""
        if (self.outbox(home, agent) or {}).get("state") is None:
            home.berth("--agent", home.agent, "notify", f"{agent}/nobody", "x", "--volatile", "--ttl", "1ms")
        return (self.outbox(home, agent) or {}).get("state")

    @property
    def controller_pid(self):
        return int((self.up.path / "controller/run/controller.pid").read_text())

    def kill_controller(self):
        try:
            pid = self.controller_pid
            os.kill(pid, signal.SIGKILL)
        except (FileNotFoundError, ValueError, ProcessLookupError):
            return False
        wait_for(lambda: not alive(pid), "its end")
        return True

    def destroy(self):
        self.near.close()
        self.far.close()
        self.house.berth("--agent", "house", "agent", "stop", timeout=60)
        self.up.berth("down", timeout=120)
        self.house.destroy()
        self.up.destroy()
