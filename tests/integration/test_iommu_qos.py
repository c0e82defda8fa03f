"""Quality-of-service identifiers: whose accesses carry which, on the model and on the RTL."""

import pytest

from rtl.spec.page_table import DC_TA, PTE
from sim.golden.iommu import Iommu
from sim.golden.memory import Memory
from sim.vectors import Step
from sim.vectors.golden import GoldenTarget
from sim.vectors.rtl import RtlTarget
from tests.integration.software import Software
from tests.rtl.iommu.world import COMMANDS, FAULTS, fence, inval_ddt, vma

OWN, DEVICE = (0xA05, 0x05A), (0x123, 0xFED)
IOVA, PHYS, MESSAGES = 0x40_3000, 0x12_3456_7000, 0x800F_0000


@pytest.fixture(scope="module", params=["golden", "rtl"])
def target(request):
    target = GoldenTarget() if request.param == "golden" else RtlTarget()
    yield target
    if request.param == "rtl":
        target.close()


def identify(software, did, rcid, mcid):
    """Put identifiers into the context of a device; its address space is ``did``."""
    software.tables.store(software.tables.context_address(did) + 16,
                          DC_TA.pack(pscid=did, rcid=rcid, mcid=mcid))


def qos(software, iova, *, did=5):
    answer = software.target.translate(Step(op="translate", did=did, pid=None, priv=False,
                                            iova=iova, access="w", length=4, type="untranslated"))
    return answer.qos if answer.ok else None


def test_each_access_has_those_of_its_cause(target):
    software = Software(target, qosid=1, amo_hwad=1, igs=2)
    software.root = software.tables.page()
    software.tables.context(5, software.root, pscid=5, sade=1)
    identify(software, 5, *DEVICE)
    entry = software.tables.map(software.root, IOVA, PHYS, d=0)
    software.write("iommu_qosid", OWN[0] | OWN[1] << 16 | 0xF000_F000)
    assert software.read("iommu_qosid") == OWN[0] | OWN[1] << 16
    seen = {}
    target.watch(lambda tags, addr, write: seen.setdefault((addr, write), set()).add(tags))
    assert qos(software, IOVA) == DEVICE
    assert PTE.get(software.tables.load(entry), "d")
    assert qos(software, 0) is None                     # a record
    where = software.tables.page()
    assert software.command(inval_ddt(), vma(), fence(av=1, addr=where, data=1)) == 0
    software.write("msi_addr_0", MESSAGES, 8)
    software.write("fctl", 0)
    assert software.command((9, 9)) == 0x400            # illegal
    target.watch(None)
    ours = {software.tables.context_address(5): 0, FAULTS: 1, COMMANDS: 0, where: 1, MESSAGES: 1}
    for addr, write in ours.items():
        assert seen.pop((addr, bool(write))) == {OWN}, hex(addr)
    assert seen.pop((entry, False)) == seen.pop((entry, True)) == {DEVICE}
    commands = {(addr, write): tags for (addr, write), tags in seen.items()
                if COMMANDS <= addr < COMMANDS + 4096}
    assert set().union(*commands.values()) == {OWN}
    rest = [tags for place, tags in seen.items() if place not in commands]
    assert rest and all(tags == {DEVICE} for tags in rest)      # tables above the entry


def test_bare_devices_have_those_of_the_iommu(target):
    software = Software(target, qosid=1)
    software.write("iommu_qosid", OWN[0] | OWN[1] << 16)
    software.write("ddtp", 0, 8)
    assert qos(software, PHYS) is None
    software.write("ddtp", 1, 8)
    assert qos(software, PHYS) == OWN
    software.write("iommu_qosid", 7 | 9 << 16)
    assert qos(software, PHYS) == (7, 9)


def test_without_the_capability_they_are_reserved(target):
    for there in (0, 1):
        software = Software(target, qosid=there)
        software.tables.context(5, None)
        software.write("iommu_qosid", 0x10001)
        assert software.read("iommu_qosid") == 0x10001 * there
        for tags in ((1, 0), (0, 1 << 11), (1 << 11, 0)):
            identify(software, 5, *tags)
            assert software.command(inval_ddt()) == 0
            assert software.access("r", PHYS) == (PHYS if there else -259)


def test_narrow_identifiers_of_the_model():
    memory = Memory(0x8000_0000, 1 << 20)
    iommu = Iommu(memory, 0x10 | 1 << 9 | 1 << 41 | 44 << 32 | 1 << 28, rcid_bits=3, mcid_bits=5)
    iommu.write(0x270, 0xFFFF_FFFF)
    assert iommu.read(0x270) == 7 | 31 << 16
