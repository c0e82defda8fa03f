"""The performance monitor of RTL and golden model: registers, filters, and true counts."""

import pytest

from rtl.params import IommuParams
from rtl.spec.hpm import IOHPMEVT, HpmEvent
from rtl.spec.iommu_regs import IOMMU_REGISTERS
from rtl.spec.page_table import DC_IOHGATP, DC_TA, DC_TC, IOSATP, PTE
from sim.vectors.golden import GoldenTarget
from sim.vectors.rtl import RtlTarget
from tests.integration.software import Software
from tests.rtl.iommu.world import BASE, USER, fence, inval_ddt, vma

from .hostile_software import besiege
from .hostile_traffic import GOOD_DID

PHYS = 0x12_3456_7000
IOVA = 0x40_3000
FEATURES = {"hpm": 1, "sv39x4": 1, "pd8": 1}


@pytest.fixture(scope="module", params=["golden", "rtl"])
def target(request):
    target = GoldenTarget() if request.param == "golden" else RtlTarget()
    yield target
    if request.param == "rtl":
        target.close()


@pytest.fixture
def software(target):
    """Device 5 has a host's page table of space 7; device 6 a process 3 in virtual machine 9."""
    software = Software(target, **FEATURES)
    tables = software.tables
    software.root = tables.page()
    tables.context(5, software.root, pscid=7)
    tables.map(software.root, IOVA, PHYS)
    guest_root = tables.page()
    while guest_root % 0x4000:
        guest_root = tables.page()
    [tables.page() for _ in range(3)]
    giant = PTE.pack(v=1, **USER, x=1, ppn=BASE >> 12 & -1 << 18)
    tables.store(guest_root + (BASE >> 30) * 8, giant)
    directory, where = tables.page(), tables.context_address(6)
    tables.store(directory + 16 * 3, 1 | 8 << 12)
    tables.store(directory + 16 * 3 + 8, IOSATP.pack(mode=8, ppn=software.root >> 12))
    tables.store(where + 8, DC_IOHGATP.pack(mode=8, gscid=9, ppn=guest_root >> 12))
    tables.store(where + 16, DC_TA.pack())
    tables.store(where + 24, IOSATP.pack(mode=1, ppn=directory >> 12))
    tables.store(where, DC_TC.pack(v=1, pdtv=1))
    tables.map(software.root, IOVA + 0x1000, BASE)
    return software


def count(software, number, **select):
    """Let a counter begin at zero."""
    software.write(f"iohpmevt_{number}", 0, 8)
    software.write(f"iohpmctr_{number}", 0, 8)
    software.write(f"iohpmevt_{number}", IOHPMEVT.pack(**select), 8)


def found(software, counters=8):
    software.target.idle()
    return [software.read(f"iohpmctr_{n}", 8) for n in range(1, counters + 1)]


def test_registers_keep_what_they_must(software):
    ones = 2**64 - 1
    assert software.read("capabilities") >> 30 & 1
    assert software.read("iocountinh") == 0
    software.write("iocountinh", 0xFFFF_FFFF)
    assert software.read("iocountinh") == 0x1FF         # cycles, and 8 counters
    for n in (1, 8, 9, 31):
        software.write(f"iohpmctr_{n}", ones, 8)
        assert software.read(f"iohpmctr_{n}", 8) == ((1 << 48) - 1 if n < 9 else 0)
        software.write(f"iohpmevt_{n}", IOHPMEVT.pack(ones, event=8), 8)
        assert software.read(f"iohpmevt_{n}", 8) == (IOHPMEVT.pack(ones, event=8) if n < 9 else 0)
        software.write(f"iohpmevt_{n}", IOHPMEVT.pack(event=9), 8)
        assert software.read(f"iohpmevt_{n}", 8) == (8 if n < 9 else 0)
    software.write("iohpmcycles", ones, 8)
    assert software.read("iohpmcycles", 8) == 1 << 63 | (1 << 48) - 1
    assert software.read("iocountovf") == 1
    software.write("iohpmevt_2_msb", 1 << 31)           # each half by itself
    software.write("iohpmevt_3", 5)
    assert software.read("iohpmevt_2", 8) == 1 << 63 and software.read("iohpmevt_3", 8) == 5
    assert software.read("iocountovf") == 0b101
    software.write("iocountovf", 0)
    assert software.read("iocountovf") == 0b101
    assert software.read("ipsr") == 0                   # written bits do not interrupt
    software.write("icvec", 0xFFFF, 8)
    assert software.read("icvec", 8) == 0x333


def test_each_event(software):
    for number in range(1, 9):
        count(software, number, event=number)
    assert software.access("r", IOVA) == PHYS
    # Untranslated, translated, ATS, miss, device, process, first stage, second stage.
    assert found(software) == [1, 0, 0, 1, 1, 0, 1, 0]
    assert software.access("r", IOVA + 8) == PHYS + 8
    assert found(software) == [2, 0, 0, 1, 1, 0, 1, 0]
    assert software.access("w", IOVA + 0x1000, did=6, pid=3) == BASE
    # The second stage finds the process context, three tables, and the page.
    assert found(software) == [3, 0, 0, 2, 2, 1, 2, 5]
    assert software.access("r", IOVA, translated=True) == -260
    assert found(software)[:4] == [3, 1, 0, 2]
    walks = found(software)[4]          # for a refusal a context may be read again
    assert walks in (2, 3)
    assert software.access("r", 1 << 60) == -13         # not canonical: nothing is walked
    assert found(software)[:4] == [4, 1, 0, 3] and found(software)[6] == 2
    assert software.command(vma(), inval_ddt(), fence()) == 0
    assert software.access("r", IOVA) == PHYS
    assert found(software) == [5, 1, 0, 4, walks + 1, 1, 3, 5]


