"""The ownership checker: what dma-debug cannot see, and what was lost."""

import pytest

from kernel_api import *
from kernel_api.core.tainted import Tainted
from kernel_api.debug.checks import CheckError

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


def checks(kernel):
    return [report.check for report in kernel.reports]


def buffer(dev, direction, size=256, fill=1):
    buf = kmalloc(size, GFP_KERNEL)
    cpu.store(buf, bytes([fill]) * size)
    dma = dma_map_single(dev, buf, size, direction)
    dma_mapping_error(dev, dma)
    return buf, dma


def test_r64_ownership_that_is_kept(kernel, dev, port):
    buf, dma = buffer(dev, BIDI)
    for turn in range(3):
        port.write(int(dma), bytes([turn + 10]) * 256)
        dma_sync_single_for_cpu(dev, dma, 256, BIDI)
        assert cpu.load(buf, 256) == bytes([turn + 10]) * 256
        cpu.store(buf, bytes([turn]) * 256)
        dma_sync_single_for_device(dev, dma, 256, BIDI)
        assert port.read(int(dma), 256) == bytes([turn]) * 256
    dma_unmap_single(dev, dma, 256, BIDI)
    cpu.store(buf, bytes(256))
    assert not kernel.reports


def test_r65_no_access_no_sync(kernel, dev, port):
    buf, dma = buffer(dev, FROM)
    port.write(int(dma), bytes(256))
    dma_unmap_single(dev, dma, 256, FROM)
    assert cpu.load(buf, 256) == bytes(256) and not kernel.reports


def test_r66_only_read_need_not_be_given_back(kernel, dev, port):
    buf, dma = buffer(dev, FROM)
    for turn in (5, 6):
        port.write(int(dma), bytes([turn]) * 256)
        dma_sync_single_for_cpu(dev, dma, 256, FROM)
        assert cpu.load(buf, 256) == bytes([turn]) * 256
    assert not kernel.reports


def test_r58_x01_store_to_what_the_device_owns(kernel, dev):
    buf, _ = buffer(dev, FROM)
    cpu.store(buf, b"x")
    assert checks(kernel) == ["X1"] and "dma_sync_single_for_cpu" in kernel.reports[0].missing


def test_x01_load_before_the_device_is_done(kernel, dev):
    buf, dma = buffer(dev, FROM)
    cpu.load(buf, 4)
    cpu.load(buf + 64, 4)
    assert checks(kernel) == ["X1"]                         # said once
    dma_sync_single_for_cpu(dev, dma, 256, FROM)
    cpu.load(buf, 4)
    dma_sync_single_for_device(dev, dma, 256, FROM)
    cpu.load(buf, 4)
    assert checks(kernel) == ["X1", "X1"]


def test_x01_reading_what_the_device_reads_is_fine(kernel, dev):
    buf, _ = buffer(dev, TO)
    cpu.load(buf, 4)
    assert not kernel.reports


def test_r102_x02_no_sync_for_the_device(kernel, dev, port):
    buf, dma = buffer(dev, TO)
    cpu.store(buf + 8, b"new")
    assert port.read(int(dma) + 8, 3) == b"\x01\x01\x01"
    assert checks(kernel) == ["X1", "X2"]
    report = kernel.reports[1]
    assert report.missing == "dma_sync_single_for_device" and "got older data" in report.text


def test_x02_luck_is_no_excuse(kernel, dev, port):
    """The line is not cached, so the data are right; the call is missing all the same."""
    buf = kmalloc(256, GFP_KERNEL)
    dma = dma_map_single(dev, buf, 256, FROM)
    port.write(int(dma), bytes([9]) * 256)
    assert cpu.load(buf, 256) == bytes([9]) * 256
    assert checks(kernel) == ["X2"] and "was not stale this time" in kernel.reports[0].text


@pytest.mark.parametrize("to_device", [True, False])
def test_r88_x02_bounced(bouncing, to_device):
    kernel = bouncing(check="collect", coherent=True)
    dev = kernel.cdma.dev
    port = kernel.machine.port(dev.device_id)
    buf, dma = buffer(dev, BIDI)
    if to_device:
        cpu.store(buf, b"new")
        assert port.read(int(dma), 3) == b"\x01\x01\x01"
        assert checks(kernel) == ["X1", "X2"]
    else:
        port.write(int(dma), b"new")
        assert cpu.load(buf, 3) == b"\x01\x01\x01"
        assert checks(kernel) == ["X2"] and "not copied back" in kernel.reports[0].text


