"""Driver of the IOMMU: probing hardware of many kinds, and putting devices in the directory."""

import pytest

from kernel_api import *
from kernel_api.drivers import riscv_iommu_commands
from kernel_api.drivers.riscv_iommu_directory import DeviceDirectory
from tests.kernel_api.fake import FakeMachine


def widget(kernel, did):
    dev = Device("widget", did)
    return dev, device_register(dev)


def reach(dev, iova):
    return dev.kernel.machine.iommu.translate(dev.device_id, int(iova), False)


@pytest.mark.parametrize("levels,expected", [((1, 2, 3), 3), ((1, 2), 2), ((1,), 1), ((2,), 2)])
def test_the_deepest_directory_that_is_kept(make, levels, expected):
    kernel = make(FakeMachine(levels=levels))
    assert kernel.iommu.directory.levels == expected
    assert kernel.machine.iommu.regs["ddtp"] & 15 == expected + 1
    assert kernel.machine.iommu.commands[:3] == [("ddt", None), ("vma", None, None), ("fence", 3)]


@pytest.mark.parametrize("levels,did,ok", [
    (1, 0x7F, True), (1, 0x80, False), (2, 0xFFFF, True), (2, 0x1_0000, False),
    (3, 0xFF_FFFF, True), (3, 0, True)])
def test_device_ids_by_directory_depth(make, levels, did, ok):
    kernel = make(FakeMachine(levels=(levels,)))
    dev, rc = widget(kernel, did)
    if not ok:
        assert rc == -ENODEV and dev not in kernel.devices
        assert kernel.log.matching(f"widget: device ID {did:#x} does not fit the directory")
        return
    assert rc == 0
    buffer = kmalloc(64, GFP_KERNEL)
    assert reach(dev, dma_map_single(dev, buffer, 64, DMA_TO_DEVICE)) == int(virt_to_phys(buffer))


def test_neighbours_in_the_directory_are_not_disturbed(kernel):
    devices = [widget(kernel, did)[0] for did in (0x11, 0x12, 0x91, 0x1_0011, 0xFF_0011)]
    buffer = kmalloc(64, GFP_KERNEL)
    handles = [dma_map_single(dev, buffer, 64, DMA_TO_DEVICE) for dev in devices]
    device_unregister(devices[1])
    for dev, handle in zip(devices, handles, strict=True):
        if dev is devices[1]:
            with pytest.raises(BusError):
                reach(dev, handle)
        else:
            assert reach(dev, handle) == int(virt_to_phys(buffer))


def test_whatever_has_no_context_faults(kernel):
    with pytest.raises(BusError):
        kernel.machine.iommu.translate(0x77, 0x1000, False)
    kernel.machine.wait(1)
    (record,) = kernel.iommu.faults
    assert (record.cause.name, record.device_id, record.iova) == ("DDT_INVALID", 0x77, 0x1000)


def failed(make, change, **platform):
    machine = FakeMachine(**platform)
    change(machine.iommu)
    kernel = make(machine)
    assert kernel.iommu is None
    assert machine.iommu.regs["ddtp"] & 15 == 0 or machine.iommu.forced_mode is not None
    return kernel


@pytest.mark.parametrize("caps", [{"sv39": 0}, {"version": 0x02}])
def test_missing_capabilities(make, caps):
    kernel = failed(make, lambda iommu: iommu.capabilities.update(caps))
    assert kernel.log.matching("without Sv39 is not supported", level=3)
    assert kernel.log.matching("riscv-iommu: probe failed: -ENODEV", level=3)


@pytest.mark.parametrize("change", [
    lambda iommu: iommu.capabilities.update(igs=0),
    lambda iommu: setattr(iommu, "big_endian", 1)])
def test_unsuitable_control(make, change):
    kernel = failed(make, change)
    assert kernel.log.matching("needs interrupts by wire, and little-endian tables", level=3)


@pytest.mark.parametrize("caps,levels", [({}, 3), ({"sv48": 1}, 4), ({"sv48": 1, "sv57": 1}, 5)])
def test_the_widest_mode_is_chosen(make, caps, levels):
    machine = FakeMachine()
    machine.iommu.capabilities.update(caps)
    kernel = make(machine)
    domain = kernel.iommu.paging_domain()
    assert domain.table.levels == levels
    assert domain.aperture_end == (1 << 12 + 9 * levels - 1) - 1


def test_an_iommu_in_use_is_left_alone(make):
    machine = FakeMachine()
    machine.iommu.forced_mode = 3
    kernel = make(machine)
    assert kernel.iommu is None and kernel.log.matching("riscv-iommu: in use: mode 3", level=3)
    assert machine.iommu.regs["ddtp"] == 0
    assert kernel.log.matching("riscv-iommu: probe failed: -EBUSY", level=3)


def test_a_directory_at_a_fixed_address(make):
    kernel = failed(make, lambda iommu: setattr(iommu, "fixed_directory", 0x1234))
    assert kernel.log.matching("a directory at a fixed address is not supported", level=3)


