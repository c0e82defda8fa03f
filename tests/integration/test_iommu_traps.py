"""Traps for authors of IOMMUs, and defects that peers have: the golden model, and the RTL."""

import pytest

from rtl.spec.page_table import DC_TC, PTE, DdtpMode
from rtl.spec.queues import IOTINVAL_DW0, Opcode
from sim.vectors import Step
from sim.vectors.golden import GoldenTarget
from sim.vectors.rtl import RtlTarget
from tests.integration.software import Software
from tests.rtl.iommu.world import BASE, USER, fence, inval_ddt, vma

PHYS, OTHER = 0x12_3456_7000, 0x23_4567_8000
IOVA = 0x40_3000
READ_FAULT, WRITE_FAULT, EXEC_FAULT = -13, -15, -12


@pytest.fixture(scope="module", params=["golden", "rtl"])
def target(request):
    target = GoldenTarget() if request.param == "golden" else RtlTarget()
    yield target
    if request.param == "rtl":
        target.close()


@pytest.fixture
def software(target):
    """Device 5 has page ``IOVA`` of space 7, whose root is ``software.root``."""
    software = Software(target)
    software.root = software.tables.page()
    software.tables.context(5, software.root, pscid=7)
    software.entry = software.tables.map(software.root, IOVA, PHYS)
    return software


def put(software, where, phys=PHYS, **bits):
    """Change an entry without telling the IOMMU."""
    software.tables.store(where, PTE.pack(**{"v": 1, **USER, "ppn": phys >> 12, **bits}))


def test_trap_1_and_defect_a_store_through_an_entry_that_a_load_brought(software):
    put(software, software.entry, d=0)
    assert software.access("r", IOVA + 4) == PHYS + 4
    assert software.access("w", IOVA + 4) == WRITE_FAULT
    put(software, software.entry, d=1)                  # a fault need not be invalidated
    assert software.access("w", IOVA + 4) == PHYS + 4


def test_trap_2_and_defect_j_nothing_old_after_a_fence(software):
    """At rest; while walks are in flight, see the races of tests/rtl/iommu."""
    for version in range(1, 5):
        assert software.access("r", IOVA) == PHYS + (version - 1 << 13)
        put(software, software.entry, PHYS + (version << 13))
        operands = [{}, {"pscv": 1, "pscid": 7}, {"av": 1, "addr": IOVA},
                    {"av": 1, "addr": IOVA, "pscv": 1, "pscid": 7}][version - 1]
        assert software.command(vma(**operands), fence(pr=1, pw=1)) == 0
    assert software.access("w", IOVA) == PHYS + (4 << 13)


def test_trap_3_and_defects_d_e_execute(software):
    put(software, software.entry, x=0)
    assert software.access("x", IOVA) == EXEC_FAULT
    put(software, software.tables.entry_address(software.root, IOVA + 0x1000), r=0, w=0, x=1)
    assert software.access("x", IOVA + 0x1000) == PHYS  # needs X and not R
    assert software.access("r", IOVA + 0x1000) == READ_FAULT


@pytest.mark.parametrize("again", [False, True])
def test_trap_4_checks_of_each_request_on_a_context_at_hand(software, again):
    if again:
        assert software.access("r", IOVA) == PHYS
    assert software.access("r", IOVA, pid=1) == -260    # no process directory
    assert software.access("r", IOVA, translated=True) == -260
    assert software.access("r", IOVA, did=128) == -260
    software.write("ddtp", DdtpMode.BARE, 8)
    assert software.access("r", IOVA) == IOVA
    assert software.access("r", IOVA, translated=True) == -260
    software.write("ddtp", DdtpMode.OFF, 8)
    assert software.access("r", IOVA, translated=True) == -256


@pytest.mark.parametrize("extended, width", [(0, 7), (1, 6)])
def test_trap_5_and_defect_f_width_of_a_device_id(target, extended, width):
    software = Software(target, msi_flat=extended, sv39x4=extended)
    assert software.access("r", IOVA, did=(1 << width) - 1) == -258
    assert software.access("r", IOVA, did=1 << width) == -260
    wide = (1 << 40) * (1 << width) | 1 << 33 | Opcode.IODIR
    assert software.command((wide, 0)) == 0x400


@pytest.mark.parametrize("base, csr", [("cqb", "cqcsr"), ("fqb", "fqcsr")])
def test_trap_6_queue_size_as_drivers_probe_it(software, base, csr):
    software.write(csr, 0)
    while software.read(csr) & 0x20000:
        pass
    software.write(base, 31, 8)
    found = software.read(base, 8)
    assert found >> 10 == 0 and found & 31 < 31         # clamped, and no address of its own
    assert found & 31 == 15
    software.write(base, BASE >> 12 << 10 | 12, 8)
    assert software.read(base, 8) == BASE >> 12 << 10 | 12


def test_trap_7_both_stages_bare(software):
    software.tables.context(6, None)
    assert software.access("w", 0xFFF_FFFF_F123, did=6) == 0xFFF_FFFF_F123
    assert software.access("r", 1 << 44, did=6) == -5   # beyond the physical address space
    software.tables.store(software.tables.context_address(6), 0)
    assert software.command(inval_ddt(6), fence()) == 0
    assert software.access("w", IOVA, did=6) == -258


def test_trap_8_faults_are_not_kept(software):
    for phys, bits in ((PHYS, {"v": 0}), (OTHER, {"a": 0}), (OTHER, {"w": 1, "r": 0})):
        put(software, software.entry, phys, **bits)
        assert software.command(vma(), fence()) == 0
        assert software.access("r", IOVA) == READ_FAULT
        put(software, software.entry, phys)
        assert software.access("r", IOVA) == phys       # without invalidation
    software.tables.store(software.tables.context_address(9), 0)
    assert software.access("r", IOVA, did=9) == -258
    software.tables.context(9, software.root, pscid=7)
    assert software.access("r", IOVA, did=9) == OTHER


