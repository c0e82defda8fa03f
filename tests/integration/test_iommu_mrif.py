"""Messages of devices to interrupt files in memory, on the golden model and on the RTL."""

from random import Random

import pytest

from rtl.spec.page_table import (
    DC_IOHGATP,
    DC_TC,
    IOSATP,
    MSI_PTE,
    MSI_PTE_MRIF,
    MSI_PTE_NOTICE,
    PTE,
)
from rtl.spec.queues import FAULT_DW0
from sim.vectors import Step
from sim.vectors.golden import GoldenTarget
from sim.vectors.rtl import RtlTarget
from tests.integration.software import Software
from tests.rtl.iommu.world import BASE, SIZE, USER, fence, inval_ddt, vma

PAGE, PLAIN, DID, NUMBER = 0x2_0003_0000, 0x2_0004_0000, 5, 0x5A7
CAPS = {"sv39x4": 1, "msi_flat": 1, "msi_mrif": 1}


@pytest.fixture(scope="module", params=["golden", "rtl"])
def target(request):
    target = GoldenTarget() if request.param == "golden" else RtlTarget()
    yield target
    if request.param == "rtl":
        target.close()


class Messages(Software):
    """A guest with a page that is an interrupt file in memory, and one that is memory."""

    def __init__(self, target, **caps):
        super().__init__(target, **CAPS | caps)
        page = self.tables.page
        self.table, self.file, self.notice = page(), page() + 512, page()
        root = page()
        while root % (1 << 14):
            root = page()
        for _ in range(3):
            page()
        self.root = root
        self.context = self.tables.directory + 64 * DID
        where = self.tables.entry_address(root, PLAIN)
        self.tables.store(where, PTE.pack(v=1, **USER, ppn=0x12345))
        for n, dword in enumerate((
                DC_TC.pack(v=1), DC_IOHGATP.pack(mode=8, gscid=1, ppn=root >> 12), 0, 0,
                IOSATP.pack(mode=1, ppn=self.table >> 12), 0xF, PAGE >> 12 & ~0xF)):
            self.tables.store(self.context + 8 * n, dword)
        self.entry()

    def entry(self, first=0, second=0, *, number=0, **fields):
        """MSI page-table entry; ``first`` and ``second`` flip bits of its halves."""
        fields = {"v": 1, "m": 1, "file": self.file >> 9, **fields}
        self.tables.store(self.table + 16 * number, MSI_PTE_MRIF.pack(**fields) ^ first)
        self.tables.store(self.table + 16 * number + 8, MSI_PTE_NOTICE.pack(
            low=NUMBER & 0x3FF, high=NUMBER >> 10, ppn=self.notice >> 12) ^ second)

    def message(self, data, addr=PAGE, *, size=4, length=4, kind="w"):
        """Write; returns whether that succeeded, or the cause of a fault, negative."""
        answer = self.target.translate(Step(
            op="translate", did=DID, pid=None, priv=False, iova=addr, access=kind, length=length,
            type="untranslated", data=data.to_bytes(size, "little")))
        assert answer.addr == 0
        record = self.record()
        assert answer.ok == (record is None)
        return answer.ok if record is None else -FAULT_DW0.get(record[0], "cause")

    def pending(self):
        """Numbers of the bits that are set in the file; its other half must stay as it is."""
        words = [self.tables.load(self.file + 8 * n) for n in range(64)]
        assert not any(words[1::2])
        return [64 * n + bit for n, word in enumerate(words[::2]) for bit in range(64)
                if word >> bit & 1]


@pytest.fixture(params=[{}, {"amo_mrif": 1}, {"amo_mrif": 1, "amo_hwad": 1, "end": 1}],
                ids=["plain", "atomic", "both"])
def software(target, request):
    return Messages(target, **request.param)


def test_messages_set_bits_and_give_notice(software):
    before = software.tables.load(software.notice)
    assert before == 0
    for number in (1, 63, 64, 2047, 0, 1000, 1):
        software.tables.store(software.notice, 0xFFFF_FFFF_FFFF_FFFF)
        assert software.message(number) is True
        assert software.tables.load(software.notice) == 0xFFFF_FFFF_0000_0000 | NUMBER
    assert software.pending() == [0, 1, 63, 64, 1000, 2047]
    assert software.tables.load(software.file - 8) == 0
    assert software.tables.load(software.file + 512) == 0


def test_what_has_no_effect(software):
    """An identity that there is not, and other registers: accepted, and that is all."""
    for data, addr in ((2048, PAGE), (1 << 31, PAGE), (5 << 24, PAGE + 4), (5, PAGE + 4),
                       (5, PAGE + 8), (5, PAGE + 0xFF8), (5, PAGE + 0xFFC)):
        assert software.message(data, addr) is True
    assert software.pending() == [] and software.tables.load(software.notice) == 0


@pytest.mark.parametrize("access", [
    {"size": 8}, {"size": 2}, {"size": 1}, {"addr": PAGE + 1}, {"addr": PAGE + 2},
    {"length": 16, "size": 16}, {"kind": "r"}])
def test_what_is_not_supported(software, access):
    assert software.message(5, **access) == -260
    assert software.pending() == [] and software.tables.load(software.notice) == 0


def test_what_is_no_message(software):
    assert software.access("w", PLAIN + 8, did=DID) == 0x1234_5008
    software.entry(number=1)
    software.tables.store(software.table + 16, MSI_PTE.pack(v=1, m=3, ppn=0x777))
    assert software.access("w", PAGE + 4096 + 4, did=DID) == 0x77_7004
    assert software.message(9) is True
    assert software.pending() == [9]


