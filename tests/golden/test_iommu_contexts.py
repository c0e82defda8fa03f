"""Directories: who is found, and which context is refused."""

import pytest

from rtl.spec.page_table import DC_IOHGATP, DC_TC, DDTE, IOSATP
from rtl.spec.queues import IODIR_DW0

GIB = 1 << 30
SV39 = IOSATP.pack(mode=8, ppn=0x80010)


def test_one_level(world):
    w = world()
    w.context(fsc=0, did=127)
    w.start(mode=2)
    assert w.ask(0x1000, did=127).addr == 0x1000
    assert w.cause(0, did=126) == 258
    assert w.cause(0, did=128) == 260


def test_three_levels(world):
    w = world()
    did = 0xAB_CD_EF                                    # indices 0xAB, 0x19B, 0x6F
    w.words(w.DDT + 0xAB * 8, DDTE.pack(v=1, ppn=w.ROOT >> 12))
    w.words(w.ROOT + 0x19B * 8, DDTE.pack(v=1, ppn=w.MID >> 12))
    w.words(w.MID + 0x6F * 32, 1, 0, 0, 0)
    w.start(mode=4)
    assert w.ask(0x1000, did=did).ok
    assert w.cause(0, did=did + 1) == 258
    w.write("ddtp", 0, 8)
    w.write("ddtp", w.ROOT >> 2 | 3, 8)                 # two levels: 16 bits
    assert w.ask(0, did=did & 0xFFFF).ok
    assert w.cause(0, did=did) == 260


@pytest.mark.parametrize("entry, cause", [
    (0, 258), (2, 258), (1 | 1 << 9, 259), (1 | 1 << 54, 259), (1 | 1 << 63, 259), (1, 257)])
def test_bad_directory_entries(world, entry, cause):
    w = world()
    w.words(w.DDT, entry)
    w.start(mode=3)
    assert w.cause(0x5000, "w") == cause
    assert w.record() == (5 << 40 | 3 << 34 | cause, 0, 0x5000, 0)


def test_directory_that_cannot_be_read(world):
    w = world()
    w.context(fsc=0)
    w.start()
    w.memory.inject(w.DDT + 5 * 32 + 24, w.DDT + 6 * 32, "r")
    assert w.cause(0) == 257
    w.memory.clear_injected()
    w.memory.inject(w.DDT, w.DDT + 4096, "r", poison=True)
    assert w.cause(0) == 268
    assert w.cause(0, did=0) == 268


@pytest.mark.parametrize("tc, iohgatp, ta, fsc, ok", [
    ({}, 0, 0, 0, True), ({}, 0, 7 << 12, SV39, True), ({"dtf": 1}, 0, 0, SV39, True),
    ({"en_ats": 1}, 0, 0, SV39, False), ({"en_pri": 1}, 0, 0, SV39, False),
    ({"t2gpa": 1}, 0, 0, SV39, False), ({"prpr": 1}, 0, 0, SV39, False),
    ({"dpe": 1}, 0, 0, SV39, False), ({"gade": 1}, 0, 0, SV39, False),
    ({"sade": 1}, 0, 0, SV39, False), ({"sbe": 1}, 0, 0, SV39, False),
    ({"sxl": 1}, 0, 0, SV39, False), ({"pdtv": 1}, 0, 0, 0, True),
    ({"pdtv": 1}, 0, 0, 1 << 60, False), ({}, 0, 1, SV39, False), ({}, 0, 1 << 32, SV39, False),
    ({}, 0, 1 << 40, SV39, False), ({}, 0, 1 << 63, SV39, False), ({}, 8 << 60, 0, 0, False),
    ({}, 1 << 60, 0, 0, False), ({}, 0, 0, 9 << 60, False), ({}, 0, 0, 1 << 60, False),
    ({}, 0, 0, SV39 | 1 << 44, False)])
