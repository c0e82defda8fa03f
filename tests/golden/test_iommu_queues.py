"""Commands, records and interrupts."""

import pytest

from rtl.spec.page_table import DC_IOHGATP
from rtl.spec.queues import IODIR_DW0, IOFENCE_DW0, IOFENCE_DW1, IOTINVAL_DW0, IOTINVAL_DW1

VMA = IOTINVAL_DW0.pack(opcode=1)
FENCE = IOFENCE_DW0.pack(opcode=2)
DDT = IODIR_DW0.pack(opcode=3)
PDT = IODIR_DW0.pack(opcode=3, func3=1)
MIB2, GIB = 2 << 20, 1 << 30


def vma(addr=None, *, size_log2=None, **fields):
    """IOTINVAL.VMA; ``size_log2`` for a range of that many bytes, from 13 on."""
    if addr is None:
        return IOTINVAL_DW0.pack(VMA, **fields), 0
    page = addr >> 12
    if size_log2 is not None:
        page = page & -1 << size_log2 - 12 | (1 << size_log2 - 13) - 1
    return (IOTINVAL_DW0.pack(VMA, av=1, **fields),
            IOTINVAL_DW1.pack(addr=page, s=int(size_log2 is not None)))


def gvma(**fields):
    return IOTINVAL_DW0.pack(opcode=1, func3=1, **fields)


class TestInvalidation:
    """Everything is mapped anew in memory; what still shows the old address was kept."""

    def build(self, world, **features):
        w = world(nl=1, s=1, **features).sv39()
        w.pte(w.ROOT + 8, 4 * GIB, **{**w.PAGES, "g": 1})          # global, 1 GiB at 1 GiB
        w.pte(w.MID + 8, 2 * GIB, **w.PAGES)                       # 2 MiB at 2 MiB
        self.asked = (0, 0x1000, 0x2000, 0x3000, MIB2 + 0x5000, GIB + 0x5000)
        for iova in self.asked:
            assert w.ask(iova).ok
        w.pte(w.ROOT, 1 << 40, **w.PAGES)
        w.pte(w.ROOT + 8, 1 << 41, **w.PAGES)
        return w

    def kept(self, w):
        return [int(w.ask(iova).addr < 1 << 40) for iova in self.asked]

    @pytest.mark.parametrize("command, kept", [
        (vma(gv=1, gscid=1), [1, 1, 1, 1, 1, 1]),
        (vma(), [0, 0, 0, 0, 0, 0]),
        (vma(pscv=1, pscid=7), [0, 0, 0, 0, 0, 1]),
        (vma(pscv=1, pscid=8), [1, 1, 1, 1, 1, 1]),
        (vma(0x1000), [1, 0, 1, 1, 1, 1]),
        (vma(0x1000, pscv=1, pscid=7), [1, 0, 1, 1, 1, 1]),
        (vma(MIB2), [1, 1, 1, 1, 0, 1]),
        (vma(GIB), [1, 1, 1, 1, 1, 0]),
        (vma(GIB, pscv=1, pscid=7), [1, 1, 1, 1, 1, 1]),
        (vma(0x2000, nl=1), [1, 1, 0, 1, 1, 1]),
        (vma(0x2000, size_log2=13), [1, 1, 0, 0, 1, 1]),
        (vma(0, size_log2=14), [0, 0, 0, 0, 1, 1]),
        (vma(0, size_log2=22), [0, 0, 0, 0, 0, 1])])
    def test_first_stage(self, world, command, kept):
        w = self.build(world)
        w.command(*command)
        w.command(FENCE)
        assert w.read("cqh") == 2
        assert self.kept(w) == kept

    def test_without_cache(self, world):
        assert self.kept(self.build(world, cache=False)) == [0] * 6

    def test_global_entries_serve_all_processes(self, world):
        w = world().sv39(g=1)
        w.context(did=4, ta=8 << 12)
        assert w.ask(0).ok and w.ask(0, did=4).ok
        assert (w.read("tlb_hits"), w.read("tlb_misses")) == (1, 1)
        w.command(*vma(0))
        assert w.ask(0, did=4).ok
        assert w.read("tlb_misses") == 2

    def test_directory(self, world):
        w = world().sv39()
        assert w.ask(0).ok
        w.context(did=4, fsc=0)
        assert w.ask(0, did=4).ok
        w.words(w.DDT + 4 * 32, 0, 0, 0, 0, 0)                     # both gone
        w.command(IODIR_DW0.pack(DDT, dv=1, did=5))
        assert [w.cause(0, did=did) for did in (5, 4)] == [258, 0]
        w.command(DDT)
        assert [w.cause(0, did=did) for did in (5, 4)] == [258, 258]

    def test_processes(self, world):
        w = world(pd8=1).sv39()
        w.context(pdtv=1, fsc=1 << 60 | w.PDT >> 12)
        w.words(w.PDT, 1, 0, 1, 0)
        assert w.ask(0, pid=0).ok and w.ask(0, pid=1).ok
        w.words(w.PDT, 0, 0, 0, 0)
        w.command(IODIR_DW0.pack(PDT, dv=1, did=5, pid=1))
        assert [w.cause(0, pid=pid) for pid in (0, 1)] == [0, 266]
        w.command(IODIR_DW0.pack(DDT, dv=1, did=5))
        assert w.cause(0, pid=0) == 266

    def test_second_stage(self, world):
        w = world(sv39x4=1)
        for did, gscid in (4, 1), (5, 2):
            w.context(did=did, fsc=0,
                      iohgatp=DC_IOHGATP.pack(mode=8, gscid=gscid, ppn=w.GUEST >> 12))
        w.pte(w.GUEST, 0, **w.PAGES)
        w.start()
        for command, causes in [
                ((VMA, 0), [0, 0]),
                ((gvma(gv=1, gscid=1, av=1), IOTINVAL_DW1.pack(addr=7)), [21, 0]),
                ((gvma(gv=1, gscid=1, av=1), IOTINVAL_DW1.pack(addr=1 << 18)), [0, 0]),
                ((gvma(gv=1, gscid=2), 0), [0, 21]),
                ((gvma(), 0), [21, 21])]:
            w.pte(w.GUEST, 0, **w.PAGES)
            assert [w.cause(0x1000, did=did) for did in (4, 5)] == [0, 0]
            w.pte(w.GUEST, 0)
            w.command(*command)
            assert [w.cause(0x1000, did=did) for did in (4, 5)] == causes


