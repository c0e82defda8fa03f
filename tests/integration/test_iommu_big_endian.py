"""Big-endian structures, on the golden model and on the RTL: the same software, bytes reversed."""

from dataclasses import replace

import pytest

from rtl.spec.page_table import DC_TC, PTE
from sim.vectors.golden import GoldenTarget
from sim.vectors.rtl import RtlTarget
from tests.integration.software import Software
from tests.rtl.iommu.world import USER, fence, inval_ddt, vma

PHYS, OTHER = 0x12_3456_7000, 0x23_4567_8000
IOVA, MESSAGES = 0x40_3000, 0x800F_0000


class Reversed:
    """A target to whose memory software writes big-endian words."""

    def __init__(self, target):
        self._target = target

    def __getattr__(self, name):
        return getattr(self._target, name)

    def reset(self, scenario):
        self._target.reset(replace(scenario, fctl=1,
                                   msi_window=(MESSAGES, MESSAGES + 4096)))

    def poke(self, addr, value):
        self._target.poke(addr, int.from_bytes(value.to_bytes(8, "little"), "big"))

    def peek(self, addr):
        return int.from_bytes(self._target.peek(addr).to_bytes(8, "little"), "big")


@pytest.fixture(scope="module", params=["golden", "rtl"])
def target(request):
    target = GoldenTarget() if request.param == "golden" else RtlTarget()
    yield Reversed(target)
    if request.param == "rtl":
        target.close()


@pytest.fixture
def software(target):
    software = Software(target, end=1, amo_hwad=1, igs=2)
    software.root = software.tables.page()
    software.tables.context(5, software.root, pscid=7, sbe=1, sade=1)
    software.entry = software.tables.map(software.root, IOVA, PHYS, d=0)
    return software


def test_directory_tables_commands_and_records(software):
    assert software.read("capabilities") >> 27 & 1 and software.read("fctl") & 1
    assert software.access("r", IOVA + 8) == PHYS + 8
    assert software.access("w", IOVA + 8) == PHYS + 8   # D is set where it belongs
    assert PTE.get(software.tables.load(software.entry), "d")
    assert software.access("x", IOVA) == -12            # and a record can be read
    software.tables.store(software.entry, PTE.pack(v=1, **USER, ppn=OTHER >> 12))
    assert software.command(vma(), fence()) == 0
    assert software.access("r", IOVA) == OTHER


def test_a_first_stage_of_the_other_order(software):
    """DC.tc.SBE is about that alone."""
    where = software.tables.context_address(5)
    software.tables.store(where, DC_TC.pack(v=1))
    assert software.access("r", IOVA) == -13            # the root seems empty, or worse
    for addr in range(software.root, software.root + 3 * 4096, 8):
        if word := software.tables.load(addr):
            software.target._target.poke(addr, word)
    assert software.command(inval_ddt(), vma(), fence()) == 0
    assert software.access("r", IOVA) == PHYS


@pytest.mark.parametrize("offset", [0, 4])
def test_a_fence_stores_and_messages_are_big_endian(software, offset):
    where = software.tables.page() + offset
    assert software.command(fence(av=1, addr=where, data=0x1122_3344)) == 0
    assert software.target.memory.peek(where, 4).hex() == "11223344"
    software.write("msi_addr_0", MESSAGES, 8)
    software.write("msi_data_0", 0xA1B2_C3D4)
    assert software.command((9, 9)) == 0x400            # illegal
    assert software.target.messages() == [(MESSAGES, 0xD4C3_B2A1)]


def test_it_is_an_option(target):
    """Without the capability nothing is kept."""
    software = Software(target._target, sv48=1)
    software.write("fctl", 3)
    assert software.read("fctl") == 2
    software.tables.context(5, None, sbe=1)
    assert software.access("r", IOVA) == -259
