"""The DMA engine on memory alone."""

import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rtl.spec.cdma_regs import CDMA_REGISTERS
from sim.golden.bus import Bursts, DeviceBus
from sim.golden.dma import Dma
from sim.golden.memory import Memory

BASE, SIZE = 0x8000_0000, 1 << 16
CHAIN = BASE + 0xF000
CMPLT, DEC, SLV, INT = (1 << n for n in (31, 30, 29, 28))


class Engine:
    def __init__(self, **params):
        self.memory = Memory(BASE, SIZE, seed=3)
        self.dma = Dma(DeviceBus(self.memory), **params)

    def read(self, name):
        return self.dma.read(CDMA_REGISTERS[name].offset)

    def write(self, name, value):
        self.dma.write(CDMA_REGISTERS[name].offset, value)

    def writeq(self, name, value):
        self.write(f"{name}_msb", value >> 32)
        self.write(name, value & 0xFFFF_FFFF)

    def run(self):
        steps = 0
        while self.dma.step():
            steps += 1
        return steps

    def descriptor(self, n, source, target, size, *, status=0, following=None):
        following = CHAIN + (n + 1) * 64 if following is None else following
        self.memory.poke(CHAIN + n * 64, struct.pack("<QQQII", following, source, target, size,
                                                     status))

    def status(self, n):
        return int.from_bytes(self.memory.peek(CHAIN + n * 64 + 0x1C, 4), "little")

    def start(self, first, last, *, threshold=1):
        self.write("cr", 0)
        self.write("cr", threshold << 16 | 0x5008)
        self.writeq("curdesc", CHAIN + first * 64)
        self.writeq("taildesc", CHAIN + last * 64)


@pytest.fixture
def engine():
    return Engine()


def test_reset_values(engine):
    assert engine.read("cr") == 1 << 16 | 2
    assert engine.read("sr") == 1 << 16 | 0b1010
    assert engine.read("cap") == 1 | 3 << 8 | 3 << 12 | 4 << 16 | 4 << 24
    assert engine.read("device_id") == 0x10
    for name in ("curdesc", "taildesc", "sa", "da", "btt", "err_addr", "done_descs", "done_bytes"):
        assert engine.read(name) == 0
    assert engine.dma.read(0x98) == 0


def test_parameters_show():
    engine = Engine(device_id=0xABCDEF, data_bytes=32, max_beats=256, reads_in_flight=8)
    assert engine.read("cap") == 1 | 5 << 8 | 3 << 12 | 8 << 16 | 8 << 24
    assert engine.read("device_id") == 0xABCDEF


def test_what_the_control_register_keeps(engine):
    engine.write("cr", 0xFFFF_FFFF & ~4)
    assert engine.read("cr") == 0xFFFF_704A             # no key hole
    engine.write("cr", 0x5008)
    assert engine.read("cr") == 0x00FF_500A             # threshold 0 is not kept


def test_addresses(engine):
    engine.write("cr", 8)
    for name in ("sa", "da"):
        engine.writeq(name, 0x0123_4567_89AB_CDEF)
        assert (engine.read(name), engine.read(f"{name}_msb")) == (0x89AB_CDEF, 0x0123_4567)
    engine.writeq("curdesc", 0x0123_4567_89AB_CDEF)
    assert (engine.read("curdesc"), engine.read("curdesc_msb")) == (0x89AB_CDC0, 0x0123_4567)
    engine.write("cr", 0)                               # clears the pointers
    assert (engine.read("curdesc"), engine.read("curdesc_msb")) == (0, 0)
    engine.writeq("curdesc", BASE)                      # and keeps them clear
    assert engine.read("curdesc") == 0


@given(source=st.integers(0, 0x3000), target=st.integers(0x6000, 0x9000),
       size=st.integers(1, 0x3000), data_bytes=st.sampled_from([4, 8, 64]),
       beats=st.sampled_from([2, 16, 256]))
def test_simple_copies(source, target, size, data_bytes, beats):
    engine = Engine(data_bytes=data_bytes, max_beats=beats)
    image = bytearray(engine.memory.image().tobytes())
    engine.write("cr", 0x1000)
    engine.writeq("sa", BASE + source)
    engine.writeq("da", BASE + target)
    engine.write("btt", size)
    assert not engine.dma.irq and not engine.read("sr") & 2
    assert engine.run() == 1
    image[target:target + size] = image[source:source + size]
    assert engine.memory.image().tobytes() == image
    assert engine.read("sr") == 1 << 16 | 0x100A
    assert (engine.dma.irq, engine.read("done_bytes"), engine.read("done_descs")) == (True, size, 0)
    engine.write("sr", 0x1000)
    assert not engine.dma.irq


@given(st.lists(st.tuples(st.integers(0, 0x6FFF), st.integers(0, 0xCFFF), st.integers(1, 0x1000)),
                min_size=1, max_size=8))
