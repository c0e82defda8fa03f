"""Completions: one side waits until the other, often an interrupt handler, says that it is done."""

from ..core.bug import BUG
from ..core.current import current_kernel

__all__ = ["Completion", "complete", "complete_all", "completion_done", "init_completion",
           "reinit_completion", "try_wait_for_completion", "wait_for_completion",
           "wait_for_completion_timeout"]

#: A task that waits longer, in cycles, counts as hung. (Linux: 120 s.)
HUNG_TASK_CYCLES = 100_000_000
_ALL = 1 << 31


class Completion:
    """How often somebody said "done" without somebody having waited for it."""

    def __init__(self):
        self.done = 0


def init_completion(x: Completion) -> None:
    """Begin with nothing done."""
    x.done = 0


reinit_completion = init_completion


def complete(x: Completion) -> None:
    """Let one waiter go on, now or when it comes."""
    x.done = min(x.done + 1, _ALL)


def complete_all(x: Completion) -> None:
    """Let every waiter go on, until :func:`reinit_completion`."""
    x.done = _ALL


def completion_done(x: Completion) -> bool:
    """Whether a waiter would not have to wait."""
    return x.done > 0


def try_wait_for_completion(x: Completion) -> bool:
    """Take one "done" if there is one. Never waits."""
    if not x.done:
        return False
    if x.done < _ALL:
        x.done -= 1
    return True


def wait_for_completion_timeout(x: Completion, timeout: int) -> int:
    """Wait until somebody completes ``x``, for at most ``timeout`` cycles.

    Returns
    -------
    int
        0 if time ran out, else the cycles that were left, at least 1.

    Raises
    ------
    KernelBug
        If the caller may not sleep: nothing could ever complete.
    """
    kernel = current_kernel()
    if kernel.irq.in_atomic:
        BUG("scheduling while atomic: wait for a completion")
    machine = kernel.machine
    kernel.background()
    deadline = machine.cycles + timeout
    while not x.done and machine.cycles < deadline:
        machine.wait(deadline - machine.cycles)
    if not try_wait_for_completion(x):
        return 0
    return max(1, deadline - machine.cycles)


def wait_for_completion(x: Completion) -> None:
    """Wait until somebody completes ``x``. Raises :exc:`KernelBug` if nobody does for very long."""
    if not wait_for_completion_timeout(x, HUNG_TASK_CYCLES):
        BUG(f"task blocked for more than {HUNG_TASK_CYCLES} cycles")
