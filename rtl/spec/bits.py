"""Named bit ranges of a word in memory: descriptors, page-table entries, queue entries."""

import enum
from collections.abc import Iterator, Mapping

__all__ = ["BitLayout"]


class BitLayout:
    """A word of ``width`` bits, whose named fields may leave gaps.

    Parameters
    ----------
    name : str
        Name, for messages and documents.
    width : int
        Width of the word, in bits.
    fields : mapping from str to (lsb, width)
        Fields. Bits that no field names are reserved.

    Raises
    ------
    ValueError
        If fields overlap or do not fit.
    """

    def __init__(self, name: str, width: int, fields: Mapping[str, tuple[int, int]]):
        used = 0
        for key, (lsb, size) in fields.items():
            if size <= 0 or lsb < 0 or lsb + size > width:
                raise ValueError(f"Field '{name}.{key}' must lie within {width} bits, not at "
                                 f"{lsb}..{lsb + size - 1}")
            mask = ((1 << size) - 1) << lsb
            if used & mask:
                raise ValueError(f"Field '{name}.{key}' overlaps another field")
            used |= mask
        self.name, self.width, self.fields = name, width, dict(fields)
        self.reserved = ~used & ((1 << width) - 1)

    def __iter__(self) -> Iterator[str]:
        return iter(self.fields)

    def __repr__(self):
        return f"BitLayout({self.name!r}, {self.width}, {self.fields!r})"

    def _range(self, field: str) -> tuple[int, int]:
        try:
            return self.fields[field]
        except KeyError:
            raise KeyError(f"{self.name} has no field {field!r}; it has: "
                           f"{', '.join(self.fields)}") from None

    def mask(self, field: str) -> int:
        """Ones where ``field`` is."""
        lsb, size = self._range(field)
        return ((1 << size) - 1) << lsb

    def get(self, word: int, field: str) -> int:
        """Value of ``field`` in ``word``."""
        lsb, size = self._range(field)
        return word >> lsb & ((1 << size) - 1)

    def pack(self, _base: int = 0, /, **values: int) -> int:
        """Word with the given fields; the others are taken from ``_base``.

        Raises
        ------
        KeyError
            If there is no such field.
        ValueError
            If a value does not fit in its field.
        """
        word = _base
        for field, value in values.items():
            lsb, size = self._range(field)
            value = value.value if isinstance(value, enum.Enum) else int(value)
            if not 0 <= value < 1 << size:
                raise ValueError(f"Value {value:#x} does not fit in the {size} bits of field "
                                 f"'{self.name}.{field}'")
            word = word & ~self.mask(field) | value << lsb
        return word

    def unpack(self, word: int) -> dict[str, int]:
        """All fields of ``word``."""
        return {field: self.get(word, field) for field in self.fields}
