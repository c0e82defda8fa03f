"""A driver's view of the golden machine, by register writes only."""

import struct

import pytest

from kernel_api.core.machine import Machine
from rtl.spec.cdma_regs import CDMA_REGISTERS
from rtl.spec.iommu_regs import IOMMU_REGISTERS
from rtl.spec.page_table import DC_TA, DC_TC, DDTE, IOSATP, PTE, IosatpMode
from rtl.spec.platform import CDMA_BASE, IOMMU_BASE, BusError, Irq, Platform
from rtl.spec.queues import IODIR_DW0, IOFENCE_DW0, IOTINVAL_DW0
from sim.golden.machine import GoldenMachine

BASE = 0x8000_0000
DDT, CQ, FQ, ROOT, MID, LEAF, DATA = (BASE + n * 0x1000 for n in (1, 2, 3, 4, 5, 6, 16))
DID = 0x10
IOVA = 0x40_0000_0000 - 0x8000         # last eight pages of the lower half of Sv39


def iommu(name: str) -> int:
    return IOMMU_BASE + IOMMU_REGISTERS[name].offset


def cdma(name: str) -> int:
    return CDMA_BASE + CDMA_REGISTERS[name].offset


def store64(machine, addr, *dwords):
    machine.store(addr, struct.pack(f"<{len(dwords)}Q", *dwords), cached=False)


class Driver:
    """Bring-up of a machine as Linux does it: 1LVL directory, Sv39, command and fault queues."""

    def __init__(self, machine):
        self.machine, self.tail, self.head = machine, 0, 0
        machine.writeq((CQ >> 12) << 10 | 3, iommu("cqb"))         # 16 commands
        machine.writeq((FQ >> 12) << 10 | 3, iommu("fqb"))         # 16 records
        machine.writel(0, iommu("cqt"))
        machine.writel(3, iommu("cqcsr"))
        machine.writel(0, iommu("fqh"))
        machine.writel(3, iommu("fqcsr"))
        assert machine.readl(iommu("cqcsr")) == 0x1_0003
        assert machine.readl(iommu("fqcsr")) == 0x1_0003
        machine.writel(0x10, iommu("icvec"))                       # faults on vector 1
        store64(machine, DDT + DID * 32, DC_TC.pack(v=1), 0, DC_TA.pack(pscid=7),
                IOSATP.pack(mode=IosatpMode.SV39, ppn=ROOT >> 12))
        store64(machine, ROOT + 255 * 8, DDTE.pack(v=1, ppn=MID >> 12))
        store64(machine, MID + 511 * 8, DDTE.pack(v=1, ppn=LEAF >> 12))
        machine.writeq((DDT >> 12) << 10 | 2, iommu("ddtp"))       # 1LVL
        assert machine.readq(iommu("ddtp")) == (DDT >> 12) << 10 | 2
        self.command(IODIR_DW0.pack(opcode=3, func3=0))

    def map(self, page, target, **bits):
        entry = PTE.pack(v=1, ppn=target >> 12, **{"r": 1, "w": 1, "u": 1, "a": 1, "d": 1, **bits})
        store64(self.machine, LEAF + (504 + page) * 8, entry)

    def command(self, dw0, dw1=0):
        for dword in ((dw0, dw1), (IOFENCE_DW0.pack(opcode=2, pr=1, pw=1), 0)):
            store64(self.machine, CQ + self.tail * 16, *dword)
            self.tail = (self.tail + 1) % 16
        self.machine.writel(self.tail, iommu("cqt"))
        assert self.machine.readl(iommu("cqh")) == self.tail

    def flush(self):
        self.command(IOTINVAL_DW0.pack(opcode=1, pscv=1, pscid=7))

    def record(self):
        """Next fault record: cause, TTYP, DID, iotval."""
        assert self.machine.readl(iommu("fqt")) != self.head
        dw0, _, iotval, _ = struct.unpack(
            "<4Q", self.machine.load(FQ + self.head * 32, 32, cached=False))
        self.head = (self.head + 1) % 16
        self.machine.writel(self.head, iommu("fqh"))
        return dw0 & 0xFFF, dw0 >> 34 & 0x3F, dw0 >> 40, iotval

    def descriptor(self, at, source, target, size, following):
        words = (following, following >> 32, source, source >> 32, target, target >> 32, size, 0)
        self.machine.store(at, struct.pack("<8I", *(word & 0xFFFF_FFFF for word in words)),
                           cached=False)

    def start(self, first, last, threshold):
        machine = self.machine
        machine.writel(0, cdma("cr"))
        machine.writel(threshold << 16 | 0x5008, cdma("cr"))       # SG, interrupts
        machine.writeq(first, cdma("curdesc"))
        machine.writeq(last, cdma("taildesc"))


@pytest.fixture
def machine():
    return GoldenMachine(seed=1)


