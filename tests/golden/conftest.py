"""An IOMMU with its tables laid out by hand."""

import struct
from typing import ClassVar

import pytest

from rtl.spec.iommu_regs import CAPABILITIES, IOMMU_REGISTERS
from rtl.spec.page_table import DC_TC, IOSATP, PTE
from sim.golden.iommu import Access, Iommu, Request
from sim.golden.memory import Memory

BASE = 0x8000_0000


class World:
    """Memory of 1 MiB, with a page each for what the names say.

    The device is number 5 of a 1LVL directory; its first stage is Sv39 with root ``ROOT``.
    """

    DDT, CQ, FQ, ROOT, MID, LEAF, GUEST, PDT, MSI = (BASE + n * 0x4000 for n in range(1, 10))
    DID = 5

    #: A leaf that permits everything.
    PAGES: ClassVar = dict(v=1, r=1, w=1, x=1, u=1, a=1, d=1)

    def __init__(self, *, cache=True, vectors=4, max_log2sz=16, **features):
        self.memory = Memory(BASE, 1 << 20)
        self.capabilities = CAPABILITIES.pack(**{"version": 0x10, "sv39": 1, "igs": 1, "pas": 56,
                                                 **features})
        self.iommu = Iommu(self.memory, self.capabilities, cache=cache, vectors=vectors,
                           max_log2sz=max_log2sz)
        self.tail = 0

    def read(self, name, size=4):
        return self.iommu.read(IOMMU_REGISTERS[name].offset, size)

    def write(self, name, value, size=4):
        self.iommu.write(IOMMU_REGISTERS[name].offset, value, size)

    def words(self, addr, *values):
        self.memory.poke(addr, struct.pack(f"<{len(values)}Q", *values))

    def dwords(self, addr, count):
        return struct.unpack(f"<{count}Q", self.memory.peek(addr, 8 * count))

    def pte(self, addr, target, **fields):
        self.words(addr, PTE.pack(ppn=target >> 12, **fields))

    def context(self, *, iohgatp=0, ta=7 << 12, fsc=None, did=DID, **tc):
        if fsc is None:
            fsc = IOSATP.pack(mode=8, ppn=self.ROOT >> 12)
        self.words(self.DDT + did * 32, DC_TC.pack(**{"v": 1, **tc}), iohgatp, ta, fsc)

    def start(self, mode=2):
        """Switch on: queues of 16 entries, directory."""
        self.write("cqb", self.CQ >> 2 | 3, 8)
        self.write("cqcsr", 3)
        self.write("fqb", self.FQ >> 2 | 3, 8)
        self.write("fqcsr", 3)
        self.write("ddtp", self.DDT >> 2 | mode, 8)
        return self

    def sv39(self, **leaf):
        """Map pages 0 to 511 of the address space: page n to 0x1_0000_0000 + n pages."""
        self.context()
        self.pte(self.ROOT, self.MID, v=1)
        self.pte(self.MID, self.LEAF, v=1)
        for n in range(512):
            self.pte(self.LEAF + 8 * n, 0x1_0000_0000 + (n << 12), **{**self.PAGES, **leaf})
        return self.start()

    def ask(self, iova, access="r", *, did=DID, pid=None, priv=False, translated=False):
        return self.iommu.translate(Request(did, iova, Access(access), pid, priv, translated))

    def cause(self, iova, access="r", **request):
        return int(self.ask(iova, access, **request).cause)

    def command(self, dw0, dw1=0):
        self.words(self.CQ + self.tail * 16, dw0, dw1)
        self.tail = (self.tail + 1) % 16
        self.write("cqt", self.tail)

    def record(self, index=0):
        return self.dwords(self.FQ + 32 * index, 4)


@pytest.fixture
def world():
    """Make a world: ``world(cache=..., sv48=1)``."""
    return World
