"""The store buffer while interrupts come: a hart sees its own stores, always."""

import pytest

from rtl.spec.platform import Platform
from sim.store_buffer import StoreBuffer


class Memory:
    """A machine that interrupts at the end of each access."""

    platform = Platform()

    def __init__(self):
        self.bytes, self.handler = bytearray(64), None

    def load(self, addr, size, *, cached=True):
        data = bytes(self.bytes[addr:addr + size])
        self.interrupt()
        return data

    def store(self, addr, data, *, cached=True):
        self.bytes[addr:addr + len(data)] = data
        self.interrupt()

    def interrupt(self):
        handler, self.handler = self.handler, None
        if handler:
            handler()

    def readl(self, addr):
        return 0

    def barrier(self):
        pass


@pytest.fixture
def memory():
    return Memory()


def test_a_load_that_is_interrupted(memory):
    """The handler lets go what waited, behind the load's back."""
    cpu = StoreBuffer(memory)
    cpu.store(8, b"new")
    memory.handler = lambda: cpu.readl(0)
    assert cpu.load(8, 4) == b"new\0"
    assert memory.bytes[8:11] == b"new"


def test_a_barrier_that_is_interrupted(memory):
    """The handler sees what has not gone on yet, and may store itself."""
    cpu, seen = StoreBuffer(memory), []
    for at in (0, 8, 16):
        cpu.store(at, b"new")

    def handler():
        seen.append(cpu.load(8, 3))
        cpu.store(24, b"its")

    memory.handler = handler
    cpu.barrier()
    assert seen == [b"new"] and memory.bytes[24:27] == b"its"
    assert all(memory.bytes[at:at + 3] == b"new" for at in (0, 8, 16))
