"""Numbers that a device can change at any time: use them only after a comparison (X13)."""

from typing import Self

__all__ = ["Tainted"]


class Tainted(int):
    """A number from memory that a device can write. A comparison makes it, and its sums, good.

    Each load gives a new one: what was compared before may have changed since.
    """

    def __new__(cls, value: int, source: "Tainted | None" = None) -> Self:
        """Make one; it is good when ``source`` is."""
        self = super().__new__(cls, value)
        self._source, self._compared = source, False
        return self

    @property
    def checked(self) -> bool:
        """Whether it was compared with something."""
        return self._compared or (self._source is not None and self._source.checked)

    def _note(self, result: bool) -> bool:
        self._compared = True
        if self._source is not None:
            self._source._note(result)
        return result

    def __lt__(self, other: int) -> bool:
        return self._note(int(self) < other)

    def __le__(self, other: int) -> bool:
        return self._note(int(self) <= other)

    def __gt__(self, other: int) -> bool:
        return self._note(int(self) > other)

    def __ge__(self, other: int) -> bool:
        return self._note(int(self) >= other)

    def __add__(self, other: int) -> "Tainted":
        return Tainted(int(self) + other, self)

    __radd__ = __add__

    def __sub__(self, other: int) -> "Tainted":
        return Tainted(int(self) - other, self)

    def __mul__(self, other: int) -> "Tainted":
        return Tainted(int(self) * other, self)

    __rmul__ = __mul__
