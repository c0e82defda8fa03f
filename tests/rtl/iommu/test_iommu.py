"""The whole block: translation, its latency and throughput, and the order of what it answers."""

import pytest
from amaranth.back import rtlil
from hypothesis import given, settings
from hypothesis import strategies as st

from rtl.axi.signature import Burst, Resp
from rtl.iommu.iommu import Iommu
from rtl.params import IommuParams
from rtl.spec.faults import Cause
from rtl.spec.page_table import PTE, DdtpMode
from sim.axi import Manager
from sim.streams import collect, send
from tests.rtl.iommu.model import Model
from tests.rtl.iommu.world import BASE, SIZE, USER, Scene, user

DID, IOVA = 5, 0x40_0000_0000 - 0x20_0000       # the upper end of the lower half of addresses


@pytest.mark.parametrize("latency, hit, near, miss, cold", [
    (1, 1, 4, 8, 14), (20, 1, 23, 65, 90)])
def test_latency_and_throughput(bench, latency, hit, near, miss, cold):
    """Cycles from the device's ARVALID to memory's, and hits a cycle on both channels at once."""
    scene = Scene(bench, latency=latency, in_flight=64)
    dut, tables = scene.dut, scene.tables
    root = tables.page()
    tables.context(DID, root)
    for page in (0, 1, 4):
        tables.map(root, IOVA + page * 4096, BASE + page * 4096)
    tables.map(root, IOVA - 0x20_0000, BASE)

    @scene.bench.testbench
    async def testbench(ctx):
        await scene.driver(ctx).start(tables)
        bus, out = dut.device, dut.memory
        ctx.set(bus.r.ready, 1)
        ctx.set(bus.b.ready, 1)
        ctx.set(bus.ar.p.user, user(DID))
        ctx.set(bus.aw.p.user, user(DID))
        ctx.set(bus.w.p.last, 1)

        async def measure(iova):
            ctx.set(bus.ar.p.addr, iova)
            ctx.set(bus.ar.valid, 1)
            cycles = 0
            async for *_, taken, valid in ctx.tick().sample(bus.ar.ready, out.ar.valid):
                if taken:
                    ctx.set(bus.ar.valid, 0)
                if valid:
                    break
                cycles += 1
            await ctx.tick().repeat(30)
            return cycles

        assert await measure(IOVA) == cold
        assert await measure(IOVA) == hit
        assert await measure(IOVA + 4096) == hit        # was walked for ahead
        assert await measure(IOVA + 4 * 4096) == near   # in a table that was read
        assert await measure(IOVA - 0x20_0000) == miss

        for channel in (bus.ar, bus.aw):
            ctx.set(channel.p.addr, IOVA)
            ctx.set(channel.valid, 1)
        ctx.set(bus.w.valid, 1)
        taken = [0, 0]
        for _ in range(100):
            *_, read, write = await ctx.tick().sample(bus.ar.ready, bus.aw.ready)
            taken = [taken[0] + read, taken[1] + write]
        assert taken == [100, 100]

    scene.bench.run()


def test_data_passes(bench):
    """Bursts of data go where the page table says, and come back."""
    scene = Scene(bench, latency=3, stall=0.3)
    root = scene.tables.page()
    scene.tables.context(DID, root, pscid=9)
    scene.tables.map(root, IOVA, BASE + 0x5000)
    words = [0x1111 * k for k in range(8)]

    @scene.bench.testbench
    async def testbench(ctx):
        await scene.driver(ctx).start(scene.tables)
        manager = Manager(ctx, scene.dut.device, user=user(DID), id=3)
        assert await manager.write(IOVA + 0x40, words) is Resp.OKAY
        data, responses = await manager.read(IOVA + 0x40, 8)
        assert (data, set(responses)) == (words, {Resp.OKAY})
        assert scene.memory.read(BASE + 0x5048, 8) == (0x1111).to_bytes(8, "little")
        # What is refused has as many beats, and the next access goes on.
        data, responses = await manager.read(IOVA + 0x1000, 5)
        assert set(responses) == {Resp.SLVERR}
        assert await manager.write(IOVA + 0x1000, words) is Resp.SLVERR
        assert await manager.write(IOVA, [7]) is Resp.OKAY
        assert scene.memory.read(BASE + 0x5000, 8) == (7).to_bytes(8, "little")

    scene.bench.run()


@given(refused=st.lists(st.booleans(), min_size=4, max_size=14),
       stalls=st.lists(st.sampled_from([0.0, 0.5]), min_size=5, max_size=5), early=st.booleans())