@pytest.mark.parametrize("dw0, dw1", [
    (0, 0), (5, 0), (63, 0), (64, 0), (127, 0),
    (VMA | 2 << 7, 0), (VMA | 1 << 11, 0), (VMA | 1 << 34, 0), (VMA | 1 << 35, 0),
    (VMA | 1 << 43, 0), (VMA | 1 << 60, 0), (VMA, 1), (VMA, 1 << 8), (VMA, 1 << 9), (VMA, 1 << 62),
    (gvma(pscv=1), 0), (gvma() | 1 << 11, 0),
    (FENCE | 1 << 7, 0), (FENCE | 1 << 14, 0), (FENCE | 1 << 31, 0), (FENCE, 1 << 62),
    (DDT | 2 << 7, 0), (DDT | 1 << 10, 0), (DDT | 1 << 12, 0), (DDT | 1 << 32, 0),
    (DDT | 1 << 34, 0), (DDT, 1), (DDT | 1 << 33 | 128 << 40, 0),
    (PDT, 0), (PDT | 1 << 33 | 1 << 12, 0), (4, 0), (4 | 1 << 7, 0)])
def test_illegal_commands(world, dw0, dw1):
    w = world().start()
    w.command(FENCE)
    w.command(dw0, dw1)
    w.command(FENCE)
    assert (w.read("cqh"), w.read("cqcsr")) == (1, 0x1_0403)       # cqh points at it
    assert (w.read("ipsr"), w.iommu.wires) == (1, 1)
    w.words(w.CQ + 16, FENCE, 0)
    w.write("cqcsr", 0x400 | 3)
    assert (w.read("cqh"), w.read("cqcsr")) == (3, 0x1_0003)


def test_fence_for_messages_must_not_ask_for_a_wire(world):
    w = world(igs=2).start()
    w.command(IOFENCE_DW0.pack(FENCE, wsi=1))
    assert w.read("cqcsr") == 0x1_0403


def test_fence(world):
    w = world().start()
    w.words(w.PDT, (1 << 64) - 1)
    w.command(IOFENCE_DW0.pack(FENCE, av=1, data=0x1234_5678, pr=1, pw=1),
              IOFENCE_DW1.pack(addr=w.PDT + 4 >> 2))
    assert w.dwords(w.PDT, 1) == (0x1234_5678_FFFF_FFFF,)
    assert w.iommu.wires == 0
    w.write("icvec", 2)
    w.command(IOFENCE_DW0.pack(FENCE, wsi=1))
    assert (w.read("cqcsr"), w.read("ipsr"), w.iommu.wires) == (0x1_0803, 1, 4)
    w.write("ipsr", 1)
    assert w.read("ipsr") == 1                          # the source still stands
    w.write("cqcsr", 0x800 | 3)
    w.write("ipsr", 1)
    assert (w.read("ipsr"), w.iommu.wires) == (0, 0)


