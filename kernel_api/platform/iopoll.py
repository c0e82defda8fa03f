"""Waiting for a register to change."""

from collections.abc import Callable

from ..core.machine import Machine

__all__ = ["poll_timeout"]


def poll_timeout(machine: Machine, condition: Callable[[], object], timeout: int) -> bool:
    """Ask until ``condition()`` holds, for at most ``timeout`` cycles. Returns whether it did.

    Asking must let time pass, as reading a register does.
    """
    deadline = machine.cycles + timeout
    while not condition():
        if machine.cycles >= deadline:
            return bool(condition())
    return True
