"""What made other engines hang, lose data or lose errors: the native ring does not.

Each was reported by users of an engine, or found by measuring it.
"""

import pytest
from amaranth.hdl import Module, Signal
from amaranth.lib import wiring
from amaranth.lib.wiring import connect, flipped

from rtl.axi.signature import Resp
from rtl.dma.ring import Ring
from rtl.params import RingParams
from rtl.spec.ring_formats import RingFault
from sim.axi import Memory

from .harness import IMAGE, SOURCES, TARGETS
from .ring_harness import RING, SIZE, Driver, Item, expected


class Gated(wiring.Component):
    """A ring whose write addresses are taken in ``open_`` cycles of sixteen only."""

    def __init__(self, open_: int = 16, **params):
        self.ring, self._open = Ring(RingParams(**params)), open_
        super().__init__(dict(self.ring.signature.members))

    def elaborate(self, platform):
        """Wire it."""
        m = Module()
        m.submodules.ring = ring = self.ring
        for name in ("ar", "w", "r", "b"):
            ours, bus = getattr(ring.bus, name), getattr(self.bus, name)
            connect(m, *((ours, flipped(bus)) if name in ("ar", "w") else (flipped(bus), ours)))
        connect(m, flipped(self.regs), ring.regs)
        cycle = Signal(4)
        gate = cycle < self._open
        m.d.sync += cycle.eq(cycle + 1)
        m.d.comb += [
            self.irq.eq(ring.irq),
            self.bus.aw.payload.eq(ring.bus.aw.payload),
            self.bus.aw.valid.eq(ring.bus.aw.valid & gate),
            ring.bus.aw.ready.eq(self.bus.aw.ready & gate),
        ]
        return m


def run(bench, todo, *, open_=16, log2=7, faults=(), prepare=lambda memory: None, **memory_args):
    """Do ``todo`` in one go; return the faults, and check memory up to the first of them."""
    dut = Gated(open_)
    this = bench(dut, timeout=30_000)
    memory = Memory(dut.bus, size=SIZE, **memory_args)
    memory.write(SOURCES, IMAGE)
    memory.attach(this)

    @this.testbench
    async def software(ctx):
        memory.heal()
        prepare(memory)
        driver = Driver(ctx, dut, memory, log2=log2)
        await driver.setup()
        await driver.submit(todo)
        for fault in faults or [0] * len(todo):
            assert (await driver.completion())[1] & 7 == fault
        await driver.idle()

    this.run()
    good = len(todo) if not faults else len(faults) - 1
    assert bytes(memory.data[TARGETS:]) == expected(memory.image, todo, good)[TARGETS:] or faults
    return memory


def lines(count, size, *, src=0, dst=0):
    step = max(size + 16, 32)
    return [Item(SOURCES + step * k % 0x4000 + src, TARGETS + step * k + dst, size)
            for k in range(count)]


def test_all_of_a_long_chain(bench):
    """One began the next descriptor before the last one ended, and dropped two of three."""
    run(bench, lines(64, 64))


@pytest.mark.parametrize("size", [64, 128])
def test_address_ready_now_and_then(bench, size):
    """One hung on copies of 64 bytes if addresses were taken in 4 of 16 cycles."""
    run(bench, lines(24, size), open_=4)


@pytest.mark.parametrize("size", [64, 4096])
def test_reads_before_writes(bench, size):
    """Most hang if writes are refused while reads are outstanding: they read without room."""
    run(bench, lines(6 if size < 99 else 2, size), one_way="r", latency=3)


def test_misaligned_with_stalls(bench):
    """One deadlocked on misaligned copies of several bursts, another lost a credit."""
    run(bench, lines(5, 900, src=3, dst=5), stall=0.5, latency=7, seed=2)


def test_single_beats(bench):
    """One broke on transfers of one beat."""
    run(bench, lines(60, 8) + lines(60, 1, src=1, dst=6)[:0])
    run(bench, [Item(SOURCES + k, TARGETS + 2 * k, 1) for k in range(60)])


def test_descriptors_at_the_end_of_a_page(bench):
    """One fetched bursts of descriptors across pages of 4 KiB."""
    memory = run(bench, lines(100, 16), log2=9)
    for _, access, addr, beats, _ in memory.log:
        assert addr % 4096 + 8 * beats <= 4096, access


@pytest.mark.parametrize("access, resp, fault", [
    ("r", Resp.SLVERR, RingFault.DATA_SLV), ("w", Resp.DECERR, RingFault.DATA_DEC)])
def test_no_error_is_lost(bench, access, resp, fault):
    """One never told software of an error response."""
    low = SOURCES + 80 * 5 if access == "r" else TARGETS + 80 * 5
    run(bench, lines(8, 64), faults=[0, 0, 0, 0, 0, fault],
        prepare=lambda memory: memory.fail(low, low + 8, access, resp))


def test_descriptors_stay(bench):
    """One wrote completions over its descriptors, so that a chain could not be used again."""
    todo = lines(9, 40)
    memory = run(bench, todo)
    image = b"".join(item.image() for item in todo)
    assert memory.data[RING:RING + len(image)] == image
