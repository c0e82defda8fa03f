"""Driver of the cache controller."""

import pytest

from kernel_api import *
from kernel_api.drivers import cache as driver
from rtl.spec.cache_regs import CacheCommand, CacheMode
from tests.kernel_api.fake import FakeMachine

PHYS = PhysAddr(0x8010_0000)


@pytest.fixture
def machine(kernel):
    kernel.machine.cache.operations.clear()
    return kernel.machine


@pytest.mark.parametrize("name,mode,counter", [
    ("wback", CacheMode.CLEAN_SHARED, "cache_cleans"),
    ("inv", CacheMode.MAKE_INVALIDATE, "cache_invalidates"),
    ("wback_inv", CacheMode.CLEAN_INVALIDATE, "cache_flushes")])
@pytest.mark.parametrize("offset,size,lines", [
    (0, 64, (0, 1)), (1, 63, (0, 1)), (63, 2, (0, 2)), (64, 1, (1, 2)), (10, 4096, (0, 65))])
def test_r94_whole_lines(kernel, machine, name, mode, counter, offset, size, lines):
    before = kernel.stats.snapshot()
    getattr(kernel.cache, name)(PHYS + offset, size)
    first, last = (int(PHYS) + 64 * line for line in lines)
    assert machine.cache.operations == [(mode, first, last)]
    cost = kernel.stats - before
    assert getattr(cost, counter) == cost.cache_operations == 1
    assert cost.cache_lines == lines[1] - lines[0]


def test_nothing_to_do(kernel, machine):
    before = kernel.stats.snapshot()
    kernel.cache.wback(PHYS, 0)
    assert not machine.cache.operations and kernel.stats == before


def test_addresses_are_physical(kernel):
    with pytest.raises(TypeError, match="Address must be a PhysAddr, not VirtAddr"):
        kernel.cache.inv(phys_to_virt(PHYS), 64)


def test_high_addresses(make):
    kernel = make(memory_base=0x12_0000_0000)
    kernel.machine.cache.operations.clear()
    kernel.cache.wback(PhysAddr(0x12_0000_1000), 64)
    assert kernel.machine.cache.operations == [(CacheMode.CLEAN_SHARED, 0x12_0000_1000,
                                                0x12_0000_1040)]


def test_stores_come_first(kernel, machine, monkeypatch):
    steps = []
    monkeypatch.setattr(machine, "barrier", lambda: steps.append("barrier"))
    write = machine.cache.write
    monkeypatch.setattr(machine.cache, "write", lambda offset, value: (
        steps.append(offset), write(offset, value)))
    kernel.cache.wback(PHYS, 64)
    assert steps.index("barrier") < steps.index(0x10) == len(steps) - 1


def test_the_whole_cache(kernel, machine, monkeypatch):
    written = []
    monkeypatch.setattr(machine.cache, "write", lambda offset, value: written.append(
        (offset, value)))
    kernel.cache.wback_inv_all()
    assert written == [(0x10, 1 | CacheMode.CLEAN_INVALIDATE << 1 | 1 << 3)]


def test_an_operation_that_does_not_end(kernel, machine, monkeypatch):
    monkeypatch.setattr(driver, "TIMEOUT_CYCLES", 100)
    machine.cache.stuck = True
    kernel.cache.inv(PHYS, 64)
    assert kernel.log.matching("cache: MAKE_INVALIDATE of 0x80100000 to 0x80100040 timed out",
                               level=3)
    machine.cache.stuck = False


def queueing(make, places=3, **more):
    machine = FakeMachine()
    machine.cache.set("cap", commands=places)
    machine.cache.set("cap2", **more)
    kernel = make(machine)
    machine.cache.operations.clear()
    return kernel, machine.cache


def test_a_batch_is_queued_and_waited_for_once(make):
    kernel, cache = queueing(make)
    with kernel.cache.batch():
        for line in range(5):
            kernel.cache.wback(PHYS + 64 * line, 64)
        with kernel.cache.batch():
            kernel.cache.inv(PHYS, 64)
        assert cache.results == 3               # no more than the queue has places
    assert (cache.results, cache.most) == (0, 3)
    assert [mode for mode, *_ in cache.operations] == [CacheMode.CLEAN_SHARED] * 5 + [
        CacheMode.MAKE_INVALIDATE]
    kernel.cache.wback(PHYS, 64)                # one by itself is not queued
    assert cache.most == 3 and len(cache.operations) == 7


