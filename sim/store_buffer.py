"""A hart whose stores wait in a buffer, and may reach memory in another order (R24).

What waits is seen by the hart's own loads, and by nobody else. It goes on at a barrier, when the
buffer is full, and with time: and then the newest first, which is the worst that RVWMO allows.
Register writes do not wait for it. So a missing ``wmb()`` shows each time, and not once a month.
"""

from rtl.spec.platform import Platform

__all__ = ["StoreBuffer"]


class StoreBuffer:
    """A :class:`kernel_api.core.machine.Machine` around another one.

    Parameters
    ----------
    machine : Machine
        The machine.
    depth : int
        Stores that may wait.
    """

    def __init__(self, machine: object, depth: int = 8):
        self._machine, self._depth = machine, depth
        self._waiting: list[tuple[int, bytes, bool]] = []

    @property
    def platform(self) -> Platform:
        """The machine's description."""
        return self._machine.platform

    def __getattr__(self, name: str) -> object:
        return getattr(self._machine, name)

    def store(self, addr: int, data: bytes, *, cached: bool = True) -> None:
        """Let a store wait; one that overlaps another lets all go on first."""
        if self._overlaps(addr, len(data)):
            self._drain()
        self._waiting.append((addr, bytes(data), cached))
        while len(self._waiting) > self._depth:
            self._one()

    def load(self, addr: int, size: int, *, cached: bool = True) -> bytes:
        """Load what memory holds and what waits for it."""
        # An interrupt that comes with the load may let go what waits now.
        waits = tuple(self._waiting)
        data = bytearray(self._machine.load(addr, size, cached=cached))
        for start, waiting, _ in waits:
            for offset, byte in enumerate(waiting, start - addr):
                if 0 <= offset < size:
                    data[offset] = byte
        return bytes(data)

    def barrier(self) -> None:
        """Let everything go on, in order."""
        self._drain()
        self._machine.barrier()

    def readl(self, addr: int) -> int:
        """Read a register: earlier stores are done then (R25)."""
        self._drain()
        return self._machine.readl(addr)

    def readq(self, addr: int) -> int:
        """Read a register of 64 bits. As :meth:`readl`."""
        self._drain()
        return self._machine.readq(addr)

    def wait(self, cycles: int) -> None:
        """Let time pass: what waits goes on meanwhile, the newest first."""
        while self._waiting:
            self._one()
        self._machine.wait(cycles)

    def _overlaps(self, addr: int, size: int) -> bool:
        return any(start < addr + size and addr < start + len(data)
                   for start, data, _ in self._waiting)

    def _one(self) -> None:
        addr, data, cached = self._waiting.pop()
        self._machine.store(addr, data, cached=cached)

    def _drain(self) -> None:
        while self._waiting:                    # an interrupt still sees those that are left
            addr, data, cached = self._waiting.pop(0)
            self._machine.store(addr, data, cached=cached)
