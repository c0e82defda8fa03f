"""Models of devices in a machine: their registers, when they act, and their interrupts."""

import pytest

from kernel_api import *
from sim.devices.bay import BAY_BASE, FIRST_LINE, Bay
from sim.devices.model import ENABLE, STATUS, Model
from sim.golden.machine import GoldenMachine


class Counter(Model):
    """A model that counts its turns, and says so while it may."""

    def __init__(self, kernel):
        super().__init__(kernel)
        self.turns = 0

    def turn(self):
        self.turns += 1
        if self.read(8):
            self.end.write(DmaAddr(self.read64(8)), b"turn")
        self.happened(1)


@pytest.fixture
def kernel():
    with boot(Bay(GoldenMachine()), check="collect") as kernel:
        yield kernel


def test_registers_and_lines_are_of_each_its_own(kernel):
    with Counter(kernel) as first, Counter(kernel) as second:
        assert (int(first.base), first.irq) == (BAY_BASE, FIRST_LINE)
        assert (int(second.base), second.irq) == (BAY_BASE + 0x1000, FIRST_LINE + 1)
        writel(5, ioremap(first.base) + 0x10)
        assert readl(ioremap(first.base) + 0x10) == 5
        assert readl(ioremap(second.base) + 0x10) == 0
        for access in (lambda: readl(ioremap(second.base) + 0x1000),
                       lambda: writel(0, ioremap(second.base) + 0x1000)):
            with pytest.raises(BusError, match="DECERR"):
                access()


def test_a_model_acts_while_the_cpu_waits_and_interrupts_it(kernel):
    with Counter(kernel) as model:
        seen, regs, done = [], ioremap(model.base), Completion()

        def handler(irq, dev_id):
            seen.append((irq, in_hardirq(), readl(regs + STATUS)))
            kernel.machine.wait(10)                     # no turn in a handler
            writel(1, regs + STATUS)
            complete(done)
            return IRQ_HANDLED

        assert request_irq(model.irq, handler, 0, "counter", model) == 0
        assert not wait_for_completion_timeout(done, 100) and model.turns == 1     # not enabled
        writel(1, regs + ENABLE)                        # what happened before interrupts now
        assert seen == [(model.irq, True, 1)] and model.turns == 1
        assert wait_for_completion_timeout(done, 100) and len(seen) == 1
        assert wait_for_completion_timeout(done, 100) and len(seen) == 2
        disable_irq(model.irq)
        assert not wait_for_completion_timeout(done, 100) and len(seen) == 2
        enable_irq(model.irq)
        assert len(seen) == 3
        free_irq(model.irq, model)


def test_a_model_reaches_memory_as_the_device_it_is(kernel):
    """Its transfers need the engine's interrupt, while its own waits."""
    with Counter(kernel) as model:
        va, dma = dma_alloc_coherent(model.dev, 4096, GFP_KERNEL)
        writel(lower_32_bits(dma), ioremap(model.base) + 8)
        writel(upper_32_bits(dma), ioremap(model.base) + 12)
        kernel.machine.wait(1)
        assert cpu.load(va, 4) == b"turn" and model.turns == 1
        dma_free_coherent(model.dev, 4096, va, dma)
    assert not kernel.reports


def test_a_register_write_waits_for_stores(kernel):
    """``writel`` orders (unlike the machine's own), so no ``wmb()`` is needed before it."""
    with Counter(kernel) as model:
        va, dma = dma_alloc_coherent(model.dev, 4096, GFP_KERNEL)
        cpu.store(va, b"x")
        writel(1, ioremap(model.base) + 0x20)
        assert not kernel.reports
        cpu.store(va, b"y")
        kernel.machine.writel(1, int(model.base) + 0x20)
        assert [report.check for report in kernel.reports] == ["X6"]
        dma_free_coherent(model.dev, 4096, va, dma)