def test_chains(copies):
    engine = Engine()
    image = bytearray(engine.memory.image().tobytes())
    for n, (source, target, size) in enumerate(copies):
        if abs(source - target) < size:
            target = source + size if source < 0x5000 else source - size
        engine.descriptor(n, BASE + source, BASE + target, size)
        following = (CHAIN + (n + 1) * 64).to_bytes(8, "little")
        words = struct.pack("<QQII", BASE + source, BASE + target, size, CMPLT)
        image[target:target + size] = image[source:source + size]
        image[0xF000 + n * 64:0xF000 + n * 64 + 32] = following + words
    engine.start(0, len(copies) - 1, threshold=len(copies))
    assert engine.run() == len(copies)
    assert engine.memory.image().tobytes() == image
    assert engine.read("done_descs") == len(copies)
    assert engine.read("curdesc") == CHAIN + (len(copies) - 1) * 64
    assert engine.read("sr") & 0x77FA == 0x100A


def test_interrupt_after_each_third_descriptor(engine):
    for n in range(7):
        engine.descriptor(n, BASE, BASE + 0x1000, 4)
    engine.start(0, 6, threshold=3)
    seen = []
    while engine.dma.step():
        seen.append((engine.dma.irq, engine.read("sr") >> 16 & 0xFF))
        engine.write("sr", 0x1000)
    period = [(False, 2), (False, 1), (True, 3)]
    assert seen == [*period, *period, (True, 3)]        # at the tail, whatever is left


def test_error_reports_no_completion(engine):
    engine.descriptor(0, BASE, BASE + 0x1000, 4)
    engine.descriptor(1, BASE, BASE + 0x1000, 0)
    engine.start(0, 1, threshold=5)
    assert engine.run() == 2
    assert engine.read("sr") == 4 << 16 | 0x401A        # one done, not reported


def test_low_halves_first(engine):
    engine.descriptor(0, BASE, BASE + 0x1000, 4)
    engine.write("cr", 8)
    engine.write("curdesc", CHAIN)
    engine.write("curdesc_msb", 0)
    engine.write("taildesc", CHAIN)
    assert engine.run() == 0
    engine.write("taildesc_msb", 0)
    assert engine.run() == 1
    engine.descriptor(0, BASE, BASE + 0x1000, 4)
    engine.write("curdesc", CHAIN)                      # and high halves first again
    engine.write("taildesc", CHAIN)
    assert engine.run() == 1


def test_goes_on_after_the_tail(engine):
    engine.descriptor(0, BASE, BASE + 0x1000, 4)
    engine.descriptor(1, BASE, BASE + 0x2000, 4)
    engine.descriptor(2, BASE, BASE + 0x3000, 4)
    engine.start(0, 0)
    assert engine.run() == 1
    engine.writeq("taildesc", CHAIN + 64)               # the next descriptor, not the first
    assert not engine.read("sr") & 2
    engine.writeq("curdesc", BASE)                      # not while it runs
    engine.writeq("taildesc", CHAIN + 128)              # the tail may move
    assert engine.run() == 2
    assert engine.memory.peek(BASE + 0x3000, 4) == engine.memory.peek(BASE, 4)
    assert engine.read("done_descs") == 3


def test_toggling_the_mode_forgets_the_place(engine):
    engine.descriptor(0, BASE, BASE + 0x1000, 4)
    engine.start(0, 0)
    assert engine.run() == 1
    engine.write("cr", 0)
    engine.write("cr", 0x5008)
    engine.writeq("taildesc", CHAIN + 64)               # from CURDESC, which is 0 now
    engine.run()
    assert engine.read("sr") & 0x770 == 0x400


def test_mode_does_not_change_under_way(engine):
    engine.descriptor(0, BASE, BASE + 0x1000, 4, following=CHAIN + 64 + 5)     # bits 5:0 ignored
    engine.descriptor(1, BASE, BASE + 0x2000, 4)
    engine.start(0, 1)
    assert engine.dma.step()
    engine.write("cr", 0)
    assert engine.read("cr") & 8
    assert engine.run() == 1
    assert engine.read("done_descs") == 2


def test_simple_start_in_scatter_gather_mode_does_nothing(engine):
    engine.write("cr", 8)
    engine.write("btt", 4)
    assert engine.run() == 0
    engine.write("cr", 0)
    engine.writeq("taildesc", BASE)
    assert engine.run() == 0


def check_stopped(engine, bits, addr):
    assert engine.read("sr") & 0x770 == bits
    assert engine.read("sr") & 0x4002 == 0x4002
    assert engine.dma.irq
    assert engine.read("err_addr") | engine.read("err_addr_msb") << 32 == addr
    engine.writeq("taildesc", CHAIN + 64)
    engine.write("btt", 4)
    assert engine.run() == 0                            # until it is reset
    engine.write("cr", 4)
    assert engine.read("sr") == 1 << 16 | 0b1010
    assert not engine.dma.irq


