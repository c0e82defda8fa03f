"""Errors, messages and misuse; loads and stores; the current kernel."""

import pytest

import kernel_api
from kernel_api import *
from kernel_api.core.log import Log
from kernel_api.core.stats import Stats


def test_public_names_exist_and_are_sorted_once():
    assert len(set(kernel_api.__all__)) == len(kernel_api.__all__)
    assert all(hasattr(kernel_api, name) for name in kernel_api.__all__)


def test_errno_name():
    assert errno_name(-ENOMEM) == "-ENOMEM" and errno_name(-EREMOTEIO) == "-EREMOTEIO"
    assert errno_name(0) == "0" and errno_name(7) == "7"


def test_printk_levels_and_dmesg(kernel):
    assert printk(KERN_ERR + "bad %s %#x\n", "thing", 16) == len("\x013bad thing 0x10\n")
    printk("plain 100%")
    pr_err("one %d", 1)
    pr_warn("two")
    pr_info("three")
    found = [(record.level, record.text) for record in kernel.log.records][-5:]
    assert found == [(3, "bad thing 0x10"), (5, "plain 100%"), (3, "one 1"), (4, "two"),
                     (6, "three")]
    assert dmesg().splitlines()[-1] == f"[{kernel.machine.cycles:>12}] three"


def test_dev_messages_carry_the_name(kernel):
    dev = Device("widget", 7)
    dev_err(dev, "code %d", 5)
    dev_warn(dev, "hm")
    dev_info(dev, "ok")
    assert [record.text for record in kernel.log.records][-3:] == [
        "widget: code 5", "widget: hm", "widget: ok"]
    assert dev_name(dev) == "widget" and not dev_is_dma_coherent(dev)


def test_log_keeps_the_newest():
    log = Log(lambda: 0, capacity=3)
    for number in range(5):
        log.write(f"m{number}")
    assert [record.text for record in log.records] == ["m2", "m3", "m4"]
    assert log.matching("m3") and not log.matching("m1") and not log.matching("m3", level=4)


def test_warn_goes_on_and_bug_does_not(kernel):
    assert WARN_ON(1, "odd") is True and WARN_ON(0, "even") is False
    assert WARN("x", "number %d", 3) is True
    assert [r.text for r in kernel.log.matching("WARNING")] == ["WARNING: odd", "WARNING: number 3"]
    BUG_ON(False, "fine")
    with pytest.raises(KernelBug, match=r"^broken$"):
        BUG_ON(True, "broken")
    with pytest.raises(KernelBug, match=r"^stop$"):
        BUG("stop")


def test_loads_and_stores(kernel):
    va = kmalloc(64, GFP_KERNEL)
    cpu.store(va, b"abcdef")
    assert cpu.load(va + 2, 3) == b"cde"
    cpu.store_le(va, 0x1234, 4)
    assert cpu.load(va, 4) == b"\x34\x12\0\0" and cpu.load_le(va, 2) == 0x1234
    assert memset(va, 7, 8) == va and memcpy(va + 8, va, 8) == va + 8
    assert cpu.load(va, 16) == bytes([7]) * 16
    mb()
    rmb()
    wmb()


@pytest.mark.parametrize("va", [VirtAddr(0), ZERO_SIZE_PTR, VirtAddr(0x8000_0000)])
def test_addresses_that_lead_nowhere(kernel, va):
    with pytest.raises(KernelBug, match="Unable to handle kernel paging request at virtual "):
        cpu.load(va, 4)


def test_r01_the_cpu_takes_virtual_addresses_only(kernel):
    for address in (PhysAddr(0x8000_0000), DmaAddr(0x8000_0000), 0x8000_0000):
        with pytest.raises(TypeError, match="Address must be a VirtAddr, not "):
            cpu.store(address, b"x")


def test_bus_error_passes_through(kernel):
    kernel.machine.broken.append((0x8020_0000, 0x8020_0040))
    with pytest.raises(BusError, match="SLVERR at 0x80200000"):
        cpu.load(uncached_virt(PhysAddr(0x8020_0000)), 4)


def test_stats_difference():
    before = Stats(maps=2)
    after = before.snapshot()
    after.maps += 3
    after.cache_cleans += 4
    after.cache_flushes += 1
    assert after - before == Stats(maps=3, cache_cleans=4, cache_flushes=1)
    assert (after - before).cache_operations == 5 and before == Stats(maps=2)