def test_trap_9_never_too_little(software):
    """Each command that names the entry in any way drops it."""
    for version, operands in enumerate((
            {}, {"pscv": 1, "pscid": 7}, {"av": 1, "addr": IOVA + 0xFFF},
            {"av": 1, "addr": IOVA, "pscv": 1, "pscid": 7})):
        phys = PHYS + (version << 12)
        put(software, software.entry, phys)
        assert software.command(vma(**operands), fence()) == 0
        assert software.access("r", IOVA) == phys


def test_trap_10_global_entries(software):
    put(software, software.entry, g=1)
    software.tables.context(8, software.root, pscid=9)
    assert software.access("r", IOVA) == PHYS
    assert software.access("r", IOVA, did=8) == PHYS
    put(software, software.entry, OTHER, g=1)
    assert software.command(vma(), fence()) == 0        # all, with global ones
    assert software.access("r", IOVA, did=8) == OTHER
    put(software, software.entry, PHYS, g=1)
    assert software.command(vma(av=1, addr=IOVA), fence()) == 0
    assert software.access("r", IOVA) == PHYS


def test_defect_b_addresses_that_are_not_canonical(software):
    assert software.access("r", IOVA) == PHYS
    for bit in (39, 47, 63):
        assert software.access("r", IOVA | 1 << bit) == READ_FAULT
    assert software.access("r", IOVA | (1 << 64) - (1 << 38)) == READ_FAULT     # not mapped
    high = (1 << 64) - (1 << 38) | IOVA
    software.tables.map(software.root, high & (1 << 39) - 1, OTHER)
    assert software.access("r", high) == OTHER
    assert software.access("r", high & (1 << 39) - 1) == READ_FAULT


def test_defect_c_pages_of_64_kib(software):
    for page in range(16):
        software.tables.map(software.root, 0x80_0000 + (page << 12), PHYS & ~0xFFFF | 0x8000, n=1)
    assert software.access("r", 0x80_5678) == PHYS & ~0xFFFF | 0x5678
    assert software.access("w", 0x80_F678) == PHYS & ~0xFFFF | 0xF678
    software.tables.map(software.root, 0x90_0000, PHYS & ~0xFFFF | 0x4000, n=1)
    assert software.access("r", 0x90_0000) == READ_FAULT            # another size


@pytest.mark.parametrize("func3", range(2, 8))
def test_defects_g_h_a_reserved_function_stops_the_queue_at_it(software, func3):
    bad = IOTINVAL_DW0.pack(opcode=Opcode.IOTINVAL, func3=func3)
    assert software.command(vma(), (bad, 0), fence()) == 0x400
    assert software.read("cqh") == 1
    assert software.read("ipsr") & 1


@pytest.mark.parametrize("offset", [0, 4])
def test_defect_i_a_fence_stores_four_bytes(software, offset):
    where = software.tables.page()
    software.target.poke(where, 0x1111_1111_2222_2222)
    assert software.command(fence(av=1, addr=where + offset, data=0xDEAD_BEEF)) == 0
    expected = {0: 0x1111_1111_DEAD_BEEF, 4: 0xDEAD_BEEF_2222_2222}[offset]
    assert software.target.peek(where) == expected


def test_defect_k_the_queue_is_full_with_head_0_and_errors_are_access_faults(software):
    for _ in range(17):
        software.target.translate(_failing())
    assert software.read("fqt") == 15
    assert software.read("fqcsr") & 0x200               # one place always stays free
    software.write("fqcsr", 0x203)
    software._head = 15
    software.write("fqh", 15)
    software.target.inject(software.entry & ~63, (software.entry & ~63) + 64, "r", poison=False)
    assert software.access("r", IOVA) == -5
    software.target.inject(BASE + 0x2000, BASE + 0x3000, "r", poison=False)
    assert software.command(inval_ddt(), fence()) == 0
    assert software.access("r", IOVA, did=3) == -257


def _failing():
    return Step(op="translate", did=127, pid=None, priv=False, iova=0, access="r", length=1,
                type="untranslated")


def test_defect_l_a_build_tells_what_it_has(target):
    for features in ({}, {"pd8": 1}, {"pd8": 1, "pd17": 1, "pd20": 1}):
        software = Software(target, **features)
        found = software.read("capabilities_msb") >> 6 & 7
        assert found == sum(1 << n for n, name in enumerate(("pd8", "pd17", "pd20"))
                            if name in features)


def test_defect_l_a_process_context_that_is_not_valid(target):
    software = Software(target, pd8=1)
    directory = software.tables.page()
    where = software.tables.context_address(5)
    software.tables.store(where, DC_TC.pack(v=1, pdtv=1))
    software.tables.store(where + 24, 1 << 60 | directory >> 12)
    assert software.access("r", IOVA, pid=3) == -266
    software.tables.store(where, DC_TC.pack(v=0, pdtv=1, dpe=1))
    assert software.command(inval_ddt(5), fence()) == 0
    assert software.access("r", IOVA, pid=3) == -258


def test_defects_m_n_an_error_of_one_walk_is_its_own(software):
    """The next request is answered as if nothing had been."""
    other = software.tables.map(software.root, IOVA + 0x8000, OTHER)
    assert other & ~63 != software.entry & ~63
    software.target.inject(other & ~63, (other & ~63) + 64, "r", poison=False)
    for _ in range(3):
        assert software.access("w", IOVA + 0x8000) == -7
        assert software.access("r", IOVA) == PHYS
    software.target.clear_injected()
    assert software.access("w", IOVA + 0x8000) == OTHER
