"""Registers and memory of devices: reached by accessors, never by a pointer (R122).

Source: Linux ``include/asm-generic/io.h`` (names, arguments).
"""

from ..core.addresses import IO_OFFSET, PHYS_LIMIT, PhysAddr, VirtAddr
from ..core.bug import BUG
from ..core.current import current_kernel

__all__ = ["ioremap", "memcpy_fromio", "memcpy_toio", "memset_io", "readb", "readl", "readq",
           "writeb", "writel", "writeq"]

_SUFFIX = {1: "b", 4: "l", 8: "q"}      # of the accessors' names


def ioremap(phys: PhysAddr) -> VirtAddr:
    """Address by which the accessors reach ``phys``."""
    return VirtAddr(int(PhysAddr.check(phys)) + IO_OFFSET)


def _phys(addr: VirtAddr) -> int:
    if not IO_OFFSET <= VirtAddr.check(addr) < IO_OFFSET + PHYS_LIMIT:
        BUG(f"accessor of device memory used for {addr!r}")
    return int(addr) - IO_OFFSET


def memcpy_fromio(addr: VirtAddr, size: int) -> bytes:
    """Read ``size`` bytes, past the cache. Raises :exc:`KernelBug` for other addresses."""
    return current_kernel().machine.load(_phys(addr), size, cached=False)


def memcpy_toio(addr: VirtAddr, data: bytes) -> None:
    """Write ``data``, past the cache. Raises :exc:`KernelBug` for other addresses."""
    current_kernel().machine.store(_phys(addr), bytes(data), cached=False)


def memset_io(addr: VirtAddr, value: int, size: int) -> None:
    """Write ``size`` bytes of ``value``."""
    memcpy_toio(addr, bytes([value]) * size)


def _register(addr: VirtAddr, size: int) -> bool:
    """Whether this is a register, and not memory of a device."""
    platform, phys = current_kernel().platform, _phys(addr)
    return size >= 4 and not 0 <= phys - platform.memory_base < platform.memory_size


def _reader(size: int):
    def read(addr: VirtAddr) -> int:
        """Read a little-endian number."""
        if _register(addr, size):
            machine = current_kernel().machine
            return (machine.readl if size == 4 else machine.readq)(_phys(addr))
        return int.from_bytes(memcpy_fromio(addr, size), "little")

    read.__name__ = f"read{_SUFFIX[size]}"
    return read


def _writer(size: int):
    def write(value: int, addr: VirtAddr) -> None:
        """Write a little-endian number; a register, after all earlier stores."""
        if _register(addr, size):
            kernel = current_kernel()
            kernel.cpu.wmb()
            (kernel.machine.writel if size == 4 else kernel.machine.writeq)(value, _phys(addr))
        else:
            memcpy_toio(addr, value.to_bytes(size, "little"))

    write.__name__ = f"write{_SUFFIX[size]}"
    return write


readb, readl, readq = _reader(1), _reader(4), _reader(8)
writeb, writel, writeq = _writer(1), _writer(4), _writer(8)
