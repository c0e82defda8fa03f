"""What the RTL tells of its buses, against what the golden model tells."""

import pytest

from kernel_api import *
from rtl.spec.platform import BusEvent, Platform, Seen
from sim.bus_log import BusLog
from sim.golden.machine import GoldenMachine
from sim.machine import RtlMachine

LINES = Seen.FILL, Seen.WRITE_BACK


@pytest.fixture(scope="module")
def rtl():
    with RtlMachine(watched=True) as machine:
        yield machine


def program(kernel):
    """Copy odd bytes, three times over, with the cache full of other things in between."""
    dev, size = kernel.cdma.dev, 333
    src, dst = kmalloc(size, GFP_KERNEL), kmalloc(size, GFP_KERNEL)
    for turn in range(3):
        cpu.store(src + turn, bytes(range(100)))
        a = dma_map_single(dev, src + turn, size - 9, DMA_TO_DEVICE)
        b = dma_map_single(dev, dst + 2 * turn, size - 9, DMA_FROM_DEVICE)
        kernel.cdma.copy([(a, b, size - 9)])
        dma_unmap_single(dev, a, size - 9, DMA_TO_DEVICE)
        dma_unmap_single(dev, b, size - 9, DMA_FROM_DEVICE)
        cpu.load(dst, size)
    cpu.load(__get_free_pages(GFP_KERNEL, 3), 32 << 10)


def events(machine):
    """What happens on the buses during the program, after the boot."""
    with boot(machine) as kernel:
        machine.watch(on=True)
        assert machine.events() == []
        program(kernel)
        seen = machine.events()
        machine.watch(on=False)
        return seen


def test_the_same_accesses_as_in_the_model(rtl):
    rtl.reset()
    real, model = events(rtl), events(GoldenMachine(Platform()))
    for kind in Seen:
        ours, theirs = ([event for event in seen if event.kind is kind] for seen in (real, model))
        assert ours, kind
        if kind in LINES:                       # one by one, in order
            assert [event[2:] for event in ours] == [event[2:] for event in theirs]
        else:                                   # the RTL's are whole bus words
            assert words(ours) == words(theirs)
    cycles = [event.cycle for event in real]
    assert cycles == sorted(cycles) and cycles[0] > 0


def words(seen):
    """Bus words that accesses touch."""
    return {word for event in seen
            for word in range(event.addr // 8, (event.addr + event.size - 1) // 8 + 1)}


def test_a_reset_begins_anew(rtl):
    rtl.reset()
    first = events(rtl)
    rtl.reset()
    assert events(rtl) == first


def test_uncached_accesses_are_no_lines(rtl):
    rtl.reset()
    rtl.watch(on=True)
    rtl.store(0x8000_0040, bytes(64), cached=False)
    rtl.load(0x8000_0040, 64, cached=False)
    rtl.load(0x8000_0048, 4)
    (fill,) = rtl.events()
    assert fill == BusEvent(fill.cycle, Seen.FILL, 0x8000_0040, 64)
    rtl.store(0x8000_0044, b"dirty")
    rtl.load(0x8000_0040, 8, cached=False)                  # written back first
    assert [event[1:] for event in rtl.events()] == [(Seen.WRITE_BACK, 0x8000_0040, 64)]
    rtl.watch(on=False)


class _Overrun:
    """A log in which more was written than it holds."""

    depth, count = 4, None

    def __init__(self, count):
        self.count = count


def test_more_than_a_log_holds():
    log = BusLog(None)
    log._logs[Seen.FILL] = _Overrun(5)

    class Context:
        def get(self, value):
            return value

    with pytest.raises(RuntimeError, match="Log of fill must hold 5 accesses of one command, and "
                                           "has room for 4"):
        log.collect(Context())


def test_a_machine_that_is_not_watched():
    with RtlMachine(engine="pysim") as machine:
        machine.watch(on=True)
        machine.load(0x8000_0000, 64)
        assert machine.events() == []