def test_r62_x03_after_unmap_and_never(kernel, dev, port):
    _, dma = buffer(dev, TO)
    dma_unmap_single(dev, dma, 256, TO)
    for addr in (int(dma), 0x1234_5000):
        with pytest.raises(BusError):
            port.read(addr, 8)
    assert checks(kernel) == ["X3", "X3"]
    assert "unmapped at cycle" in kernel.reports[0].text
    assert "never mapped" in kernel.reports[1].text


def test_r67_x04_overlap_beyond_the_first_line(kernel, dev):
    buf = kmalloc(1024, GFP_KERNEL)
    dma_map_single(dev, buf, 512, FROM)
    dma_map_single(dev, buf + 256, 512, FROM)
    assert checks(kernel) == ["X4"]


def test_x04_a_reader_and_a_writer(kernel, dev):
    buf = kmalloc(1024, GFP_KERNEL)
    dma_map_single(dev, buf, 512, TO)
    dma_map_single(dev, buf, 512, FROM)
    assert checks(kernel) == ["X4"]


def test_x04_entries_of_a_list_may_touch(kernel, dev):
    sgl = [Scatterlist(), Scatterlist()]
    sg_init_table(sgl, 2)
    buf = kmalloc(256, GFP_KERNEL)
    sg_set_buf(sgl[0], buf, 100)
    sg_set_buf(sgl[1], buf + 100, 100)
    assert dma_map_sg(dev, sgl, 2, FROM)
    assert not [check for check in checks(kernel) if check[0] == "X"]


def test_r127_x05_bytes_beside_the_buffer(kernel, dev, port):
    buf, dma = buffer(dev, TO)
    cpu.store(buf + 256, b"0123456789 secret")
    kernel.cache.wback(virt_to_phys(buf), 512)
    assert port.read(int(dma) + 256, 17) == b"0123456789 secret"
    assert checks(kernel) == ["X5"]
    exposed = kernel.ownership.exposure(dev)
    assert sum(size for _, size in exposed) == 4096 - 256


def test_x06_a_doorbell_before_its_stores(kernel, dev):
    va, _ = dma_alloc_coherent(dev, 64, GFP_KERNEL)
    cpu.store(va, b"desc")
    cpu.wmb()
    kernel.cdma.regs.cr.write(sg_mode=1)
    assert not kernel.reports
    cpu.store(va, b"desc")
    kernel.cdma.regs.cr.write(sg_mode=1)
    assert checks(kernel) == ["X6"] and kernel.reports[0].missing == "wmb"


def test_r05_x07_leak(kernel, dev):
    buf = kmalloc(256, GFP_KERNEL)
    for _ in range(1002):
        dma_map_single(dev, buf, 256, TO)
    assert checks(kernel) == ["X7"]
    assert "test_ownership.py" in kernel.reports[0].text


def test_x08_the_failed_handle_is_used(kernel, port):
    with pytest.raises(BusError):
        port.read(int(DMA_MAPPING_ERROR) & -8, 4)
    assert checks(kernel) == ["X8"]


def test_r31_x09_context(kernel, dev):
    va, dma = dma_alloc_coherent(dev, 64, GFP_KERNEL)
    with atomic_context():
        dma_free_coherent(dev, 64, va, dma)
        might_sleep("msleep")
    assert checks(kernel) == ["X9", "X9"]


def test_x10_a_mask_that_shrinks(kernel, dev):
    dma_set_mask(dev, DMA_BIT_MASK(64))
    buffer(dev, TO)
    dma_set_mask(dev, DMA_BIT_MASK(24))
    assert checks(kernel) == ["X10"]


