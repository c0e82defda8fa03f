"""Context managers, exceptions and views over the functions of the API."""

import pytest

from kernel_api import *
from tests.kernel_api.fake import FakeMachine

TO, FROM, BIDI, P = DMA_TO_DEVICE, DMA_FROM_DEVICE, DMA_BIDIRECTIONAL, PAGE_SIZE


@pytest.fixture
def dev(kernel, make):
    """A device whose every misuse is reported."""
    make(check="collect")
    dev = Device("dev", 31)
    device_register(dev)
    return dev


@pytest.fixture(autouse=True)
def kernel(make):
    """A kernel, so that devices can be made."""
    return make()


def memory(dev, handle, size):
    return dev.kernel.machine.bus_read(int(dev.dma_ops.to_phys(dev, handle)), size)


def device_writes(dev, handle, data):
    dev.kernel.machine.bus_write(int(dev.dma_ops.to_phys(dev, handle)), data)


# Views


def test_views_load_and_store():
    with Buffer(64) as buf:
        assert len(buf) == 64 and bytes(buf) == bytes(64)
        buf[4:8] = b"abcd"
        buf[0], buf[-1] = 7, 9
        assert buf[:8] == b"\7\0\0\0abcd" and buf[0] == 7 and buf[63] == 9 and buf[70:] == b""
        buf.write32(8, 0x12345678)
        buf.write64(16, 1 << 40)
        assert buf.read32(8) == 0x12345678 and buf.read64(16) == 1 << 40 and buf.read(8, 1) == 0x78
        part = buf.part(8, 4)
        assert bytes(part) == b"\x78\x56\x34\x12" and part.cpu == buf.cpu + 8
        buf[5:5] = b""
        assert repr(part).startswith("View(VirtAddr(0xff6")


def test_views_have_an_end():
    with Buffer(16) as buf:
        with pytest.raises(IndexError, match="Index must be below 16, not 16"):
            buf[16]
        with pytest.raises(IndexError, match="Range must be within 16 bytes, not 4 at 13"):
            buf.read32(13)
        with pytest.raises(ValueError, match="Slice must have a step of 1, not 2"):
            buf[::2]
        with pytest.raises(ValueError, match="Slice must take 4 bytes, not 3"):
            buf[0:4] = b"abc"


def test_buffers_are_freed_once(kernel):
    with Buffer(3 * P) as buf:
        va, free = buf.cpu, kernel.pages.free_pages
        buf.free()
    assert kernel.pages.free_pages == free + 4
    with pytest.raises(KernelBug):
        kfree(va)
    with pytest.raises(AllocationError, match="buffer of 1099511627776 bytes: -ENOMEM"):
        Buffer(1 << 40, GFP_KERNEL | __GFP_NOWARN)
    with pytest.raises(MemoryError):
        Buffer(1 << 40, GFP_KERNEL | __GFP_NOWARN)


# Masks


def test_masks_in_bits():
    dev = Device("direct", 3)
    dev.dma.mask = 40
    dev.dma.coherent_mask = 36
    assert dev.dma_mask == DMA_BIT_MASK(40) and dev.coherent_dma_mask == DMA_BIT_MASK(36)
    assert (dev.dma.mask, dev.dma.coherent_mask, dev.dma.required_mask) == (40, 36, 32)
    assert dev.dma.max_mapping == dev.dma.opt_mapping == SIZE_MAX
    with pytest.raises(MaskError, match="direct: streaming mask of 20 bits: -EIO") as error:
        dev.dma.mask = 20
    assert error.value.errno == -EIO and dev.dma.mask == 40
    with pytest.raises(MaskError, match="direct: coherent mask of 20 bits: -EIO"):
        dev.dma.coherent_mask = 20


# Mappings


def test_a_mapping_lasts_as_long_as_its_block(dev):
    with Buffer(256) as buf:
        buf[0:3] = b"out"
        with dev.dma.map(buf, BIDI) as mapped:
            handle = mapped.handle
            assert memory(dev, handle, 3) == b"out" and mapped.size == 256
            with mapped.cpu_access():
                buf[0:3] = b"two"
            assert memory(dev, handle, 3) == b"two"
            device_writes(dev, handle, b"new")
            with mapped.cpu_access(0, 64):
                assert buf[0:3] == b"new"
            device_writes(dev, handle + 64, b"end")
            mapped.unmap()
        assert buf[64:67] == b"end" and mapped.size == 0
        assert dev.dma_ops.to_phys(dev, handle) is None
    assert dev.kernel.reports == []


