"""IssueStage: what is passed on, walked for, refused, recorded and kept."""

import pytest
from amaranth.back import rtlil
from hypothesis import given, settings
from hypothesis import strategies as st

from rtl.iommu.issue_stage import IssueStage
from rtl.iommu.records import Kind
from rtl.params import IommuParams
from rtl.spec.faults import DTF_KEEPS, Cause
from sim.checked import Checked
from sim.streams import collect, get, send
from tests.rtl.iommu.model import PAGE_FAULT
from tests.rtl.iommu.world import user

PARAMS = IommuParams(sv39x4=True, svpbmt=True, pd8=True)
KINDS = {"r": Kind.READ, "w": Kind.WRITE, "x": Kind.EXECUTE}
VPN = 0b101_010101010_000000001
#: What the TLB or the context said, or what a walk will find; and a memory type.
FATES = st.sampled_from(["passes", "passes", "context", "silent", "guest context", "leaf", "leaf",
                         "page fault", "guest fault", "implicit guest fault"])
ACCESSES = st.lists(st.tuples(st.sampled_from("rwx"), FATES, st.none() | st.just(0xABCDE),
                              st.booleans(), st.booleans()), min_size=1, max_size=10)
GUEST_FAULT = {"r": Cause.READ_GUEST_PAGE_FAULT, "w": Cause.WRITE_GUEST_PAGE_FAULT,
               "x": Cause.EXEC_GUEST_PAGE_FAULT}
#: Page type by number, and what it makes of a cacheable access.
CACHE = {0: 0b1111, 1: 0b0011, 2: 0}


def cause_of(kind, fate):
    """Reason to refuse, or None."""
    return {"page fault": PAGE_FAULT[kind], "guest fault": GUEST_FAULT[kind],
            "implicit guest fault": GUEST_FAULT[kind], "guest context": GUEST_FAULT[kind],
            "context": Cause.TYPE_DISALLOWED, "silent": Cause.TYPE_DISALLOWED}.get(fate)


def iotval2_of(number, fate):
    """Second value of the record."""
    return {"guest fault": 0x5000 + number << 12 | number & 0xFFC,
            "implicit guest fault": 0x5000 + number << 12 | 1,
            "guest context": 0x6000 + number << 12 | 1}.get(fate, 0)


def payload(number, kind, fate, pid, privileged, translated):
    found = "context" in fate or fate == "silent"
    return {
        "known": {"access": {"id": number % 16, "addr": VPN << 12 | number, "len": number,
                             "cache": 0b1111, "user": user(0xD0 + number, pid, translated)},
                  "wants": {"kind": KINDS[kind], "privileged": privileged and pid is not None},
                  "context": {"pscid": number, "root": 7, "dtf": fate == "silent"},
                  "bypass": number & 1,
                  "guest_fault": {"gpn": 0x6000 + number, "implicit": 1},
                  "cause": cause_of(kind, fate) if found else 0},
        "passes": fate == "passes", "canonical": number % 3 == 0, "ppn": 0x1000 + number,
        "pbmt": number % 3}


@given(accesses=ACCESSES, stalls=st.tuples(*[st.sampled_from([0.0, 0.5])] * 4),
       room=st.booleans())
