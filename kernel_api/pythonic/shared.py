"""Memory that CPU and device share: coherent buffers, pools, declared memory."""

from typing import Self

from ..coherent.coherent import dma_alloc_attrs, dma_free_attrs
from ..coherent.declared import (
    dma_declare_coherent_memory,
    dma_mark_declared_memory_occupied,
    dma_release_declared_memory,
)
from ..coherent.dma_pool import dma_pool_alloc, dma_pool_create, dma_pool_destroy, dma_pool_free
from ..core.addresses import DmaAddr, PhysAddr, VirtAddr
from ..core.errno import EINVAL, ENOMEM
from ..core.gfp import GFP_KERNEL
from ..device.device import Device
from .errors import AllocationError
from .view import View

__all__ = ["Block", "CoherentBuffer", "Declared", "Pool"]


class CoherentBuffer(View):
    """A coherent buffer, freed at the end of the ``with`` block.

    Attributes
    ----------
    cpu, dma, size : VirtAddr, DmaAddr, int
        Where the CPU and the device see it, and its bytes.
    """

    def __init__(self, dev: Device, size: int, gfp: int, attrs: int):
        va, self.dma = dma_alloc_attrs(dev, size, gfp, attrs)
        if va is None:
            raise AllocationError(f"{dev.name}: coherent buffer of {size} bytes", -ENOMEM)
        super().__init__(va, size)
        self._dev, self._attrs = dev, attrs

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        self.free()

    def free(self) -> None:
        """Free it, before the end of the block or without one; once is enough."""
        if self.size:
            dma_free_attrs(self._dev, self.size, self.cpu, self.dma, self._attrs)
            self.size = 0


class Block(View):
    """A block of a pool, freed at the end of the ``with`` block.

    Attributes
    ----------
    cpu, dma, size : VirtAddr, DmaAddr, int
        Where the CPU and the device see it, and its bytes.
    """

    def __init__(self, pool: "Pool", cpu: VirtAddr, dma: DmaAddr):
        super().__init__(cpu, pool.size)
        self._pool, self.dma = pool, dma

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        self.free()

    def free(self) -> None:
        """Give it back to its pool; once is enough."""
        if self.size:
            dma_pool_free(self._pool.pool, self.cpu, self.dma)
            self.size = 0


class Pool:
    """A pool of small coherent blocks, destroyed at the end of the ``with`` block.

    Parameters
    ----------
    dev : Device
        For which the blocks are.
    size, align, boundary : int
        As of ``dma_pool_create``.
    name : str
        For messages.

    Raises
    ------
    AllocationError
        If the parameters do not go together, or, from :meth:`alloc`, without memory.
    """

    def __init__(self, dev: Device, size: int, align: int = 0, boundary: int = 0,
                 name: str = "pool"):
        self.size = size
        self.pool = dma_pool_create(name, dev, size, align, boundary)
        if self.pool is None:
            raise AllocationError(f"{name}: {size} bytes, aligned to {align}, within {boundary}",
                                  -EINVAL)

    def alloc(self, gfp: int = GFP_KERNEL) -> Block:
        """Take a block."""
        va, dma = dma_pool_alloc(self.pool, gfp)
        if va is None:
            raise AllocationError(f"{self.pool.name}: block of {self.size} bytes", -ENOMEM)
        return Block(self, va, dma)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        dma_pool_destroy(self.pool)


class Declared:
    """Memory that was declared for a device, forgotten at the end of the ``with`` block.

    Attributes
    ----------
    kind : int
        What of the flags could be done, in profile 2.6.
    """

    def __init__(self, dev: Device, addr: int | PhysAddr, device_addr: int, size: int,
                 flags: int | None):
        rc = dma_declare_coherent_memory(dev, addr, device_addr, size, flags)
        if rc < 0 or (flags is not None and not rc):
            raise AllocationError(f"{dev.name}: declaration of {size} bytes", rc or -EINVAL)
        self._dev, self.kind = dev, rc

    def occupy(self, device_addr: int, size: int) -> View:
        """Keep a range from being handed out, and view it (profile 2.6)."""
        va = dma_mark_declared_memory_occupied(self._dev, device_addr, size)
        if not isinstance(va, VirtAddr):
            raise AllocationError(f"{self._dev.name}: {size} bytes at {device_addr:#x}", va)
        return View(va, size)

    def release(self) -> None:
        """Forget it."""
        dma_release_declared_memory(self._dev)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        self.release()
