"""Declarative register maps: the one description from which everything else derives.

A map is plain data. From it derive the RTL register file (:mod:`rtl.regs.regfile`), the driver's
accessors (:mod:`kernel_api.platform.registers`), and the C header, SystemRDL and Markdown of
:mod:`rtl.spec.export`.
"""

import enum
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

__all__ = ["Access", "Field", "Register", "RegisterMap"]


class Access(enum.Enum):
    """Who may change a field, and how software does it."""

    #: Hardware drives, software reads.
    RO = "ro"
    #: Software reads and writes, hardware reads.
    RW = "rw"
    #: Hardware sets bits, software clears them by writing ones.
    W1C = "w1c"
    #: Software writes, hardware sees a one-cycle strobe; reads as zero.
    WO = "wo"
    #: Software writes any value, hardware decides what it keeps and what reads back.
    WARL = "warl"


@dataclass(frozen=True)
class Field:
    """A range of bits of a register.

    Parameters
    ----------
    name : str
        Identifier, in lower case.
    lsb, width : int
        Position and size, in bits.
    access : Access
        Access mode.
    doc : str
        One sentence, for every derived document.
    reset : int
        Value after reset. Zero by default.
    values : enum.EnumMeta or None
        Meaning of the values, if they have names.
    """

    name: str
    lsb: int
    width: int
    access: Access
    doc: str
    reset: int = 0
    values: type[enum.Enum] | None = None

    def __post_init__(self):
        if not self.name.isidentifier() or not self.name.islower():
            raise ValueError(f"Field name must be a lower-case identifier, not {self.name!r}")
        if self.width <= 0 or self.lsb < 0:
            raise ValueError(f"Field {self.name!r} must have a positive width at a bit position "
                             f"of at least 0, not width {self.width} at bit {self.lsb}")
        if not 0 <= self.reset < 1 << self.width:
            raise ValueError(f"Reset value {self.reset:#x} of field {self.name!r} does not fit in "
                             f"{self.width} bits")
        if self.reset and self.access in (Access.RO, Access.WO, Access.WARL):
            raise ValueError(f"Field {self.name!r} has no storage and cannot have a reset value")

    @property
    def msb(self) -> int:
        """Position of the most significant bit."""
        return self.lsb + self.width - 1

    @property
    def mask(self) -> int:
        """Ones where the field is, in register position."""
        return ((1 << self.width) - 1) << self.lsb

    def get(self, word: int) -> int:
        """Value of the field in the register value ``word``."""
        return (word & self.mask) >> self.lsb


@dataclass(frozen=True)
class Register:
    """A register at a byte offset."""

    name: str
    offset: int
    doc: str
    fields: tuple[Field, ...]

    def __iter__(self) -> Iterator[Field]:
        return iter(self.fields)

    def __getitem__(self, name: str) -> Field:
        for item in self.fields:
            if item.name == name:
                return item
        raise KeyError(f"Register {self.name!r} has no field {name!r}; it has: "
                       f"{', '.join(item.name for item in self.fields)}")

    @property
    def reset(self) -> int:
        """Value of the whole register after reset."""
        return sum(item.reset << item.lsb for item in self.fields)

    def pack(self, values: Mapping[str, int], base: int = 0) -> int:
        """Replace the named fields of ``base`` by ``values``.

        Raises
        ------
        KeyError
            If there is no such field.
        ValueError
            If a value does not fit in its field.
        """
        for name, value in values.items():
            item = self[name]
            value = value.value if isinstance(value, enum.Enum) else int(value)
            if not 0 <= value < 1 << item.width:
                raise ValueError(f"Value {value:#x} does not fit in the {item.width} bits of field "
                                 f"'{self.name}.{name}'")
            base = base & ~item.mask | value << item.lsb
        return base


@dataclass(frozen=True)
class RegisterMap:
    """All registers of a block, with 32-bit registers by default.

    Raises
    ------
    ValueError
        If two registers or fields overlap, do not fit, or have the same name.
    """

    name: str
    doc: str
    registers: tuple[Register, ...]
    width: int = 32
    _by_name: dict[str, Register] = field(default_factory=dict, init=False, repr=False,
                                          compare=False)

    def __post_init__(self):
        offsets: dict[int, str] = {}
        for register in self.registers:
            if register.offset % (self.width // 8):
                raise ValueError(f"Register {register.name!r} at {register.offset:#x} is not "
                                 f"aligned to {self.width // 8} bytes")
            if register.offset in offsets:
                raise ValueError(f"Registers {offsets[register.offset]!r} and {register.name!r} "
                                 f"are both at {register.offset:#x}")
            if register.name in self._by_name:
                raise ValueError(f"Register name {register.name!r} is used twice")
            self._check_fields(register)
            offsets[register.offset] = register.name
            self._by_name[register.name] = register

    def _check_fields(self, register: Register):
        used, names = 0, set()
        for item in register:
            if item.msb >= self.width:
                raise ValueError(f"Field '{register.name}.{item.name}' occupies bits "
                                 f"{item.lsb}..{item.msb} of a {self.width}-bit register")
            if used & item.mask:
                raise ValueError(f"Field '{register.name}.{item.name}' overlaps another field")
            if item.name in names:
                raise ValueError(f"Field name '{register.name}.{item.name}' is used twice")
            used |= item.mask
            names.add(item.name)

    def __iter__(self) -> Iterator[Register]:
        return iter(self.registers)

    def __getitem__(self, name: str) -> Register:
        try:
            return self._by_name[name]
        except KeyError:
            raise KeyError(f"Register map {self.name!r} has no register {name!r}; it has: "
                           f"{', '.join(self._by_name)}") from None

    @property
    def addr_width(self) -> int:
        """Address bits, in bytes, that are enough for every register."""
        return max(register.offset for register in self).bit_length()
