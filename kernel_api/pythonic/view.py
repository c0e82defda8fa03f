"""Memory of the CPU as an object: slices and numbers are loads and stores."""

from typing import Self

from ..core.addresses import VirtAddr
from ..core.current import current_kernel
from ..core.errno import ENOMEM
from ..core.gfp import GFP_KERNEL
from ..memory.slab import kfree, kzalloc
from .errors import AllocationError

__all__ = ["Buffer", "View"]


class View:
    """Bytes from ``cpu`` on: ``view[4:8] = b"abcd"``, ``view.read32(4)``, ``bytes(view)``.

    Parameters
    ----------
    cpu : VirtAddr
        First byte.
    size : int
        Bytes.

    Raises
    ------
    IndexError
        If an access reaches beyond it.
    ValueError
        If a slice has a step, or is not as long as what is stored there.
    """

    def __init__(self, cpu: VirtAddr, size: int):
        self.cpu, self.size = VirtAddr.check(cpu), size

    def __len__(self):
        return self.size

    def _range(self, index: slice | int) -> tuple[VirtAddr, int]:
        if isinstance(index, int):
            index = slice(index, index + 1) if index >= 0 else slice(self.size + index, self.size)
            if not 0 <= index.start < self.size:
                raise IndexError(f"Index must be below {self.size}, not {index.start}")
        start, stop, step = index.indices(self.size)
        if step != 1:
            raise ValueError(f"Slice must have a step of 1, not {step}")
        return self.cpu + start, max(0, stop - start)

    def __getitem__(self, index: slice | int) -> bytes | int:
        va, size = self._range(index)
        data = current_kernel().cpu.load(va, size) if size else b""
        return data[0] if isinstance(index, int) else data

    def __setitem__(self, index: slice | int, data: bytes | int) -> None:
        va, size = self._range(index)
        data = bytes([data]) if isinstance(data, int) else bytes(data)
        if len(data) != size:
            raise ValueError(f"Slice must take {size} bytes, not {len(data)}")
        if size:
            current_kernel().cpu.store(va, data)

    def __bytes__(self):
        return self[:]

    def part(self, offset: int, size: int) -> "View":
        """View ``size`` bytes from ``offset`` on."""
        return View(self._at(offset, size), size)

    def _at(self, offset: int, size: int) -> VirtAddr:
        if offset < 0 or size < 0 or offset + size > self.size:
            raise IndexError(f"Range must be within {self.size} bytes, not {size} at {offset}")
        return self.cpu + offset

    def read(self, offset: int, size: int) -> int:
        """Load a little-endian number of ``size`` bytes."""
        return current_kernel().cpu.load_le(self._at(offset, size), size)

    def write(self, offset: int, value: int, size: int) -> None:
        """Store a little-endian number of ``size`` bytes."""
        current_kernel().cpu.store_le(self._at(offset, size), value, size)

    def read32(self, offset: int) -> int:
        """Load a number of 4 bytes."""
        return self.read(offset, 4)

    def read64(self, offset: int) -> int:
        """Load a number of 8 bytes."""
        return self.read(offset, 8)

    def write32(self, offset: int, value: int) -> None:
        """Store a number of 4 bytes."""
        self.write(offset, value, 4)

    def write64(self, offset: int, value: int) -> None:
        """Store a number of 8 bytes."""
        self.write(offset, value, 8)

    def __repr__(self):
        return f"{type(self).__name__}({self.cpu!r}, {self.size})"


class Buffer(View):
    """Zeros from ``kmalloc``, freed at the end of the ``with`` block.

    Parameters
    ----------
    size : int
        Bytes.
    gfp : int
        How they are to be allocated.

    Raises
    ------
    AllocationError
        If there is no memory.
    """

    def __init__(self, size: int, gfp: int = GFP_KERNEL):
        va = kzalloc(size, gfp)
        if va is None:
            raise AllocationError(f"buffer of {size} bytes", -ENOMEM)
        super().__init__(va, size)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        self.free()

    def free(self) -> None:
        """Free it, before the end of the block or without one; once is enough."""
        va, self.cpu, self.size = self.cpu if self.size else None, VirtAddr(0), 0
        kfree(va)
