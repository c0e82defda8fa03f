"""IssueStage: what is passed on, walked for, refused, recorded and kept."""

import pytest
from amaranth.back import rtlil
from hypothesis import given, settings
from hypothesis import strategies as st

from rtl.iommu.issue_stage import IssueStage
from rtl.iommu.records import Kind, WalkStatus
from rtl.spec.faults import DTF_KEEPS, Cause
from sim.checked import Checked
from sim.streams import collect, get, send
from tests.rtl.iommu.model import ACCESS_FAULT, PAGE_FAULT
from tests.rtl.iommu.world import user

WIDTHS = {"id_width": 4, "phys_bits": 40}
KINDS = {"r": Kind.READ, "w": Kind.WRITE, "x": Kind.EXECUTE}
VPN = 0b101_010101010_000000001
#: What the TLB or the context said, or what a walk will find.
FATES = st.sampled_from(["passes", "passes", "denied", "beyond", "context", "silent", "leaf",
                         "leaf", "no permission", "page fault", "access fault", "wide"])
ACCESSES = st.lists(st.tuples(st.sampled_from("rwx"), FATES, st.none() | st.just(0xABCDE),
                              st.booleans()), min_size=1, max_size=10)
ANSWERS = {
    "leaf": {"status": WalkStatus.LEAF}, "no permission": {"status": WalkStatus.LEAF},
    "page fault": {"status": WalkStatus.PAGE_FAULT}, "wide": {"status": WalkStatus.LEAF, "wide": 1},
    "access fault": {"status": WalkStatus.ACCESS_FAULT}}


def cause_of(kind, fate):
    """Reason to refuse, or None."""
    return {"denied": PAGE_FAULT[kind], "no permission": PAGE_FAULT[kind],
            "page fault": PAGE_FAULT[kind], "beyond": ACCESS_FAULT[kind],
            "access fault": ACCESS_FAULT[kind], "wide": ACCESS_FAULT[kind],
            "context": Cause.TYPE_DISALLOWED, "silent": Cause.TYPE_DISALLOWED}.get(fate)


def payload(number, kind, fate, pid, privileged):
    return {
        "known": {"access": {"id": number % 16, "addr": VPN << 12 | number, "len": number,
                             "user": user(0xD0 + number, pid)},
                  "context": {"pscid": number, "root": 7, "dtf": fate == "silent"},
                  "cause": Cause.TYPE_DISALLOWED if fate in ("context", "silent") else 0},
        "wants": {"kind": KINDS[kind], "privileged": privileged and pid is not None},
        "passes": fate == "passes", "denied": fate == "denied", "beyond": fate == "beyond",
        "ppn": 0x1000 + number}


@given(accesses=ACCESSES, stalls=st.tuples(*[st.sampled_from([0.0, 0.5])] * 4),
       room=st.booleans())
@settings(max_examples=25)
def test_matches_model(bench, accesses, stalls, room):
    dut = Checked(IssueStage(**WIDTHS))
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
        walks = [(n, *access) for n, access in enumerate(accesses) if access[1] in ANSWERS]
        for number, kind, fate, pid, privileged in walks:
            (request,) = await ctx.tick().sample(dut.walk.request).until(dut.walk.want)
            assert (request.vpn, request.pscid, request.root) == (VPN, number, 7)
            ctx.set(dut.walk.start, 1)
            await ctx.tick()
            ctx.set(dut.walk.start, 0)
            await ctx.tick()
            user_page = not privileged or pid is None
            flags = {"r": 1, "w": 1, "x": 1, "u": user_page, "d": 1}
            if fate == "no permission":
                flags[kind] = 0
            ctx.set(dut.walk.reply, {**ANSWERS[fate], "leaf": {
                "page": {"ppn": 0x1000 + number}, "flags": flags}})
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
        assert [(o.id, o.addr, o.len) for o in got] == [
            (n % 16, 0x1000 + n << 12 | n, n) for n, *_ in right]
        await ctx.tick()
        assert passed == [n % 16 for n, *_ in right]

    @this.testbench
    async def refusing(ctx):
        got = await collect(ctx, dut.refused, len(wrong), stall=stalls[2])
        assert [(o.id, o.len) for o in got] == [(n % 16, n) for n, *_ in wrong]

    @this.testbench
    async def recording(ctx):
        got = await collect(ctx, dut.fault, len(reported), stall=stalls[3])
        for record, (n, kind, fate, pid, privileged) in zip(got, reported, strict=True):
            assert (record.cause, record.iotval, record.did) == (
                cause_of(kind, fate), VPN << 12 | n, 0xD0 + n)
            assert record.ttyp == {"x": 1, "r": 2, "w": 3}[kind]
            assert (record.pv, record.pid, record.priv) == (
                pid is not None, pid or 0, privileged and pid is not None)

    this.run()


@pytest.mark.parametrize("flush", ["before", "walking", "taking", None])
def test_stale_is_not_kept(bench, flush):
    """A leaf whose walk an invalidation has met is used, and not cached."""
    dut = IssueStage(**WIDTHS)
    this = bench(dut)

    @this.testbench
    async def testbench(ctx):
        ctx.set(dut.room, 1)
        ctx.set(dut.i.payload, payload(1, "r", "leaf", None, False))
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
        ctx.set(dut.walk.reply.leaf.flags, {"r": 1, "u": 1})
        ctx.set(dut.walk.valid, 1)
        ctx.set(dut.o.ready, 1)
        *_, valid, take, keep = await ctx.tick().sample(dut.o.valid, dut.walk.take, dut.walk.keep)
        assert (valid, take, keep) == (1, 1, flush is None)
        ctx.set(dut.flush, 0)
        assert not ctx.get(dut.stale)

    this.run()


def test_refused_is_not_stale(bench):
    """A device that does not take its error does not hold up a fence."""
    dut = IssueStage(**WIDTHS)
    this = bench(dut)

    @this.testbench
    async def testbench(ctx):
        ctx.set(dut.flush, 1)
        ctx.set(dut.i.payload, payload(1, "r", "denied", None, False))
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


@pytest.mark.parametrize("id_width, phys_bits", [(1, 32), (16, 56)])
def test_netlist(id_width, phys_bits):
    rtlil.convert(IssueStage(id_width=id_width, phys_bits=phys_bits))
