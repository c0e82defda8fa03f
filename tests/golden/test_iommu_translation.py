"""Page tables, by hand: which address, which fault, which record."""

from itertools import pairwise

import pytest

from rtl.spec.page_table import DC_IOHGATP, IOSATP

GIB, MIB2, KIB64 = 1 << 30, 2 << 20, 64 << 10


def test_off_and_bare(world):
    w = world()
    assert w.cause(0x1234) == 256
    w.start(mode=1)
    result = w.ask(0x00AB_CDEF_0123_4567)
    assert (result.ok, result.addr, result.pbmt) == (True, 0x00AB_CDEF_0123_4567, 0)
    assert w.cause(1 << 56) == 5                        # wider than PAS
    assert w.cause(0x1000, translated=True) == 260


def test_page_of_4_kib(world):
    w = world().sv39()
    assert w.ask(0x0000_0FFF).addr == 0x1_0000_0FFF
    assert w.ask(0x001F_F123, "w").addr == 0x1_001F_F123
    assert w.ask(0x0000_7008, "x").addr == 0x1_0000_7008


@pytest.mark.parametrize("size, table, offset", [
    (GIB, "ROOT", 1 * GIB), (MIB2, "MID", 3 * MIB2)])
def test_superpages(world, size, table, offset):
    w = world().sv39()
    w.pte(getattr(w, table) + offset // size * 8, 0x40 * GIB, **w.PAGES)
    assert w.ask(offset + 0x12345).addr == 0x40 * GIB + 0x12345
    assert w.ask(offset + size - 1).addr == 0x40 * GIB + size - 1
    w.pte(getattr(w, table) + offset // size * 8 + 8, 0x40 * GIB + size // 2, **w.PAGES)
    assert w.cause(offset + size) == 13                 # not aligned to its size


def test_napot(world):
    w = world().sv39()
    for n in range(16, 32):                             # IOVA 0x10000..0x1FFFF
        w.pte(w.LEAF + 8 * n, 0x7_0000_8000, **w.PAGES, n=1)
    assert w.ask(0x1_0000).addr == 0x7_0000_0000
    assert w.ask(0x1_CDEF).addr == 0x7_0000_CDEF
    w.pte(w.LEAF, 0x7_0000_4000, **w.PAGES, n=1)        # 32 KiB is reserved
    assert w.cause(0) == 13
    w.pte(w.MID + 8, 0x40 * GIB | 0x8000, **w.PAGES, n=1)
    assert w.cause(MIB2) == 13                          # only at the last level


@pytest.mark.parametrize("iova, ok", [
    (0x3F_FFFF_FFFF, True), (0x40_0000_0000, False), (0xFFFF_FFBF_FFFF_FFFF, False),
    (0xFFFF_FFC0_0000_0000, True), (0x8000_0000_0000_0000, False), (0xFFFF_FFFF_FFFF_FFFF, True)])
def test_addresses_of_sv39_are_sign_extended(world, iova, ok):
    w = world().sv39()
    for index in (255, 256, 511):
        w.pte(w.ROOT + 8 * index, 0x10 * GIB, **w.PAGES)
    result = w.ask(iova)
    assert (result.ok, int(result.cause)) == ((True, 0) if ok else (False, 13))
    if ok:
        assert result.addr == 0x10 * GIB + iova % GIB


@pytest.mark.parametrize("mode, levels", [(9, 4), (10, 5)])
def test_deeper_tables(world, mode, levels):
    w = world(sv48=1, sv57=1)
    w.context(fsc=IOSATP.pack(mode=mode, ppn=w.ROOT >> 12))
    tables = [w.ROOT, w.MID, w.LEAF, w.GUEST, w.PDT][:levels]
    for n, (table, below) in enumerate(pairwise(tables)):
        w.pte(table + 8 * (n + 1), below, v=1)          # index 1, 2, ... from the root
    w.pte(tables[-1] + 8 * 9, 0x5000, **w.PAGES)
    w.start()
    iova = sum((n + 1) << 12 + 9 * (levels - 1 - n) for n in range(levels - 1)) + 0x9ABC
    assert w.ask(iova).addr == 0x5ABC
    assert w.cause(1 << 12 + 9 * levels) == 13          # not canonical


@pytest.mark.parametrize("leaf, allowed", [
    (dict(r=1, w=0, x=0), "r"), (dict(r=1, w=1, x=0), "rw"), (dict(r=0, w=0, x=1), "x"),
    (dict(r=1, w=0, x=1), "rx"), (dict(r=0, w=1, x=0), ""), (dict(r=0, w=1, x=1), ""),
    (dict(v=0), ""), (dict(u=0), ""), (dict(a=0), ""), (dict(d=0), "rx"),
    (dict(rsw=3, g=1), "rwx"), (dict(pbmt=1), ""), (dict(rsw60t59b=1), "")])
def test_permissions(world, leaf, allowed):
    w = world().sv39(**leaf)
    causes = {access: w.cause(0x1000, access) for access in "rwx"}
    assert causes == {access: 0 if access in allowed else {"r": 13, "w": 15, "x": 12}[access]
                      for access in "rwx"}
    again = {access: w.cause(0x1000, access) for access in "rwx"}
    assert again == causes                              # a hit checks what the walk checked


@pytest.mark.parametrize("bit", [4, 6, 7, 54, 58, 59, 60, 61, 62, 63])
def test_bits_that_a_pointer_must_not_have(world, bit):
    w = world(svpbmt=1, svrsw60t59b=1).sv39()
    w.words(w.MID, *(word | 1 << bit for word in w.dwords(w.MID, 1)))
    assert w.cause(0) == (0 if bit in (59, 60) else 13)


def test_pointer_at_the_last_level(world):
    w = world().sv39()
    w.pte(w.LEAF, w.ROOT, v=1)
    assert w.cause(0) == 13


@pytest.mark.parametrize("pbmt, cause", [(0, 0), (1, 0), (2, 0), (3, 13)])
def test_memory_type(world, pbmt, cause):
    w = world(svpbmt=1).sv39(pbmt=pbmt)
    result = w.ask(0)
    assert (int(result.cause), result.pbmt) == (cause, 0 if cause else pbmt)


def test_tables_that_cannot_be_read(world):
    w = world().sv39()
    w.memory.inject(w.LEAF, w.LEAF + 4096, "r")
    assert [w.cause(0, access) for access in "rwx"] == [5, 7, 1]
    w.memory.clear_injected()
    w.memory.inject(w.LEAF, w.LEAF + 4096, "r", poison=True)
    assert w.cause(0) == 274
    w.pte(w.ROOT + 8, 0x10, v=1)                        # a table outside memory
    assert w.cause(GIB, "w") == 7


def test_leaf_wider_than_pas(world):
    w = world(pas=34).sv39()
    w.pte(w.LEAF, 1 << 34, **w.PAGES)
    assert w.cause(0) == 5
    assert w.ask(0x1000).ok


def test_both_stages_bare(world):
    w = world()
    w.context(fsc=0)
    w.start()
    assert w.ask(0x12_3456_789A_BCDE & (1 << 56) - 1).addr == 0x12_3456_789A_BCDE
    assert w.cause(1 << 56, "w") == 7


def test_record_of_a_page_fault(world):
    w = world().sv39(w=0)
    result = w.ask(0x2345, "w")
    assert result.reported
    assert w.record() == (5 << 40 | 3 << 34 | 15, 0, 0x2345, 0)
    assert (w.read("fqt"), w.read("ipsr")) == (1, 2)


def test_dtf_silences_page_faults_but_not_the_directory(world):
    w = world().sv39(r=0)
    w.context(dtf=1)
    result = w.ask(0)
    assert (int(result.cause), result.reported) == (13, False)
    assert w.ask(0, pid=1).reported is False            # 260
    assert w.read("fqt") == 0
    assert w.ask(0, did=6).reported is True             # 258
    assert w.read("fqt") == 1


class TestSecondStage:
    """Sv39x4: the root GUEST has four pages; GPA 0..2 MiB to 0x8_0000_0000."""

    ROOT_ENTRY = 1500 * 8                               # index of eleven bits

    def build(self, world, first=False, **features):
        w = world(sv39x4=1, svpbmt=1, **features)
        w.context(fsc=None if first else 0,
                  iohgatp=DC_IOHGATP.pack(mode=8, gscid=3, ppn=w.GUEST >> 12))
        w.pte(w.GUEST + self.ROOT_ENTRY, 0x8_0000_0000, **w.PAGES, pbmt=2)
        w.start()
        return w

    def test_address(self, world):
        w = self.build(world)
        assert w.ask(1500 * GIB + 0x1234).addr == 0x8_0000_1234
        assert w.ask(1500 * GIB).pbmt == 2
        assert w.cause(1499 * GIB) == 21

    def test_guest_addresses_have_41_bits(self, world):
        w = self.build(world)
        assert w.cause(1 << 41, "w") == 23
        assert w.record() == (5 << 40 | 3 << 34 | 23, 0, 1 << 41, 1 << 41)

    def test_table_ends_after_16_kib(self, world):
        w = self.build(world)
        w.pte(w.GUEST + 0x4000, 0, **w.PAGES)           # where bit 41 would lead
        assert w.cause(1 << 41) == 21

    @pytest.mark.parametrize("bit, causes", [("r", [21, 23, 0]), ("w", [0, 23, 0]),
                                             ("x", [0, 0, 20]), ("d", [0, 23, 0])])
    def test_permissions(self, world, bit, causes):
        w = self.build(world)
        leaf = {**w.PAGES, bit: 0} | ({"w": 0} if bit == "r" else {})
        w.pte(w.GUEST + self.ROOT_ENTRY, 0x8_0000_0000, **leaf)
        for _ in range(2):                              # the second time from the cache
            assert [w.cause(1500 * GIB, access) for access in "rwx"] == causes

    def test_user_bit_is_needed(self, world):
        w = self.build(world)
        w.pte(w.GUEST + self.ROOT_ENTRY, 0x8_0000_0000, **{**w.PAGES, "u": 0})
        assert w.cause(1500 * GIB + 6, "x") == 20
        assert w.record()[3] == 1500 * GIB + 4

    def test_first_stage_through_second(self, world):
        w = self.build(world, first=True)
        w.pte(w.GUEST + 2 * 8, 0x8000_0000, **w.PAGES)  # guest sees the tables where they are
        w.pte(w.ROOT, 1500 * GIB, **w.PAGES, pbmt=1)
        result = w.ask(0x777)
        assert (result.addr, result.pbmt) == (0x8_0000_0777, 1)    # the first stage decides
        w.pte(w.ROOT, 1500 * GIB, **w.PAGES)
        assert w.ask(0x777).pbmt == 1                   # the old one, until invalidated

    def test_table_outside_the_guest(self, world):
        w = self.build(world, first=True)
        assert w.cause(0xABC, "w") == 23
        assert w.record() == (5 << 40 | 3 << 34 | 23, 0, 0xABC, w.ROOT | 1)


class TestUpdates:
    """Hardware sets A and D."""

    def test_first_stage(self, world):
        w = world(amo_hwad=1).sv39(a=0, d=0)
        w.context(sade=1)
        assert w.ask(0x1000).ok
        assert w.dwords(w.LEAF, 2) == (0x4000_001F, 0x4000_045F)   # A of page 1
        assert w.ask(0x1000, "w").ok
        assert w.dwords(w.LEAF + 8, 1) == (0x4000_04DF,)           # A and D

    def test_not_for_a_forbidden_access(self, world):
        w = world(amo_hwad=1).sv39(a=0, d=0, w=0)
        w.context(sade=1)
        assert w.cause(0, "w") == 15
        assert w.dwords(w.LEAF, 1) == (0x4000_001B,)

    def test_both_stages(self, world):
        w = world(amo_hwad=1, sv39x4=1).sv39(a=0, d=0)
        w.context(sade=1, gade=1, iohgatp=DC_IOHGATP.pack(mode=8, ppn=w.GUEST >> 12))
        fresh = {**w.PAGES, "a": 0, "d": 0}
        w.pte(w.GUEST + 2 * 8, 0x8000_0000, **fresh)    # the tables
        w.pte(w.GUEST + 4 * 8, 0x1_0000_0000, **fresh)  # the data
        leaf = 0x4000_001F
        assert w.ask(0x1000).ok
        assert w.dwords(w.LEAF + 8, 1) == (leaf + 0x400 | 0x40,)
        assert w.dwords(w.GUEST + 16, 3) == (0x2000_00DF, 0, 0x4000_005F)
        assert w.ask(0x1000, "w").ok                    # walks again, although cached
        assert w.dwords(w.LEAF + 8, 1) == (leaf + 0x400 | 0xC0,)
        assert w.dwords(w.GUEST + 32, 1) == (0x4000_00DF,)

    def test_table_that_the_guest_may_not_write(self, world):
        w = world(amo_hwad=1, sv39x4=1).sv39(a=0)
        w.context(sade=1, iohgatp=DC_IOHGATP.pack(mode=8, ppn=w.GUEST >> 12))
        w.pte(w.GUEST + 2 * 8, 0x8000_0000, **{**w.PAGES, "w": 0})
        assert w.cause(0x1000) == 21
        assert w.record()[3] == w.LEAF + 8 | 3          # an implicit write

    def test_update_refused_by_memory(self, world):
        w = world(amo_hwad=1).sv39(d=0)
        w.context(sade=1)
        w.memory.inject(w.LEAF, w.LEAF + 8, "w")
        assert w.ask(0).ok
        assert w.cause(0, "w") == 7