def test_configuration_checks(world, tc, iohgatp, ta, fsc, ok):
    w = world()
    w.context(iohgatp=iohgatp, ta=ta, fsc=fsc, **tc)
    w.start()
    assert (w.cause(0) == 259) == (not ok)


@pytest.mark.parametrize("bit, ok", [(12, False), (23, False), (24, True), (31, True), (32, False),
                                     (63, False)])
def test_bits_of_tc(world, bit, ok):
    w = world()
    w.context(fsc=0)
    w.words(w.DDT + 5 * 32, 1 | 1 << bit)
    w.start()
    assert w.cause(0) == (0 if ok else 259)


def test_second_stage_root_is_16_kib(world):
    w = world(sv39x4=1)
    for offset in range(4):
        w.context(did=offset, fsc=0,
                  iohgatp=DC_IOHGATP.pack(mode=8, ppn=(w.GUEST >> 12) + offset))
    w.start()
    assert [w.cause(0, did=did) for did in range(4)] == [21, 259, 259, 259]


def test_requests_that_the_context_does_not_allow(world):
    w = world().sv39()
    assert w.cause(0, translated=True) == 260
    assert w.cause(0, pid=0) == 260                     # PDTV is 0
    assert w.record(1)[0] == 5 << 40 | 2 << 34 | 1 << 32 | 260
    assert w.ask(0, priv=True).ok                       # means nothing without a process_id
    assert w.cause(GIB, priv=True) == 13
    assert w.record(2)[0] == 5 << 40 | 2 << 34 | 13


class TestProcesses:
    """PD8: process 3 has the table at ROOT."""

    def build(self, world, *, ta=0x7001, fsc=SV39, **tc):
        w = world(pd8=1)
        assert w.ROOT >> 12 == 0x80010
        w.sv39()
        w.context(fsc=IOSATP.pack(mode=1, ppn=w.PDT >> 12), pdtv=1, **tc)
        w.words(w.PDT + 3 * 16, ta, fsc)
        return w

    def test_found(self, world):
        w = self.build(world)
        assert w.ask(0x1000, pid=3).addr == 0x1_0000_1000
        assert w.ask(0x1000, pid=3).addr == 0x1_0000_1000          # from the caches
        assert w.ask(0x1000).addr == 0x1000             # without a process: Bare
        assert w.cause(0, pid=4) == 266
        assert w.cause(0, pid=256) == 260

    def test_default_process(self, world):
        w = self.build(world, dpe=1)
        w.words(w.PDT, 0x8001, 0)
        assert w.ask(0x1000).addr == 0x1000
        assert w.ask(0x1000, pid=3).addr == 0x1_0000_1000
        w.command(IODIR_DW0.pack(opcode=3, dv=1, did=5))
        w.words(w.PDT, 0x7001, SV39)
        assert w.ask(0x1000).addr == 0x1_0000_1000

    @pytest.mark.parametrize("ta, fsc, cause", [
        (0, SV39, 266), (1 | 1 << 3, SV39, 267), (1 | 1 << 32, SV39, 267), (1, 9 << 60, 267),
        (1, SV39 | 1 << 44, 267)])
    def test_bad_contexts(self, world, ta, fsc, cause):
        w = self.build(world, ta=ta, fsc=fsc)
        assert w.cause(0x1000, "w", pid=3, priv=True) == cause
        assert w.record() == (5 << 40 | 3 << 34 | 1 << 33 | 1 << 32 | 3 << 12 | cause, 0, 0x1000, 0)

    def test_directory_that_cannot_be_read(self, world):
        w = self.build(world)
        w.memory.inject(w.PDT, w.PDT + 64, "r")
        assert w.cause(0, pid=3) == 265

    def test_no_directory(self, world):
        w = self.build(world)
        w.context(fsc=0, pdtv=1)
        assert w.ask(0x1000, pid=0xFFFFF, priv=True).addr == 0x1000

    @pytest.mark.parametrize("poison, cause", [(False, 265), (True, 269)])
    def test_directory_of_a_guest(self, world, poison, cause):
        w = world(pd8=1, sv39x4=1)
        w.context(fsc=IOSATP.pack(mode=1, ppn=w.PDT >> 12), pdtv=1,
                  iohgatp=DC_IOHGATP.pack(mode=8, ppn=w.GUEST >> 12))
        w.words(w.PDT + 16, 1, 0)
        w.start()
        assert w.cause(0x1000, "w", pid=1) == 23
        assert w.record()[3] == w.PDT + 16 | 1
        w.memory.inject(w.GUEST, w.GUEST + 64, "r", poison=poison)
        assert w.cause(0x1000, "w", pid=1) == cause     # of the table under the directory
        w.memory.clear_injected()
        w.pte(w.GUEST + 16, 0x8000_0000, **w.PAGES)
        assert w.ask(w.PDT + 8, pid=1).addr == w.PDT + 8

    @pytest.mark.parametrize("ta, user_page, allowed", [
        (0x7001, 1, ""), (0x7003, 0, "rwx"), (0x7003, 1, ""), (0x7007, 1, "rw")])
    def test_supervisor(self, world, ta, user_page, allowed):
        w = self.build(world, ta=ta)
        w.pte(w.LEAF, 0x1_0000_0000, **{**w.PAGES, "u": user_page})
        refused = 260 if not ta & 2 else None
        for access, cause in zip("rwx", (13, 15, 12), strict=True):
            expected = 0 if access in allowed else refused or cause
            assert w.cause(0, access, pid=3, priv=True) == expected


