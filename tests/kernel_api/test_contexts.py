"""Who may sleep: each call in process context, with interrupts off, and in a handler."""

import pytest

from kernel_api import *
from tests.kernel_api.fake import FakeMachine

P = PAGE_SIZE
#: Calls that may sleep, and the function that is named.
SLEEPING = [
    (lambda dev, pool: kmalloc(64, GFP_KERNEL), "kmalloc"),
    (lambda dev, pool: kmalloc(3 * P, GFP_KERNEL), "kmalloc"),
    (lambda dev, pool: alloc_pages(GFP_KERNEL, 0), "alloc_pages"),
    (lambda dev, pool: dma_alloc_coherent(dev, 64, GFP_KERNEL), "alloc_pages"),
    (lambda dev, pool: dma_pool_create("p", dev, 64, 64, 0), "dma_pool_create"),
    (lambda dev, pool: dma_pool_alloc(pool, GFP_KERNEL), "dma_pool_alloc"),
    (lambda dev, pool: dma_pool_destroy(pool), "dma_pool_destroy"),
    (lambda dev, pool: dmam_alloc_coherent(dev, 64, GFP_ATOMIC), "dmam_alloc_attrs"),
    (lambda dev, pool: vmap([alloc_page(GFP_ATOMIC)]), "vmap"),
    (lambda dev, pool: sgl_alloc(P, GFP_KERNEL), "alloc_pages"),
    (lambda dev, pool: dma_alloc_noncontiguous(dev, P, DMA_TO_DEVICE, GFP_KERNEL, 0),
     "alloc_pages"),
    (lambda dev, pool: dma_mmap_coherent(dev, VmArea(1), kmalloc(64, GFP_ATOMIC), DmaAddr(0), 64),
     "dma_mmap_attrs"),
    (lambda dev, pool: dma_mmap_pages(dev, VmArea(1), P, alloc_page(GFP_ATOMIC)),
     "dma_mmap_pages"),
    (lambda dev, pool: dma_get_sgtable(dev, kmalloc(64, GFP_ATOMIC), DmaAddr(0), 64),
     "dma_get_sgtable_attrs"),
]


def anywhere(dev, pool):
    """Calls that never sleep."""
    va = kmalloc(64, GFP_ATOMIC)
    handle = dma_map_single(dev, va, 64, DMA_BIDIRECTIONAL)
    assert not dma_mapping_error(dev, handle)
    dma_sync_single_for_cpu(dev, handle, 64, DMA_BIDIRECTIONAL)
    dma_sync_single_for_device(dev, handle, 64, DMA_BIDIRECTIONAL)
    dma_unmap_single(dev, handle, 64, DMA_BIDIRECTIONAL)
    sgl, _ = sgl_alloc(2 * P, GFP_ATOMIC)
    assert dma_map_sg(dev, sgl, 2, DMA_TO_DEVICE)
    dma_unmap_sg(dev, sgl, 2, DMA_TO_DEVICE)
    sgl_free(sgl)
    assert dma_alloc_coherent(dev, 64, GFP_ATOMIC)[0] is not None
    assert pci_alloc_consistent(dev, 64)[0] is not None
    dma_pool_free(pool, *dma_pool_alloc(pool, GFP_ATOMIC))
    dma_set_mask(dev, DMA_BIT_MASK(32))
    kfree(va)


def run(machine, kernel, context, program):
    """Run a program in a context."""
    dev = kernel.cdma.dev
    pool = dma_pool_create("pool", dev, 64, 64, 0)
    dma_pool_free(pool, *dma_pool_alloc(pool, GFP_KERNEL))
    if context == "process":
        program(dev, pool)
    elif context == "locked":
        with atomic_context():
            program(dev, pool)
    else:
        def handler(irq, dev_id):
            machine.extra_lines = 0
            ran.append(in_hardirq())
            program(dev, pool)
            return IRQ_HANDLED

        ran = []
        assert request_irq(9, handler, 0, "test", None) == 0
        machine.extra_lines = 1 << 9
        machine.wait(1)
        free_irq(9, None)
        assert ran == [True]


@pytest.mark.parametrize("context", ["process", "locked", "handler"])
@pytest.mark.parametrize("program, name", SLEEPING)
def test_r30_r46_x9_what_may_sleep_is_reported_where_nothing_may(context, program, name):
    machine = FakeMachine()
    with boot(machine, check="collect") as kernel:
        run(machine, kernel, context, program)
        said = [report.text for report in kernel.reports if report.check == "X9"]
        logged = kernel.log.matching(f"sleeping function called from invalid context: {name}")
        if context == "process":
            assert not said and not logged
        else:
            assert len(logged) == 1 and f"{name} called where nothing may sleep" in said


@pytest.mark.parametrize("context", ["process", "locked", "handler"])
def test_r46_r51_what_never_sleeps_may_be_called_anywhere(context):
    machine = FakeMachine()
    with boot(machine, check="collect") as kernel:
        run(machine, kernel, context, anywhere)
        assert not kernel.reports and not kernel.log.matching("sleeping function")


def test_r46_interrupts_are_as_before_a_locked_section():
    """Where it began: in a process, in a section around it, and in a handler."""
    machine = FakeMachine()
    with boot(machine) as kernel:
        with atomic_context():
            with atomic_context():
                assert in_atomic()
            assert in_atomic()
        assert not in_atomic()

        def program(dev, pool):
            with atomic_context():
                assert in_atomic()
            assert in_hardirq()

        run(machine, kernel, "handler", program)
        assert not irqs_disabled()
        run(machine, kernel, "handler", program)
