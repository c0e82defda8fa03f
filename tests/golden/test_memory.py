"""Physical memory: ranges, faults, power-on contents."""

import numpy as np
import pytest

from rtl.spec.platform import BusError
from sim.golden.memory import Memory, PoisonError

BASE, SIZE = 0x8000_0000, 0x4000


@pytest.fixture
def memory():
    return Memory(BASE, SIZE)


def test_words_are_little_endian_and_may_cross_pages(memory):
    memory.store(BASE + 0xFFE, 0x1122_3344_5566_7788)
    assert memory.read(BASE + 0xFFD, 10) == bytes.fromhex("00 88 77 66 55 44 33 22 11 00")
    assert memory.load(BASE + 0x1000, 2) == 0x5566


@pytest.mark.parametrize("addr, size", [
    (BASE - 1, 1), (BASE - 1, 2), (BASE + SIZE, 1), (BASE + SIZE - 1, 2), (0, 8)])
def test_outside(memory, addr, size):
    with pytest.raises(BusError, match="DECERR") as error:
        memory.read(addr, size)
    assert (error.value.addr, error.value.resp) == (addr, "DECERR")
    with pytest.raises(BusError, match="DECERR"):
        memory.write(addr, bytes(size))
    with pytest.raises(ValueError, match="Range must lie in memory at 0x80000000, not "):
        memory.peek(addr, size)


@pytest.mark.parametrize("access, read_fails, write_fails", [
    ("r", True, False), ("w", False, True), ("rw", True, True)])
def test_injected_errors(memory, access, read_fails, write_fails):
    memory.poke(BASE, b"\x55" * 64)
    memory.inject(BASE + 16, BASE + 32, access)
    assert memory.read(BASE, 16) + memory.read(BASE + 32, 16) == b"\x55" * 32
    for addr, size in (BASE + 15, 2), (BASE + 31, 1), (BASE, 64):
        if read_fails:
            with pytest.raises(BusError, match="SLVERR"):
                memory.read(addr, size)
        else:
            assert memory.read(addr, size) == b"\x55" * size
        if write_fails:
            with pytest.raises(BusError, match="SLVERR"):
                memory.write(addr, bytes(size))
    assert memory.peek(BASE, 64) == b"\x55" * 64       # a refused write changes nothing
    memory.clear_injected()
    memory.write(BASE, bytes(64))
    assert memory.read(BASE, 64) == bytes(64)


def test_poison_is_told_from_an_error_and_loses_against_it(memory):
    memory.inject(BASE, BASE + 64, "rw", poison=True)
    with pytest.raises(PoisonError):
        memory.read(BASE + 63, 1)
    memory.write(BASE, b"\1")
    memory.inject(BASE, BASE + 8, "r")
    with pytest.raises(BusError) as error:
        memory.read(BASE, 16)
    assert not isinstance(error.value, PoisonError)


def test_power_on_contents():
    first, again, other = (Memory(BASE, SIZE, seed=seed) for seed in (1, 1, 2))
    assert Memory(BASE, SIZE).image().tobytes() == bytes(SIZE)
    again.read(BASE + 0x3000, 1)                       # does not depend on the order of use
    assert np.array_equal(first.image(), again.image())
    assert not np.array_equal(first.image(), other.image())
    part = Memory(BASE + 0x1000, 0x1000, seed=1)       # but on the address
    assert part.image().tobytes() == first.peek(BASE + 0x1000, 0x1000)


@pytest.mark.parametrize("base, size", [
    (BASE + 1, SIZE), (BASE, SIZE + 1), (BASE, 0), (-4096, SIZE)])
def test_bad_ranges(base, size):
    with pytest.raises(ValueError, match="Memory range must be whole pages of 4096 bytes, not "):
        Memory(base, size)


def test_bad_access(memory):
    with pytest.raises(ValueError, match="Access must be 'r', 'w' or 'rw', not 'x'"):
        memory.inject(BASE, BASE + 1, "x")
