"""WriteBack, Bypass and MemoryPort: what goes to memory besides refills."""

import pytest
from amaranth.back import rtlil
from hypothesis import given, settings
from hypothesis import strategies as st

from rtl.axi.signature import Burst, Resp
from rtl.cache.back import Back
from rtl.cache.bypass import Bypass
from rtl.cache.layouts import Cause, Task
from rtl.cache.memory_port import MemoryPort
from rtl.cache.write_back import OUTSTANDING, WriteBack
from sim.streams import collect, get, put, send

from .harness import SHAPES

SMALL = SHAPES["small"]
VICTIMS = st.lists(st.tuples(st.integers(0, 7), st.integers(0, 99), st.integers(0, 1),
                             st.sampled_from(list(Cause)), st.sampled_from(list(Resp))),
                   min_size=1, max_size=20)


class TestWriteBack:
    @settings(max_examples=15)
    @given(victims=VICTIMS, stall=st.sampled_from([0.0, 0.5]))
    def test_responses(self, bench, victims, stall):
        dut = WriteBack(SMALL)
        this = bench(dut)
        tasks = [victim for victim in victims if victim[3] is not Cause.EVICT]

        @this.testbench
        async def offer(ctx):
            assert ctx.get(dut.idle)
            await send(ctx, dut.victims, [
                {"line": {"set": at, "tag": tag}, "way": way, "cause": cause, "slot": 1 << tag % 4}
                for at, tag, way, cause, _ in victims], stall=stall)

        @this.testbench
        async def memory(ctx):
            for at, tag, _, cause, resp in victims:
                aw = await get(ctx, dut.aw)
                assert aw.addr == (tag * 8 + at) * 32
                assert (aw.len, aw.size, aw.burst) == (3, 3, Burst.INCR)
                assert not ctx.get(dut.idle)
                ctx.set(dut.b.payload, {"resp": resp})
                ctx.set(dut.b.valid, 1)
                found = await ctx.tick().sample(
                    dut.evicted, dut.failed, dut.cleaned, dut.error, dut.error_line, dut.written
                ).until(dut.b.ready)
                ctx.set(dut.b.valid, 0)
                good = resp in (Resp.OKAY, Resp.EXOKAY)
                assert found[0] == (good and cause is Cause.EVICT)
                assert found[1] == (1 << tag % 4 if not good and cause is Cause.EVICT else 0)
                assert found[5] == (1 << tag % 4 if found[0] else 0)
                assert found[2] == (good and cause in (Cause.CLEAN, Cause.FLUSH))
                assert found[3] == (not good)
                assert (found[4].set, found[4].tag) == (at, tag)

        @this.testbench
        async def lookup(ctx):
            got = await collect(ctx, dut.tasks, len(tasks), stall=stall)
            for task, (at, tag, way, cause, resp) in zip(got, tasks, strict=True):
                assert task.task is Task.ACK
                assert (task.line.set, task.line.tag, task.way, task.cause) == (at, tag, way, cause)
                assert task.error == (resp in (Resp.SLVERR, Resp.DECERR))

        this.run()

    def test_many_are_outstanding(self, bench):
        """One every second cycle, until the tracker is full; then none before a response."""
        dut = WriteBack(SMALL)
        this = bench(dut)

        @this.testbench
        async def driver(ctx):
            ctx.set(dut.aw.ready, 1)
            ctx.set(dut.victims.p.cause, Cause.CLEAN)
            ctx.set(dut.victims.valid, 1)
            taken = 0
            for _ in range(2 * OUTSTANDING):
                *_, ready = await ctx.tick().sample(dut.victims.ready)
                taken += ready
            assert taken == OUTSTANDING
            *_, ready = await ctx.tick().sample(dut.victims.ready)
            assert not ready
            ctx.set(dut.victims.valid, 0)
            for _ in range(OUTSTANDING):        # taken, although nobody takes the tasks
                await put(ctx, dut.b, {"resp": Resp.OKAY})
            assert ctx.get(dut.victims.ready)
            await collect(ctx, dut.tasks, OUTSTANDING)
            assert not ctx.get(dut.tasks.valid)

        this.run()


PART = {"offset": 8, "line": {"set": 3, "tag": 9}, "opens": 1, "closes": 1, "chunk": 2, "size": 2,
        "burst": Burst.INCR, "cache": 2, "prot": 5, "qos": 7}


