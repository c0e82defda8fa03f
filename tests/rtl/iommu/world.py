"""What software keeps in memory for an IOMMU, and a driver for the tests of the whole block."""

from rtl.axi.signature import (
    PROT_INSTRUCTION,
    PROT_PRIVILEGED,
    Burst,
    Resp,
    dma_user_layout,
)
from rtl.iommu.iommu import Iommu
from rtl.params import IommuParams
from rtl.spec.iommu_regs import IOMMU_REGISTERS
from rtl.spec.page_table import (
    DC_BYTES,
    DC_TA,
    DC_TC,
    DDI_BITS_BASE,
    DDTE,
    IOSATP,
    PAGE_BITS,
    PAGE_BYTES,
    PTE,
    VPN_BITS,
    DdtpMode,
    IosatpMode,
    level_bytes,
)
from rtl.spec.queues import (
    FAULT_BYTES,
    FAULT_DW0,
    IODIR_DW0,
    IOFENCE_DW0,
    IOFENCE_DW1,
    IOTINVAL_DW0,
    IOTINVAL_DW1,
    Opcode,
)
from sim import axi, axi_lite
from sim.checked import Checked
from sim.streams import get, put

#: Where memory for tables begins, and its size.
BASE, SIZE = 0x8000_0000, 1 << 20
#: Fixed places in it; tables are allocated from the third page on.
COMMANDS, FAULTS = BASE, BASE + PAGE_BYTES
#: Permission bits of an ordinary page.
USER = {"r": 1, "w": 1, "u": 1, "a": 1, "d": 1}


class Tables:
    """Directory and page tables in the back door of a ``sim.axi.Memory``."""

    def __init__(self, memory, *, mode: DdtpMode = DdtpMode.LVL1):
        self._memory, self.mode = memory, mode
        self._next = BASE + 2 * PAGE_BYTES
        self.directory = self.page()

    def page(self) -> int:
        """Address of a fresh page."""
        self._next += PAGE_BYTES
        assert self._next <= BASE + SIZE
        return self._next - PAGE_BYTES

    def load(self, addr: int) -> int:
        return int.from_bytes(self._memory.read(addr, 8), "little")

    def store(self, addr: int, value: int):
        self._memory.write(addr, value.to_bytes(8, "little"))

    def context_address(self, did: int) -> int:
        """Address of a device context; makes the levels above it."""
        table, low = self.directory, sum(DDI_BITS_BASE)
        for level in range(2, 0, -1):
            low -= DDI_BITS_BASE[level]
            if level > self.mode - DdtpMode.LVL1:
                continue
            entry = table + (did >> low & (1 << DDI_BITS_BASE[level]) - 1) * 8
            if not self.load(entry):
                self.store(entry, DDTE.pack(v=1, ppn=self.page() >> PAGE_BITS))
            table = DDTE.get(self.load(entry), "ppn") << PAGE_BITS
        return table + (did & (1 << DDI_BITS_BASE[0]) - 1) * DC_BYTES

    def context(self, did: int, root: int | None, *, pscid: int = 0, **tc: int):
        """Give device ``did`` the page table at ``root``, or no translation if that is None."""
        where = self.context_address(did)
        fsc = 0 if root is None else IOSATP.pack(mode=IosatpMode.SV39, ppn=root >> PAGE_BITS)
        self.store(where + 8, 0)
        self.store(where + 16, DC_TA.pack(pscid=pscid))
        self.store(where + 24, fsc)
        self.store(where, DC_TC.pack(**{"v": 1, **tc}))

    def entry_address(self, root: int, iova: int, level: int = 0) -> int:
        """Address of the page-table entry of ``iova`` at ``level``; makes those above it."""
        table = root
        for above in range(2, level, -1):
            entry = table + self._index(iova, above) * 8
            if not self.load(entry):
                self.store(entry, PTE.pack(v=1, ppn=self.page() >> PAGE_BITS))
            table = PTE.get(self.load(entry), "ppn") << PAGE_BITS
        return table + self._index(iova, level) * 8

    def map(self, root: int, iova: int, phys: int, level: int = 0, **bits: int) -> int:
        """Map the page of ``iova``; returns the address of the entry."""
        where = self.entry_address(root, iova, level)
        self.store(where, PTE.pack(**{"v": 1, **USER, "ppn": phys >> PAGE_BITS, **bits}))
        return where

    @staticmethod
    def _index(iova: int, level: int) -> int:
        return iova // level_bytes(level) & (1 << VPN_BITS) - 1