@settings(max_examples=8)
def test_order(bench, refused, stalls, early):
    """Responses of an ID come in order, passed and refused ones, however the channels stall.

    Write data comes before or after its address.
    """
    scene = Scene(bench, latency=4, stall=stalls[0], reorder=True)
    root = scene.tables.page()
    scene.tables.context(DID, root)
    scene.tables.map(root, IOVA, BASE)
    bursts = [{"id": k % 3, "addr": IOVA + 64 * k + (0x1000 if wrong else 0), "len": k % 3,
               "size": 3, "burst": Burst.INCR, "user": user(DID)}
              for k, wrong in enumerate(refused)]
    beats = [(burst, beat) for burst in bursts for beat in range(burst["len"] + 1)]
    data = [{"data": burst["addr"] + beat, "strb": 0xFF, "last": beat == burst["len"]}
            for burst, beat in beats]
    dut, started = scene.dut, []

    @scene.bench.testbench
    async def software(ctx):
        started.clear()
        await scene.driver(ctx).start(scene.tables)
        started.append(True)

    async def after_start(ctx):
        while not started:
            await ctx.tick()

    def source(channel, payloads, stall, seed):
        @scene.bench.testbench
        async def testbench(ctx):
            await after_start(ctx)
            await send(ctx, channel, payloads, stall=stall, seed=seed)

    source(dut.device.ar, bursts, stalls[1], 1)
    source(dut.device.aw, bursts, stalls[2] if not early else 0.8, 2)
    source(dut.device.w, data, stalls[3] if not early else 0.0, 3)

    def expected(axid):
        return [Resp.SLVERR if wrong else Resp.OKAY
                for burst, wrong in zip(bursts, refused, strict=True) if burst["id"] == axid]

    @scene.bench.testbench
    async def read_data(ctx):
        got = await collect(ctx, dut.device.r, len(beats), stall=stalls[4], seed=4)
        for axid in range(3):
            mine = [beat for beat in got if beat.id == axid]
            lengths = [burst["len"] + 1 for burst in bursts if burst["id"] == axid]
            wanted = [(resp, k == length - 1) for resp, length in
                      zip(expected(axid), lengths, strict=True) for k in range(length)]
            assert [(beat.resp, bool(beat.last)) for beat in mine] == wanted

    @scene.bench.testbench
    async def responses(ctx):
        got = await collect(ctx, dut.device.b, len(bursts), stall=stalls[4], seed=5)
        for axid in range(3):
            assert [b.resp for b in got if b.id == axid] == expected(axid)
        for burst, beat in beats:
            offset = burst["addr"] - IOVA
            word = scene.memory.read(BASE + offset + 8 * beat, 8)
            passed = offset < 0x1000
            assert int.from_bytes(word, "little") == (burst["addr"] + beat if passed else 0)

    scene.bench.run()


KINDS = st.sampled_from("rwx")
#: Pages in use, so few that accesses meet; each may be given bits that are not ordinary.
PAGES = st.sampled_from([0, 0x1000, 0xF000, 0x1_0000, 0x20_0000, 0x4000_0000, -0x1000 % 2**64])
WRONG_BITS = st.sampled_from([{}, {}, {}, {"r": 0}, {"w": 0}, {"w": 0, "x": 1}, {"u": 0}, {"a": 0},
                              {"d": 0}, {"v": 0}, {"g": 1}, {"r": 0, "w": 0, "x": 1}, {"pbmt": 1},
                              {"rsw60t59b": 1}, {"rsw": 3}, {"ppn": 1 << 30}, {"n": 1}])
MAPPINGS = st.lists(st.tuples(PAGES, st.integers(0, 2), WRONG_BITS,
                              st.sampled_from([0, 0, 8, 0x200, 1 << 18, 3 << 18])), max_size=7)
CONTEXTS = st.sampled_from([{}, {}, {"dtf": 1}, {"pdtv": 1}, {"pdtv": 1, "dpe": 1}, {"v": 0},
                            {"sxl": 1}, {"dpe": 1}, {"gade": 1}, {"en_ats": 1}])
ACCESSES = st.lists(st.tuples(st.sampled_from([1, 2, 3, 0x83]), PAGES, KINDS,
                              st.sampled_from([None, None, None, 7])), min_size=20, max_size=30)


@given(mappings=MAPPINGS, contexts=st.lists(CONTEXTS, min_size=3, max_size=3), accesses=ACCESSES,
       mode=st.sampled_from([DdtpMode.LVL1, DdtpMode.LVL1, DdtpMode.LVL2, DdtpMode.LVL3,
                             DdtpMode.BARE, DdtpMode.OFF]))
