"""The ownership checker, by ranges: parts of buffers, words, lines, and what is too long."""

import pytest

from kernel_api import *
from sim.golden.machine import GoldenMachine
from sim.store_buffer import StoreBuffer
from tests.kernel_api.test_ownership import buffer, checks

TO, FROM, BIDI = DMA_TO_DEVICE, DMA_FROM_DEVICE, DMA_BIDIRECTIONAL


@pytest.fixture
def kernel(golden):
    return golden(check="collect")


@pytest.fixture
def dev(kernel):
    return kernel.cdma.dev


@pytest.fixture
def port(kernel, dev):
    """The device's end."""
    return kernel.machine.port(dev.device_id)


def test_r80_x16_longer_than_can_be_bounced(golden):
    """Said of a map that no amount of free bounce memory would let succeed."""
    kernel = golden(check="collect", has_iommu=False, swiotlb="force", swiotlb_bytes=1 << 20)
    dev, buf = kernel.cdma.dev, __get_free_pages(GFP_KERNEL, 7)
    limit = dma_max_mapping_size(dev)
    for size, found in ((limit, []), (limit + 1, ["X16"])):
        dma = dma_map_single(dev, buf, size, TO)
        assert dma_mapping_error(dev, dma) == (-ENOMEM if found else 0)
        assert checks(kernel) == found
        if not found:
            dma_unmap_single(dev, dma, size, TO)
    assert kernel.reports[0].missing == "dma_max_mapping_size"


def test_r68_x04_same_bytes_mapped_twice(golden):
    """Also where no line matters: D7 says nothing on coherent machines, nor of bounced buffers."""
    for options in ({"coherent": True}, {"has_iommu": False, "swiotlb": "force", "coherent": True,
                                         "swiotlb_bytes": 1 << 20}):
        kernel = golden(check="collect", **options)
        dev = kernel.cdma.dev
        buf, _ = buffer(dev, BIDI)
        dma_mapping_error(dev, dma_map_single(dev, buf, 256, FROM))
        assert checks(kernel) == ["X4"] and "shares bytes" in kernel.reports[0].text
        assert kernel.reports[0].missing == "dma_unmap_single before"


def test_x03_words_of_a_mapping_and_no_more(kernel, dev, port):
    """A device reads whole words; the next page is another's, however few bytes of it."""
    _, dma = dma_alloc_coherent(dev, 4096, GFP_KERNEL)
    port.read(int(dma), 4096)
    _, dma = dma_alloc_coherent(dev, 40, GFP_KERNEL)     # a page of its own
    port.read(int(dma) + 64, 32)
    assert not kernel.reports
    buf = kmalloc(5, GFP_KERNEL)
    dma = dma_map_single(dev, buf, 5, TO)
    dma_mapping_error(dev, dma)
    port.read(int(dma), 8)
    assert not kernel.reports
    port.read(int(dma) + 8, 1)
    assert checks(kernel) == ["X5"]


def test_r64_x02_part_that_was_not_given_back(kernel, dev, port):
    """A store to one part is no matter for the other; the device may read that."""
    buf, dma = buffer(dev, TO, size=1024)
    dma_sync_single_range_for_cpu(dev, dma, 0, 512, TO)
    cpu.store(buf, b"new")
    port.read(int(dma) + 512, 512)
    assert not kernel.reports
    port.read(int(dma), 8)
    assert checks(kernel) == ["X2"]


def test_r114_x02_line_that_comes_for_a_waiting_store(golden):
    """A store that waits is noted before its line is brought in; it is dirty all the same."""
    kernel = golden(StoreBuffer(GoldenMachine()), check="collect")
    dev = kernel.cdma.dev
    port = kernel.machine.port(dev.device_id)
    cpu.store(buf := kmalloc(512, GFP_KERNEL), bytes(512))
    dma = dma_map_single_attrs(dev, buf, 512, TO, DMA_ATTR_SKIP_CPU_SYNC)
    dma_mapping_error(dev, dma)
    mb()
    port.read(int(dma), 512)
    assert checks(kernel) == ["X2"]
