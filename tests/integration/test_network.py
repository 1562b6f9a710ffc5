"""A network that is cut, loses, resets or is slow costs no command, no change and no message (R15); see network_faults.py."""

import random

import pytest

import network_faults
from berthlib import SLOW, reap, wait_for

WHY_NOT = network_faults.unusable()
pytestmark = pytest.mark.skipif(WHY_NOT is not None, reason=f"no network namespaces with nftables here: {WHY_NOT}")


@pytest.fixture(scope="module")
def apart(tmp_path_factory):
    network = network_faults.Network()
    it = network_faults.Apart(tmp_path_factory.mktemp("network"), network)
    try:
        it.begin()
        yield it
    finally:
        it.destroy()
        reap()
        network.close()


@pytest.mark.parametrize("kind,duration", [("down", 0.3), ("down", 4), ("deaf", 3.5), ("mute", 3.5), ("loss", 2), ("reset", 1)])
def test_a_fault(apart, kind, duration):
    problems, took = apart.round(kind, duration)
    print(f"alike after {took:.1f} s; {len(apart.commands)} commands, answers {apart.statuses}, {apart.sent} messages")
    assert not problems
    assert apart.longest < 8 * SLOW  # and nobody waits for longer than it takes to see


def test_a_slow_way(apart):
    chance = random.Random(1)
    way = network_faults.SlowWay(lambda: chance.uniform(0, 0.6))
    try:
        apart.move(way.address)
        wait_for(lambda: apart.up.panel.ask("GET", "/agents/house")[1].get("state") == "connected", "also over a long way", 60)
        problems, took = apart.check(apart.disturb(2))
        print(f"alike after {took:.1f} s")
        assert not problems
        # So slow that it is no use; then it is as before.
        way.delay = lambda: chance.uniform(0, 2)
        commander = apart.disturb(3)
        way.delay = lambda: 0
        problems, took = apart.check(commander, deadline=15)
        assert not problems
    finally:
        way.close()