def test_entries(software):
    """Reserved bits of either half; all others do something else."""
    for bit in (3, 4, 5, 6, 54, 60, 62, 63):
        software.entry(1 << bit)
        assert software.message(5) == -263
        assert software.message(5, kind="r") == -263 and software.message(5, kind="x") == -263
    for bit in (54, 59, 61, 62, 63):
        software.entry(0, 1 << bit)
        assert software.message(5) == -263
        assert software.message(5, kind="r") == -263 and software.message(5, kind="x") == -263
    software.entry(v=0)
    assert software.message(5) == -262
    software.entry()
    assert software.message(5, kind="x") == -1
    software.entry(m=2)
    assert software.message(5) == -263
    software.entry(file=1 << 46)                        # beyond 44 bits
    assert software.message(5) == -264
    software.entry(0, 1 << 53)
    assert software.message(5) == -264
    assert software.pending() == [] and software.tables.load(software.notice) == 0


def test_errors_of_memory(software):
    inject, clear = software.target.inject, software.target.clear_injected
    for access in ("r", "w"):
        inject(software.file, software.file + 512, access, poison=False)
        assert software.message(5) == -264
        clear()
        assert software.pending() == [] and software.tables.load(software.notice) == 0
    inject(software.notice, software.notice + 4096, "w", poison=False)
    assert software.message(5) == -273
    clear()
    assert software.pending() == [5]                    # it could not be told
    inject(software.table, software.table + 4096, "r", poison=False)
    assert software.message(6) == -261
    clear()
    software.tables.store(software.context, DC_TC.pack(v=1, dtf=1))
    assert software.command(inval_ddt(), fence()) == 0
    for where, cause in ((software.file, 0), (software.notice, -273)):
        inject(where, where + 512, "w", poison=False)
        answer = software.target.translate(Step(
            op="translate", did=DID, pid=None, priv=False, iova=PAGE, access="w", length=4,
            type="untranslated", data=bytes(4)))
        assert not answer.ok
        record = software.record()
        assert (record is not None) == (cause != 0)
        clear()


def test_entries_are_not_cached(software):
    assert software.message(5) is True
    software.file += 1024
    software.entry()
    assert software.command(vma(), fence()) == 0
    assert software.message(6) is True
    assert software.pending() == [6]
    assert BASE <= software.file < BASE + SIZE


def test_translation_requests_are_refused(target):
    software = Messages(target, dbg=1)
    software.write("tr_req_iova", PAGE, 8)
    for nw in (0, 8):
        software.write("tr_req_ctl", DID << 40 | nw | 1, 8)
        while software.read("tr_req_ctl") & 1:
            pass
        assert software.read("tr_response", 8) == 1
        record = software.record()
        assert FAULT_DW0.get(record[0], "cause") == 260
    assert software.pending() == []
    assert software.message(7) is True                  # nothing is stuck
    assert software.pending() == [7]


def test_identifiers(target):
    software = Messages(target, qosid=1)
    software.tables.store(software.context + 16, 0x123 << 40 | 0x456 << 52)
    seen = {}
    target.watch(lambda tags, addr, write: seen.setdefault(addr, set()).add(tags))
    assert software.message(70) is True
    target.watch(None)
    for where in (software.table, software.file + 16, software.notice):
        assert seen[where] == {(0x123, 0x456)}


def test_it_is_an_option(target):
    software = Messages(target, msi_mrif=0)
    assert software.message(5) == -263


def happens(target, seed, caps):
    """What a random program sees: answers, records, and memory."""
    software, r, log = Messages(target, **caps), Random(seed), []
    places = [software.file, software.notice, software.table]
    for _ in range(80):
        what = r.random()
        if what < 0.2:
            flips = [1 << r.randrange(64) if r.random() < 0.4 else 0 for _ in range(2)]
            if r.random() < 0.2:
                software.tables.store(software.table, MSI_PTE.pack(
                    v=1, m=3, ppn=r.getrandbits(44)) ^ flips[0])
            else:
                software.entry(*flips)
            assert software.command(vma(), fence(pr=1, pw=1)) == 0
        elif what < 0.3:
            where = r.choice(places)
            target.inject(where, where + 64, r.choice(["r", "w", "rw"]), poison=False)
        elif what < 0.45:
            target.clear_injected()
        else:
            addr = r.choice([PAGE, PAGE, PAGE, PAGE + 4, PAGE + r.randrange(4096), PLAIN])
            data = r.choice([r.getrandbits(11), r.getrandbits(11), r.getrandbits(32)])
            size = r.choice([4, 4, 4, 8, 2]) if addr % 8 == 0 else 4
            answer = target.translate(Step(
                op="translate", did=DID, pid=None, priv=False, iova=addr, length=4,
                access=r.choice("wwwwrx"), type="untranslated",
                data=data.to_bytes(8, "little")[:size]))
            record = software.record()
            log += [(answer.ok, answer.addr), record and [record[0], *record[2:]]]
    target.clear_injected()
    return log, [software.tables.load(where + 8 * n) for where in places for n in range(64)]


@pytest.mark.parametrize("caps", [{}, {"amo_mrif": 1, "amo_hwad": 1}], ids=["plain", "atomic"])
def test_both_agree(caps):
    rtl = RtlTarget()
    try:
        for seed in range(6):
            golden = happens(GoldenTarget(), seed, caps)
            assert golden == happens(rtl, seed, caps), seed
            answers = [answer for answer in golden[0][::2] if answer[0]]
            assert any(answer[1] == 0 for answer in answers)    # messages were carried out
    finally:
        rtl.close()