def test_a_mode_that_nobody_asked_for(make):
    def change(iommu):
        write = iommu.write

        def spoiled(offset, value):
            write(offset, value)
            if offset == iommu.at["ddtp"] and value & 15 == 4:
                iommu.forced_mode = 2

        iommu.write = spoiled

    kernel = failed(make, change)
    assert kernel.log.matching("asked for directory mode 4, got 2", level=3)


def test_no_directory_at_all(make):
    kernel = failed(make, lambda iommu: None, levels=())
    assert kernel.log.matching("no directory mode was kept", level=3)


@pytest.mark.parametrize("name,text", [
    ("fixed_ppn", "cq: a ring at a fixed address is not supported")])
def test_rings_at_fixed_addresses(make, name, text):
    kernel = failed(make, lambda iommu: setattr(iommu, name, 5))
    assert kernel.log.matching(text, level=3)


def test_a_base_that_does_not_read_back(make):
    kernel = failed(make, lambda iommu: setattr(iommu, "keeps_base", False))
    assert kernel.log.matching("cq: the base does not read back", level=3)


def test_a_ring_that_does_not_switch_on(make):
    kernel = failed(make, lambda iommu: setattr(iommu, "switches", False))
    assert kernel.log.matching("fq: does not switch on", level=3)


def test_a_failed_probe_gives_memory_and_lines_back(make):
    kernel = failed(make, lambda iommu: None, levels=())
    used = 1024 - kernel.pages.free_pages
    assert used == 1 + 32                       # the engine's descriptors, the atomic pool
    assert kernel.irq.request(0, lambda irq, dev_id: IRQ_NONE, 0, "free", None) == 0


@pytest.mark.parametrize("vectors,lines", [(3, {0, 1}), (0, {0})])
def test_interrupt_vectors(make, vectors, lines):
    machine = FakeMachine()
    machine.iommu.vectors = vectors
    kernel = make(machine)
    assert {line for line in range(4) if machine._enabled >> line & 1} == lines
    with pytest.raises(BusError):
        machine.iommu.translate(0x77, 0x1000, False)
    machine.wait(1)
    assert len(kernel.iommu.faults) == 1


def test_vectors_beyond_the_lines(make):
    kernel = failed(make, lambda iommu: setattr(iommu, "read", lambda offset, read=iommu.read: (
        0x55 if offset == iommu.at["icvec"] else read(offset))))
    assert kernel.log.matching("probe failed: -ENODEV", level=3)


def test_lines_that_are_taken(make):
    machine = FakeMachine()
    request = "kernel_api.drivers.riscv_iommu.request_irq"
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(request, lambda *args: -EBUSY)
        kernel = make(machine)
    assert kernel.iommu is None and kernel.log.matching("probe failed: -EBUSY", level=3)


@pytest.mark.parametrize("pages", [0, 1, 2])
def test_no_memory_for_the_directory_or_a_ring(make, pages):
    kernel = make(memory_size=pages * PAGE_SIZE)
    assert kernel.iommu is None and (kernel.cdma is not None) == (pages > 0)
    assert kernel.log.matching("riscv-iommu: probe failed: -ENOMEM", level=3)


def exhaust(kernel, left=0):
    while kernel.pages.free_pages > left:
        alloc_page(GFP_KERNEL)


@pytest.mark.parametrize("left", [0, 1, 2])
def test_no_memory_for_a_device(kernel, left):
    exhaust(kernel, left)                       # a table, and two directory pages
    dev, rc = widget(kernel, 0xFF_0011)
    assert rc == -ENOMEM and dev.iommu_domain is None
    assert kernel.log.matching("page allocation failure") or left < 2


def test_no_memory_for_a_root(kernel):
    exhaust(kernel)
    with pytest.raises(MemoryError, match="Device directory must have a root page, and there is n"):
        DeviceDirectory(kernel.iommu.dev)


def test_remove_blocks_everything():
    machine = FakeMachine()
    with boot(machine) as kernel:
        dma = dma_map_single(kernel.cdma.dev, kmalloc(64, GFP_KERNEL), 64, DMA_TO_DEVICE)
        assert machine.iommu.translate(0x10, int(dma), False)
    machine.iommu.contexts.clear()
    with pytest.raises(BusError):
        machine.iommu.translate(0x10, int(dma), False)


def test_pscids_are_reused(kernel):
    first = kernel.iommu.paging_domain()
    second = kernel.iommu.paging_domain()
    iommu_domain_free(first)
    assert kernel.iommu.paging_domain().pscid == first.pscid != second.pscid


@pytest.mark.parametrize("valid", [False, True])
def test_hardware_that_does_not_take_a_context(kernel, valid, monkeypatch):
    monkeypatch.setattr(riscv_iommu_commands, "FENCE_CYCLES", 1000)
    dev, _ = widget(kernel, 0x20)
    old = dev.iommu_domain
    if not valid:
        device_unregister(dev)
        old = dev.iommu_domain
    kernel.machine.iommu.stuck = True
    domain = kernel.iommu.paging_domain()
    assert kernel.iommu.attach(dev, domain) == -ETIMEDOUT
    assert dev.iommu_domain is old
    assert device_register(Device("other", 0x21)) == -ETIMEDOUT
    kernel.machine.iommu.stuck = False
