"""The driver of the IOMMU on RTL and golden model with all that the Linux profile has."""

from dataclasses import replace

import pytest

from kernel_api import *
from kernel_api.dmaengine.engine import (
    DmaStatus,
    dma_async_is_tx_complete,
    dma_async_issue_pending,
    dmaengine_prep_dma_memcpy,
    dmaengine_submit,
)
from kernel_api.drivers.ring import RingChan
from kernel_api.drivers.riscv_iommu_perf import IommuPerf
from kernel_api.iommu.domain import BlockedDomain, IdentityDomain
from rtl.params import IommuParams
from rtl.spec.faults import Cause
from rtl.spec.hpm import HpmEvent
from rtl.spec.iommu_regs import CAPABILITIES
from rtl.spec.platform import Platform
from sim.golden.machine import GoldenMachine
from sim.machine import RtlMachine, params_for

PAGE, NAPOT = 1 << 12, 1 << 16
BOTH = IOMMU_READ | IOMMU_WRITE
PLATFORM = Platform(channels=1)
CAPS = CAPABILITIES.pack(version=0x10, sv39=1, sv48=1, svpbmt=1, nl=1, s=1, hpm=1, igs=1,
                         pas=PLATFORM.phys_bits)


@pytest.fixture(scope="module")
def rtl():
    params = replace(params_for(PLATFORM), iommu=IommuParams.for_capabilities(CAPS))
    with RtlMachine(PLATFORM, params=params) as machine:
        yield machine


@pytest.fixture(params=["golden", "rtl"])
def start(request):
    """Boot with options; returns the kernel and a channel, a second device beside the engine."""
    kernels = []

    def start(**options):
        if request.param == "rtl":
            machine = request.getfixturevalue("rtl")
            machine.reset()
        else:
            machine = GoldenMachine(PLATFORM, capabilities=CAPS)
        kernel = boot(machine, **options)
        kernels.append((kernel, RingChan(kernel)))
        assert kernels[-1][1].probe() == 0
        return kernels[-1]

    yield start
    for kernel, chan in kernels:
        chan.remove()
        kernel.__exit__(None, None, None)


def copy(chan, dst, src, size):
    """Copy by a channel, and say whether it went well."""
    cookie = dmaengine_submit(dmaengine_prep_dma_memcpy(chan, DmaAddr(dst), DmaAddr(src), size, 0))
    dma_async_issue_pending(chan)
    for _ in range(200):
        status = dma_async_is_tx_complete(chan, cookie)
        if status is not DmaStatus.DMA_IN_PROGRESS:
            return status is DmaStatus.DMA_COMPLETE
        chan.dev.kernel.machine.wait(50)
    raise AssertionError("it does not end")


def filled(kernel, order, seed):
    page = alloc_pages(GFP_KERNEL, order)
    data = bytes((k * 7 + seed) % 251 for k in range(PAGE << order))
    kernel.cpu.store(page_address(page), data)
    return page, data


@pytest.mark.parametrize("offset, pages, misses, invalidations", [(0, 16, 0, 1), (1, 15, 14, 4)])
def test_ranges(start, offset, pages, misses, invalidations):
    """An aligned 64 KiB is one entry. After the unmap, by ranges, no page is reached."""
    kernel, chan = start()
    page, data = filled(kernel, 4, 1)
    size = pages * PAGE
    with IommuPerf(kernel.iommu) as perf:
        src = dma_map_page(chan.dev, page, offset * PAGE, size, DMA_BIDIRECTIONAL)
        assert copy(chan, src + 100, src, 64)
        counter = perf.open(HpmEvent.TLB_MISS, device=chan.dev)
        for at in range(PAGE, size, PAGE):
            assert copy(chan, src + at + 64, src + at, 64)
        assert counter.read() <= misses + 2     # those of the rings; the RTL reads ahead
    before = kernel.stats.iotlb_commands
    dma_unmap_page(chan.dev, src, size, DMA_BIDIRECTIONAL)
    assert kernel.stats.iotlb_commands == before + invalidations
    got = kernel.cpu.load(page_address(page), NAPOT)
    first = (offset + 1) * PAGE
    assert got[first + 64:first + 128] == data[first:first + 64]
    for at in range(0, size, PAGE):
        assert not copy(chan, src + at, src + at, 8)
    assert kernel.iommu.fault_counts == {Cause.READ_PAGE_FAULT: pages}


