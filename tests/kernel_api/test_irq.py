"""Interrupt lines, contexts and completions."""

import pytest

from kernel_api import *
from kernel_api.platform.completion import HUNG_TASK_CYCLES
from kernel_api.platform.irq import NOBODY_CARED

LINE = 8


class Source:
    """A line, and what its handler saw."""

    def __init__(self, machine, answer=IRQ_HANDLED, quiet=True):
        self.machine, self.answer, self.quiet, self.calls = machine, answer, quiet, []

    def high(self):
        self.machine.extra_lines |= 1 << LINE

    def __call__(self, irq, dev_id):
        self.calls.append((irq, dev_id, in_interrupt(), irqs_disabled()))
        if self.quiet:
            self.machine.extra_lines &= ~(1 << LINE)
        return self.answer


def test_a_handler_is_called_with_its_cookie(kernel):
    source = Source(kernel.machine)
    assert request_irq(LINE, source, 0, "test", source) == 0
    assert not in_interrupt() and not irqs_disabled()
    source.high()
    kernel.machine.wait(10)
    assert source.calls == [(LINE, source, True, True)] and kernel.irq.count(LINE) == 1
    free_irq(LINE, source)
    source.high()
    kernel.machine.wait(10)
    assert len(source.calls) == 1


def test_lines_are_exclusive_unless_both_share(kernel):
    handler = Source(kernel.machine)
    assert request_irq(LINE, handler, IRQF_SHARED, "a", 1) == 0
    assert request_irq(LINE, handler, 0, "b", 2) == -EBUSY
    assert request_irq(LINE, handler, IRQF_SHARED, "c", 3) == 0
    assert request_irq(LINE, handler, IRQF_SHARED, "d", None) == -EINVAL
    assert request_irq(32, handler, 0, "e", None) == -EINVAL
    assert request_irq(-1, handler, 0, "f", None) == -EINVAL
    handler.high()
    kernel.machine.wait(1)
    assert [call[1] for call in handler.calls] == [1, 3]


def test_free_of_a_free_line_warns(kernel):
    free_irq(LINE, None)
    assert kernel.log.matching(f"WARNING: Trying to free already-free IRQ {LINE}")


def test_nobody_cared(kernel):
    stuck = Source(kernel.machine, answer=IRQ_NONE, quiet=False)
    assert request_irq(LINE, stuck, 0, "stuck", None) == 0
    stuck.high()
    kernel.machine.wait(10)
    assert len(stuck.calls) == NOBODY_CARED
    assert kernel.log.matching(f"irq {LINE}: nobody cared (stuck)", level=0)
    assert kernel.log.matching(f"Disabling IRQ #{LINE}", level=0)
    kernel.machine.wait(10)
    assert len(stuck.calls) == NOBODY_CARED


def test_one_that_cares_now_and_then_keeps_the_line(kernel):
    class Sometimes(Source):
        def __call__(self, irq, dev_id):
            super().__call__(irq, dev_id)
            if len(self.calls) == 4 * NOBODY_CARED:
                self.machine.extra_lines = 0
            return IRQ_HANDLED if len(self.calls) % (NOBODY_CARED - 1) == 0 else IRQ_NONE

    source = Sometimes(kernel.machine, quiet=False)
    request_irq(LINE, source, 0, "test", None)
    source.high()
    kernel.machine.wait(10)
    assert len(source.calls) == 4 * NOBODY_CARED and not kernel.log.matching("nobody cared")


def test_disable_and_enable_nest(kernel):
    source = Source(kernel.machine)
    request_irq(LINE, source, 0, "test", None)
    disable_irq(LINE)
    disable_irq(LINE)
    source.high()
    enable_irq(LINE)
    kernel.machine.wait(5)
    assert not source.calls
    enable_irq(LINE)
    kernel.machine.wait(5)
    assert len(source.calls) == 1
    enable_irq(LINE)
    assert kernel.log.matching(f"WARNING: Unbalanced enable for IRQ {LINE}")


def test_local_disable_holds_interrupts_back(kernel):
    source = Source(kernel.machine)
    request_irq(LINE, source, 0, "test", None)
    local_irq_disable()
    assert irqs_disabled() and not in_interrupt()
    source.high()
    kernel.machine.wait(5)
    assert not source.calls
    local_irq_enable()
    kernel.machine.wait(5)
    assert len(source.calls) == 1


def test_a_handler_that_fails_leaves_the_context(kernel):
    def broken(irq, dev_id):
        kernel.machine.extra_lines = 0
        BUG("in handler")

    request_irq(LINE, broken, 0, "broken", None)
    kernel.machine.extra_lines = 1 << LINE
    with pytest.raises(KernelBug, match="in handler"):
        kernel.machine.wait(1)
    assert not in_interrupt()


# Completions


def test_wait_until_a_handler_completes(kernel):
    x = Completion()
    init_completion(x)

    def handler(irq, dev_id):
        kernel.machine.extra_lines = 0
        complete(x)
        return IRQ_HANDLED

    request_irq(LINE, handler, 0, "test", None)
    kernel.machine.later(100, lambda: setattr(kernel.machine, "extra_lines", 1 << LINE))
    start = kernel.machine.cycles
    left = wait_for_completion_timeout(x, 1000)
    assert left == start + 1000 - kernel.machine.cycles and 800 < left <= 900
    assert not completion_done(x)


def test_wait_takes_no_longer_than_said(kernel):
    x = Completion()
    start = kernel.machine.cycles
    assert wait_for_completion_timeout(x, 50) == 0
    assert kernel.machine.cycles == start + 50


def test_done_counts(kernel):
    x = Completion()
    complete(x)
    complete(x)
    assert completion_done(x)
    assert wait_for_completion_timeout(x, 0) == 1
    assert try_wait_for_completion(x) is True and try_wait_for_completion(x) is False
    complete_all(x)
    done = x.done
    wait_for_completion(x)
    assert x.done == done
    complete(x)
    wait_for_completion(x)
    assert completion_done(x)
    reinit_completion(x)
    assert not completion_done(x)


def test_a_wait_that_never_ends(kernel):
    with pytest.raises(KernelBug, match=f"task blocked for more than {HUNG_TASK_CYCLES} cycles"):
        wait_for_completion(Completion())


def test_an_atomic_context_cannot_wait(kernel):
    local_irq_disable()
    with pytest.raises(KernelBug, match="scheduling while atomic"):
        wait_for_completion_timeout(Completion(), 10)
    local_irq_enable()


def test_one_of_two_handlers_goes(kernel):
    called = []

    def handler(irq, dev_id):
        kernel.machine.extra_lines = 0
        called.append(dev_id)
        return IRQ_HANDLED

    for dev_id in ("one", "two"):
        assert request_irq(9, handler, IRQF_SHARED, "test", dev_id) == 0
    free_irq(9, "one")
    kernel.machine.extra_lines = 1 << 9
    kernel.machine.wait(1)
    assert called == ["two"]
    free_irq(9, "two")
