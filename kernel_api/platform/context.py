"""Who may sleep: process context, unless an interrupt handler runs or something is locked.

Source: Linux ``include/linux/kernel.h`` and ``preempt.h`` (names).
"""

from collections.abc import Iterator
from contextlib import contextmanager

from ..core.bug import WARN
from ..core.current import current_kernel
from ..core.gfp import Gfp
from ..core.tell import tell

__all__ = ["atomic_context", "gfpflags_allow_blocking", "in_atomic", "in_hardirq", "in_task",
           "might_alloc", "might_sleep"]


def in_hardirq() -> bool:
    """Whether an interrupt handler is running."""
    return current_kernel().irq.in_interrupt


def in_atomic() -> bool:
    """Whether the running code may not sleep."""
    return current_kernel().irq.in_atomic


def in_task() -> bool:
    """Whether the running code is a process's."""
    return not in_hardirq()


def gfpflags_allow_blocking(gfp: int) -> bool:
    """Whether an allocation with these flags may sleep."""
    return bool(gfp & Gfp.RECLAIM)


def might_sleep(what: str) -> bool:
    """Complain if ``what``, which may sleep, was called where nothing may. Returns whether so."""
    kernel = current_kernel()
    if WARN(kernel.irq.in_atomic, "BUG: sleeping function called from invalid context: %s", what):
        tell(kernel, "cannot_sleep", what)
        return True
    return False


def might_alloc(gfp: int, what: str) -> None:
    """Complain if ``what`` allocates with flags that allow sleeping, where nothing may sleep."""
    if gfpflags_allow_blocking(gfp):
        might_sleep(what)


@contextmanager
def atomic_context() -> Iterator[None]:
    """Run as under a spinlock with interrupts off: ``spin_lock_irqsave`` to ``..restore``."""
    irq = current_kernel().irq
    if irq.in_atomic:       # a handler, or a context around this one: nothing to restore
        yield
        return
    irq.set_local(enabled=False)
    try:
        yield
    finally:
        irq.set_local(enabled=True)
