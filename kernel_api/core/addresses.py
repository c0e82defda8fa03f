"""CPU virtual, physical and DMA addresses: three kinds of number that do not mix.

The CPU sees memory twice. The *linear map* at :data:`PAGE_OFFSET` is cached; the *uncached alias*
at :data:`UNCACHED_OFFSET` is how coherent buffers are reached on a machine whose DMA does not see
the cache. Two more ranges are for pages mapped one by one (:mod:`kernel_api.vmalloc`), and for
memory of devices (:mod:`kernel_api.io`). A DMA address is what a device puts on its bus; only the
mapping functions make one.

Source: Linux ``Documentation/arch/riscv/vm-layout.rst``, section "RISC-V Linux Kernel SV57" (where
the two ranges lie).
"""

from typing import Self

from .bug import BUG

__all__ = ["IO_OFFSET", "PAGE_MASK", "PAGE_OFFSET", "PAGE_SHIFT", "PAGE_SIZE", "UNCACHED_OFFSET",
           "VMALLOC_START", "Address", "DmaAddr", "PhysAddr", "VirtAddr", "get_order",
           "is_vmalloc_addr", "lower_32_bits", "offset_in_page", "page_align", "phys_to_virt",
           "uncached_virt", "upper_32_bits", "virt_to_phys"]

PAGE_SHIFT = 12
PAGE_SIZE = 1 << PAGE_SHIFT
PAGE_MASK = -PAGE_SIZE

PAGE_OFFSET = 0xFF60_0000_0000_0000
UNCACHED_OFFSET = 0xFF20_0000_0000_0000
IO_OFFSET = 0xFEE0_0000_0000_0000
VMALLOC_START = 0xFEC0_0000_0000_0000
#: Physical addresses reach up to here: the alias must end before the linear map begins.
PHYS_LIMIT = 1 << 54

_MASK64 = (1 << 64) - 1


class Address(int):
    """A 64-bit address of one kind.

    ``address + int`` and ``address - int`` are of the same kind and wrap at 64 bits as in C;
    ``address - address`` is an ``int``. ``address & mask`` keeps the kind if ``mask`` is negative,
    which aligns down, and is an ``int`` (an offset) otherwise. Other arithmetic gives ``int``.
    ``DmaAddr(int(phys))`` says explicitly that one number is used as another kind.

    Raises
    ------
    TypeError
        If two kinds are mixed: added, subtracted, compared or converted.
    ValueError
        If the number does not fit in 64 bits.
    """

    __slots__ = ()

    def __new__(cls, value: int = 0) -> Self:
        """Check the kind and the range of ``value``."""
        if isinstance(value, Address) and type(value) is not cls:
            raise TypeError(f"{cls.__name__} must be made of an integer, not {value!r}")
        if not 0 <= value <= _MASK64:
            raise ValueError(f"{cls.__name__} must fit in 64 bits, not {value:#x}")
        return super().__new__(cls, value)

    @classmethod
    def check(cls, value: object) -> Self:
        """Return ``value`` if it is of this kind; raise :exc:`TypeError` if not."""
        if not isinstance(value, cls):
            raise TypeError(f"Address must be a {cls.__name__}, not {value!r}")
        return value

    def _same_kind(self, other: object) -> int:
        if isinstance(other, Address) and type(other) is not type(self):
            raise TypeError(f"{self!r} and {other!r} are different kinds of address")
        return int(other)

    def __repr__(self):
        return f"{type(self).__name__}({int(self):#x})"

    def __add__(self, other: int) -> Self:
        if isinstance(other, Address):
            raise TypeError(f"{self!r} and {other!r} are addresses and have no sum")
        return type(self)(int(self) + other & _MASK64)

    __radd__ = __add__

    def __sub__(self, other: int) -> "Self | int":
        if isinstance(other, Address):
            return int(self) - self._same_kind(other)
        return type(self)(int(self) - other & _MASK64)

    def __rsub__(self, other: int):
        raise TypeError(f"{self!r} is an address and cannot be subtracted from {other!r}")

    def __and__(self, mask: int) -> "Self | int":
        value = int(self) & self._same_kind(mask)
        return type(self)(value) if mask < 0 else value

    __rand__ = __and__

    def __eq__(self, other: object) -> bool:
        return isinstance(other, int) and int(self) == self._same_kind(other)

    def __ne__(self, other: object) -> bool:
        return not self == other

    def __lt__(self, other: int) -> bool:
        return int(self) < self._same_kind(other)

    def __le__(self, other: int) -> bool:
        return int(self) <= self._same_kind(other)

    def __gt__(self, other: int) -> bool:
        return int(self) > self._same_kind(other)

    def __ge__(self, other: int) -> bool:
        return int(self) >= self._same_kind(other)

    __hash__ = int.__hash__


class VirtAddr(Address):
    """What a CPU load or store uses: a pointer."""

    __slots__ = ()


class PhysAddr(Address):
    """What the memory bus uses: ``phys_addr_t``."""

    __slots__ = ()


class DmaAddr(Address):
    """What a device uses: ``dma_addr_t``."""

    __slots__ = ()


def phys_to_virt(phys: PhysAddr) -> VirtAddr:
    """Address of ``phys`` in the linear map."""
    return VirtAddr(int(PhysAddr.check(phys)) + PAGE_OFFSET)


def uncached_virt(phys: PhysAddr) -> VirtAddr:
    """Address of ``phys`` in the uncached alias."""
    return VirtAddr(int(PhysAddr.check(phys)) + UNCACHED_OFFSET)


def virt_to_phys(va: VirtAddr) -> PhysAddr:
    """Physical address of a linear-map address.

    Raises
    ------
    KernelBug
        If ``va`` is not in the linear map, of which alone this may be asked.
    """
    if not PAGE_OFFSET <= VirtAddr.check(va) < PAGE_OFFSET + PHYS_LIMIT:
        BUG(f"virt_to_phys used for non-linear address {va!r}")
    return PhysAddr(int(va) - PAGE_OFFSET)


def is_vmalloc_addr(va: VirtAddr) -> bool:
    """Whether ``va`` is in the part of the map that is not linear."""
    return VMALLOC_START <= VirtAddr.check(va) < UNCACHED_OFFSET + PHYS_LIMIT


def offset_in_page(addr: int) -> int:
    """Bytes from the start of the page."""
    return int(addr) & PAGE_SIZE - 1


def page_align(size: int) -> int:
    """``size`` in bytes, rounded up to whole pages."""
    return size + PAGE_SIZE - 1 & PAGE_MASK


def get_order(size: int) -> int:
    """Smallest order whose ``PAGE_SIZE << order`` holds ``size`` bytes."""
    return max(0, size - 1 >> PAGE_SHIFT).bit_length()


def lower_32_bits(value: int) -> int:
    """Bits 31:0, for the low half of a register or descriptor word."""
    return int(value) & 0xFFFF_FFFF


def upper_32_bits(value: int) -> int:
    """Bits 63:32."""
    return int(value) >> 32 & 0xFFFF_FFFF
