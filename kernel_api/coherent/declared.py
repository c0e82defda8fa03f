"""Memory that was declared for one device: its coherent buffers come from there.

The functions have two forms. Profile 2.6 takes a bus address and flags, and returns what of the
flags it could do; the modern one takes a physical address, returns 0 or an error number, and the
memory is always exclusive.

Source: Linux 2.6 ``Documentation/DMA-API.txt``, part II; ``kernel/dma/coherent.c`` (behaviour);
rules R118 to R124.
"""

from ..core.addresses import (
    PAGE_SIZE,
    DmaAddr,
    PhysAddr,
    VirtAddr,
    offset_in_page,
    page_align,
)
from ..core.attrs import DMA_MAPPING_ERROR
from ..core.bug import BUG, WARN
from ..core.errno import EBUSY, EINVAL
from ..device.device import Device
from ..device.direct_ranges import dma_to_phys
from ..memory.declared import (
    DMA_MEMORY_EXCLUSIVE,
    DMA_MEMORY_INCLUDES_CHILDREN,
    DMA_MEMORY_IO,
    DMA_MEMORY_MAP,
    DeclaredMemory,
)

__all__ = ["dma_declare_coherent_memory",
           "dma_mark_declared_memory_occupied", "dma_release_coherent_memory",
           "dma_release_declared_memory"]


def memory_of(dev: Device) -> DeclaredMemory | None:
    """Memory declared for a device, or for its parents if they share it."""
    if dev.dma_mem:
        return dev.dma_mem
    parent = dev.parent
    while parent:
        if parent.dma_mem and parent.dma_mem.flags & DMA_MEMORY_INCLUDES_CHILDREN:
            return parent.dma_mem
        parent = parent.parent
    return None


def alloc_declared(dev: Device, size: int) -> tuple[bool, VirtAddr | None, DmaAddr]:
    """Take coherent memory from what was declared.

    Returns
    -------
    tuple of bool, VirtAddr or None, DmaAddr
        Whether that is the answer; if not, other memory may serve. Then the two addresses.
    """
    memory = memory_of(dev)
    if memory is None:
        return False, None, DMA_MAPPING_ERROR
    offset = memory.alloc(size)
    if offset is None:
        return bool(memory.flags & DMA_MEMORY_EXCLUSIVE), None, DMA_MAPPING_ERROR
    va = memory.cpu_address(offset)
    if not memory.flags & DMA_MEMORY_IO:
        dev.kernel.cpu.store(va, bytes(page_align(size)))
    return True, va, DmaAddr(memory.device_addr + offset)


def free_declared(dev: Device, size: int, va: VirtAddr) -> bool:
    """Give memory back. False if it is not from what was declared."""
    memory = memory_of(dev)
    offset = memory.offset_of(va) if memory else None
    if offset is None:
        return False
    memory.free(offset, size)
    return True


def dma_declare_coherent_memory(dev: Device, addr: int, device_addr: int, size: int,
                                flags: int | None = None) -> int:
    """Declare ``size`` bytes to be the device's.

    Parameters
    ----------
    dev : Device
        Whose memory it will be.
    addr : int or PhysAddr
        Where the CPU finds them: a bus address in profile 2.6, else a physical one.
    device_addr : int
        Where the device finds them.
    size : int
        Bytes; whole pages.
    flags : int
        In profile 2.6: ``DMA_MEMORY_MAP`` or ``DMA_MEMORY_IO``, and others.

    Returns
    -------
    int
        Profile 2.6: the kind that was made, of those asked for; 0 if it failed. Modern: 0,
        ``-EINVAL`` for a wrong size, ``-EBUSY`` if there is such memory already.

    Raises
    ------
    TypeError
        If ``flags`` is given in the modern profile, or not in 2.6.
    """
    old = dev.kernel.options.profile == "2.6"
    if old != (flags is not None):
        raise TypeError("Flags of declared memory must be given in profile 2.6, and only there")
    kind = flags & (DMA_MEMORY_MAP | DMA_MEMORY_IO) if old else DMA_MEMORY_MAP
    if not kind or size <= 0 or size % PAGE_SIZE:
        return 0 if old else -EINVAL
    if dev.dma_mem:
        return 0 if old else -EBUSY
    if kind == DMA_MEMORY_MAP | DMA_MEMORY_IO:
        kind = DMA_MEMORY_MAP
    phys = dma_to_phys(dev, DmaAddr(int(addr))) if old else PhysAddr.check(addr)
    rest = flags & (DMA_MEMORY_INCLUDES_CHILDREN | DMA_MEMORY_EXCLUSIVE) if old \
        else DMA_MEMORY_EXCLUSIVE
    dev.dma_mem = DeclaredMemory(phys, int(device_addr), size, kind | rest)
    return kind if old else 0


def dma_release_declared_memory(dev: Device) -> None:
    """Forget the device's memory, in use or not (R123)."""
    WARN(dev.dma_mem is not None and dev.dma_mem.in_use and dev.kernel.checkers,
         "%s: declared memory released while buffers are in use", dev.name)
    dev.dma_mem = None


dma_release_coherent_memory = dma_release_declared_memory


def dma_mark_declared_memory_occupied(dev: Device, device_addr: int, size: int) -> VirtAddr | int:
    """Keep a range of declared memory from being handed out.

    Returns
    -------
    VirtAddr or int
        Where the CPU sees it; ``-EINVAL`` if nothing was declared; ``-EBUSY`` if a page is taken.

    Raises
    ------
    KernelBug
        In the modern profile, which does not have it any more.
    """
    if dev.kernel.options.profile != "2.6":
        BUG("dma_mark_declared_memory_occupied was removed: profile 2.6 has it")
    memory = dev.dma_mem
    if memory is None:
        return -EINVAL
    offset = int(device_addr) - memory.device_addr
    if not memory.occupy(offset - offset_in_page(offset), size + offset_in_page(offset)):
        return -EBUSY
    return memory.cpu_address(offset)
