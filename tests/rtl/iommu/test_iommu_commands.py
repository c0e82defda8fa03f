"""Commands of the whole block: what they drop, what they wait for, and which are illegal."""

import pytest

from rtl.axi.signature import Burst
from rtl.spec.page_table import DdtpMode
from rtl.spec.queues import IODIR_DW0, IOFENCE_DW0, IOTINVAL_DW0, IOTINVAL_DW1, Opcode
from sim.streams import get, put
from tests.rtl.iommu.world import BASE, COMMANDS, Scene, fence, inval_ddt, user, vma

DID, IOVA, PSCID = 5, 0x1000_0000, 9
OLD, NEW = BASE + 0x1_0000, BASE + 0x8_0000


DROPS = [
    (vma(), True),
    (vma(pscv=1, pscid=PSCID), True),
    (vma(pscv=1, pscid=PSCID + 1), False),
    (vma(av=1, addr=IOVA), True),
    (vma(av=1, addr=IOVA + 0x1000), False),
    (vma(av=1, addr=IOVA, pscv=1, pscid=PSCID), True),
    (vma(av=1, addr=IOVA, pscv=1, pscid=PSCID + 1), False),
    (vma(av=1, addr=IOVA + 0x1000, pscv=1, pscid=PSCID), False),
    (vma(gv=1, gscid=0), False),                                # only virtual machines
    ((IOTINVAL_DW0.pack(opcode=Opcode.IOTINVAL, func3=1), 0), False),
    (inval_ddt(), False),                                       # contexts only
]


@pytest.mark.parametrize("shared", [0, 1], ids=["private", "global"])
def test_iotinval(bench, shared):
    """An entry that must go goes; this TLB does not drop others either."""
    scene = Scene(bench)
    root = scene.tables.page()
    scene.tables.context(DID, root, pscid=PSCID)

    @scene.bench.testbench
    async def testbench(ctx):
        driver = scene.driver(ctx)
        await driver.start(scene.tables)
        device = scene.device(ctx, DID)
        for command, drops in DROPS:
            scene.tables.map(root, IOVA, OLD, g=shared)
            await driver.command(vma(), fence())
            assert await device.read(IOVA) == OLD
            scene.tables.map(root, IOVA, NEW, g=shared)
            assert await device.read(IOVA) == OLD
            await driver.command(command, fence())
            if shared and IOTINVAL_DW0.get(command[0], "pscv"):
                drops = False                                   # global entries stay
            assert await device.read(IOVA) == (NEW if drops else OLD), command

    scene.bench.run()


def test_iotinval_finds_a_large_page(bench):
    """ADDR may be anywhere in the page; 64 KiB at level 0."""
    scene = Scene(bench)
    root = scene.tables.page()
    scene.tables.context(DID, root)

    @scene.bench.testbench
    async def testbench(ctx):
        driver = scene.driver(ctx)
        await driver.start(scene.tables)
        device = scene.device(ctx, DID)
        for level, base, inside in ((0, 0, 0xF000), (1, 1 << 21, 0x1F_F000),
                                    (2, 1 << 30, 0x3FFF_F000)):
            wide = {"n": 1, "ppn": (BASE >> 12) + 8} if level == 0 else {}
            where = scene.tables.map(root, base + inside, BASE, level, **wide)
            assert await device.read(base + inside) == BASE + inside
            scene.tables.store(where, 0)
            assert await device.read(base + inside) == BASE + inside
            await driver.command(vma(av=1, addr=base + 0x3000), fence())
            assert await device.read(base + inside) is None

    scene.bench.run()


def test_inval_ddt(bench):
    """Of one device, or of all."""
    scene = Scene(bench)
    roots = [scene.tables.page() for _ in range(2)]
    for root, phys in zip(roots, (OLD, NEW), strict=True):
        scene.tables.map(root, IOVA, phys)

    @scene.bench.testbench
    async def testbench(ctx):
        driver = scene.driver(ctx)
        await driver.start(scene.tables)
        for did in (None, DID):
            device = scene.device(ctx, DID)
            scene.tables.context(DID, roots[0], pscid=1)
            await driver.command(inval_ddt(), fence())
            assert await device.read(IOVA) == OLD
            scene.tables.context(DID, roots[1], pscid=2)
            assert await device.read(IOVA) == OLD
            await driver.command(inval_ddt(did), fence())
            assert await device.read(IOVA) == NEW

    scene.bench.run()