class TestBypass:
    async def _probe(self, ctx, dut, *, failed=0, **part):
        ctx.set(dut.probe.part, PART | part)
        ctx.set(dut.probe.failed, failed)
        ctx.set(dut.probe.done, 1)
        await ctx.tick()
        ctx.set(dut.probe.done, 0)
        assert ctx.get(dut.probe.hold)

    def _same_burst(self, payload):
        assert payload.addr == (9 * 8 + 3) * 32 + 8
        assert (payload.len, payload.size, payload.burst) == (2, 2, Burst.INCR)
        assert (payload.cache, payload.prot, payload.qos, payload.lock) == (2, 5, 7, 0)

    def test_read(self, bench):
        dut = Bypass(SMALL)
        this = bench(dut)

        @this.testbench
        async def driver(ctx):
            await self._probe(ctx, dut)
            for turn, quiet in ((0, 1), (1, 0)):        # not before all else is done
                ctx.set(dut.port.turn, turn)
                ctx.set(dut.quiet, quiet)
                for _ in range(2):
                    *_, valid, active = await ctx.tick().sample(dut.ar.valid, dut.active)
                    assert not valid and not active
            ctx.set(dut.quiet, 1)
            self._same_burst(await get(ctx, dut.ar))
            assert ctx.get(dut.active)
            for beat in range(3):
                ctx.set(dut.r.payload, {"resp": Resp.DECERR if beat == 1 else 0, "last": beat == 2})
                ctx.set(dut.r.valid, 1)
                for ready in (0, 1):
                    ctx.set(dut.port.r.ready, ready)
                    *_, valid, taken, resp = await ctx.tick().sample(
                        dut.port.r.valid, dut.r.ready, dut.port.r.p.resp)
                    assert valid and taken == ready
                    assert resp is (Resp.DECERR if beat == 1 else Resp.OKAY)
            ctx.set(dut.r.valid, 0)
            assert not (await get(ctx, dut.port.done)).write
            assert not ctx.get(dut.probe.hold) and not ctx.get(dut.active)

        this.run()

    @pytest.mark.parametrize("late_address", [False, True])
    def test_write(self, bench, late_address):
        """Memory may take the data before the address."""
        dut = Bypass(SMALL)
        this = bench(dut)

        @this.testbench
        async def driver(ctx):
            ctx.set(dut.port.turn, 1)
            ctx.set(dut.quiet, 1)
            await self._probe(ctx, dut, write=1)
            await ctx.tick().until(dut.port.pass_on)
            if not late_address:
                self._same_burst(await get(ctx, dut.aw))
            for beat in range(3):
                ctx.set(dut.port.beat, 1)
                *_, last = await ctx.tick().sample(dut.port.last)
                assert last == (beat == 2)
            ctx.set(dut.port.beat, 0)
            assert not ctx.get(dut.port.pass_on)
            if late_address:
                self._same_burst(await get(ctx, dut.aw))
            await put(ctx, dut.b, {"resp": Resp.SLVERR})
            done = await get(ctx, dut.port.done)
            assert done.write and done.resp is Resp.SLVERR

        this.run()

    @pytest.mark.parametrize("write", [0, 1])
    def test_refused(self, bench, write):
        """A line could not be written back: SLVERR for each beat, and nothing for memory."""
        dut = Bypass(SMALL)
        this = bench(dut)

        @this.testbench
        async def driver(ctx):
            ctx.set(dut.port.turn, 1)
            await self._probe(ctx, dut, write=write, failed=1)
            if write:
                await ctx.tick().until(dut.port.drop)
                ctx.set(dut.port.beat, 1)
                await ctx.tick().repeat(2)
                assert ctx.get(dut.port.drop)
                await ctx.tick()
                ctx.set(dut.port.beat, 0)
                assert not ctx.get(dut.port.drop)
            else:
                beats = await collect(ctx, dut.port.r, 3)
                assert [beat.last for beat in beats] == [0, 0, 1]
                assert {beat.resp for beat in beats} == {Resp.SLVERR}
            assert not ctx.get(dut.ar.valid | dut.aw.valid | dut.active)
            assert (await get(ctx, dut.port.done)).write == write

        this.run()

    def test_chunk_of_several_parts(self, bench):
        """The first part has the address, the last one starts it."""
        dut = Bypass(SMALL)
        this = bench(dut)

        @this.testbench
        async def driver(ctx):
            ctx.set(dut.port.turn, 1)
            ctx.set(dut.quiet, 1)
            ctx.set(dut.probe.part, PART | {"closes": 0})
            ctx.set(dut.probe.done, 1)
            await ctx.tick()
            assert not ctx.get(dut.probe.hold)
            await self._probe(ctx, dut, opens=0, offset=0, chunk=0)
            self._same_burst(await get(ctx, dut.ar))

        this.run()


def test_memory_port(bench):
    """Either side sees memory, never both."""
    dut = MemoryPort(SMALL)
    this = bench(dut)

    @this.testbench
    async def driver(ctx):
        for bypass in (0, 1):
            ctx.set(dut.bypass, bypass)
            for name, kind in (("ar", "refill_ar"), ("aw", "victim_aw"), ("w", "victim_w")):
                number = "data" if name == "w" else "addr"
                ours, other = getattr(dut, kind), getattr(dut, f"bypass_{name}")
                ours, other = (other, ours) if bypass else (ours, other)
                memory = getattr(dut.memory, name)
                ctx.set(ours.p[number], 64)
                ctx.set(other.p[number], 128)
                for valid in (0, 1):
                    ctx.set(ours.valid, valid)
                    ctx.set(other.valid, 1 - valid)
                    ctx.set(memory.ready, 1)
                    assert ctx.get(memory.valid) == valid and ctx.get(memory.p[number]) == 64
                    assert ctx.get(ours.ready) and not ctx.get(other.ready)
            for name, kind in (("r", "refill_r"), ("b", "victim_b")):
                ours, other = getattr(dut, kind), getattr(dut, f"bypass_{name}")
                ours, other = (other, ours) if bypass else (ours, other)
                memory = getattr(dut.memory, name)
                ctx.set(memory.valid, 1)
                for ready in (0, 1):
                    ctx.set(ours.ready, ready)
                    ctx.set(other.ready, 1 - ready)
                    assert ctx.get(memory.ready) == ready
                    assert ctx.get(ours.valid) and not ctx.get(other.valid)
            await ctx.tick()

    this.run()


@pytest.mark.parametrize("component", [WriteBack, Bypass, MemoryPort, Back])
@pytest.mark.parametrize("shape", ["smallest", "odd", "long"])
def test_netlist(component, shape):
    rtlil.convert(component(SHAPES[shape]))