class Scene:
    """An IOMMU under test, with protocol checkers, memory behind it, and tables in the memory.

    ``small`` parameters keep the simulation fast. The two memories are separate, so that what a
    device writes never changes a table.
    """

    def __init__(self, bench, *, mode: DdtpMode = DdtpMode.LVL1, latency: int = 1,
                 stall: float = 0.0, reorder: bool = False, timeout: int = 40_000, **params):
        small = {"tlb_entries": 4, "context_entries": 2, "in_flight": 4}
        self.params = IommuParams(**{**small, **params})
        self.dut = Checked(Iommu(self.params), depth=64)
        self.bench = bench(self.dut, timeout=timeout)
        behaviour = {"latency": latency, "stall": stall}
        self.tables_memory = axi.Memory(self.dut.tables, base=BASE, size=SIZE, **behaviour)
        self.memory = axi.Memory(self.dut.memory, base=BASE, size=SIZE, reorder=reorder, seed=1,
                                 **behaviour)
        self.tables_memory.attach(self.bench)
        self.memory.attach(self.bench)
        self.tables = Tables(self.tables_memory, mode=mode)

    def driver(self, ctx) -> "Driver":
        return Driver(ctx, self.dut, self.tables_memory)

    def device(self, ctx, did: int, pid: int | None = None, **attributes) -> "Device":
        return Device(ctx, self.dut, self.memory, did, pid, attributes)


class Device:
    """Single accesses of one device, with the physical address that memory sees."""

    def __init__(self, ctx, dut, memory, did: int, pid: int | None, attributes: dict):
        self._ctx, self._dut, self._memory = ctx, dut, memory
        self._attributes = {"size": (len(dut.device.w.p.strb) - 1).bit_length(),
                            "burst": Burst.INCR, "user": user(did, pid), **attributes}

    async def access(self, kind: str, iova: int, *, privileged: bool = False, data: int = 0):
        """Physical address of one beat, or None if it is refused."""
        ctx, device = self._ctx, self._dut.device
        way = "w" if kind == "w" else "r"
        seen = sum(entry[1] == way for entry in self._memory.log)
        address = {**self._attributes, "addr": iova,
                   "prot": privileged * PROT_PRIVILEGED | (kind == "x") * PROT_INSTRUCTION}
        if kind == "w":
            await put(ctx, device.aw, address)
            await put(ctx, device.w, {"data": data, "strb": 0, "last": 1})
            reply = await get(ctx, device.b)
        else:
            await put(ctx, device.ar, address)
            reply = await get(ctx, device.r)
            assert reply.last
        assert reply.id == address.get("id", 0)
        passed = [entry[2] for entry in self._memory.log if entry[1] == way][seen:]
        if reply.resp is Resp.SLVERR:
            assert not passed
            return None
        assert len(passed) == 1
        return passed[0]

    async def read(self, iova: int, **options):
        return await self.access("r", iova, **options)

    async def write(self, iova: int, **options):
        return await self.access("w", iova, **options)


