"""The fault queue of the whole block: records, overflow, memory faults, counters and interrupts."""

from rtl.axi.signature import Burst, Resp
from rtl.spec.faults import Cause
from rtl.spec.page_table import DdtpMode
from sim.streams import get, put
from tests.rtl.iommu.world import BASE, FAULTS, Scene, fence, inval_ddt, user, vma

DID, IOVA = 5, 0x1000_0000


def test_overflow(bench):
    """Full is one entry less than the size, also when the head is 0; then records are dropped."""
    scene = Scene(bench)
    scene.tables.context(DID, scene.tables.page())

    @scene.bench.testbench
    async def testbench(ctx):
        driver = scene.driver(ctx)
        await driver.start(scene.tables, log2=2)
        device = scene.device(ctx, DID)
        for page in range(3):
            assert await device.read(IOVA + page * 4096) is None
        await driver.until("fqt", "index", 3)
        assert await driver.field("fqcsr", "fqof") == 0
        assert await device.read(IOVA + 3 * 4096) is None       # the one too many
        await driver.until("fqcsr", "fqof", 1)
        records = await driver.faults(3)
        assert [record["iotval"] for record in records] == [IOVA + n * 4096 for n in range(3)]
        assert await device.read(IOVA) is None                  # room, but fqof is set
        assert await driver.read("fqt") == 3
        await driver.write("ipsr", fip=1)
        assert await driver.read("ipsr") == 2                   # comes back
        await driver.write("fqcsr", fqen=1, fie=1, fqof=1)
        await driver.write("ipsr", fip=1)
        assert await driver.read("ipsr") == 0
        for page in range(3):
            assert await device.write(IOVA + page * 4096) is None
        assert [record["ttyp"] for record in await driver.faults(3)] == [3] * 3
        assert await driver.read("fqt") == 2

    scene.bench.run()


def test_memory_fault(bench):
    """A record that memory refuses is dropped, and so are all until software has cleared fqmf."""
    scene = Scene(bench)
    scene.tables.context(DID, scene.tables.page())

    @scene.bench.testbench
    async def testbench(ctx):
        driver = scene.driver(ctx)
        await driver.start(scene.tables)
        scene.tables_memory._failures.clear()
        device = scene.device(ctx, DID)
        scene.tables_memory.fail(FAULTS + 24, FAULTS + 32, "w")  # the last beat
        assert await device.read(IOVA) is None
        await driver.until("fqcsr", "fqmf", 1)
        scene.tables_memory._failures.clear()
        assert await device.read(IOVA) is None
        assert await driver.read("fqt") == 0
        assert await driver.read("ipsr") == 2
        await driver.write("fqcsr", fqen=1, fqmf=1)
        assert await device.read(IOVA) is None
        await driver.faults(1)

    scene.bench.run()


def test_off_and_on(bench):
    """Off: accesses are refused without a record. On again: from entry 0."""
    scene = Scene(bench)
    scene.tables.context(DID, scene.tables.page())

    @scene.bench.testbench
    async def testbench(ctx):
        driver = scene.driver(ctx)
        await driver.start(scene.tables)
        device = scene.device(ctx, DID)
        assert await device.read(IOVA) is None
        await driver.faults(1)
        await driver.write("ipsr", fip=1)
        await driver.write("fqcsr", fqen=0)
        await driver.until("fqcsr", "fqon", 0)
        assert await device.read(IOVA) is None
        assert await driver.read("fqt") == 1
        await driver.write("fqh", index=0)
        await driver.write("fqcsr", fqen=1)                     # fie = 0
        await driver.until("fqcsr", "fqon", 1)
        assert await driver.read("fqt") == 0
        driver.head = 0
        assert await device.read(IOVA + 8) is None
        (record,) = await driver.faults(1)
        assert record["iotval"] == IOVA + 8
        assert await driver.read("ipsr") == 0

    scene.bench.run()


def test_both_channels_at_once(bench):
    """No record is lost, and each access has its own."""
    scene = Scene(bench, latency=9)
    scene.tables.context(DID, scene.tables.page())
    dut, count = scene.dut, 5

    @scene.bench.testbench
    async def testbench(ctx):
        driver = scene.driver(ctx)
        await driver.start(scene.tables)
        base = {"size": 3, "burst": Burst.INCR, "user": user(DID)}
        for k in range(count):
            for channel, offset in ((dut.device.ar, 0), (dut.device.aw, 0x100)):
                ctx.set(channel.payload, {**base, "addr": IOVA + offset + k})
                ctx.set(channel.valid, 1)
            left = [dut.device.ar, dut.device.aw]
            while left:
                *_, read, write = await ctx.tick().sample(dut.device.ar.ready, dut.device.aw.ready)
                for channel, taken in ((dut.device.ar, read), (dut.device.aw, write)):
                    if taken and channel in left:
                        ctx.set(channel.valid, 0)
                        left.remove(channel)
            await put(ctx, dut.device.w, {"last": 1})
            assert (await get(ctx, dut.device.r)).resp is Resp.SLVERR
            assert (await get(ctx, dut.device.b)).resp is Resp.SLVERR
        records = await driver.faults(2 * count)
        assert sorted((r["ttyp"], r["iotval"]) for r in records) == [
            (2, IOVA + k) for k in range(count)] + [(3, IOVA + 0x100 + k) for k in range(count)]

    scene.bench.run()


