"""Tables for measurements of the IOMMU: a directory, and page tables of 4 KiB pages."""

from rtl.spec.iommu_regs import IOMMU_REGISTERS
from rtl.spec.page_table import (
    DC_IOHGATP,
    DC_TA,
    DC_TC,
    IOSATP,
    PAGE_BITS,
    PAGE_BYTES,
    PTE,
    PTE_BYTES,
    DdtpMode,
    IosatpMode,
)

from ..axi_lite import Manager
from .rig import Rig

__all__ = ["FAR", "MEMORY", "PAGES", "TABLES", "enable", "lay_guest_tables", "lay_tables",
           "map_pages"]

#: Base and size of the memory, in bytes, and the tables in it.
MEMORY = (0x8000_0000, 1 << 17)
TABLES = MEMORY[0]
DIRECTORY, ROOT, MIDDLE, LEAVES = (TABLES + n * PAGE_BYTES for n in range(4))
#: Those of the second stage, in the second half.
GUEST_ROOT, GUEST_MIDDLE = TABLES + 0x1_0000, TABLES + 0x1_4000
#: Pages that one table of leaves maps.
FAR = PAGE_BYTES // PTE_BYTES
#: Pages at the start of each table of leaves that are mapped; and how many tables.
PAGES, LEAF_TABLES = 8, 8
_LEAF = {"v": 1, "r": 1, "w": 1, "u": 1, "a": 1, "d": 1}


def lay_tables(rig: Rig, ctx, port: str = "tables") -> None:
    """One-level directory with device 0, and a page table."""
    rig.poke(ctx, port, DIRECTORY, DC_TC.pack(v=1), 0, DC_TA.pack(pscid=7),
             IOSATP.pack(mode=IosatpMode.SV39, ppn=ROOT >> PAGE_BITS))
    rig.poke(ctx, port, ROOT, PTE.pack(v=1, ppn=MIDDLE >> PAGE_BITS))
    for number in range(LEAF_TABLES):
        table = LEAVES + number * PAGE_BYTES
        rig.poke(ctx, port, MIDDLE + number * PTE_BYTES, PTE.pack(v=1, ppn=table >> PAGE_BITS))
        map_pages(rig, ctx, number * FAR, PAGES, port=port)


def map_pages(rig: Rig, ctx, first: int, count: int, target: int = 0, port: str = "tables") -> None:
    """Map pages of one table of leaves to those from number ``target``."""
    words = [PTE.pack(**_LEAF, ppn=target + page) for page in range(count)]
    rig.poke(ctx, port, LEAVES + first * PTE_BYTES, *words)


def lay_guest_tables(rig: Rig, ctx, port: str = "tables") -> None:
    """Second stage of device 0: one guest page of 2 MiB, at its own address, holds all.

    Sv39x4 has the number of Sv39.
    """
    rig.poke(ctx, port, DIRECTORY, DC_TC.pack(v=1),
             DC_IOHGATP.pack(mode=IosatpMode.SV39, ppn=GUEST_ROOT >> PAGE_BITS),
             DC_TA.pack(pscid=7), IOSATP.pack(mode=IosatpMode.SV39, ppn=ROOT >> PAGE_BITS))
    page = TABLES >> PAGE_BITS
    rig.poke(ctx, port, GUEST_ROOT + (page >> 18) * PTE_BYTES,
             PTE.pack(v=1, ppn=GUEST_MIDDLE >> PAGE_BITS))
    rig.poke(ctx, port, GUEST_MIDDLE + (page >> 9 & 511) * PTE_BYTES, PTE.pack(**_LEAF, ppn=page))


async def enable(rig: Rig, ctx, regs, mode: DdtpMode = DdtpMode.LVL1) -> None:
    """Switch the IOMMU on."""
    bus, register = Manager(ctx, regs), IOMMU_REGISTERS["ddtp"]
    value = mode | DIRECTORY >> PAGE_BITS << 10
    await bus.writel(value >> 32, register.offset + 4)
    await bus.writel(value & 0xFFFF_FFFF, register.offset)
    while register["busy"].get(await bus.readl(register.offset)):
        pass