@pytest.mark.parametrize("lo", ["CQ", "PDT"])
def test_memory_fault_of_the_command_queue(world, lo):
    w = world().start()
    where = getattr(w, lo)
    w.memory.inject(where, where + 64, "rw")
    w.command(IOFENCE_DW0.pack(FENCE, av=1, data=1), IOFENCE_DW1.pack(addr=w.PDT >> 2))
    assert (w.read("cqh"), w.read("cqcsr")) == (0, 0x1_0103)
    w.memory.clear_injected()
    w.write("cqcsr", 0x100 | 3)
    assert (w.read("cqh"), w.dwords(w.PDT, 1)) == (1, (1,))


@pytest.mark.parametrize("mode", [0, 1])
def test_any_device_may_be_invalidated_without_directory(world, mode):
    w = world().start(mode)
    w.command(DDT | 1 << 33 | 0xFFFFFF << 40)
    assert (w.read("cqh"), w.read("cqcsr")) == (1, 0x1_0003)


def test_interrupt_enabled_after_the_error(world):
    w = world().start()
    w.write("cqcsr", 1)
    w.command(0)
    assert w.read("ipsr") == 0
    w.write("cqcsr", 3)
    assert (w.read("ipsr"), w.iommu.wires) == (1, 1)


def test_queue_that_is_off(world):
    w = world().start()
    w.write("cqcsr", 0)
    w.command(FENCE)
    assert w.read("cqh") == 0
    w.write("cqcsr", 1)                                 # executes what waits
    assert w.read("cqh") == 1


def test_overflow(world):
    w = world().start()
    for n in range(15):
        assert w.ask(n).reported
    assert (w.read("fqt"), w.read("fqcsr")) == (15, 0x1_0003)
    w.write("ipsr", 2)
    assert w.ask(15).reported is False                  # full: one entry stays free
    assert (w.read("fqt"), w.read("fqcsr"), w.read("ipsr")) == (15, 0x1_0203, 2)
    w.write("fqh", 3)
    assert w.ask(16).reported is False                  # still, until cleared
    w.write("fqcsr", 0x200 | 3)
    assert w.ask(17).reported
    assert (w.read("fqt"), w.record(15)[2]) == (0, 17)


def test_memory_fault_of_the_fault_queue(world):
    w = world().start()
    w.memory.inject(w.FQ, w.FQ + 64, "w")
    assert w.ask(0).reported is False
    assert (w.read("fqt"), w.read("fqcsr"), w.read("ipsr")) == (0, 0x1_0103, 2)
    w.memory.clear_injected()
    assert w.ask(0).reported is False
    w.write("fqcsr", 0x100 | 3)
    assert w.ask(1).reported
    assert (w.read("fqt"), w.record()[2]) == (1, 1)


def test_fault_queue_off(world):
    w = world()
    w.start()
    w.write("fqcsr", 0)
    assert w.ask(0).reported is False
    assert (w.read("fqt"), w.read("ipsr")) == (0, 0)


def test_record_interrupts_once(world):
    w = world().start()
    w.ask(0)
    assert w.iommu.wires == 1
    w.write("ipsr", 2)
    assert (w.read("ipsr"), w.iommu.wires) == (0, 0)    # an old record is no source
    w.write("fqcsr", 1)                                 # fie off
    w.ask(0)
    assert (w.read("fqt"), w.read("ipsr")) == (2, 0)


class TestMessages:
    """Interrupts by message: vector 1 goes to MSI + 0x10."""

    def build(self, world, masked=0):
        w = world(igs=0)
        w.iommu.write(0x310, w.MSI + 0x10, 8)
        w.iommu.write(0x318, 0xABCD)
        w.iommu.write(0x31C, masked)
        w.write("icvec", 0x10)
        return w.start()

    def test_sent_on_each_edge(self, world):
        w = self.build(world)
        w.ask(0)
        assert (w.dwords(w.MSI + 0x10, 1), w.iommu.wires) == ((0xABCD,), 0)
        w.words(w.MSI + 0x10, 0)
        w.ask(0)
        assert w.dwords(w.MSI + 0x10, 1) == (0,)        # still pending
        w.write("ipsr", 2)
        w.ask(0)
        assert w.dwords(w.MSI + 0x10, 1) == (0xABCD,)

    def test_masked(self, world):
        w = self.build(world, masked=1)
        w.ask(0)
        assert w.dwords(w.MSI + 0x10, 1) == (0,)
        w.iommu.write(0x31C, 0)
        assert w.dwords(w.MSI + 0x10, 1) == (0xABCD,)
        w.words(w.MSI + 0x10, 0)
        w.iommu.write(0x31C, 0)
        assert w.dwords(w.MSI + 0x10, 1) == (0,)        # once

    def test_refused(self, world):
        w = self.build(world)
        w.memory.inject(w.MSI, w.MSI + 64, "w")
        w.ask(0x5000)
        assert w.record(1) == (273, 0, w.MSI + 0x10, 0)
