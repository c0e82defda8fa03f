"""Tables of 32-bit entries, by SXL and GXL, on the golden model and on the RTL."""

import pytest

from rtl.spec.page_table import DC_IOHGATP, DC_TC, IOSATP, PTE
from sim.vectors import Scenario
from sim.vectors.golden import GoldenTarget
from sim.vectors.rtl import RtlTarget
from tests.integration.software import Software
from tests.rtl.iommu.world import USER, fence, inval_ddt, vma

IOVA, MEGA = 0xFFC0_3000, 1 << 22
CAPS = {"sv32": 1, "sv32x4": 1, "sv39x4": 1, "amo_hwad": 1}
GXL = 4


@pytest.fixture(scope="module", params=["golden", "rtl"])
def target(request):
    target = GoldenTarget() if request.param == "golden" else RtlTarget()
    yield target
    if request.param == "rtl":
        target.close()


class Narrow(Software):
    """Software with tables of 32-bit entries."""

    def store(self, addr, word):
        half, old = 8 * (addr & 4), self.tables.load(addr & -8)
        self.tables.store(addr & -8, old & ~(0xFFFF_FFFF << half) | (word & 0xFFFF_FFFF) << half)

    def load(self, addr):
        return self.tables.load(addr & -8) >> 8 * (addr & 4) & 0xFFFF_FFFF

    def map(self, root, addr, phys, level=0, **bits):
        """Map a page of 4 KiB or 4 MiB; returns the address of the entry."""
        where = root + (addr >> 22) * 4
        if level == 0:
            if not self.load(where):
                self.store(where, PTE.pack(v=1, ppn=self.tables.page() >> 12))
            where = (PTE.get(self.load(where), "ppn") << 12) + (addr >> 12 & 1023) * 4
        self.store(where, PTE.pack(**{"v": 1, **USER, "ppn": phys >> 12, **bits}))
        return where

    def guest(self, root, did=5):
        """Give a device a second stage."""
        self.tables.store(self.tables.context_address(did) + 8,
                          DC_IOHGATP.pack(mode=8, gscid=3, ppn=root >> 12) if root else 0)

    def root4(self):
        """Take four pages, aligned to their size."""
        pages = [self.tables.page()]
        while len(pages) < 4 or pages[-4] % (1 << 14):
            pages.append(self.tables.page())
        return pages[-4]


@pytest.fixture
def software(target):
    software = Narrow(target, **CAPS)
    software.root = software.tables.page()
    software.tables.context(5, software.root, pscid=7, sxl=1)
    return software


def test_pages_of_both_sizes(software):
    software.map(software.root, IOVA, 0x3_8765_4000)
    software.map(software.root, MEGA, 0x2_0040_0000, level=1)
    software.map(software.root, 2 * MEGA, 0x2_0010_0000, level=1)
    software.map(software.root, 3 * MEGA, 0x2_0020_0000, level=1)       # aligned to 2 MiB only
    assert software.access("r", IOVA + 8) == 0x3_8765_4008
    for offset in (0, 0x1234, 0x1F_F000, 0x20_0000, 0x3F_FFF8, 0x20_0000, 0):
        assert software.access("w", MEGA + offset) == 0x2_0040_0000 + offset
    assert software.access("r", 2 * MEGA) == software.access("r", 3 * MEGA) == -13
    for bit in (32, 33, 38, 63):
        assert software.access("r", IOVA | 1 << bit) == -13
    assert software.access("r", IOVA | ~0xFFFF_FFFF & 2**64 - 1) == -13         # not signed
    assert software.access("x", IOVA) == -12


def test_a_large_page_goes_whole(software):
    """An invalidation by any address in it, wherever it was used."""
    for used in (0, 0x20_0000):
        for named in (0, 0x5000, 0x20_0000, 0x3F_F000):
            software.map(software.root, MEGA, 0x2_0040_0000, level=1)
            assert software.command(vma(), fence()) == 0
            assert software.access("r", MEGA + used) == 0x2_0040_0000 + used
            software.map(software.root, MEGA, 0x1_0040_0000, level=1)
            assert software.command(vma(av=1, addr=MEGA + named), fence()) == 0
            assert software.access("r", MEGA + used) == 0x1_0040_0000 + used


