"""The msgpack codec of berth_ipc.py against Debian's python3-msgpack: the same bytes, the same values, the same refusals."""

import importlib.util
import math
import pathlib
import random
import sys

import msgpack
import pytest

FILE = pathlib.Path(__file__).resolve().parents[2] / "agent/sdk/python/berth_ipc.py"
WHOLES = [0, 1, 31, 32, 127, 128, 255, 256, 65535, 65536, 2**31, 2**32 - 1, 2**32, 2**53 + 1, 2**63, 2**64 - 1]


@pytest.fixture(scope="module")
def ours():
    spec = importlib.util.spec_from_file_location("berth_ipc_bare", FILE)
    module = importlib.util.module_from_spec(spec)
    sys.modules["msgpack"] = None  # import fails: it uses its own
    try:
        spec.loader.exec_module(module)
    finally:
        sys.modules["msgpack"] = msgpack
    assert module._msgpack is None
    return module


def theirs(data):
    return msgpack.unpackb(data, raw=False, strict_map_key=False, unicode_errors="surrogateescape", use_list=True)


def text(chance):
    size = chance.choice([0, 1, 5, 31, 32, 33, 255, 256, 300])
    return "".join(chance.choice("aZ09 _é€😀\0\n") for _ in range(size))


def value(chance, depth=0):
    kind = chance.randrange(11 if depth < 5 else 8)
    if kind == 0:
        return chance.choice([None, True, False])
    if kind in (1, 2):
        whole = chance.choice(WHOLES) + chance.choice([-1, 0, 1])
        whole = min(whole, 2**64 - 1)
        return whole if chance.random() < 0.6 else max(-whole, -2**63)
    if kind == 3:
        return chance.choice([0.0, -0.0, 1.5, 1e300, -1e-300, math.inf, -math.inf, chance.random()])
    if kind in (4, 5):
        return text(chance)
    if kind in (6, 7):
        return chance.randbytes(chance.choice([0, 1, 31, 32, 255, 256, 70_000 if depth == 0 else 9]))
    size = chance.choice([0, 1, 3, 15, 16, 17])
    if kind == 8:
        return {chance.choice([text(chance), chance.choice(WHOLES), None, 1.5, b"k"]): value(chance, depth + 2) for _ in range(size)}
    return [value(chance, depth + 2) for _ in range(size)]


@pytest.mark.parametrize("seed", range(1, 9))
def test_values_are_packed_and_unpacked_alike(ours, seed):
    chance = random.Random(seed)
    for _ in range(300):
        it = value(chance)
        packed = msgpack.packb(it, use_bin_type=True)
        assert ours.pack(it) == packed, repr(it)[:300]
        assert ours.unpack(packed) == it and repr(ours.unpack(packed)) == repr(theirs(packed))


@pytest.mark.parametrize("seed", range(1, 9))
def test_broken_bytes_are_refused_alike(ours, seed):
    """What one reads, the other reads as the same; nothing but ValueError comes out, whatever goes in."""
    chance = random.Random(seed)
    read = refused = 0
    for _ in range(3000):
        data = bytearray(msgpack.packb(value(chance, 3), use_bin_type=True))
        for _ in range(chance.randrange(1, 4)):
            at = chance.randrange(len(data) + 1)
            action = chance.randrange(4)
            if action == 0:
                del data[at:at + chance.randrange(1, 4)]
            elif action == 1:
                data[at:at] = chance.randbytes(chance.randrange(1, 4))
            elif data:
                data[at % len(data)] = chance.choice([chance.randrange(256), *range(0xC0, 0xE0)])
        data = bytes(data)
        try:
            got = ours.unpack(data)
        except ValueError:
            refused += 1
            got = ValueError
        try:
            expected = theirs(data)
        except (ValueError, TypeError, msgpack.exceptions.UnpackException):  # TypeError: a list as a key
            expected = ValueError
        if "ExtType" in repr(expected) or "Timestamp" in repr(expected):
            assert got is ValueError or "Ext(" in repr(got) or "datetime" in repr(got), data
        elif expected is not ValueError:
            assert repr(got) == repr(expected), data
            read += 1
        elif got is not ValueError:  # we read what has a list as a key, or an extension that is not theirs
            assert "(" in repr(got), data
    assert read > 300 and refused > 300