class Driver:
    """Registers and queues, from the testbench that owns ``ctx``."""

    def __init__(self, ctx, dut, tables_memory):
        self._bus, self._memory = axi_lite.Manager(ctx, dut.regs), tables_memory
        self._ctx, self._tail, self.head = ctx, 0, 0

    async def read(self, name: str) -> int:
        return await self._bus.readl(IOMMU_REGISTERS[name].offset)

    async def write(self, name: str, value: int = 0, **fields: int):
        register = IOMMU_REGISTERS[name]
        await self._bus.writel(register.pack(fields, value), register.offset)

    async def write64(self, name: str, value: int):
        await self._bus.writel(value >> 32, IOMMU_REGISTERS[name].offset + 4)
        await self._bus.writel(value & 0xFFFF_FFFF, IOMMU_REGISTERS[name].offset)

    async def field(self, register: str, field: str) -> int:
        return IOMMU_REGISTERS[register][field].get(await self.read(register))

    async def until(self, register: str, field: str, value: int, tries: int = 200):
        for _ in range(tries):
            if await self.field(register, field) == value:
                return
        raise AssertionError(f"{register}.{field} did not become {value}")

    async def directory(self, mode: DdtpMode, table: int = 0):
        """Set ``ddtp`` and wait."""
        await self.write64("ddtp", mode | table >> PAGE_BITS << 10)
        await self.until("ddtp", "busy", 0)

    async def start(self, tables: Tables, *, log2: int = 4):
        """Both queues on, then the directory."""
        for name, csr, where in (("cq", "cqcsr", COMMANDS), ("fq", "fqcsr", FAULTS)):
            await self.write64(f"{name[0]}qb", where >> PAGE_BITS << 10 | log2 - 1)
            await self.write(csr, **{f"{name}en": 1, f"{name[0]}ie": 1})
            await self.until(csr, f"{name}on", 1)
        self._mask = (1 << log2) - 1
        await self.directory(tables.mode, tables.directory)

    async def post(self, *commands: tuple[int, int]):
        """Append commands without waiting."""
        for command in commands:
            for half, dword in enumerate(command):
                self._memory.write(COMMANDS + 16 * self._tail + 8 * half,
                                   dword.to_bytes(8, "little"))
            self._tail = self._tail + 1 & self._mask
        await self.write("cqt", index=self._tail)

    async def command(self, *commands: tuple[int, int]):
        """Append commands and wait until they are done, or the queue has stopped."""
        await self.post(*commands)
        for _ in range(300):
            if await self.read("cqh") == self._tail or await self.read("cqcsr") & 0x700:
                return
        raise AssertionError("commands were not executed")

    async def faults(self, count: int) -> list[dict]:
        """Wait for ``count`` records since the last call, and take them."""
        for _ in range(100):
            tail, records = await self.read("fqt"), []
            if tail - self.head & self._mask >= count:
                break
        assert tail - self.head & self._mask == count
        while self.head != tail:
            raw = self._memory.read(FAULTS + FAULT_BYTES * self.head, FAULT_BYTES)
            dwords = [int.from_bytes(raw[i:i + 8], "little") for i in range(0, FAULT_BYTES, 8)]
            assert dwords[1] == dwords[3] == 0
            records.append({**FAULT_DW0.unpack(dwords[0]), "iotval": dwords[2]})
            self.head = self.head + 1 & self._mask
        await self.write("fqh", index=self.head)
        return records


def user(did: int, pid: int | None = None, translated: bool = False) -> int:
    """AxUSER of a device's access."""
    fields = {"device_id": did, "process_id": pid or 0, "process_valid": pid is not None,
              "translated": translated}
    return dma_user_layout().const(fields)


def vma(**fields: int) -> tuple[int, int]:
    """IOTINVAL.VMA; ``addr`` is an address."""
    addr = fields.pop("addr", 0)
    return (IOTINVAL_DW0.pack(opcode=Opcode.IOTINVAL, **fields),
            IOTINVAL_DW1.pack(addr=addr >> PAGE_BITS))


def inval_ddt(did: int | None = None) -> tuple[int, int]:
    """IODIR.INVAL_DDT of one device or of all."""
    if did is None:
        return IODIR_DW0.pack(opcode=Opcode.IODIR), 0
    return IODIR_DW0.pack(opcode=Opcode.IODIR, dv=1, did=did), 0


def fence(**fields: int) -> tuple[int, int]:
    """IOFENCE.C; ``addr`` is an address."""
    addr = fields.pop("addr", 0)
    return (IOFENCE_DW0.pack(opcode=Opcode.IOFENCE, **fields),
            IOFENCE_DW1.pack(addr=addr >> 2))
