"""Physical memory, with faults on demand."""

import random
from collections.abc import Iterator

import numpy as np

from rtl.spec.platform import BusError

__all__ = ["Memory", "PoisonError", "Words"]

_PAGE = 4096                            # bytes of one block of storage


class PoisonError(BusError):
    """Memory answered a read, but marked the data as corrupt."""


class Words:
    """Words, little-endian unless they are said to be big, on top of ``read`` and ``write``."""

    def load(self, addr: int, size: int = 8, *, big: bool = False) -> int:
        """Read a word of ``size`` bytes. Raises as ``read``."""
        return int.from_bytes(self.read(addr, size), "big" if big else "little")

    def load_many(self, addr: int, count: int, *, big: bool = False) -> list[int]:
        """Read words of 8 bytes at once. Raises as ``read``."""
        data = self.read(addr, 8 * count)
        return [int.from_bytes(data[n:n + 8], "big" if big else "little")
                for n in range(0, len(data), 8)]

    def store(self, addr: int, value: int, size: int = 8, *, big: bool = False) -> None:
        """Write a word of ``size`` bytes. Raises as ``write``."""
        self.write(addr, value.to_bytes(size, "big" if big else "little"))


class Memory(Words):
    """Memory from ``base`` to ``base + size - 1``; everything else answers ``DECERR``.

    Storage is made when a byte of it is first used, so a large memory costs nothing.

    Parameters
    ----------
    base, size : int
        Range, in bytes; whole pages of 4 KiB.
    seed : int or None
        Contents at power-on: zeros, or bytes that depend only on ``seed`` and their address.

    Raises
    ------
    ValueError
        If the range is not made of whole pages.
    """

    def __init__(self, base: int, size: int, *, seed: int | None = None):
        if base < 0 or size <= 0 or base % _PAGE or size % _PAGE:
            raise ValueError(f"Memory range must be whole pages of {_PAGE} bytes, not "
                             f"{size:#x} bytes at {base:#x}")
        self.base, self.size, self.seed = base, size, seed
        self._pages: dict[int, bytearray] = {}
        self._faults: list[tuple[int, int, str, bool]] = []

    def read(self, addr: int, size: int) -> bytes:
        """Read ``size`` bytes, as a bus would.

        Raises
        ------
        BusError
            ``DECERR`` outside memory, ``SLVERR`` in an injected range.
        PoisonError
            In a range injected as poison.
        """
        self._check(addr, size, "r")
        return self.peek(addr, size)

    def write(self, addr: int, data: bytes) -> None:
        """Write ``data``, as a bus would; a refused write changes nothing.

        Raises
        ------
        BusError
            As :meth:`read`.
        """
        self._check(addr, len(data), "w")
        self.poke(addr, data)

    def inject(self, lo: int, hi: int, access: str = "rw", *, poison: bool = False) -> None:
        """Refuse accesses that touch ``[lo, hi)``.

        Parameters
        ----------
        lo, hi : int
            Range, in bytes.
        access : str
            Directions to refuse: ``"r"``, ``"w"`` or ``"rw"``.
        poison : bool
            Return corrupt data instead of an error. Only reads can meet it.

        Raises
        ------
        ValueError
            If ``access`` is not one of the values above.
        """
        if access not in ("r", "w", "rw"):
            raise ValueError(f"Access must be 'r', 'w' or 'rw', not {access!r}")
        self._faults.append((lo, hi, access, poison))

    def clear_injected(self) -> None:
        """Forget every injected range."""
        self._faults.clear()

    def peek(self, addr: int, size: int) -> bytes:
        """Read by the back door: no injected error. Raises :exc:`ValueError` outside memory."""
        self._check_range(addr, size)
        return b"".join(bytes(self._page(page)[lo:hi]) for page, lo, hi in _cut(addr, size))

    def poke(self, addr: int, data: bytes) -> None:
        """Write by the back door. Raises :exc:`ValueError` outside memory."""
        self._check_range(addr, len(data))
        done = 0
        for page, lo, hi in _cut(addr, len(data)):
            self._page(page)[lo:hi] = data[done:done + hi - lo]
            done += hi - lo

    def image(self) -> np.ndarray:
        """All bytes, in address order."""
        return np.frombuffer(self.peek(self.base, self.size), dtype=np.uint8)

    def _page(self, page: int) -> bytearray:
        try:
            return self._pages[page]
        except KeyError:
            fresh = bytearray(_PAGE) if self.seed is None else bytearray(
                random.Random(f"{self.seed} {page * _PAGE:#x}").randbytes(_PAGE))
            return self._pages.setdefault(page, fresh)

    def _check_range(self, addr: int, size: int) -> None:
        if not self._holds(addr, size):
            raise ValueError(f"Range must lie in memory at {self.base:#x}, not {addr:#x} with "
                             f"{size} bytes")

    def _holds(self, addr: int, size: int) -> bool:
        return self.base <= addr and size >= 0 and addr + size <= self.base + self.size

    def _check(self, addr: int, size: int, direction: str) -> None:
        if not self._holds(addr, size):
            raise BusError(addr, "DECERR")
        hits = [poison for lo, hi, access, poison in self._faults
                if direction in access and addr < hi and lo < addr + size]
        if not all(hits):
            raise BusError(addr, "SLVERR")
        if hits and direction == "r":
            raise PoisonError(addr, "SLVERR")


def _cut(addr: int, size: int) -> Iterator[tuple[int, int, int]]:
    """Pages that a range touches, with the first and past-the-end byte in each."""
    end = addr + size
    while addr < end:
        page, lo = divmod(addr, _PAGE)
        hi = min(_PAGE, lo + end - addr)
        yield page, lo, hi
        addr += hi - lo