def test_a_part_of_a_buffer_is_mapped(dev):
    with Buffer(256) as buf, dev.dma.map(buf.part(64, 128), FROM) as mapped:
        device_writes(dev, mapped.handle + 64, b"here")
        mapped.sync_for_cpu(64)
        assert buf[128:132] == b"here"
        mapped.sync_for_device(64, 4)
    assert dev.kernel.reports == []


def test_a_mapping_ends_with_an_exception(dev):
    live = len(dev.kernel.debug.entries)
    with pytest.raises(RuntimeError, match="in the block"), Buffer(64) as buf, \
            dev.dma.map(buf, TO) as mapped, mapped.cpu_access():
        raise RuntimeError("in the block")
    assert len(dev.kernel.debug.entries) == live and dev.kernel.reports == []


def test_reports_name_the_program(dev):
    dev.dma_mask = DMA_BIT_MASK(32)
    with Buffer(64) as buf, dev.dma.map(buf, TO) as mapped, mapped.cpu_access(60, 64):
        pass
    assert [report.caller.split(":")[0] for report in dev.kernel.reports][:1] == [
        "test_pythonic.py"]


def test_attributes_by_name(dev):
    with Buffer(64) as buf:
        buf[0:3] = b"new"
        with dev.dma.map(buf, TO, {"SKIP_CPU_SYNC", "NO_WARN"}) as mapped:
            assert memory(dev, mapped.handle, 3) != b"new"
        with dev.dma.map(buf, TO, DMA_ATTR_SKIP_CPU_SYNC) as mapped:
            assert memory(dev, mapped.handle, 3) != b"new"
        with pytest.raises(DmaError, match=r"attributes \['FAST'\]: -EINVAL"):
            dev.dma.map(buf, TO, {"FAST"})


def test_a_map_that_fails_raises():
    dev = Device("none", 3, dma_mask=None)
    with Buffer(64) as buf, pytest.raises(MappingError, match="none: map of 64 bytes at") as error:
        dev.dma.map(buf, TO)
    assert error.value.errno == -ENOMEM
    table = SgTable()
    sg_alloc_table(table, 1, GFP_KERNEL)
    sg_set_page(table.sgl[0], alloc_page(GFP_KERNEL), P, 0)
    with pytest.raises(MappingError, match="none: map of a list of 1 entries: -EINVAL"):
        dev.dma.map_sg(table, TO)


def test_lists_give_their_segments(dev):
    table = SgTable()
    sg_alloc_table(table, 3, GFP_KERNEL)
    for sg, _ in for_each_sgtable_sg(table):
        sg_set_page(sg, alloc_page(GFP_KERNEL), P, 0)
    last = sg_virt(table.sgl[2])
    with dev.dma.map_sg(table, BIDI) as segments:
        assert len(segments) == 1
        ((addr, size),) = segments
        assert size == 3 * P
        with segments.cpu_access():
            cpu.store(last, b"cpu")
        assert memory(dev, addr + 2 * P, 3) == b"cpu"
        device_writes(dev, addr + 2 * P, b"dev")
        with segments.cpu_access():
            assert cpu.load(last, 3) == b"dev"
        device_writes(dev, addr + 2 * P, b"end")
        segments.unmap()
        segments.unmap()
    assert cpu.load(last, 3) == b"end" and dev.dma_ops.to_phys(dev, addr) is None
    assert dev.kernel.reports == []


# Shared memory


def test_coherent_buffers(dev):
    live, free = len(dev.kernel.debug.entries), dev.kernel.pages.free_pages
    with dev.dma.coherent(100) as ring:
        ring.write32(8, 0xCAFE)
        wmb()
        assert memory(dev, ring.dma + 8, 4) == b"\xfe\xca\0\0" and ring[0:4] == bytes(4)
        assert len(dev.kernel.debug.entries) == live + 1
        ring.free()
    assert len(dev.kernel.debug.entries) == live and dev.kernel.pages.free_pages >= free - 2
    with pytest.raises(AllocationError, match=r"dev: coherent buffer of .* bytes: -ENOMEM"):
        dev.dma.coherent(1 << 40, GFP_KERNEL | __GFP_NOWARN)
    assert dev.kernel.reports == []


