"""Reading the performance monitor of the IOMMU, on the golden machine and on the RTL."""

import pytest

from kernel_api import *
from kernel_api.drivers.riscv_iommu_perf import IommuPerf
from rtl.spec.hpm import HpmEvent
from rtl.spec.iommu_regs import CAPABILITIES
from sim.golden.machine import GoldenMachine

CAPS = {"version": 0x10, "sv39": 1, "igs": 1, "pas": 40}


@pytest.fixture
def kernel():
    with boot(GoldenMachine(capabilities=CAPABILITIES.pack(**CAPS, hpm=1))) as kernel:
        yield kernel


def device(did):
    dev = Device("widget", did)
    assert device_register(dev) == 0
    return dev


def use(dev, handle):
    """One access of a device."""
    port = dev.kernel.machine.port(dev.device_id)
    return port.read(int(handle), 4)


def mapped(dev):
    return dma_map_single(dev, kmalloc(64, GFP_KERNEL), 64, DMA_TO_DEVICE)


def test_counts_by_device_and_by_space(kernel):
    first, second = device(0x21), device(0x22)
    handles = [mapped(dev) for dev in (first, second)]
    with IommuPerf(kernel.iommu) as perf:
        assert (perf.counters, perf.bits) == (8, 48)
        mine = perf.open(HpmEvent.UNTRANSLATED_REQUEST, device=first)
        every = perf.open(HpmEvent.UNTRANSLATED_REQUEST)
        misses = perf.open(HpmEvent.TLB_MISS, domain=second.iommu_domain.pscid)
        walks = perf.open(HpmEvent.DEVICE_WALK)
        start = perf.cycles()
        for _ in range(3):
            use(first, handles[0])
        use(second, handles[1])
        assert (mine.read(), every.read(), misses.read(), walks.read()) == (3, 4, 1, 2)
        kernel.machine.wait(100)
        assert perf.cycles() >= start + 100
        mine.close()
        again = perf.open(HpmEvent.UNTRANSLATED_REQUEST, device=second)
        assert again.number == 1 and again.read() == 0
        use(second, handles[1])
        assert (again.read(), every.read()) == (1, 5)
    use(second, handles[1])
    assert every.read() == 5            # stopped
    assert kernel.iommu.regs.iocountinh.read("hpm") == 0xFF


def test_what_cannot_be_counted(kernel):
    perf, dev = IommuPerf(kernel.iommu), device(0x21)
    assert perf.open(HpmEvent.TLB_MISS, device=dev, domain=1) == -EINVAL
    assert perf.open(HpmEvent.TLB_MISS, process=1, guest=1) == -EINVAL
    assert perf.open(9) == -EOPNOTSUPP
    opened = [perf.open(HpmEvent.TLB_MISS) for _ in range(8)]
    assert [event.number for event in opened] == list(range(1, 9))
    assert perf.open(HpmEvent.TLB_MISS) == -EBUSY
    with boot(GoldenMachine(capabilities=CAPABILITIES.pack(**CAPS))) as kernel:
        perf = IommuPerf(kernel.iommu)
        assert perf.counters == 0 and perf.open(HpmEvent.TLB_MISS) == -ENODEV


def test_a_read_between_whose_words_the_count_moves_on(kernel):
    """The high word of what is returned belongs to the low one."""
    values = iter([0x0_FFFF_FFFF, 0x1_FFFF_FFFF, 0x1_0000_0001, *[0x1_0000_0002] * 3])
    assert IommuPerf._settled(lambda: next(values)) == 0x1_0000_0002