def test_updates_touch_nothing_else(software):
    """A and D are set in the half where the entry is; the other belongs to the next page."""
    software.tables.context(5, software.root, pscid=7, sxl=1, sade=1)
    for iova in (IOVA, IOVA + 4096):
        entry = software.map(software.root, iova, 0x3_8765_4000, a=0, d=0)
        other = entry ^ 4
        software.store(other, 0xABCD_EF00)
        before = software.load(entry)
        assert software.access("r", iova) == 0x3_8765_4000
        assert software.load(entry) == before | PTE.mask("a")
        assert software.access("w", iova) == 0x3_8765_4000
        assert software.load(entry) == before | PTE.mask("a") | PTE.mask("d")
        assert software.load(other) == 0xABCD_EF00


@pytest.mark.parametrize("gxl", [0, GXL])
def test_guests(software, gxl):
    """A first stage with 32-bit entries behind either kind of second stage; 34-bit addresses."""
    software.write("fctl", 2 | gxl)
    root = software.root4()

    def guest_map(gpa, phys):
        if gxl:
            software.map(root, gpa, phys)
        else:
            table = root + (gpa >> 30) * 8
            for level in (1, 0):
                if not software.tables.load(table):
                    software.tables.store(table, PTE.pack(v=1, ppn=software.tables.page() >> 12))
                table = (PTE.get(software.tables.load(table), "ppn") << 12) + (
                    gpa >> 12 + 9 * level & 511) * 8
            software.tables.store(table, PTE.pack(v=1, **USER, ppn=phys >> 12))

    entry = software.map(software.root, IOVA, 0x3_1234_5000)
    for page in {software.root, entry & -4096}:
        guest_map(page, page)
    guest_map(0x3_1234_5000, 0x2_7654_3000)
    software.guest(root)
    assert software.access("r", IOVA + 16) == 0x2_7654_3010
    software.map(software.root, IOVA + 4096, 0x3_1234_6000)
    assert software.access("r", IOVA + 4096) == -21
    software.tables.store(software.tables.context_address(5) + 24, 0)   # second stage alone
    assert software.command(inval_ddt(), vma(), fence()) == 0
    assert software.access("w", 0x3_1234_5008) == 0x2_7654_3008
    for bit in (34, 40, 41, 63):
        assert software.access("r", 0x3_1234_5000 | 1 << bit) == -21


def test_what_contexts_may_have(software):
    """SXL follows GXL if that is set; modes are those of the table that SXL or GXL chooses."""
    software.map(software.root, IOVA, 0x3_8765_4000)
    context, satp = software.tables.context_address(5), software.root >> 12
    for gxl, sxl, first, second, good in (
            (0, 1, 8, 0, 1), (0, 1, 9, 0, 0), (0, 0, 8, 0, 1), (0, 0, 9, 0, 0), (0, 1, 0, 8, 1),
            (GXL, 1, 8, 0, 1), (GXL, 0, 8, 0, 0), (GXL, 0, 0, 0, 0), (GXL, 1, 8, 9, 0),
            (GXL, 1, 0, 8, 1)):
        software.write("fctl", 2 | gxl)
        software.tables.store(context, DC_TC.pack(v=1, sxl=sxl))
        software.tables.store(context + 8, DC_IOHGATP.pack(mode=second))
        software.tables.store(context + 24, IOSATP.pack(mode=first, ppn=satp * bool(first)))
        assert software.command(inval_ddt(), vma(), fence()) == 0
        assert (software.access("r", IOVA) != -259) == good, (gxl, sxl, first, second)


@pytest.mark.parametrize("caps, kept", [({}, 0), ({"sv32": 1}, GXL)])
def test_it_is_an_option(target, caps, kept):
    software = Narrow(target, **caps)
    software.write("fctl", 7)
    assert software.read("fctl") == 2 | kept
    software.tables.context(5, None, sxl=1)
    software.tables.store(software.tables.context_address(5) + 24, 0)
    assert (software.access("r", 0x9000) == 0x9000) == bool(kept)
    software.guest(1 << 14)                             # there is no second stage of any kind
    assert software.command(inval_ddt()) == 0
    assert software.access("r", 0x9000) == -259


def test_both_know_what_they_do_not_have(target):
    """No second stage with 32-bit entries but with such a first stage, in RTL."""
    reason = target.refuses(Scenario(name="", fctl=0, mem_base=0, mem_size=0, mem=[], steps=[],
                                     capabilities=0x10 | 1 << 9 | 1 << 16 | 44 << 32 | 1 << 28))
    assert reason in ("", "Feature sv32x4 must come with sv32, not without")