@pytest.mark.parametrize("event, select, expected", [
    (1, {"dv_gscv": 1, "did_gscid": 5}, 2), (1, {"dv_gscv": 1, "did_gscid": 4}, 0),
    # Bits up to the lowest 0 do not matter: 0 to 7; 4 and 5; 6 and 7; 8 to 11.
    (1, {"dv_gscv": 1, "did_gscid": 3, "dmask": 1}, 3),
    (1, {"dv_gscv": 1, "did_gscid": 4, "dmask": 1}, 2),
    (1, {"dv_gscv": 1, "did_gscid": 6, "dmask": 1}, 1),
    (1, {"dv_gscv": 1, "did_gscid": 9, "dmask": 1}, 0),
    (1, {"pv_pscv": 1, "pid_pscid": 3}, 1), (1, {"pv_pscv": 1, "pid_pscid": 0}, 0),
    (1, {"pv_pscv": 1, "pid_pscid": 3, "dv_gscv": 1, "did_gscid": 5}, 0),
    (1, {"idt": 1}, 3), (1, {"idt": 1, "pv_pscv": 1, "pid_pscid": 7}, 0),
    (4, {"idt": 1, "pv_pscv": 1, "pid_pscid": 7}, 1),
    (4, {"idt": 1, "dv_gscv": 1, "did_gscid": 9}, 1), (4, {"idt": 1, "dv_gscv": 1}, 0),
    (4, {"dv_gscv": 1, "did_gscid": 6, "pv_pscv": 1, "pid_pscid": 3}, 1),
    (5, {"dv_gscv": 1, "did_gscid": 6}, 1), (6, {"pv_pscv": 1, "pid_pscid": 3}, 1),
    (7, {"idt": 1, "dv_gscv": 1, "did_gscid": 9, "pv_pscv": 1, "pid_pscid": 8}, 1),
    (8, {"idt": 1, "pv_pscv": 1, "pid_pscid": 8}, 4), (8, {"dv_gscv": 1, "did_gscid": 6}, 5)])
def test_filters(software, event, select, expected):
    """Two reads of device 5, and a write of process 3 of device 6."""
    count(software, 1, event=event, **select)
    for _ in range(2):
        assert software.access("r", IOVA) == PHYS
    assert software.access("w", IOVA + 0x1000, did=6, pid=3) == BASE
    assert found(software, 1) == [expected]


def test_an_overflow_interrupts_once(software):
    software.write("icvec", 0x200)
    count(software, 2, event=HpmEvent.UNTRANSLATED_REQUEST)
    software.write("iohpmctr_2", (1 << 48) - 2, 8)
    assert software.access("r", IOVA) == PHYS
    assert (software.read("ipsr"), software.target.wires()) == (0, 0)
    assert software.access("r", IOVA) == PHYS
    assert (software.read("ipsr"), software.target.wires()) == (4, 4)
    assert software.read("iohpmctr_2", 8) == 0 and software.read("iocountovf") == 4
    software.write("ipsr", 4)
    assert (software.read("ipsr"), software.target.wires()) == (0, 0)
    software.write("iohpmctr_2", (1 << 48) - 1, 8)
    assert software.access("r", IOVA) == PHYS
    assert (software.read("ipsr"), software.read("iohpmctr_2", 8)) == (0, 0)    # OF was set


def test_inhibited_counters_do_not_count(software):
    for number in (1, 2):
        count(software, number, event=HpmEvent.UNTRANSLATED_REQUEST)
    software.write("iocountinh", 0b101)
    held = software.read("iohpmcycles", 8)
    assert software.access("r", IOVA) == PHYS
    assert found(software, 2) == [1, 0]
    assert software.read("iohpmcycles", 8) == held


def test_true_counts_under_siege():
    """Requests, walks and misses under two devices and changing tables, as the bench sees them."""
    async def read(software, name):
        bus = software._bus
        return sum([await bus.readl(IOMMU_REGISTERS[name + "_msb" * half].offset) << 32 * half
                    for half in range(2)])

    async def scene(software):
        ctx, traffic = software.ctx, software.siege.traffic
        for number in range(1, 9):
            await software.write(f"iohpmevt_{number}", number)
        good = {1: 1, 2: 4}             # requests and misses of the good device, alone
        for number, event in good.items():
            await software.write(f"iohpmevt_{number + 8}_msb", GOOD_DID << 4 | 1 << 29)
            await software.write(f"iohpmevt_{number + 8}", event)
        before = await software._bus.readl(IOMMU_REGISTERS["tlb_misses"].offset)
        assert before == 0
        ctx.set(traffic.serve, 1)
        ctx.set(traffic.calm, 0)
        for _ in range(25):
            await software.change()
        ctx.set(traffic.calm, 1)
        ctx.set(traffic.serve, 0)
        await ctx.tick().repeat(6000)
        counts = [await read(software, f"iohpmctr_{n}") for n in range(1, 11)]
        asked = sum(ctx.get(count) for count in traffic.asked)
        assert counts[0] + counts[1] == asked > 500 and counts[1] > 10 and counts[2] == 0
        assert counts[3] == await software._bus.readl(IOMMU_REGISTERS["tlb_misses"].offset)
        assert counts[4] == software.memory.contexts > 50
        assert counts[8] == 2 * ctx.get(traffic.rounds) > 40
        assert 0 < counts[9] < counts[3]
        walks = await software._bus.readl(IOMMU_REGISTERS["walks"].offset)
        assert 0 < counts[6] <= walks <= counts[3] and counts[5] > 5 and counts[7] > counts[6]

    besiege(IommuParams(hpm=True, sv39x4=True, pd8=True, counters=10), scene, guest=True,
            quiet=True)
