"""What each call costs."""

import pytest

from kernel_api import *
from kernel_api.core.account import Account
from tests.kernel_api.fake import FakeMachine


@pytest.fixture
def kernel():
    with boot(FakeMachine(), costs=True) as kernel:
        yield kernel


def test_calls_are_accounted_by_function(kernel):
    dev, va = kernel.cdma.dev, kmalloc(4096, GFP_KERNEL)
    before, start = kernel.stats.snapshot(), kernel.machine.cycles
    for size in (4096, 64):
        handle = dma_map_single(dev, va, size, DMA_FROM_DEVICE)
        dma_sync_single_for_cpu(dev, handle, size, DMA_FROM_DEVICE)
        dma_unmap_single(dev, handle, size, DMA_FROM_DEVICE)
    functions = kernel.accounts.functions
    map_, unmap = functions["dma_map_single"], functions["dma_unmap_single"]
    assert (map_.calls, unmap.calls, functions["kmalloc"].calls) == (2, 2, 1)
    assert map_.stats.lines_cleaned == 64 + 1 + 2           # and two of page tables
    assert map_.stats.lines_invalidated == 0
    assert unmap.stats.lines_invalidated == 65
    assert map_.stats.maps == 2 and unmap.stats.iotlb_commands > 0 == map_.stats.iotlb_commands
    names = ("dma_map_single", "dma_sync_single_for_cpu", "dma_unmap_single")
    total = sum((functions[name].stats for name in names), Stats())
    assert total == kernel.stats - before
    assert sum(functions[name].cycles for name in names) == kernel.machine.cycles - start > 0


def test_calls_of_the_kernel_itself_belong_to_the_call_that_led_to_them(kernel):
    dma_alloc_coherent(kernel.cdma.dev, 64, GFP_KERNEL)
    assert "dma_alloc_attrs" not in kernel.accounts.functions
    assert kernel.accounts.functions["dma_alloc_coherent"].stats.coherent_allocs == 1


def test_a_handler_pays_for_itself(kernel):
    seen = []

    def handler(irq, dev_id):
        dma_sync_single_for_cpu(kernel.cdma.dev, handle, 64, DMA_FROM_DEVICE)
        kernel.machine.extra_lines = 0
        complete(done)
        seen.append(irq)
        return IRQ_HANDLED

    handle = dma_map_single(kernel.cdma.dev, kmalloc(64, GFP_KERNEL), 64, DMA_FROM_DEVICE)
    done = Completion()
    assert request_irq(9, handler, 0, "test", None) == 0
    kernel.machine.later(50, lambda: setattr(kernel.machine, "extra_lines", 1 << 9))
    wait_for_completion(done)
    functions = kernel.accounts.functions
    assert seen == [9] and functions["dma_sync_single_for_cpu"].stats.lines_invalidated == 1
    waited = functions["wait_for_completion"]
    assert waited.stats.lines_invalidated == 0 and waited.cycles >= 50


def test_an_exception_ends_an_account(kernel):
    with pytest.raises(KernelBug):
        dma_map_single(kernel.cdma.dev, kmalloc(64, GFP_KERNEL), 64, DMA_NONE)
    cpu.store(kmalloc(64, GFP_KERNEL), b"x")
    mb()
    assert kernel.accounts.functions["dma_map_single"].calls == 1
    assert kernel.accounts.switch(None) is None


def test_nobody_pays_without_the_option():
    with boot(FakeMachine()) as kernel:
        kmalloc(64, GFP_KERNEL)
        assert kernel.accounts is None
    assert Account() == Account(0, 0, Stats())


def test_stand_ins_look_like_their_functions():
    assert dma_map_single.__name__ == "dma_map_single" and "Map ``size`` bytes" in \
        dma_map_single.__doc__
    assert pci_map_single is dma_map_single and accounted(for_each_sg_page) is for_each_sg_page
    assert accounted(DMA_TO_DEVICE) is DMA_TO_DEVICE