def test_dtf(bench):
    """DTF keeps silent about translation, not about the directory, and needs a context."""
    scene = Scene(bench)
    root = scene.tables.page()
    scene.tables.context(DID, root, dtf=1)
    scene.tables.context(DID + 1, root, dtf=1, v=0)
    scene.tables.context(DID + 2, root, dtf=1, sxl=1)

    @scene.bench.testbench
    async def testbench(ctx):
        driver = scene.driver(ctx)
        await driver.start(scene.tables)
        for did, pid, causes in (
                (DID, None, []), (DID, 3, []), (DID + 1, None, [Cause.DDT_INVALID]),
                (DID + 2, None, [Cause.DDT_MISCONFIGURED]), (DID, None, []),
                (DID + 0x80, None, [Cause.TYPE_DISALLOWED])):
            assert await scene.device(ctx, did, pid).read(IOVA) is None
            assert [r["cause"] for r in await driver.faults(len(causes))] == causes
        await driver.directory(DdtpMode.OFF)
        assert await scene.device(ctx, DID).write(IOVA) is None
        assert [r["cause"] for r in await driver.faults(1)] == [Cause.ALL_INBOUND_DISALLOWED]

    scene.bench.run()


def test_bus_errors(bench):
    """Of directories and tables: access faults, and nothing of it is kept."""
    scene = Scene(bench, mode=DdtpMode.LVL2)
    root = scene.tables.page()
    scene.tables.context(DID, root)
    leaf = scene.tables.map(root, IOVA, BASE)
    where = scene.tables.context_address(DID)

    @scene.bench.testbench
    async def testbench(ctx):
        driver, device = scene.driver(ctx), scene.device(ctx, DID)
        await driver.start(scene.tables)
        for low, kind, cause in (
                (scene.tables.directory, "r", Cause.DDT_LOAD_FAULT),
                (where, "w", Cause.DDT_LOAD_FAULT), (where + 24, "r", Cause.DDT_LOAD_FAULT),
                (root, "w", Cause.WRITE_ACCESS_FAULT), (leaf, "x", Cause.EXEC_ACCESS_FAULT),
                (leaf, "r", Cause.READ_ACCESS_FAULT)):
            scene.tables_memory.fail(low, low + 8 if low != root else low + 4096, "r")
            assert await device.access(kind, IOVA) is None
            assert [r["cause"] for r in await driver.faults(1)] == [cause]
            scene.tables_memory._failures.clear()
        assert await device.read(IOVA) == BASE

    scene.bench.run()


def test_counters(bench):
    """One hit or miss for each access with a page table; one walk for each that starts."""
    scene = Scene(bench)
    root = scene.tables.page()
    scene.tables.context(DID, root)
    scene.tables.context(DID + 1, None)
    scene.tables.map(root, IOVA, BASE, d=0)

    @scene.bench.testbench
    async def testbench(ctx):
        driver, device = scene.driver(ctx), scene.device(ctx, DID)
        await driver.start(scene.tables)

        async def counts():
            return [await driver.read(name) for name in ("tlb_hits", "tlb_misses", "walks")]

        for expected, did, kind, iova in (
                ([0, 1, 1], DID, "r", IOVA), ([1, 1, 1], DID, "r", IOVA),
                ([1, 2, 2], DID, "w", IOVA),                    # an entry that denies
                ([1, 3, 3], DID, "r", IOVA + 0x1000), ([1, 4, 4], DID, "r", IOVA + 0x1000),
                ([1, 5, 5], DID, "r", 1 << 40),                 # not canonical
                ([1, 5, 5], DID + 1, "r", IOVA), ([1, 5, 5], DID + 2, "r", IOVA)):
            await scene.device(ctx, did).access(kind, iova)
            assert await counts() == expected, (did, kind, hex(iova))
        await driver.directory(DdtpMode.OFF)
        assert await device.read(IOVA) is None
        assert await counts() == [1, 5, 5]

    scene.bench.run()


def test_mode_change_drains(bench):
    """After Off nothing passes; busy lasts until what had passed is answered."""
    scene = Scene(bench)
    scene.memory._latency = 200
    root = scene.tables.page()
    scene.tables.context(DID, root)
    scene.tables.map(root, IOVA, BASE)

    @scene.bench.testbench
    async def testbench(ctx):
        driver, device = scene.driver(ctx), scene.dut.device
        await driver.start(scene.tables)
        await put(ctx, device.ar, {"addr": IOVA, "size": 3, "burst": Burst.INCR,
                                   "user": user(DID)})
        await ctx.tick().repeat(50)
        await driver.write("ddtp", mode=DdtpMode.OFF)
        assert await driver.field("ddtp", "busy") == 1
        assert await driver.field("ddtp", "mode") == DdtpMode.OFF
        await driver.write("ddtp", mode=DdtpMode.BARE)          # ignored meanwhile
        ctx.set(device.r.ready, 1)
        await driver.until("ddtp", "busy", 0)
        ctx.set(device.r.ready, 0)
        assert await driver.field("ddtp", "mode") == DdtpMode.OFF
        assert await scene.device(ctx, DID).read(IOVA) is None
        # The caches need not be empty, but commands make them so.
        await driver.directory(scene.tables.mode, scene.tables.directory)
        await driver.command(inval_ddt(), vma(), fence(pr=1, pw=1))
        assert await scene.device(ctx, DID).read(IOVA) == BASE

    scene.bench.run()