def test_walk_in_flight_fills_nothing_stale(bench):
    """Invalidate while a walk reads the old entry: at any time, later accesses see the new one.

    Each of the three reads takes 30 cycles; the commands come ``after`` cycles after the access.
    """
    scene = Scene(bench, latency=30)
    scene.memory._latency = 1
    root = scene.tables.page()
    scene.tables.context(DID, root, pscid=PSCID)

    @scene.bench.testbench
    async def testbench(ctx):
        driver, dut = scene.driver(ctx), scene.dut
        await driver.start(scene.tables)
        device = scene.device(ctx, DID)
        for after in range(0, 60, 6):
            scene.tables.map(root, IOVA, OLD)
            await driver.command(vma(), fence())
            await put(ctx, dut.device.ar, {"addr": IOVA, "size": 3, "burst": Burst.INCR,
                                           "user": user(DID)})
            await ctx.tick().repeat(after + 1)
            scene.tables.map(root, IOVA, NEW)
            await driver.command(vma(av=1, addr=IOVA, pscv=1, pscid=PSCID), fence())
            await get(ctx, dut.device.r)                        # old or new: both are right
            assert await device.read(IOVA) == NEW, after
            assert await device.write(IOVA) == NEW, after

    scene.bench.run()


def test_search_in_flight_keeps_nothing_stale(bench):
    """The same for a device context, and for what is translated with it."""
    scene = Scene(bench, latency=15)
    scene.memory._latency = 1
    roots = [scene.tables.page() for _ in range(2)]
    for root, phys in zip(roots, (OLD, NEW), strict=True):
        scene.tables.map(root, IOVA, phys)

    @scene.bench.testbench
    async def testbench(ctx):
        driver, dut = scene.driver(ctx), scene.dut
        await driver.start(scene.tables)
        device = scene.device(ctx, DID)
        for after in range(0, 60, 6):
            scene.tables.context(DID, roots[0], pscid=PSCID)
            await driver.command(vma(), inval_ddt(), fence())
            await put(ctx, dut.device.aw, {"addr": IOVA, "size": 3, "burst": Burst.INCR,
                                           "user": user(DID)})
            await ctx.tick().repeat(after + 1)
            scene.tables.context(DID, roots[1], pscid=PSCID)    # the same space: both must go
            await driver.command(inval_ddt(DID), vma(pscv=1, pscid=PSCID), fence())
            await put(ctx, dut.device.w, {"last": 1})
            await get(ctx, dut.device.b)
            assert await device.read(IOVA) == NEW, after
            assert await device.write(IOVA) == NEW, after

    scene.bench.run()


def test_fence_waits_for_accesses(bench):
    """PR and PW: until reads and writes that were translated are answered, and for no others."""
    scene = Scene(bench)
    scene.memory._latency = 300
    root = scene.tables.page()
    scene.tables.context(DID, root)
    scene.tables.map(root, IOVA, BASE)

    @scene.bench.testbench
    async def testbench(ctx):
        driver, device = scene.driver(ctx), scene.dut.device
        await driver.start(scene.tables)
        address = {"addr": IOVA, "size": 3, "burst": Burst.INCR, "user": user(DID)}
        ctx.set(device.r.ready, 1)
        ctx.set(device.b.ready, 1)
        for way, command, waits in (("r", fence(pr=1), True), ("r", fence(pw=1), False),
                                    ("w", fence(pw=1), True), ("w", fence(pr=1), False)):
            channel = device.ar if way == "r" else device.aw
            await put(ctx, channel, address)
            await ctx.tick().repeat(60)
            start = scene.memory.cycle
            await put(ctx, device.w, {"last": 1}) if way == "w" else None
            await driver.post(command)
            # Once the fence has begun, later accesses do not count: the first answer is enough.
            await ctx.tick().repeat(40)
            await put(ctx, channel, address)
            while await driver.read("cqh") != await driver.read("cqt"):
                pass
            cycles = scene.memory.cycle - start
            assert (200 < cycles < 320) if waits else cycles < 100, (way, command)
            await put(ctx, device.w, {"last": 1}) if way == "w" else None
            await ctx.tick().repeat(320)

    scene.bench.run()


