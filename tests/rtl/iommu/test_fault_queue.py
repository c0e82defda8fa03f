"""FaultQueue: records and what becomes of them, by itself."""

import pytest
from amaranth.back import rtlil
from hypothesis import given, settings
from hypothesis import strategies as st

from rtl.iommu.fault_queue import FaultQueue
from rtl.params import IommuParams
from rtl.spec.queues import FAULT_DW0
from sim.checked import Checked
from sim.streams import put

FAULTS = st.builds(
    dict, cause=st.sampled_from([1, 12, 256, 260]), pid=st.integers(0, 2**20 - 1),
    pv=st.integers(0, 1), priv=st.integers(0, 1), ttyp=st.sampled_from([1, 2, 3]),
    did=st.integers(0, 2**24 - 1), iotval=st.integers(0, 2**64 - 1),
    iotval2=st.integers(0, 2**64 - 1))
#: Faults, and the state in which each is met.
STATES = st.sampled_from(["room", "room", "room", "off", "stopped", "full", "refused"])


@given(faults=st.tuples(*[st.lists(st.tuples(FAULTS, STATES), max_size=6)] * 2))
@settings(max_examples=15)
def test_matches_model(bench, faults):
    """Each fault of either channel leads to one record, or to one flag, or to nothing."""
    dut = Checked(FaultQueue(IommuParams(sv39x4=True)))
    this = bench(dut)
    states = {(n, fault["iotval"]): state for n, mine in enumerate(faults)
              for fault, state in mine}

    for channel, mine in zip(dut.faults, faults, strict=True):
        @this.testbench
        async def source(ctx, channel=channel, mine=mine):
            for fault, _ in mine:
                await put(ctx, channel, fault)

    @this.testbench
    async def engine(ctx):
        ctx.set(dut.queue.entry, 0x4560)
        left = [[dict(fault) for fault, _ in mine] for mine in faults]
        while any(left):
            # Whose fault it is shows in the first cycle; the state is that of either in turn.
            valid = [ctx.get(channel.valid) for channel in dut.faults]
            if not any(valid):
                await ctx.tick()
                continue
            shown = {states[n, mine[0]["iotval"]] for n, mine in enumerate(left)
                     if valid[n] and mine}
            state = min(shown)
            ctx.set(dut.queue.active, state != "off")
            ctx.set(dut.stopped, state == "stopped")
            ctx.set(dut.queue.full, state == "full")
            flags, words, taken = [0, 0, 0, 0], [], [0, 0]
            while not any(taken):
                ctx.set(dut.store.index, min(len(words), 3))
                ctx.set(dut.store.done, len(words) == 4)
                ctx.set(dut.store.error, state == "refused")
                *_, store, word, addr, length, recorded, overflow, fault, advance, t0, t1 = (
                    await ctx.tick().sample(
                        dut.store.valid, dut.store.data, dut.store.addr, dut.store.len,
                        dut.recorded, dut.overflow, dut.memory_fault, dut.queue.advance,
                        dut.faults[0].ready, dut.faults[1].ready))
                taken = [t0 and valid[0], t1 and valid[1]]
                flags = [old + new for old, new in
                         zip(flags, (recorded, overflow, fault, advance), strict=True)]
                if store and len(words) < 4:
                    assert (addr, length) == (0x4560, 3)
                    words.append(word)
            ctx.set(dut.store.done, 0)
            assert sum(taken) == 1
            done = left[taken.index(1)].pop(0)
            assert flags == {"room": [1, 0, 0, 1], "full": [0, 1, 0, 0],
                             "refused": [0, 0, 1, 0]}.get(state, [0, 0, 0, 0])
            if state in ("room", "refused"):
                iotval, iotval2 = done.pop("iotval"), done.pop("iotval2")
                assert words == [FAULT_DW0.pack(**done), 0, iotval, iotval2]
            else:
                assert not words

    this.run()


def test_message(bench):
    """An interrupt message that was refused has a record of no device."""
    dut = FaultQueue(IommuParams(igs=2))
    this = bench(dut)

    @this.testbench
    async def testbench(ctx):
        ctx.set(dut.queue.active, 1)
        ctx.set(dut.message.payload, 0x1234_5678)
        ctx.set(dut.message.valid, 1)
        words = []
        for index in range(4):
            ctx.set(dut.store.index, index)
            words += await ctx.tick().sample(dut.store.data).until(dut.store.valid)
        assert words == [FAULT_DW0.pack(cause=273), 0, 0x1234_5678, 0]
        ctx.set(dut.store.done, 1)
        assert ctx.get(dut.message.ready)

    this.run()


def test_idle(bench):
    """Not before the record is written."""
    dut = FaultQueue(IommuParams())
    this = bench(dut)

    @this.testbench
    async def testbench(ctx):
        ctx.set(dut.queue.active, 1)
        ctx.set(dut.faults[0].valid, 1)
        assert ctx.get(dut.queue.idle)
        await ctx.tick().repeat(4)
        assert not ctx.get(dut.queue.idle)
        ctx.set(dut.store.done, 1)
        await ctx.tick()
        ctx.set(dut.faults[0].valid, 0)
        assert ctx.get(dut.queue.idle)

    this.run()


@pytest.mark.parametrize("params", [{"phys_bits": 32}, {"phys_bits": 56, "sv39x4": True, "igs": 0}])
def test_netlist(params):
    rtlil.convert(FaultQueue(IommuParams(**params)))
