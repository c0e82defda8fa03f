"""All that a driver may assume of the machine it runs on."""

from collections.abc import Callable
from typing import Protocol, runtime_checkable

from rtl.spec.platform import BusError, Platform

__all__ = ["BusError", "Machine"]


@runtime_checkable
class Machine(Protocol):
    """A hart with its memory and registers: the simulated RTL, the golden model, a board.

    Time passes only inside the methods. Interrupts are level-sensitive: when a method ends and a
    line is high, the machine calls the interrupt handler once with the lines, until it returns with
    none of the enabled ones high. It is not called again from within itself.
    """

    platform: Platform

    @property
    def cycles(self) -> int:
        """Clock cycles since reset. A machine without a clock counts its steps."""

    def readl(self, addr: int) -> int:
        """Read the 32-bit register at physical byte address ``addr``, after all earlier accesses.

        Raises
        ------
        BusError
            If the bus answers with an error.
        """

    def writel(self, value: int, addr: int) -> None:
        """Write the 32-bit register at ``addr``. Raises :exc:`BusError` as :meth:`readl`."""

    def readq(self, addr: int) -> int:
        """Read the 64-bit register at ``addr``, low half first."""

    def writeq(self, value: int, addr: int) -> None:
        """Write the 64-bit register at ``addr``, high half first: the low half takes effect."""

    def load(self, addr: int, size: int, *, cached: bool = True) -> bytes:
        """Load ``size`` bytes from physical address ``addr``; any alignment.

        Raises
        ------
        BusError
            If the bus answers with an error.
        """

    def store(self, addr: int, data: bytes, *, cached: bool = True) -> None:
        """Store ``data`` at physical address ``addr``; any alignment. May raise :exc:`BusError`."""

    def barrier(self) -> None:
        """Return when every earlier store and register write has been acknowledged."""

    def wait(self, cycles: int) -> None:
        """Let up to ``cycles`` clock cycles pass; return early when an enabled line is high."""

    def on_interrupt(self, handler: Callable[[int], None] | None) -> None:
        """Call ``handler(lines)`` for interrupts; bit ``n`` of ``lines`` is line ``n``."""

    def enable_interrupts(self, lines: int) -> None:
        """Lines that may interrupt, as a mask. None after reset."""
