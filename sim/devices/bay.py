"""A machine with models of devices in it: register windows and interrupt lines of their own."""

from collections.abc import Callable
from typing import Protocol

from kernel_api import BusError, PhysAddr
from rtl.spec.platform import WINDOW_BYTES, Platform

__all__ = ["BAY_BASE", "FIRST_LINE", "Bay", "Pluggable"]

#: Registers of the first model; a window for each.
BAY_BASE = 0x2000_0000
#: Interrupt line of the first model.
FIRST_LINE = 16


class Pluggable(Protocol):
    """A model of a device."""

    @property
    def line(self) -> bool:
        """Whether its interrupt line is high."""

    def read(self, offset: int) -> int:
        """Read a register of 32 bits."""

    def write(self, offset: int, value: int) -> None:
        """Write a register of 32 bits."""

    def turn(self) -> None:
        """Do what there is to do: a model works while the CPU waits."""


class Bay:
    """A :class:`kernel_api.core.machine.Machine` around another one, with models of devices.

    Models act in :meth:`wait` alone, one turn of each, when no interrupt handler runs: so a run is
    repeatable, and the same on every machine.

    Parameters
    ----------
    machine : Machine
        The machine.
    """

    def __init__(self, machine: object):
        self._machine, self._models = machine, []
        self._enabled, self._handler = 0, None
        self._handling = self._acting = False

    @property
    def platform(self) -> Platform:
        """The machine's description."""
        return self._machine.platform

    def __getattr__(self, name: str) -> object:
        return getattr(self._machine, name)

    def plug(self, model: Pluggable) -> tuple[PhysAddr, int]:
        """Add a model. Returns where its registers are, and its interrupt line."""
        self._models.append(model)
        number = len(self._models) - 1
        return PhysAddr(BAY_BASE + number * WINDOW_BYTES), FIRST_LINE + number

    def _window(self, addr: int) -> tuple[Pluggable, int] | None:
        """Find the model and the offset of a register, if it is one of a model."""
        number, offset = divmod(addr - BAY_BASE, WINDOW_BYTES)
        if number < 0:
            return None
        if number >= len(self._models):
            raise BusError(addr, "DECERR")
        return self._models[number], offset

    def readl(self, addr: int) -> int:
        """Read the 32-bit register at ``addr``. ``BusError`` where there is none."""
        found = self._window(addr)
        if found is None:
            return self._machine.readl(addr)
        self._machine.barrier()
        return found[0].read(found[1])

    def writel(self, value: int, addr: int) -> None:
        """Write the 32-bit register at ``addr``. ``BusError`` where there is none."""
        found = self._window(addr)
        if found is None:
            self._machine.writel(value, addr)
        else:
            self._machine.barrier()
            found[0].write(found[1], value)
            self._deliver()

    def wait(self, cycles: int) -> None:
        """Let the models act, and time pass unless one of them interrupts."""
        if not self._handling and not self._acting:
            self._acting = True
            try:
                for model in self._models:
                    model.turn()
            finally:
                self._acting = False
            if self._deliver():
                return
        self._machine.wait(cycles)

    def on_interrupt(self, handler: Callable[[int], None] | None) -> None:
        """Set the interrupt handler."""
        self._handler = handler
        self._machine.on_interrupt(handler and self._from_machine)

    def enable_interrupts(self, lines: int) -> None:
        """Choose the lines that may interrupt."""
        self._enabled = lines
        if not self._handling:
            self._machine.enable_interrupts(lines & (1 << FIRST_LINE) - 1)
            self._deliver()

    def _from_machine(self, lines: int) -> None:
        self._handling = True
        try:
            self._handler(lines)
        finally:
            self._handling = False
            self._machine.enable_interrupts(self._enabled & (1 << FIRST_LINE) - 1)

    def _deliver(self) -> bool:
        """Call the handler until no enabled line of a model is high. Returns whether one was."""
        delivered = False
        while not self._handling and self._handler and (lines := self._high()):
            delivered = True
            self._machine.enable_interrupts(0)
            self._from_machine(lines)
        return delivered

    def _high(self) -> int:
        high = sum(model.line << FIRST_LINE + number for number, model in enumerate(self._models))
        return high & self._enabled
