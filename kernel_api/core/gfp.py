"""How memory is to be allocated: ``gfp_t``."""

import enum

__all__ = ["GFP_ATOMIC", "GFP_DMA", "GFP_DMA32", "GFP_KERNEL", "GFP_NOWAIT", "SLAB_ATOMIC",
           "SLAB_KERNEL", "__GFP_COMP", "__GFP_HIGHMEM", "__GFP_NOWARN", "__GFP_ZERO", "Gfp"]


class Gfp(enum.IntFlag):
    """Allocation flags."""

    NOWAIT = 0
    #: The caller may sleep.
    RECLAIM = 1
    #: Emergency reserves may be used.
    HIGH = 2
    #: From the first 16 MiB. There is no such zone here: ignored, as on riscv.
    DMA = 4
    #: From the first 4 GiB.
    DMA32 = 8
    HIGHMEM = 16
    ZERO = 32
    NOWARN = 64
    COMP = 128


GFP_NOWAIT = Gfp.NOWAIT
GFP_KERNEL = Gfp.RECLAIM
GFP_ATOMIC = Gfp.HIGH
SLAB_KERNEL, SLAB_ATOMIC = GFP_KERNEL, GFP_ATOMIC
GFP_DMA = Gfp.DMA
GFP_DMA32 = Gfp.DMA32
__GFP_HIGHMEM = Gfp.HIGHMEM
__GFP_ZERO = Gfp.ZERO
__GFP_NOWARN = Gfp.NOWARN
__GFP_COMP = Gfp.COMP