class TestInterruptFiles:
    """Flat MSI page table: pages 0x300 to 0x303 of the guest, bits 1:0 in the mask."""

    def build(self, world, *, mode=1 << 60, mask=3, pattern=0x300, last=0):
        w = world(msi_flat=1, sv39x4=1)
        w.words(w.DDT + 5 * 64, DC_TC.pack(v=1), DC_IOHGATP.pack(mode=8, ppn=w.GUEST >> 12), 0, 0,
                mode | w.MSI >> 12, mask, pattern, last)
        w.pte(w.GUEST, 0, **w.PAGES)
        w.words(w.MSI + 2 * 16, 7 | 0x99 << 10, 0xFFFF_FFFF_FFFF_FFFF)
        w.start()
        return w

    def test_basic(self, world):
        w = self.build(world)
        assert w.ask(0x302_008, "w").addr == 0x99_008
        assert w.ask(0x304_008, "w").addr == 0x304_008  # no interrupt file
        assert w.cause(0x302_000, "x") == 1
        assert w.cause(0x301_000, "w") == 262
        assert w.cause(0, did=64) == 260                # six bits in this format

    @pytest.mark.parametrize("dword, cause", [
        (1, 263), (5, 263), (3, 263), (7 | 1 << 3, 263), (7 | 1 << 54, 263),
        (7 | 1 << 63, 263), (6, 262)])
    def test_bad_entries(self, world, dword, cause):
        w = self.build(world)
        w.words(w.MSI + 2 * 16, dword)
        assert w.cause(0x302_000) == cause

    @pytest.mark.parametrize("field", [
        {"mode": 2 << 60}, {"mode": 1 << 60 | 1 << 44}, {"mask": 1 << 29}, {"pattern": 1 << 52},
        {"last": 1}])
    def test_bad_contexts(self, world, field):
        assert self.build(world, **field).cause(0) == 259

    def test_two_devices_of_a_guest(self, world):
        w = self.build(world)
        w.words(w.DDT + 6 * 64, *w.dwords(w.DDT + 5 * 64, 4), 0, 0, 0, 0)
        assert w.ask(0x302_000).addr == 0x99_000
        assert w.ask(0x302_000, did=6).addr == 0x302_000

    def test_without_second_stage(self, world):
        w = self.build(world)
        w.words(w.DDT + 5 * 64 + 8, 0)
        assert w.cause(0) == 259