@pytest.mark.parametrize("source, target, bits, status, addr", [
    (BASE + 0x1000, BASE + 0x4000, 0x20, SLV, BASE + 0x1000),
    (BASE + 0x0FF0, BASE + 0x4000, 0x20, SLV, BASE + 0x1000),
    (BASE, BASE + 0x2000, 0x20, SLV, BASE + 0x2000),
    (BASE, BASE + 0x1FF8, 0x20, SLV, BASE + 0x2000),
    (BASE + SIZE, BASE, 0x40, DEC, BASE + SIZE),
    (BASE, BASE - 64, 0x40, DEC, BASE - 64),
    ((1 << 64) - 4, BASE, 0x10, INT, 0), (BASE, (1 << 64) - 4, 0x10, INT, 0)])
def test_data_errors(engine, source, target, bits, status, addr):
    engine.memory.inject(BASE + 0x1000, BASE + 0x1010, "r")
    engine.memory.inject(BASE + 0x2000, BASE + 0x2010, "w")
    engine.descriptor(0, source, target, 64)
    engine.descriptor(1, BASE, BASE + 0x4000, 4)
    engine.start(0, 1)
    assert engine.run() == 1
    assert (engine.status(0), engine.status(1)) == (CMPLT | status, 0)
    assert (engine.read("curdesc"), engine.read("done_descs")) == (CHAIN, 0)
    check_stopped(engine, bits, addr)


def test_zero_bytes(engine):
    engine.write("cr", 0x4000)
    engine.write("btt", 0)
    assert engine.run() == 1
    check_stopped(engine, 0x10, 0)


def test_stale_descriptor(engine):
    engine.descriptor(0, BASE, BASE + 0x4000, 4)
    engine.descriptor(1, BASE, BASE + 0x5000, 4, status=CMPLT | 5)
    before = engine.memory.peek(BASE + 0x5000, 4)
    engine.start(0, 2)
    assert engine.run() == 2
    assert (engine.status(0), engine.status(1)) == (CMPLT, CMPLT | 5)      # not written again
    assert engine.memory.peek(BASE + 0x5000, 4) == before
    check_stopped(engine, 0x100, CHAIN + 64)


@pytest.mark.parametrize("access, chain, bits, addr", [
    ("r", CHAIN, 0x200, CHAIN), ("w", CHAIN, 0x200, CHAIN + 0x1C),
    ("r", BASE + SIZE, 0x400, BASE + SIZE)])
def test_descriptor_errors(engine, access, chain, bits, addr):
    engine.descriptor(0, BASE, BASE + 0x4000, 4)
    engine.memory.inject(CHAIN, CHAIN + 64, access)
    engine.write("cr", 0x4008)
    engine.writeq("curdesc", chain)
    engine.writeq("taildesc", chain)
    assert engine.run() == 1
    check_stopped(engine, bits, addr)


@given(addr=st.integers(0, 1 << 20), size=st.integers(1, 20_000),
       data_bytes=st.sampled_from([4, 8, 64]), beats=st.sampled_from([2, 16, 256]))
def test_bursts_are_legal(addr, size, data_bytes, beats):
    at = addr
    for start, count in Bursts(data_bytes=data_bytes, beats=beats).cut(addr, size):
        last = start + count - 1
        assert start == at and count > 0
        assert start // 4096 == last // 4096
        assert last // data_bytes - start // data_bytes < beats
        at += count
    assert at == addr + size


def test_cyclic(engine):
    """It goes round, whatever the statuses and the tail say, and counts."""
    for n in range(3):
        engine.descriptor(n, BASE + 64 * n, BASE + 0x1000 + 64 * n, 64, status=CMPLT,
                          following=CHAIN + (n + 1) % 3 * 64)
    engine.write("cr", 2 << 16 | 0x5048)
    engine.writeq("curdesc", CHAIN)
    engine.writeq("taildesc", 0x40)
    for _ in range(10):
        assert engine.dma.step()
    assert engine.read("done_descs") == 10 and not engine.dma.idle
    assert engine.status(0) == CMPLT and engine.dma.irq
    engine.write("cr", 4)
    assert engine.dma.idle and not engine.dma.step()


def test_delay(engine):
    """What the threshold leaves over is reported after the delay, and not when idle."""
    for n in range(2):
        engine.descriptor(n, BASE, BASE + 0x1000, 8)
    engine.write("cr", 2 << 24 | 5 << 16 | 0x6008)
    engine.writeq("curdesc", CHAIN)
    engine.writeq("taildesc", CHAIN + 64)
    assert engine.run() == 2
    waited = 0
    while not engine.dma.irq:
        assert not engine.dma.settled
        engine.dma.step()
        waited += 1
    assert 240 <= waited <= 252
    assert engine.read("sr") >> 12 & 7 == 2
    assert engine.read("sr") >> 16 & 0xFF == 5          # counts from the threshold again