def test_deferred_unmaps_are_forgotten_at_the_latest_when_their_time_is_over(start):
    """Until then an unmapped page may still be reached: that is what one pays."""
    kernel, chan = start(strict=False, flush_cycles=2000)
    page, _ = filled(kernel, 0, 2)
    src = dma_map_page(chan.dev, page, 0, PAGE, DMA_BIDIRECTIONAL)
    assert copy(chan, src + 64, src, 64)
    fences = kernel.stats.fences
    dma_unmap_page(chan.dev, src, PAGE, DMA_BIDIRECTIONAL)
    assert kernel.stats.fences == fences and len(chan.dev.iommu_domain.flush_queue) == 1
    kernel.machine.wait(2500)
    other = dma_map_page(chan.dev, page, 0, PAGE, DMA_BIDIRECTIONAL)
    dma_unmap_page(chan.dev, other, PAGE, DMA_BIDIRECTIONAL)
    assert kernel.stats.fences > fences
    assert not copy(chan, src + 64, src, 64)


def test_domains_of_every_kind(start):
    """A space of two devices, one made by hand, identity, and none; each move is complete."""
    kernel, chan = start()
    dev, domain = kernel.cdma.dev, chan.dev.iommu_domain
    default = dev.iommu_domain
    page, data = filled(kernel, 0, 3)
    shared = dma_map_page(chan.dev, page, 0, PAGE, DMA_BIDIRECTIONAL)
    assert copy(chan, shared + 128, shared, 64)

    def moves(domain, handle):
        """Whether the engine, once it is in a space, reaches the page there."""
        assert iommu_attach_device(domain, dev) == 0
        done = simple(kernel, handle + 256, handle, 64)
        if done:
            dma_sync_single_for_cpu(chan.dev, shared, PAGE, DMA_BIDIRECTIONAL)
            at = page_address(page)
            assert kernel.cpu.load(at + 256, 64) == data[:64]
            kernel.cpu.store(at + 256, bytes(64))
            dma_sync_single_for_device(chan.dev, shared, PAGE, DMA_BIDIRECTIONAL)
        return done

    hand = iommu_paging_domain_alloc(dev)
    assert iommu_map(hand, 0x7000, page_to_phys(page), PAGE, BOTH, GFP_KERNEL) == 0
    phys = int(page_to_phys(page))
    for _ in range(2):                  # what a move left behind would show in the second round
        assert not moves(default, 0x7000)
        assert moves(domain, shared)
        assert domain.devices == [chan.dev, dev]
        assert moves(hand, 0x7000)
        assert not moves(hand, shared)
        assert moves(IdentityDomain(), phys)
        assert not moves(BlockedDomain(), phys)
        assert not moves(BlockedDomain(), 0x7000)
    assert kernel.iommu.fault_counts == {Cause.READ_PAGE_FAULT: 4, Cause.DDT_INVALID: 4}
    assert copy(chan, shared + 128, shared, 64)
    iommu_domain_free(hand)
    assert iommu_attach_device(default, dev) == 0
    dma_unmap_page(chan.dev, shared, PAGE, DMA_BIDIRECTIONAL)


def simple(kernel, dst, src, size):
    """Copy by the first engine's registers, and say whether it went well."""
    regs = kernel.cdma.regs
    regs.cr.write(reset=1)
    while regs.cr.read("reset"):
        pass
    regs.sa.write(addr=int(src))
    regs.da.write(addr=int(dst))
    regs.btt.write(bytes=size)
    for _ in range(200):
        status = regs.sr.fields()
        if status["idle"]:
            kernel.machine.wait(100)            # a fault record comes after its answer
            return not status["dma_slv_err"] and not status["dma_dec_err"]
        kernel.machine.wait(50)
    raise AssertionError("it does not end")