def test_guard_windows(make):
    machine = FakeMachine()
    machine.cache.set("cap2", guards=2)
    kernel = make(machine)
    cache, driver = machine.cache, kernel.cache
    cache.operations.clear()
    assert driver.guard(PHYS + 100, 5000) and driver.guard(PHYS + 0x8000, 64)
    assert [cache.wide(f"guard{k}{part}") for k in range(2) for part in ("", "_last")] == [
        int(PHYS) + 1, int(PHYS) + 0x1000, int(PHYS) + 0x8001, int(PHYS) + 0x8000]
    assert [mode for mode, *_ in cache.operations] == [CacheMode.CLEAN_INVALIDATE] * 2
    assert not driver.guard(PHYS, 1) and not driver.guard(PHYS, 0)      # none is free
    assert driver.guard(PHYS + 0x8000, 64)                              # it has one
    assert not driver.unguard(PHYS, 1) and driver.unguard(PHYS + 100, 5000)
    assert (cache.wide("guard0"), cache.wide("guard1")) == (0, int(PHYS) + 0x8001)
    assert driver.guard(PHYS, 1) and cache.wide("guard0") == int(PHYS) + 1


def test_a_fence_within_a_batch(make):
    kernel, cache = queueing(make)
    with kernel.cache.batch():
        kernel.cache.wback(PHYS, 64)
        assert cache.results == 1
        kernel.cache.fence()
        assert cache.results == 0


def test_a_queued_operation_that_does_not_end(make, monkeypatch):
    kernel, cache = queueing(make)
    monkeypatch.setattr(driver, "TIMEOUT_CYCLES", 100)
    cache.stuck = True
    with kernel.cache.batch():
        kernel.cache.wback(PHYS, 64)
    assert kernel.log.matching("cache: a queued operation timed out", level=3)


@pytest.mark.parametrize("bits,names", [(1, "refill_error"), (2, "write_error"), (4, "refused"),
                                        (3, "refill_error, write_error")])
def test_errors_are_logged(kernel, machine, bits, names):
    machine.cache.put("err_addr", 0x1234_5640)
    machine.cache.put("err_addr_msb", 0x9)
    machine.cache.put("status", bits)
    machine.wait(1)
    assert kernel.log.matching(f"cache: {names} at 0x912345640", level=3)
    assert machine.cache.get("status") == 0 and not machine.lines


def test_an_interrupt_of_somebody_else(kernel):
    assert kernel.cache._interrupt(5, kernel.cache) == IRQ_NONE


def test_another_line_than_the_platform_says(make):
    machine = FakeMachine(line_bytes=32)
    machine.cache.set("cap", line_bytes_log2=7)
    kernel = make(machine)
    assert kernel.log.matching("cache: line of 128 bytes, the platform says 32", level=3)
    assert kernel.log.matching("cache: probe failed: -ENODEV", level=3)


def test_a_line_that_is_taken(make):
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(driver, "request_irq", lambda *args: -EBUSY)
        kernel = make()
    assert kernel.log.matching("cache: probe failed: -EBUSY", level=3)


def test_zero_takes_whole_lines(kernel):
    for phys, size in ((PHYS + 8, 64), (PHYS, 65)):
        with pytest.raises(ValueError, match=r"^Range must be whole lines of 64 bytes, not "
                                             rf"{size} bytes at {int(phys):#x}$"):
            kernel.cache.zero(phys, size)
    assert not kernel.cache.zero(PHYS, 64) and not kernel.cache.prefetch(PHYS, 64)  # cannot
    assert not kernel.cache.zero(PHYS, 0)


def test_zero_and_prefetch_are_queued(make):
    kernel, cache = queueing(make, allocate=1)
    assert kernel.cache.zero(PHYS, 128) and kernel.cache.prefetch(PHYS + 7, 3)
    assert cache.operations == [(CacheCommand.ZERO, int(PHYS), int(PHYS) + 128),
                                (CacheCommand.PREFETCH, int(PHYS) + 7, int(PHYS) + 10)]
