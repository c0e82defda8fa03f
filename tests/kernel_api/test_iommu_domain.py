"""Address spaces: strict invalidation, domains made by hand, identity and blocked."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kernel_api import *
from kernel_api.drivers.riscv_iommu_commands import powers_of_two
from kernel_api.iommu.domain import BlockedDomain, IdentityDomain, IommuDomain
from tests.kernel_api.fake import FakeMachine

PAGE, MEGA = 1 << 12, 1 << 21


@pytest.fixture
def dev(kernel):
    dev = Device("widget", 0x20)
    assert device_register(dev) == 0
    kernel.machine.iommu.commands.clear()
    return dev


def reach(dev, iova, *, write=False):
    return dev.kernel.machine.iommu.translate(dev.device_id, int(iova), write)


def commands(dev):
    found = list(dev.kernel.machine.iommu.commands)
    dev.kernel.machine.iommu.commands.clear()
    return found


def test_r128_order_of_an_unmap(dev, monkeypatch):
    """Clear the entry, invalidate, fence, and only then free the addresses."""
    steps = []
    domain, iommu = dev.iommu_domain, dev.kernel.machine.iommu
    dma = dma_map_single(dev, kmalloc(64, GFP_KERNEL), 64, DMA_TO_DEVICE)
    page = int(dma) & PAGE_MASK
    command, free = iommu._command, domain.iovas.free_fast

    def spy_command(low, high):
        done = command(low, high)
        steps.append(iommu.commands[-1])
        assert domain.to_phys(page) is None
        assert iommu._walk(domain.context()[2], page) is None
        return done

    def spy_free(first, size):
        steps.append(("free", first << 12))
        free(first, size)

    monkeypatch.setattr(iommu, "_command", spy_command)
    monkeypatch.setattr(domain.iovas, "free_fast", spy_free)
    dma_unmap_single(dev, dma, 64, DMA_TO_DEVICE)
    assert steps == [("vma", domain.pscid, page), ("fence", 3), ("free", page)]


def test_map_needs_no_command(dev):
    dma_map_single(dev, kmalloc(64, GFP_KERNEL), 64, DMA_TO_DEVICE)
    assert commands(dev) == []


@pytest.mark.parametrize("pages,single", [(1, True), (512, True), (513, False)])
def test_many_pages_are_invalidated_together(make, pages, single):
    kernel = make(memory_size=16 << 20)
    dev = kernel.cdma.dev
    page = alloc_pages(GFP_KERNEL, 10)
    dma = dma_map_page(dev, page, 4096, pages * PAGE, DMA_TO_DEVICE)
    commands(dev)
    dma_unmap_page(dev, dma, pages * PAGE, DMA_TO_DEVICE)
    pscid = dev.iommu_domain.pscid
    if single:
        expected = [("vma", pscid, int(dma) + index * PAGE) for index in range(pages)]
    else:
        expected = [("vma", pscid, None)]
    assert commands(dev) == [*expected, ("fence", 3)]


def test_ranges_are_powers_of_two(make):
    """With capability S: one command for each aligned power of two, however long the range is."""
    machine = FakeMachine(memory_size=16 << 20)
    machine.iommu.capabilities["s"] = 1
    dev = make(machine).cdma.dev
    dma = dma_map_page(dev, alloc_pages(GFP_KERNEL, 10), 4096, 531 * PAGE, DMA_TO_DEVICE)
    commands(dev)
    dma_unmap_page(dev, dma, 531 * PAGE, DMA_TO_DEVICE)
    pscid, first = dev.iommu_domain.pscid, int(dma)
    assert first % (1024 * PAGE) == 0
    assert commands(dev) == [
        ("vma", pscid, (first, 512)), ("vma", pscid, (first + 512 * PAGE, 16)),
        ("vma", pscid, (first + 528 * PAGE, 2)), ("vma", pscid, first + 530 * PAGE), ("fence", 3)]


@given(st.integers(0, 1 << 38), st.integers(1, 1 << 30))
def test_a_range_is_cut_into_aligned_powers_of_two(start, size):
    pieces, at = list(powers_of_two(start, size)), start
    for where, piece in pieces:
        assert where == at and piece & piece - 1 == 0 and where % piece == 0
        at += piece
    assert at == start + size and len(pieces) <= 2 * size.bit_length()


def test_large_pages_take_one_command_each(make):
    kernel = make(memory_size=16 << 20)
    dev = kernel.cdma.dev
    dma = dma_map_page(dev, alloc_pages(GFP_KERNEL, 10), 0, 2 * MEGA, DMA_TO_DEVICE)
    commands(dev)
    dma_unmap_page(dev, dma, 2 * MEGA, DMA_TO_DEVICE)
    assert [command[2] for command in commands(dev)[:2]] == [int(dma), int(dma) + MEGA]


def test_a_new_large_page_invalidates_before_its_old_table_is_freed(make):
    kernel = make(memory_size=16 << 20)
    domain = kernel.cdma.dev.iommu_domain
    assert iommu_map(domain, MEGA, PhysAddr(0x8000_0000), PAGE, IOMMU_READ, GFP_KERNEL) == 0
    assert iommu_unmap(domain, MEGA, PAGE) == PAGE
    kernel.machine.iommu.commands.clear()
    free = kernel.pages.free_pages
    assert iommu_map(domain, MEGA, PhysAddr(0x8020_0000), MEGA, IOMMU_READ, GFP_KERNEL) == 0
    assert kernel.machine.iommu.commands == [("vma", domain.pscid, None), ("fence", 3)]
    assert kernel.pages.free_pages == free + 1


def test_a_failed_map_leaves_nothing(dev):
    domain = dev.iommu_domain
    assert iommu_map(domain, 3 * PAGE, PhysAddr(0x8000_0000), PAGE, IOMMU_READ, GFP_KERNEL) == 0
    assert iommu_map(domain, PAGE, PhysAddr(0x8000_0000), 3 * PAGE, 1, GFP_KERNEL) == -EEXIST
    assert iommu_iova_to_phys(domain, PAGE) is None
    assert iommu_iova_to_phys(domain, 3 * PAGE) == 0x8000_0000


@pytest.mark.parametrize("iova,phys,size", [(1, 0, PAGE), (0, 1, PAGE), (0, 0, 1), (0, 0, 0)])
def test_maps_are_page_aligned(dev, iova, phys, size):
    phys = PhysAddr(0x8000_0000 + phys)
    assert iommu_map(dev.iommu_domain, iova, phys, size, IOMMU_READ, GFP_KERNEL) == -EINVAL


def test_an_address_space_made_by_hand(dev):
    domain = iommu_paging_domain_alloc(dev)
    default = iommu_get_domain_for_dev(dev)
    assert domain.pscid != default.pscid
    assert iommu_attach_device(domain, dev) == 0 and dev.iommu_domain is domain
    assert iommu_map(domain, 0x5000, PhysAddr(0x8010_0000), PAGE, IOMMU_READ, GFP_KERNEL) == 0
    assert reach(dev, 0x5008) == 0x8010_0008
    with pytest.raises(BusError):
        reach(dev, 0x5008, write=True)
    with pytest.raises(KernelBug, match="domain with 1 devices freed"):
        iommu_domain_free(domain)
    # The DMA API does not mix with it.
    assert dma_map_phys(dev, PhysAddr(0x8000_0000), 64, DMA_TO_DEVICE) == 0x8000_0000
    iommu_detach_device(domain, dev)
    with pytest.raises(BusError):
        reach(dev, 0x5008)
    iommu_domain_free(domain)
    assert iommu_attach_device(default, dev) == 0
    dma = dma_map_single(dev, kmalloc(64, GFP_KERNEL), 64, DMA_TO_DEVICE)
    assert reach(dev, dma) and dev.iommu_domain is default


def test_detach_from_another_space_does_nothing(dev):
    default = dev.iommu_domain
    iommu_detach_device(IdentityDomain(), dev)
    assert dev.iommu_domain is default


def test_spaces_are_apart(kernel, dev):
    other = Device("other", 0x21)
    device_register(other)
    dma = dma_map_page(dev, alloc_page(GFP_KERNEL), 0, 64, DMA_TO_DEVICE)
    reach(dev, dma)
    with pytest.raises(BusError):
        reach(other, dma)
    twin = dma_map_page(other, alloc_page(GFP_KERNEL), 0, 64, DMA_TO_DEVICE)
    assert twin == dma and reach(other, twin) != reach(dev, dma)


def test_two_devices_in_one_space(kernel, dev):
    other = Device("other", 0x21)
    device_register(other)
    own, shared = other.iommu_domain, dev.iommu_domain
    assert iommu_attach_device(shared, other) == 0
    dma = dma_map_single(dev, kmalloc(64, GFP_KERNEL), 64, DMA_TO_DEVICE)
    assert reach(other, dma) == reach(dev, dma)
    assert own.devices == [] and shared.devices == [dev, other]


def test_contexts_change_with_an_invalid_one_in_between(dev):
    commands(dev)
    assert iommu_attach_device(IdentityDomain(), dev) == 0
    pscid = 2                                   # the engine's is 1
    assert commands(dev) == [("ddt", 0x20), ("fence", 3), ("ddt", 0x20), ("fence", 3),
                             ("vma", pscid, None), ("fence", 3)]
    assert reach(dev, 0x8000_0123) == 0x8000_0123


def test_a_blocked_device_reaches_nothing(dev):
    assert iommu_attach_device(BlockedDomain(), dev) == 0
    with pytest.raises(BusError):
        reach(dev, 0x8000_0000)
    dev.kernel.machine.wait(1)
    assert dev.kernel.iommu.faults[-1].cause.name == "DDT_INVALID"


def test_without_iommu(make):
    make(has_iommu=False)
    dev = Device("widget", 1)
    assert device_register(dev) == 0 and iommu_get_domain_for_dev(dev) is None
    assert iommu_paging_domain_alloc(dev) == -ENODEV
    assert iommu_attach_device(IdentityDomain(), dev) == -ENODEV


def test_every_domain_says_its_context():
    with pytest.raises(NotImplementedError):
        IommuDomain().context()


def test_pci_tries_short_addresses_first_until_they_run_out(kernel):
    dev = Device("nic", 0x30, is_pci=True)
    device_register(dev)
    dma_set_mask(dev, DMA_BIT_MASK(64))
    page = alloc_page(GFP_KERNEL)
    assert dma_map_page(dev, page, 0, 64, DMA_TO_DEVICE) == 0xFFFF_F000
    for order in reversed(range(20)):
        while dev.iommu_domain.iovas.alloc(1 << order, (1 << 20) - 1) is not None:
            pass
    assert dma_map_page(dev, page, 0, 64, DMA_TO_DEVICE) == 0x3F_FFFF_F000
    assert dev.try_32bit_first is False


def test_platform_devices_use_all_of_the_aperture(kernel):
    dma = dma_map_single(kernel.cdma.dev, kmalloc(64, GFP_KERNEL), 64, DMA_TO_DEVICE)
    assert 1 << 32 < dma < 1 << 38


def test_bus_limit(dev):
    dev.bus_dma_limit = 0xFFFF
    assert dma_map_page(dev, alloc_page(GFP_KERNEL), 0, 64, DMA_TO_DEVICE) == 0xF000


def test_a_map_without_memory_for_its_second_table_leaves_nothing(kernel):
    domain = iommu_paging_domain_alloc(kernel.cdma.dev)
    edge, phys = 2 << 20, PhysAddr(kernel.platform.memory_base)
    assert iommu_map(domain, edge - 8192, phys, 4096, IOMMU_READ, GFP_KERNEL) == 0
    held = []
    while page := alloc_page(GFP_KERNEL | __GFP_NOWARN):
        held.append(page)
    assert iommu_map(domain, edge - 4096, phys, 8192, IOMMU_READ, GFP_KERNEL) == -ENOMEM
    assert iommu_iova_to_phys(domain, edge - 4096) is None
    assert iommu_iova_to_phys(domain, edge - 8192) == phys
    for page in held:
        __free_page(page)
    assert iommu_map(domain, edge - 4096, phys, 8192, IOMMU_READ, GFP_KERNEL) == 0