def test_r102_x11_a_stale_line_is_named(kernel, dev, port):
    buf, dma = buffer(dev, FROM)
    cpu.load(buf, 1)
    port.write(int(dma), bytes([2]) * 256)
    assert cpu.load(buf + 64, 4) == bytes([1]) * 4
    found = kernel.reports[-1]
    assert found.check == "X11" and found.missing == "dma_sync_single_for_cpu"
    assert f"CPU read {int(virt_to_phys(buf)) + 64:#x} (stale since cycle" in found.text
    assert "line filled at cycle" in found.text


def test_r97_x11_a_store_is_lost_with_its_line(kernel, dev):
    buf = kmalloc(128, GFP_KERNEL)
    dma = dma_map_single(dev, buf, 32, FROM)
    cpu.store(buf + 32, b"neighbour")
    dma_unmap_single(dev, dma, 32, FROM)
    assert cpu.load(buf + 32, 9) != b"neighbour"
    assert checks(kernel) == ["X4", "D18", "X11"]
    assert "is lost" in kernel.reports[-1].text
    assert "alignment" in kernel.reports[-1].missing


def test_r104_x12_entries_beyond_the_count(kernel, dev):
    sgl = [Scatterlist(), Scatterlist()]
    sg_init_table(sgl, 2)
    for sg in sgl:
        sg_set_page(sg, alloc_page(GFP_KERNEL), 4096, 0)
    assert dma_map_sg(dev, sgl, 2, TO) == 1
    for sg in sgl:
        sg_dma_address(sg)
    assert checks(kernel) == ["X12"]


def test_x13_a_size_from_the_device(kernel, dev, port):
    va, dma = dma_alloc_coherent(dev, 64, GFP_KERNEL)
    port.write(int(dma), (300).to_bytes(4, "little"))
    size = cpu.load_le(va, 4)
    assert isinstance(size, Tainted) and size == 300
    if size < 1000:
        cpu.load(va, min(int(size), 8))
    assert not kernel.reports
    again = cpu.load_le(va, 4)                              # it may have changed since
    cpu.load(kmalloc(512, GFP_KERNEL), again + 4)
    assert checks(kernel) == ["X13"]
    kernel.reporter.mode = "raise"
    with pytest.raises(CheckError, match="X13 : the size of a load comes from memory"):
        cpu.load(kmalloc(512, GFP_KERNEL), 2 * cpu.load_le(va, 4) - 1)
    kernel.reporter.mode = "collect"


def test_r107_x14_twice(kernel, dev):
    sgl = [Scatterlist()]
    sg_init_one(sgl, kmalloc(256, GFP_KERNEL), 256)
    dma_map_sg(dev, sgl, 1, TO)
    dma_map_sg(dev, sgl, 1, TO)
    assert checks(kernel) == ["X14"]


def test_r48_x15_a_freed_block(kernel, dev, port):
    pool = dma_pool_create("p", dev, 64, 64, 0)
    va, dma = dma_pool_alloc(pool, GFP_KERNEL)
    port.write(int(dma), b"ok")
    dma_pool_free(pool, va, dma)
    port.write(int(dma), b"bad")
    assert checks(kernel) == ["X15"]
    dma_pool_alloc(pool, GFP_KERNEL)


def test_registers_are_never_stale(kernel, dev):
    dma = dma_map_resource(dev, PhysAddr(0x1000_0000), 64, TO, 0)
    dma_mapping_error(dev, dma)
    dma_unmap_resource(dev, dma, 64, TO, 0)
    assert not kernel.reports


def test_nothing_is_said_without_checkers(golden):
    assert golden().reports == []


def test_x01_a_part_that_is_given_back_leaves_the_rest_lent(kernel, dev):
    buf, dma = buffer(dev, BIDI)
    dma_sync_single_for_cpu(dev, dma, 256, BIDI)
    dma_sync_single_range_for_device(dev, dma, 64, 64, BIDI)
    cpu.store(buf, b"x")
    cpu.store(buf + 128, b"x")
    assert not kernel.reports
    cpu.store(buf + 100, b"x")
    assert checks(kernel) == ["X1"]


def test_x08_a_failure_that_was_noticed_is_none(kernel, dev):
    va = vmalloc(64)
    for asked in (True, False):
        handle = dma_map_single(dev, va, 64, TO)
        if asked:
            dma_mapping_error(dev, handle)
        kernel.cdma.regs.sr.write()
        assert ("X8" in checks(kernel)) == (not asked)
