"""What :func:`kernel_api.boot` can be told: the kernel's command line, as far as DMA goes."""

from dataclasses import dataclass

__all__ = ["Options"]

_CHOICES = {"profile": ("modern", "2.6"), "old_sync": ("text", "header"),
            "check": (None, "warn", "raise", "collect"),
            "swiotlb": (None, "noforce", "normal", "force")}


@dataclass(frozen=True, kw_only=True)
class Options:
    """Options of a kernel.

    Parameters
    ----------
    passthrough : bool
        Devices use physical addresses although there is an IOMMU.
    profile : str
        ``"modern"``, or ``"2.6"`` for the functions as the first documents describe them.
    old_sync : str
        What ``dma_sync_single`` of 2.6 does: as its ``"text"`` says, or as its ``"header"``: for
        the CPU only (R99).
    check : str or None
        What happens to misuse: nothing; ``"warn"`` logs it; ``"raise"`` raises ``CheckError``;
        ``"collect"`` only keeps it. See :mod:`kernel_api.debug.checks`.
    costs : bool
        Keep account of what each call of the program costs: ``kernel.accounts``.
    swiotlb : str or None
        None or ``"noforce"``: nothing is bounced; ``"normal"``: what must be; ``"force"``: all.
    swiotlb_bytes : int
        Bytes of the bounce pool; a multiple of 256 KiB.
    swiotlb_areas : int
        Areas of the pool, one for each CPU that would map at once; rounded up to a power of two.
    swiotlb_dynamic : bool
        The pool may grow.
    strict : bool
        An unmap through the IOMMU ends with an invalidation. Otherwise it waits in a queue (R129).
    flush_cycles : int
        Longest stay in that queue.
    kmalloc_minalign : int or None
        Alignment of small objects; by default whole lines. Less needs a bounce pool (R72).
    atomic_pool_bytes : int or None
        Memory kept for atomic coherent requests of devices that do not see the cache (R34); by
        default 128 KiB for each GiB of memory, at least that, and 4 MiB at most.
    cma_bytes : int
        Memory kept for large contiguous buffers (R36).
    scattered_coherent : bool
        Coherent memory behind the IOMMU may consist of scattered pages (R27).
    need_sg_dma_length : bool
        Scatterlist entries have a length of their own on the DMA side.
    forcedac : bool
        Devices on PCI do not try addresses below 4 GiB first.
    dma_debug : bool
        dma-debug works, where ``check`` asks for it.
    dma_debug_entries : int
        Mappings that dma-debug can keep.
    dma_debug_driver : str
        Only misuse by this device is reported by dma-debug; empty: by all.

    Raises
    ------
    ValueError
        If a choice is none of those above, or sizes do not fit together.
    """

    passthrough: bool = False
    profile: str = "modern"
    old_sync: str = "text"
    check: str | None = None
    costs: bool = False
    swiotlb: str | None = None
    swiotlb_bytes: int = 64 << 20
    swiotlb_areas: int = 1
    swiotlb_dynamic: bool = False
    strict: bool = True
    flush_cycles: int = 100_000
    kmalloc_minalign: int | None = None
    atomic_pool_bytes: int | None = None
    cma_bytes: int = 0
    scattered_coherent: bool = False
    need_sg_dma_length: bool = True
    forcedac: bool = False
    dma_debug: bool = True
    dma_debug_entries: int = 65536
    dma_debug_driver: str = ""

    def __post_init__(self):
        for name, allowed in _CHOICES.items():
            if (value := getattr(self, name)) not in allowed:
                raise ValueError(f"Option {name} must be one of {allowed}, not {value!r}")
        if self.swiotlb_bytes <= 0 or self.swiotlb_bytes % (256 << 10):
            raise ValueError(f"Option swiotlb_bytes must be a multiple of 256 KiB, not "
                             f"{self.swiotlb_bytes!r}")
        if self.kmalloc_minalign is not None and not self.bounces:
            raise ValueError("Option kmalloc_minalign must come with a bounce pool")

    @property
    def bounces(self) -> bool:
        """Whether there is a bounce pool."""
        return self.swiotlb in ("normal", "force")