@settings(max_examples=25)
def test_matches_model(bench, accesses, stalls, room):
    dut = Checked(IssueStage(PARAMS))
    this = bench(dut)
    wrong = [(n, *access) for n, access in enumerate(accesses) if cause_of(*access[:2])]
    right = [(n, *access) for n, access in enumerate(accesses) if not cause_of(*access[:2])]
    reported = [entry for entry in wrong if entry[2] != "silent" or
                cause_of(*entry[1:3]) in DTF_KEEPS]
    passed = []

    @this.background
    async def bridge(ctx):
        passed.clear()
        cycle = 0
        while True:
            ctx.set(dut.room, not room or cycle % 4 == 0)
            *_, valid, axid, has_room = await ctx.tick().sample(
                dut.passed.valid, dut.passed.id, dut.room)
            cycle += 1
            if valid:
                assert has_room
                passed.append(axid)

    @this.background
    async def walker(ctx):
        walks = [(n, *access) for n, access in enumerate(accesses) if access[1] in
                 ("leaf", "page fault", "guest fault", "implicit guest fault")]
        for number, kind, fate, pid, privileged, _ in walks:
            (request,) = await ctx.tick().sample(dut.walk.request).until(dut.walk.want)
            assert (request.page, request.context.pscid, request.context.root) == (VPN, number, 7)
            assert (request.kind, request.privileged, request.canonical, request.bypass) == (
                KINDS[kind], privileged and pid is not None, number % 3 == 0, number & 1)
            ctx.set(dut.walk.start, 1)
            await ctx.tick()
            ctx.set(dut.walk.start, 0)
            await ctx.tick()
            ctx.set(dut.walk.reply, {
                "cause": cause_of(kind, fate) or 0,
                "guest_fault": {"gpn": 0x5000 + number, "implicit": "implicit" in fate},
                "page": {"ppn": 0x1000 + number, "pbmt": number % 3}})
            ctx.set(dut.walk.valid, 1)
            (keep,) = await ctx.tick().sample(dut.walk.keep).until(dut.walk.take)
            assert keep == (fate == "leaf")
            ctx.set(dut.walk.valid, 0)

    @this.testbench
    async def source(ctx):
        await send(ctx, dut.i, [payload(n, *access) for n, access in enumerate(accesses)],
                   stall=stalls[0])

    @this.testbench
    async def passing(ctx):
        got = await collect(ctx, dut.o, len(right), stall=stalls[1])
        assert [(o.id, o.addr, o.len, o.cache) for o in got] == [
            (n % 16, 0x1000 + n << 12 | n, n, CACHE[n % 3]) for n, *_ in right]
        await ctx.tick()
        assert passed == [n % 16 for n, *_ in right]

    @this.testbench
    async def refusing(ctx):
        got = await collect(ctx, dut.refused, len(wrong), stall=stalls[2])
        assert [(o.id, o.len) for o in got] == [(n % 16, n) for n, *_ in wrong]

    @this.testbench
    async def recording(ctx):
        got = await collect(ctx, dut.fault, len(reported), stall=stalls[3])
        for record, (n, kind, fate, pid, privileged, translated) in zip(
                got, reported, strict=True):
            assert (record.cause, record.iotval, record.did, record.iotval2) == (
                cause_of(kind, fate), VPN << 12 | n, 0xD0 + n, iotval2_of(n, fate))
            assert record.ttyp == {"x": 1, "r": 2, "w": 3}[kind] + 4 * translated
            assert (record.pv, record.pid, record.priv) == (
                pid is not None, pid or 0, privileged and pid is not None)

    this.run()


@pytest.mark.parametrize("flush", ["before", "walking", "taking", None])
def test_stale_is_not_kept(bench, flush):
    """A leaf whose walk an invalidation has met is used, and not cached."""
    dut = IssueStage(PARAMS)
    this = bench(dut)

    @this.testbench
    async def testbench(ctx):
        ctx.set(dut.room, 1)
        ctx.set(dut.i.payload, payload(1, "r", "leaf", None, False, False))
        ctx.set(dut.i.payload.known.stale, flush == "before")
        ctx.set(dut.i.valid, 1)
        await ctx.tick()
        ctx.set(dut.i.valid, 0)
        ctx.set(dut.walk.start, 1)
        await ctx.tick()
        ctx.set(dut.walk.start, 0)
        ctx.set(dut.flush, flush == "walking")
        await ctx.tick()
        ctx.set(dut.flush, flush == "taking")
        assert ctx.get(dut.stale) == (flush in ("before", "walking"))
        ctx.set(dut.walk.valid, 1)
        ctx.set(dut.o.ready, 1)
        *_, valid, take, keep = await ctx.tick().sample(dut.o.valid, dut.walk.take, dut.walk.keep)
        assert (valid, take, keep) == (1, 1, flush is None)
        ctx.set(dut.flush, 0)
        assert not ctx.get(dut.stale)

    this.run()


def test_refused_is_not_stale(bench):
    """A device that does not take its error does not hold up a fence."""
    dut = IssueStage(PARAMS)
    this = bench(dut)

    @this.testbench
    async def testbench(ctx):
        ctx.set(dut.flush, 1)
        ctx.set(dut.i.payload, payload(1, "r", "context", None, False, False))
        ctx.set(dut.i.valid, 1)
        await ctx.tick()
        ctx.set(dut.i.valid, 0)
        await ctx.tick()
        assert (await get(ctx, dut.fault)).iotval == VPN << 12 | 1
        for _ in range(5):
            assert not ctx.get(dut.stale)
            assert not ctx.get(dut.i.ready)
            assert not ctx.get(dut.fault.valid)
            await ctx.tick()

    this.run()


@pytest.mark.parametrize("params", [{"id_width": 1, "phys_bits": 32},
                                    {"id_width": 16, "phys_bits": 56, "sv39x4": True}])
def test_netlist(params):
    rtlil.convert(IssueStage(IommuParams(**params)))