@pytest.mark.parametrize("width", [64, 256])
def test_fence_stores_four_bytes(bench, width):
    scene = Scene(bench, data_width=width)
    where = BASE + 0x300

    @scene.bench.testbench
    async def testbench(ctx):
        driver = scene.driver(ctx)
        await driver.start(scene.tables)
        for address, expected in ((where, 0x1122_3344_DEAD_BEEF),
                                  (where + 4, 0xDEAD_BEEF_5566_7788)):
            scene.tables.store(where, 0x1122_3344_5566_7788)
            await driver.command(fence(av=1, addr=address, data=0xDEAD_BEEF))
            assert scene.tables.load(where) == expected
            store = [entry for entry in scene.tables_memory.log if entry[1] == "w"][-1]
            assert (store[2], store[4].size) == (address, 2)

    scene.bench.run()


def test_fence_interrupts(bench):
    """WSI: fence_w_ip, the pending bit and the wire of the command queue's vector."""
    scene = Scene(bench)

    @scene.bench.testbench
    async def testbench(ctx):
        driver = scene.driver(ctx)
        await driver.start(scene.tables)
        await driver.write("icvec", civ=2, fiv=1)
        await driver.command(fence(wsi=1))
        assert await driver.field("cqcsr", "fence_w_ip") == 1
        assert await driver.read("ipsr") == 1
        assert ctx.get(scene.dut.irq) == 1 << 2
        await driver.write("ipsr", cip=1)
        assert await driver.read("ipsr") == 1                   # the source still stands
        await driver.write("cqcsr", cqen=1, cie=1, fence_w_ip=1)
        await driver.write("ipsr", cip=1)
        assert await driver.read("ipsr") == 0
        assert ctx.get(scene.dut.irq) == 0
        await driver.command(fence())
        assert await driver.read("ipsr") == 0

    scene.bench.run()


ILLEGAL = {
    "opcode 0": (0, 0),
    "reserved opcode": (5, 0),
    "custom opcode": (64, 0),
    "ATS": (IODIR_DW0.pack(opcode=Opcode.ATS), 0),
    "function of IOTINVAL": (IOTINVAL_DW0.pack(opcode=Opcode.IOTINVAL, func3=2), 0),
    "function of IOFENCE": (IOFENCE_DW0.pack(opcode=Opcode.IOFENCE, func3=1), 0),
    "function of IODIR": (IODIR_DW0.pack(opcode=Opcode.IODIR, func3=2), 0),
    "NL": vma(nl=1),
    "S": (IOTINVAL_DW0.pack(opcode=Opcode.IOTINVAL), IOTINVAL_DW1.pack(s=1)),
    "reserved bit of IOTINVAL": (vma()[0] | 1 << 11, 0),
    "reserved bit of IOTINVAL's address": (vma()[0], 1 << 62),
    "PSCV in GVMA": (IOTINVAL_DW0.pack(opcode=Opcode.IOTINVAL, func3=1, pscv=1), 0),
    "reserved bit of IOFENCE": (fence()[0] | 1 << 14, 0),
    "reserved bit of IOFENCE's address": (fence()[0], 1 << 62),
    "PID in INVAL_DDT": (inval_ddt(1)[0] | 1 << 12, 0),
    "DID too wide": inval_ddt(0x80),
    "reserved bit of IODIR": (inval_ddt(1)[0] | 1 << 34, 0),
    "doubleword of IODIR": (inval_ddt(1)[0], 1),
    "INVAL_PDT without DID": (IODIR_DW0.pack(opcode=Opcode.IODIR, func3=1), 0),
    "PID too wide": (IODIR_DW0.pack(opcode=Opcode.IODIR, func3=1, dv=1, pid=1), 0),
}


