"""Interrupts: handlers by line, and the context in which code runs.

Source: Linux ``kernel/irq/manage.c`` and ``spurious.c`` (return values, the "nobody cared" guard).
"""

import enum
from collections.abc import Callable
from dataclasses import dataclass, field

from ..core.bug import WARN
from ..core.current import current_kernel, set_current_kernel
from ..core.errno import EBUSY, EINVAL
from ..core.kernel import Kernel
from ..core.log import KERN_EMERG
from ..core.machine import Machine

__all__ = ["IRQF_SHARED", "IRQ_HANDLED", "IRQ_NONE", "IrqController", "IrqReturn", "disable_irq",
           "enable_irq", "free_irq", "in_interrupt", "irqs_disabled", "local_irq_disable",
           "local_irq_enable", "request_irq"]

IRQF_SHARED = 0x80
#: A line that nobody handled so many times in a row is switched off. (Linux waits for 99 900.)
NOBODY_CARED = 100
LINES = 32


class IrqReturn(enum.IntEnum):
    """What a handler found: ``irqreturn_t``."""

    IRQ_NONE = 0
    IRQ_HANDLED = 1


IRQ_NONE, IRQ_HANDLED = IrqReturn

Handler = Callable[[int, object], int]


@dataclass
class _Line:
    actions: list[tuple[Handler, int, str, object]] = field(default_factory=list)
    disabled: int = 0
    unhandled: int = 0
    count: int = 0


class IrqController:
    """Lines of the machine, and who handles them.

    Parameters
    ----------
    kernel : Kernel
        Becomes the current kernel while a handler runs.
    machine : Machine
        Whose interrupts these are.
    """

    def __init__(self, kernel: Kernel, machine: Machine):
        self._kernel, self._machine = kernel, machine
        self._lines = [_Line() for _ in range(LINES)]
        self.in_interrupt = False
        self._local_disabled = False
        machine.enable_interrupts(0)
        machine.on_interrupt(self._handle)

    @property
    def in_atomic(self) -> bool:
        """Whether the running code may not sleep."""
        return self.in_interrupt or self._local_disabled

    def count(self, irq: int) -> int:
        """Count how often line ``irq`` interrupted since boot."""
        return self._lines[irq].count

    def shutdown(self) -> None:
        """Disable every line, and leave the machine without handler."""
        self._machine.enable_interrupts(0)
        self._machine.on_interrupt(None)

    def request(self, irq: int, handler: Handler, flags: int, name: str, dev_id: object) -> int:
        """See :func:`request_irq`."""
        if not 0 <= irq < LINES or (flags & IRQF_SHARED and dev_id is None):
            return -EINVAL
        line = self._lines[irq]
        if line.actions and not flags & line.actions[0][1] & IRQF_SHARED:
            return -EBUSY
        line.actions.append((handler, flags, name, dev_id))
        self._update()
        return 0

    def free(self, irq: int, dev_id: object) -> None:
        """See :func:`free_irq`."""
        line = self._lines[irq]
        kept = [action for action in line.actions if action[3] is not dev_id]
        WARN(len(kept) == len(line.actions), "Trying to free already-free IRQ %d", irq)
        line.actions = kept
        if not kept:
            line.disabled = line.unhandled = 0
        self._update()

    def disable(self, irq: int, *, by: int) -> None:
        """Count one more (``by=1``) or one less (``-1``) reason to keep a line off."""
        line = self._lines[irq]
        if not WARN(line.disabled + by < 0, "Unbalanced enable for IRQ %d", irq):
            line.disabled += by
        self._update()

    def set_local(self, *, enabled: bool) -> None:
        """Let interrupts in, or not, on this hart."""
        self._local_disabled = not enabled
        self._update()

    def _update(self) -> None:
        mask = sum(1 << irq for irq, line in enumerate(self._lines)
                   if line.actions and not line.disabled)
        self._machine.enable_interrupts(0 if self._local_disabled else mask)

    def _handle(self, lines: int) -> None:
        previous = set_current_kernel(self._kernel)
        self.in_interrupt = True
        try:
            for irq, line in enumerate(self._lines):
                if lines >> irq & 1 and line.actions and not line.disabled:
                    self._handle_line(irq, line)
        finally:
            self.in_interrupt = False
            set_current_kernel(previous)

    def _handle_line(self, irq: int, line: _Line) -> None:
        self._kernel.stats.interrupts += len(line.actions)
        line.count += 1
        results = [handler(irq, dev_id) for handler, _, _, dev_id in tuple(line.actions)]
        if IRQ_HANDLED in results:
            line.unhandled = 0
            return
        line.unhandled += 1
        if line.unhandled >= NOBODY_CARED:
            names = ", ".join(action[2] for action in line.actions)
            self._kernel.log.write(f"{KERN_EMERG}irq {irq}: nobody cared ({names})")
            self._kernel.log.write(f"{KERN_EMERG}Disabling IRQ #{irq}")
            self.disable(irq, by=1)


def request_irq(irq: int, handler: Handler, flags: int, name: str, dev_id: object) -> int:
    """Call ``handler(irq, dev_id)`` while the line is high, and enable the line.

    The handler must silence its device, and returns ``IRQ_HANDLED``, or ``IRQ_NONE`` if the
    interrupt is not its own. It runs inside whichever call lets time pass, and must not sleep.

    Returns
    -------
    int
        0; ``-EBUSY`` if the line is taken and not shared by both; ``-EINVAL`` if there is no such
        line, or a shared one without ``dev_id``.
    """
    return current_kernel().irq.request(irq, handler, flags, name, dev_id)


def free_irq(irq: int, dev_id: object) -> None:
    """Remove the handler that was requested with ``dev_id``; the last one disables the line."""
    current_kernel().irq.free(irq, dev_id)


def disable_irq(irq: int) -> None:
    """Keep a line from interrupting until :func:`enable_irq` was called as often."""
    current_kernel().irq.disable(irq, by=1)


def enable_irq(irq: int) -> None:
    """Undo one :func:`disable_irq`."""
    current_kernel().irq.disable(irq, by=-1)


def local_irq_disable() -> None:
    """Let no interrupt in: what follows may not sleep."""
    current_kernel().irq.set_local(enabled=False)


def local_irq_enable() -> None:
    """Let interrupts in."""
    current_kernel().irq.set_local(enabled=True)


def in_interrupt() -> bool:
    """Whether an interrupt handler is running."""
    return current_kernel().irq.in_interrupt


def irqs_disabled() -> bool:
    """Whether interrupts cannot come in: in a handler, or after :func:`local_irq_disable`."""
    return current_kernel().irq.in_atomic
