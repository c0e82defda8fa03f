"""IssueStage: what is passed on, refused and recorded."""

import pytest
from amaranth.back import rtlil
from hypothesis import given, settings
from hypothesis import strategies as st

from rtl.iommu.issue_stage import IssueStage
from rtl.iommu.records import Kind
from rtl.params import IommuParams
from rtl.spec.faults import DTF_KEEPS, Cause
from sim.checked import Checked
from sim.streams import collect, send
from tests.rtl.iommu.model import PAGE_FAULT
from tests.rtl.iommu.world import user

PARAMS = IommuParams(sv39x4=True, svpbmt=True, pd8=True)
KINDS = {"r": Kind.READ, "w": Kind.WRITE, "x": Kind.EXECUTE}
VPN = 0b101_010101010_000000001
#: What is known of an access.
FATES = st.sampled_from(["passes", "passes", "passes", "context", "silent", "guest context",
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
    guest = {"gpn": 0x5000 + number, "implicit": "implicit" in fate}
    if "context" in fate:
        guest = {"gpn": 0x6000 + number, "implicit": 1}
    return {
        "access": {"id": number % 16, "addr": VPN << 12 | number, "len": number,
                   "cache": 0b1111, "user": user(0xD0 + number, pid, translated)},
        "wants": {"kind": KINDS[kind], "privileged": privileged and pid is not None},
        "dtf": fate == "silent",
        "fate": {"guest_fault": guest, "cause": cause_of(kind, fate) or 0,
                 "ppn": 0x1000 + number, "pbmt": number % 3}}


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


def test_same_cycle(bench):
    """An access is there at once; one that waits stays, whatever comes behind it."""
    dut = IssueStage(PARAMS)
    this = bench(dut)

    @this.testbench
    async def testbench(ctx):
        ctx.set(dut.room, 1)
        ctx.set(dut.i.valid, 1)
        for number in (1, 2):
            ctx.set(dut.i.payload, payload(number, "r", "passes", None, False, False))
            assert (ctx.get(dut.o.valid), ctx.get(dut.o.p.id)) == (1, 1)
            assert ctx.get(dut.passed.valid) == ctx.get(dut.i.ready) == (number == 1)
            await ctx.tick()
        ctx.set(dut.o.ready, 1)
        await ctx.tick()
        assert (ctx.get(dut.o.valid), ctx.get(dut.o.p.id), ctx.get(dut.passed.valid)) == (1, 2, 1)

    this.run()


@pytest.mark.parametrize("params", [{"id_width": 1, "phys_bits": 32},
                                    {"id_width": 16, "phys_bits": 56, "sv39x4": True}])
def test_netlist(params):
    rtlil.convert(IssueStage(IommuParams(**params)))