@settings(max_examples=10)
def test_matches_model(bench, mappings, contexts, accesses, mode):
    """Random tables and accesses, each repeated so that it is seen by walk and by TLB."""
    scene = Scene(bench, mode=mode, timeout=60_000, phys_bits=36)
    tables = scene.tables
    root = tables.page()
    for iova, level, bits, ppn in mappings:
        where = tables.entry_address(root, iova % 2**39, level)
        word = PTE.pack(**{"v": 1, **USER, "ppn": ppn, **bits})
        if not tables.load(where):
            tables.store(where, word)
    for did, tc in zip((1, 2, 3), contexts, strict=True):
        tables.context(did, None if tc.get("pdtv") else root, pscid=did, **tc)

    @scene.bench.testbench
    async def testbench(ctx):
        driver = scene.driver(ctx)
        await driver.start(tables)
        model = Model(lambda addr: tables.load(addr) if BASE <= addr < BASE + SIZE else None,
                      mode=mode, root=tables.directory, phys_bits=36)
        for did, iova, kind, pid in accesses:
            iova += 0x7F8 & (did * 0x148)
            cause, phys, recorded = model.translate(did, iova, kind, pid)
            device = scene.device(ctx, did, pid)
            assert await device.access(kind, iova) == phys
            # DECERR of a page without memory behind it is passed on; the rest is our business.
            for record in await driver.faults(int(recorded)):
                ttyp = {"x": 1, "r": 2, "w": 3}[kind]
                assert record == {"cause": cause, "did": did, "iotval": iova, "ttyp": ttyp,
                                  "pv": pid is not None, "pid": pid or 0, "priv": 0}

    scene.bench.run()


def test_privilege_needs_a_process(bench):
    """Without a process_id an access is of a user, whatever AxPROT says."""
    scene = Scene(bench)
    root = scene.tables.page()
    scene.tables.context(DID, root)
    scene.tables.context(DID + 1, None, pdtv=1, v=0)
    scene.tables.map(root, IOVA, BASE, u=0)
    scene.tables.map(root, IOVA + 0x1000, BASE)

    @scene.bench.testbench
    async def testbench(ctx):
        driver = scene.driver(ctx)
        await driver.start(scene.tables)
        device = scene.device(ctx, DID)
        assert await device.read(IOVA, privileged=True) is None
        assert await device.read(IOVA + 0x1000, privileged=True) == BASE
        process = scene.device(ctx, DID + 1, pid=0xABCDE)
        assert await process.write(0x1234, privileged=True) is None
        first, second = await driver.faults(2)
        assert (first["cause"], first["pv"], first["priv"]) == (Cause.READ_PAGE_FAULT, 0, 0)
        assert (second["cause"], second["pv"], second["priv"], second["pid"]) == (
            Cause.DDT_INVALID, 1, 1, 0xABCDE)

    scene.bench.run()


@pytest.mark.parametrize("width", [128, 512])
def test_wide_bus(bench, width):
    """Tables are read and queues written in doublewords, in the right lane of a wide bus."""
    scene = Scene(bench, data_width=width, id_width=1)
    root = scene.tables.page()
    for did in (0, 1, 2, 3):
        scene.tables.context(did, root, pscid=did)
    for page in range(9):
        scene.tables.map(root, IOVA + page * 4096, BASE + page * 4096)

    @scene.bench.testbench
    async def testbench(ctx):
        driver = scene.driver(ctx)
        await driver.start(scene.tables)
        for did in (0, 1, 2, 3):
            device = scene.device(ctx, did)
            for page in (did, did + 5):
                assert await device.read(IOVA + page * 4096 + 64) == BASE + page * 4096 + 64
            assert await device.write(IOVA + 0x9000 + did) is None
        assert [record["iotval"] for record in await driver.faults(4)] == [
            IOVA + 0x9000 + did for did in (0, 1, 2, 3)]

    scene.bench.run()


@pytest.mark.parametrize("params", [
    {}, {"phys_bits": 56}, {"tlb_entries": 3, "context_entries": 5, "phys_bits": 33},
    {"phys_bits": 56, "sv48": True, "sv57": True, "svpbmt": True, "svrsw60t59b": True,
     "sv39x4": True, "sv48x4": True, "pd8": True, "pd17": True, "pd20": True, "msi_flat": True,
     "amo_hwad": True, "igs": 2, "dbg": True},
    {"phys_bits": 32, "data_width": 512, "id_width": 1, "tlb_entries": 1, "context_entries": 1,
     "in_flight": 2}])
def test_netlist(params):
    rtlil.convert(Iommu(IommuParams(**params)))
