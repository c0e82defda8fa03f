"""The golden IOMMU's way to memory."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager

from ..memory import Words

__all__ = ["Port"]


class Port(Words):
    """Memory, where each access carries quality-of-service identifiers.

    Parameters
    ----------
    memory : Words
        Memory.

    Attributes
    ----------
    qos : tuple of int
        RCID and MCID of accesses from now on.
    note : callable or None
        Called with identifiers and address of each access, and whether it is a write.

    Source
    ------
    RISC-V IOMMU Architecture Specification, "Quality-of-Service (QoS) Identifiers Extension".
    """

    def __init__(self, memory: Words):
        self._memory = memory
        self.qos = 0, 0
        self.note: Callable[[tuple[int, int], int, bool], None] | None = None

    def read(self, addr: int, size: int) -> bytes:
        """Read ``size`` bytes."""
        if self.note:
            self.note(self.qos, addr, False)
        return self._memory.read(addr, size)

    def write(self, addr: int, data: bytes) -> None:
        """Write ``data``."""
        if self.note:
            self.note(self.qos, addr, True)
        self._memory.write(addr, data)

    @contextmanager
    def tagged(self, qos: tuple[int, int]) -> Iterator[None]:
        """Let accesses carry ``qos`` for a while."""
        before, self.qos = self.qos, qos
        try:
            yield
        finally:
            self.qos = before
