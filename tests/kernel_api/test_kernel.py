"""Boot and shutdown, and whose kernel a call acts on."""

import pytest

from kernel_api import *
from tests.kernel_api.fake import FakeMachine


def test_boot_probes_everything(kernel):
    assert isinstance(kernel.machine, Machine)
    assert current_kernel() is kernel and kernel.iommu and kernel.cdma
    assert kernel.devices == [kernel.cdma.dev]
    assert "riscv-iommu: SV39, 3-level directory" in dmesg()
    assert not kernel.log.matching("", level=4)


def test_no_iommu_no_driver(make):
    assert make(has_iommu=False).iommu is None


def test_with_restores_the_kernel_before():
    with boot(FakeMachine()) as outer:
        with boot(FakeMachine()) as inner:
            assert current_kernel() is inner
        assert current_kernel() is outer
    with pytest.raises(RuntimeError, match=r"A kernel must be running: call boot\(machine\) first"):
        printk("nobody hears")


def test_shutdown_gives_everything_back():
    machine = FakeMachine()
    with boot(machine) as kernel:
        free = kernel.pages.free_pages
        total = machine.platform.memory_size // PAGE_SIZE
        assert free < total
    assert kernel.pages.free_pages == total
    assert machine.iommu.regs["ddtp"] & 15 == 0 and not machine.lines
    assert not kernel.log.matching("", level=4)


def test_shutdown_happens_when_the_program_fails():
    machine = FakeMachine()
    with pytest.raises(ZeroDivisionError), boot(machine):
        _ = 1 / 0
    assert machine.iommu.regs["ddtp"] & 15 == 0


def test_a_second_boot_works():
    machine = FakeMachine()
    for _ in range(2):
        with boot(machine) as kernel:
            assert kernel.iommu and kernel.cdma


def test_handlers_act_on_their_own_kernel():
    one, two = FakeMachine(), FakeMachine()
    with boot(one) as first, boot(two) as second:
        seen = []

        def handler(irq, dev_id):
            seen.append(current_kernel())
            one.extra_lines = 0
            return IRQ_HANDLED

        assert first.irq.request(9, handler, 0, "test", None) == 0
        one.extra_lines = 1 << 9
        one.wait(1)
        assert seen == [first] and current_kernel() is second


def test_a_driver_that_fails_is_left_out(make):
    machine = FakeMachine()
    machine.iommu.capabilities["sv39"] = 0
    machine.cdma.version = 0
    kernel = make(machine)
    assert kernel.iommu is None and kernel.cdma is None
    assert kernel.log.matching("riscv-iommu: probe failed: -ENODEV", level=3)
    assert kernel.log.matching("cdma: probe failed: -ENODEV", level=3)


def test_memory_must_fit_the_address_map():
    with pytest.raises(ValueError, match="Memory must end below 0x40000000000000, not "):
        boot(FakeMachine(memory_base=1 << 54, phys_bits=56))


def test_passthrough_gives_physical_addresses(make):
    kernel = make(passthrough=True)
    page = alloc_page(GFP_KERNEL)
    dma = dma_map_page(kernel.cdma.dev, page, 0, 4096, DMA_TO_DEVICE)
    assert int(dma) == int(page_to_phys(page))


def test_device_register(kernel):
    dev = Device("widget", 0x20)
    assert device_register(dev) == 0 and dev in kernel.devices
    assert device_register(Device("twin", 0x20)) == -EINVAL
    buffer = kmalloc(64, GFP_KERNEL)
    dma = dma_map_single(dev, buffer, 64, DMA_TO_DEVICE)
    assert kernel.machine.iommu.translate(0x20, int(dma), False) == int(virt_to_phys(buffer))
    dma_unmap_single(dev, dma, 64, DMA_TO_DEVICE)
    device_unregister(dev)
    device_unregister(dev)
    assert dev not in kernel.devices and repr(dev) == "Device('widget', 0x20)"
    with pytest.raises(BusError):
        kernel.machine.iommu.translate(0x20, int(dma), False)


def test_device_ids_have_24_bits(kernel):
    with pytest.raises(ValueError, match="Device ID must fit in 24 bits, not 16777216"):
        Device("widget", 1 << 24)