def test_illegal(bench):
    """The queue stops at the offender, and goes on when software has put it right."""
    scene = Scene(bench)

    @scene.bench.testbench
    async def testbench(ctx):
        driver = scene.driver(ctx)
        await driver.start(scene.tables)
        tail = 0
        for name, command in ILLEGAL.items():
            await driver.command(vma(), command, fence(wsi=1))
            flags = await driver.read("cqcsr") & 0xF00
            assert flags == 1 << 10, f"{name}: cqcsr flags {flags:#x}"
            assert await driver.read("cqh") == (tail + 1) % 16, name
            assert await driver.read("ipsr") == 1
            where = COMMANDS + 16 * ((tail + 1) % 16)
            scene.tables_memory.write(where, fence()[0].to_bytes(8, "little") + bytes(8))
            await driver.write("cqcsr", cqen=1, cie=1, cmd_ill=1)
            tail = (tail + 3) % 16
            await driver.until("cqh", "index", tail)
            await driver.write("cqcsr", cqen=1, cie=1, fence_w_ip=1)
            await driver.write("ipsr", cip=1)

    scene.bench.run()


def test_legal_without_effect(bench):
    """What this build accepts although it has nothing of that kind."""
    scene = Scene(bench, mode=DdtpMode.LVL2)

    @scene.bench.testbench
    async def testbench(ctx):
        driver = scene.driver(ctx)
        await driver.start(scene.tables)
        for command in ((IODIR_DW0.pack(opcode=Opcode.IODIR, func3=1, dv=1, did=3), 0),
                        (IOTINVAL_DW0.pack(opcode=Opcode.IOTINVAL, func3=1, gv=1, av=1), 0),
                        vma(gv=1, gscid=5, pscv=1), inval_ddt(0xFFFF)):
            await driver.command(command)
            assert await driver.read("cqcsr") & 0xF00 == 0
        await driver.command(inval_ddt(0x1_0000))
        assert await driver.field("cqcsr", "cmd_ill") == 1

    scene.bench.run()


def test_memory_fault(bench):
    """Of the queue, or of a fence's store: the queue stops there, until software goes on."""
    scene = Scene(bench)

    @scene.bench.testbench
    async def testbench(ctx):
        driver, memory = scene.driver(ctx), scene.tables_memory
        await driver.start(scene.tables)
        for head, failure, address in ((1, (COMMANDS + 16, COMMANDS + 32), None),
                                       (3, (BASE + 0x300, BASE + 0x304, "w"), BASE + 0x300),
                                       (5, None, 1 << 60)):
            memory._failures.clear()
            if failure:
                memory.fail(*failure)
            await driver.command(fence(), fence(av=address is not None, addr=address or 0, wsi=1))
            assert await driver.read("cqcsr") & 0xF00 == 1 << 8
            assert await driver.read("cqh") == head
            memory._failures.clear()
            await driver.write("cqcsr", cqen=1, cie=1, cqmf=1)
            if failure:
                await driver.until("cqh", "index", head + 1)
                assert await driver.read("cqcsr") & 0xF00 == 1 << 11
                await driver.write("cqcsr", cqen=1, cie=1, fence_w_ip=1)
        # Turning the queue off and on clears errors and the head.
        await driver.until("cqcsr", "cqmf", 1)
        await driver.write("cqcsr", cqen=0)
        await driver.until("cqcsr", "cqon", 0)
        await driver.write("cqt", index=0)
        await driver.write("cqcsr", cqen=1)
        await driver.until("cqcsr", "cqon", 1)
        assert await driver.read("cqcsr") & 0xF00 == 0
        assert await driver.read("cqh") == 0

    scene.bench.run()