def test_pools_and_blocks(dev):
    with Pool(dev, 48, 16, 4096) as pool, pool.alloc() as one:
        with pool.alloc(GFP_ATOMIC) as two:
            assert two.size == 48 and int(two.dma) % 16 == 0
            two[0:4] = b"wxyz"
            wmb()
            assert memory(dev, two.dma, 4) == b"wxyz" and pool.pool.used == 2
        one.free()
        assert pool.pool.used == 0
        with pool.alloc() as again:
            assert again.cpu == one.cpu
    assert dev.kernel.reports == []
    with pytest.raises(AllocationError, match="p: 48 bytes, aligned to 3, within 0: -EINVAL"):
        dev.dma.pool(48, 3, name="p")
    with dev.dma.pool(1 << 30) as pool, pytest.raises(AllocationError, match="block of"):
        pool.alloc(GFP_KERNEL | __GFP_NOWARN)


def test_declared_memory():
    with boot(FakeMachine(), profile="2.6"):
        dev = Device("sram", 3)
        phys = int(page_to_phys(alloc_pages(GFP_KERNEL, 2)))
        with dev.dma.declare(phys, 0x1000, 4 * P, DMA_MEMORY_MAP) as declared:
            assert declared.kind == DMA_MEMORY_MAP
            view = declared.occupy(0x2000, P)
            view[0:4] = b"keep"
            with dev.dma.coherent(2 * P) as buf:
                assert buf.dma == 0x3000
            with pytest.raises(AllocationError, match="sram: 4096 bytes at 0x2000: -EBUSY"):
                declared.occupy(0x2000, P)
        assert dev.dma_mem is None
        with pytest.raises(AllocationError, match="sram: declaration of 100 bytes: -EINVAL"):
            dev.dma.declare(phys, 0, 100, DMA_MEMORY_MAP)
    dev = Device("sram", 3)
    with dev.dma.declare(PhysAddr(phys), 0, P), \
            pytest.raises(AllocationError, match="sram: declaration of 4096 bytes: -EBUSY"):
        dev.dma.declare(PhysAddr(phys), 0, P)


# I/O virtual addresses


def test_pieces_are_linked(dev):
    with Buffer(P) as one, Buffer(P) as two, dev.dma.iova(2 * P, TO) as range_:
        one[0:3], two[0:3] = b"one", b"two"
        at = [range_.link(buf.cpu, P) for buf in (one, two)]
        range_.sync()
        assert at == [range_.handle, range_.handle + P] and range_.linked == 2 * P
        assert [memory(dev, addr, 3) for addr in at] == [b"one", b"two"]
        range_.unlink()
        assert dev.dma_ops.to_phys(dev, range_.handle) is None and range_.linked == 0
        range_.link(two.cpu, P, DMA_ATTR_SKIP_CPU_SYNC)
        with pytest.raises(IovaError, match="other attributes than the first piece: -EINVAL"):
            range_.link(one.cpu, P)
    assert dev.dma_ops.to_phys(dev, range_.handle) is None
    with dev.dma.iova(2 * P, TO) as again:
        assert again.handle == range_.handle
        with pytest.raises(IovaError, match="link of 64 bytes: -EIO"):
            again.link(VirtAddr(PAGE_OFFSET + 0x8000_0040), 64)
    with pytest.raises(IovaError, match="direct: 64 bytes of addresses: -ENOMEM"):
        Device("direct", 3).dma.iova(64, TO)


def test_r130_fields_for_unmap():
    class Entry:
        mapping, length = UnmapAddr(), UnmapLen()

    entry, other = Entry(), Entry()
    entry.mapping, entry.length = DmaAddr(0x1000), 60
    assert (entry.mapping, entry.length, other.mapping, other.length) == (0x1000, 60, 0, 0)
    assert isinstance(Entry.mapping, UnmapAddr)
    with boot(FakeMachine(has_iommu=False, coherent=True)):
        entry.mapping = DmaAddr(0x2000)
        assert entry.mapping == 0