def chain(driver, count, size=100):
    """A chain in page 0 that copies from page 1 to page 2 of the device's addresses."""
    for n in range(count):
        driver.descriptor(DATA + n * 64, IOVA + 0x1000 + n * size, IOVA + 0x2000 + n * size, size,
                          IOVA + (n + 1) * 64)


def test_chain_through_the_iommu(machine):
    driver = Driver(machine)
    for page in range(3):
        driver.map(page, DATA + page * 0x1000)
    driver.flush()
    chain(driver, 5)
    before = machine.image().tobytes()
    seen = []

    def handler(lines):
        seen.append((lines, machine.readl(cdma("sr")) >> 16 & 0xFF))
        machine.writel(0x1000, cdma("sr"))

    machine.on_interrupt(handler)
    machine.enable_interrupts(1 << Irq.CDMA)
    driver.start(IOVA, IOVA + 4 * 64, threshold=5)
    machine.wait(100)
    assert seen == [(1 << Irq.CDMA, 5)]
    assert machine.readl(cdma("sr")) & 0x77 == 2                   # idle, no error
    assert machine.readl(cdma("done_descs")) == 5
    assert machine.readl(cdma("done_bytes")) == 500
    after = bytearray(before)
    source, target = (DATA + page * 0x1000 - BASE for page in (1, 2))
    after[target:target + 500] = before[source:source + 500]
    for n in range(5):
        after[DATA - BASE + n * 64 + 31] |= 0x80                   # Cmplt
    assert machine.image().tobytes() == bytes(after)


def test_old_translation_until_invalidated(machine):
    driver = Driver(machine)
    for page in range(3):
        driver.map(page, DATA + page * 0x1000)
    driver.flush()
    chain(driver, 2)
    driver.start(IOVA, IOVA, 1)
    machine.wait(4)
    hits = machine.readl(iommu("tlb_hits"))
    assert (machine.readl(iommu("tlb_misses")), machine.readl(iommu("walks"))) == (3, 3)
    machine.poke(DATA + 0x2000, bytes(200))
    machine.poke(DATA + 0x3000, bytes(200))
    driver.map(2, DATA + 0x3000)                                   # and no invalidation
    driver.start(IOVA + 64, IOVA + 64, 1)
    machine.wait(4)
    copied = machine.peek(DATA + 0x1000 + 100, 100)
    assert machine.peek(DATA + 0x2000 + 100, 100) == copied        # went to the old page
    assert machine.peek(DATA + 0x3000, 200) == bytes(200)
    assert machine.readl(iommu("tlb_hits")) > hits
    driver.flush()
    machine.store(DATA + 64 + 0x1C, bytes(4), cached=False)
    driver.start(IOVA + 64, IOVA + 64, 1)
    machine.wait(4)
    assert machine.peek(DATA + 0x3000 + 100, 100) == copied


def test_refused_write_is_an_error_and_a_record(machine):
    driver = Driver(machine)
    driver.map(0, DATA)
    driver.map(1, DATA + 0x1000)
    driver.map(2, DATA + 0x2000, w=0)
    driver.flush()
    chain(driver, 2)
    machine.enable_interrupts(1 << Irq.IOMMU1 | 1 << Irq.CDMA)
    lines = []

    def handler(pending):
        lines.append(pending)
        machine.writel(0x4000, cdma("sr"))
        machine.writel(2, iommu("ipsr"))

    machine.on_interrupt(handler)
    driver.start(IOVA, IOVA + 64, 1)
    machine.wait(10)
    assert lines == [1 << Irq.IOMMU1 | 1 << Irq.CDMA]
    assert driver.record() == (15, 3, DID, IOVA + 0x2000)          # write page fault
    assert machine.readl(cdma("sr")) & 0x770 == 0x20               # DMASlvErr
    assert machine.readq(cdma("err_addr")) == IOVA + 0x2000
    assert machine.readq(cdma("curdesc")) == IOVA
    assert machine.load(DATA + 0x1C, 4, cached=False) == struct.pack("<I", 1 << 31 | 1 << 29)
    machine.writeq(IOVA + 64, cdma("taildesc"))                    # stopped until reset
    machine.wait(5)
    assert machine.readl(cdma("done_descs")) == 0
    machine.writel(4, cdma("cr"))
    assert machine.readl(cdma("sr")) == 1 << 16 | 0b1010
    assert machine.readl(cdma("err_addr")) == 0


def test_invalid_context_refuses(machine):
    driver = Driver(machine)
    store64(machine, DDT + DID * 32, 0)
    driver.command(IODIR_DW0.pack(opcode=3, func3=0, dv=1, did=DID))
    driver.start(IOVA, IOVA, 1)
    machine.wait(3)
    assert driver.record() == (258, 2, DID, IOVA)
    assert machine.readl(cdma("sr")) & 0x770 == 0x200              # SGSlvErr


