"""What each stage has a say in, when a translation of both is used again."""

import pytest

from rtl.spec.page_table import DC_IOHGATP, DC_TC, IOSATP, PC_TA, PTE
from sim.vectors.golden import GoldenTarget
from sim.vectors.rtl import RtlTarget
from tests.integration.software import Software
from tests.rtl.iommu.world import USER, fence, vma

IOVA, GUEST, PHYS, OTHER = 0x40_3000, 0xC000_5000, 0x1_4000_5000, 0x1_4000_9000
DID, PID, SPACE = 5, 1, {"gv": 1, "gscid": 3}


@pytest.fixture(scope="module", params=["golden", "rtl"])
def target(request):
    target = GoldenTarget() if request.param == "golden" else RtlTarget()
    yield target
    if request.param == "rtl":
        target.close()


@pytest.fixture
def software(target):
    """A process of a guest, whose tables lie where the guest sees them; all is global there."""
    software = Software(target, sv39x4=1, pd8=1)
    tables = software.tables
    guest = tables.page()
    while guest % (1 << 14):
        guest = tables.page()
    for _ in range(3):
        tables.page()
    everything = {"v": 1, "x": 1, "g": 1, **USER}
    tables.store(guest + 2 * 8, PTE.pack(**everything, ppn=0x8000_0000 >> 12))
    tables.store(guest + 3 * 8, PTE.pack(**everything, ppn=0x1_4000_0000 >> 12))
    contexts, software.root = tables.page(), tables.page()
    tables.store(contexts + 16 * PID, PC_TA.pack(v=1, ens=1, pscid=9))
    tables.store(contexts + 16 * PID + 8, IOSATP.pack(mode=8, ppn=software.root >> 12))
    where = tables.context_address(DID)
    for n, dword in enumerate((DC_TC.pack(v=1, pdtv=1),
                               DC_IOHGATP.pack(mode=8, gscid=3, ppn=guest >> 12), 0,
                               IOSATP.pack(mode=1, ppn=contexts >> 12))):
        tables.store(where + 8 * n, dword)
    return software


@pytest.mark.parametrize("user", [0, 1])
def test_the_first_stage_tells_users_from_supervisors(software, user):
    """Whoever came first, and though the second stage takes everybody for a user."""
    software.tables.map(software.root, IOVA, GUEST, u=user)
    for _ in range(2):
        for priv in (1 - user, user, 1 - user):
            answer = software.access("r", IOVA, pid=PID, priv=bool(priv))
            assert answer == (PHYS if priv != user else -13)


def test_the_second_stage_makes_nothing_global(software):
    software.tables.map(software.root, IOVA, GUEST)
    assert software.access("w", IOVA, pid=PID) == PHYS
    software.tables.map(software.root, IOVA, GUEST + 0x4000)
    assert software.command(vma(pscv=1, pscid=9, **SPACE), fence()) == 0
    assert software.access("w", IOVA, pid=PID) == OTHER