def test_registers_of_no_block(machine):
    with pytest.raises(BusError, match="DECERR at 0x10020000"):
        machine.readl(0x1002_0000)
    with pytest.raises(ValueError, match="Register address must be a multiple of 4, not 0x2"):
        machine.writel(0, 2)
    with pytest.raises(BusError, match="DECERR at 0x80400000"):
        machine.load(BASE + (4 << 20), 1)


def test_errors_of_long_accesses(machine):
    machine.memory.inject(DATA + 0x40, DATA + 0x80, "rw")
    machine.memory.inject(DATA + 0xC0, DATA + 0x100, "rw")
    with pytest.raises(BusError, match=f"SLVERR at {DATA + 0x40:#x}"):     # the first
        machine.store(DATA, bytes(0x1001), cached=False)
    assert machine.peek(DATA + 0x80, 0x40) + machine.peek(DATA + 0x100, 0xF00) == bytes(0xF40)
    assert machine.peek(DATA + 0x1000, 1) != b"\0"                        # next 4 KiB: not tried
    with pytest.raises(BusError, match=f"SLVERR at {DATA + 0x40:#x}"):
        machine.load(DATA + 0x41, 0x100)
    assert machine.cache_line(DATA + 0x100)[0]
    machine.inject(0, 0, "")
    assert machine.load(DATA, 0x40) == bytes(0x40)


def test_wait_ends_early(machine):
    machine.wait(50)
    assert machine.cycles == 50
    machine.writel(0x4000, cdma("cr"))
    machine.writel(0, cdma("btt"))                     # zero bytes: an error at the next step
    before = machine.cycles
    machine.enable_interrupts(1 << Irq.CDMA)
    machine.wait(50)
    assert machine.cycles == before
    machine.barrier()
    machine.enable_interrupts(0)
    machine.wait(3)
    assert machine.cycles == before + 4


def test_context_manager():
    with GoldenMachine() as machine:
        assert machine.image().tobytes() == bytes(4 << 20)


def test_without_iommu():
    machine = GoldenMachine(Platform(has_iommu=False), seed=2)
    with pytest.raises(BusError):
        machine.readl(IOMMU_BASE)
    machine.writel(0x1000, cdma("cr"))
    machine.writeq(DATA + 3, cdma("sa"))
    machine.writeq(DATA + 0x2001, cdma("da"))
    expected = machine.peek(DATA + 3, 5000)
    machine.writel(5000, cdma("btt"))
    assert machine.lines == 1 << Irq.CDMA
    assert machine.peek(DATA + 0x2001, 5000) == expected


@pytest.mark.parametrize("coherent", [False, True])
def test_coherence(coherent):
    machine = GoldenMachine(Platform(has_iommu=False, coherent=coherent))
    machine.store(DATA, b"new")                                    # dirty in the cache
    machine.load(DATA + 0x1000, 3)                                 # a clean copy of zeros
    assert machine.cache_line(DATA)[:2] == (True, True)
    machine.writeq(DATA, cdma("sa"))
    machine.writeq(DATA + 0x1000, cdma("da"))
    machine.writel(3, cdma("btt"))
    machine.wait(2)
    assert machine.peek(DATA + 0x1000, 3) == (b"new" if coherent else bytes(3))
    assert machine.load(DATA + 0x1000, 3) == (b"new" if coherent else bytes(3))


def test_handler_that_never_acknowledges(machine):
    machine.on_interrupt(lambda lines: None)
    machine.enable_interrupts(1 << Irq.CDMA)
    machine.writel(0x1000, cdma("cr"))
    machine.writeq(0, cdma("sa"))
    with pytest.raises(RuntimeError, match="Interrupt handler left lines 0x10 high after"):
        machine.writel(0, cdma("btt"))                             # zero bytes: DMAIntErr
        machine.writel(0x5000, cdma("cr"))


def test_protocol(machine):
    assert isinstance(machine, Machine)


@pytest.mark.parametrize("coherent", [False, True])
def test_tables_in_the_cache(coherent):
    machine = GoldenMachine(Platform(coherent=coherent))
    machine.store(DDT + DID * 32, struct.pack("<4Q", 1, 0, 0, 0))  # identity; dirty in the cache
    machine.writeq((DDT >> 12) << 10 | 2, iommu("ddtp"))
    machine.poke(DATA, b"data")
    machine.writeq(DATA, cdma("sa"))
    machine.writeq(DATA + 64, cdma("da"))
    machine.writel(4, cdma("btt"))
    machine.wait(2)
    assert machine.peek(DATA + 64, 4) == (b"data" if coherent else bytes(4))
    assert machine.readl(cdma("sr")) & 0x20 == (0 if coherent else 0x20)
