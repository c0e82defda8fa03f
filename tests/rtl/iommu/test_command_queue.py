"""CommandQueue: strobes, operands and time of each command, by itself."""

import pytest
from amaranth.back import rtlil

from rtl.iommu.command_queue import CommandQueue
from rtl.params import IommuParams
from rtl.spec.page_table import DdtpMode
from tests.rtl.iommu.memory import serve_reads
from tests.rtl.iommu.world import fence, inval_ddt, vma

ENTRY = 0x1000


def run(bench, command, script, *, latency=3, **memory):
    """Fetch ``command`` once and give ``script`` what each cycle showed until the queue is idle."""
    dut = CommandQueue(memory.get("params", IommuParams()))
    this = bench(dut)
    words = {ENTRY: command[0], ENTRY + 8: command[1], **memory.get("words", {})}

    @this.background
    async def fetch(ctx):
        await serve_reads(ctx, dut.fetch, {k: w for k, w in words.items() if w is not None},
                          latency=latency)

    @this.testbench
    async def testbench(ctx):
        ctx.set(dut.mode, DdtpMode.LVL3)
        ctx.set(dut.queue.entry, ENTRY)
        ctx.set(dut.queue.active, 1)
        ctx.set(dut.wired, memory.get("wired", 1))
        await ctx.tick()
        ctx.set(dut.queue.active, 0)
        watched = {
            "advance": dut.queue.advance, "idle": dut.queue.idle, "illegal": dut.illegal,
            "fault": dut.memory_fault, "done": dut.fence_done, "flush": dut.drain.flush,
            "drop": dut.translations.valid, "payload": dut.translations.payload,
            "contexts": dut.contexts, "drain": dut.drain.want, "store": dut.store.valid}
        cycles = []
        for _ in range(60):
            _, _, *values = await ctx.tick().sample(*watched.values())
            cycle = dict(zip(watched, values, strict=True))
            cycles.append(cycle)
            drain, store = cycle["drain"], cycle["store"]
            ctx.set(dut.drain.done, drain and sum(c["drain"] for c in cycles) == 4)
            ctx.set(dut.store.done, store and sum(c["store"] for c in cycles) == 3)
            ctx.set(dut.store.error, memory.get("refused", 0))
            if cycle["idle"]:
                break
        script(cycles)

    this.run()


def strobes(cycles, name):
    return [k for k, cycle in enumerate(cycles) if cycle[name]]


@pytest.mark.parametrize("latency", [1, 8])
def test_invalidation(bench, latency):
    """One strobe, with the flush, and after the time that the docstring tells."""
    def script(cycles):
        (when,) = strobes(cycles, "drop")
        assert strobes(cycles, "flush") == strobes(cycles, "advance") == [when]
        assert not strobes(cycles, "contexts")
        payload = cycles[when]["payload"]
        assert (payload.select.av, payload.select.pscv) == (1, 1)
        assert (payload.vpn, payload.pscid) == (0x34567, 0xABCDE)
        # From the idle cycle before to the next one.
        assert len(cycles) == latency + 6

    run(bench, vma(av=1, addr=0x3456_7000, pscv=1, pscid=0xABCDE), script, latency=latency)


@pytest.mark.parametrize("nl, s, av", [(0, 0, 1), (1, 0, 1), (0, 1, 0), (1, 1, 0)])
def test_a_range_is_everything(bench, nl, s, av):
    """With S, the pages that go are not told apart; PSCID still is. NL changes nothing here."""
    def script(cycles):
        (when,) = strobes(cycles, "drop")
        select = cycles[when]["payload"].select
        assert (select.av, select.pscv) == (av, 1)

    low, high = vma(av=1, addr=0x3000, pscv=1, pscid=5, nl=nl)
    run(bench, (low, high | s << 9), script, params=IommuParams(phys_bits=40, nl=True, s=True))


def test_a_fence_interrupts_by_wire_only(bench):
    def script(cycles):
        assert len(strobes(cycles, "illegal")) == 1
        assert not strobes(cycles, "done") and not strobes(cycles, "advance")

    run(bench, fence(wsi=1), script, wired=0)


@pytest.mark.parametrize("command, contexts", [(inval_ddt(), 1), (inval_ddt(5), 1),
                                               (vma(gv=1), 0)])
def test_other_invalidations(bench, command, contexts):
    def script(cycles):
        assert len(strobes(cycles, "contexts")) == contexts
        assert len(strobes(cycles, "flush")) == len(strobes(cycles, "advance")) == 1
        assert not strobes(cycles, "drop")

    run(bench, command, script)


@pytest.mark.parametrize("av", [0, 1])
@pytest.mark.parametrize("wsi", [0, 1])
def test_fence(bench, av, wsi):
    """Wait, store, then tell; the head moves with the last."""
    def script(cycles):
        drain, store = strobes(cycles, "drain"), strobes(cycles, "store")
        assert drain
        assert bool(store) == av
        (end,) = strobes(cycles, "advance")
        assert strobes(cycles, "done") == ([end] if wsi else [])
        assert max(drain) < min(store, default=end) <= max(store, default=end) <= end

    run(bench, fence(av=av, addr=0x2000, wsi=wsi), script)


@pytest.mark.parametrize("command, memory", [
    (fence(av=1, addr=0x2000, wsi=1), {"refused": 1}),
    (fence(av=1, addr=1 << 40, wsi=1), {}),
    ((0, None), {}), ((None, 0), {})])
def test_memory_fault(bench, command, memory):
    """A strobe, and neither head nor interrupt moves."""
    def script(cycles):
        assert len(strobes(cycles, "fault")) == 1
        assert not strobes(cycles, "advance") + strobes(cycles, "done") + strobes(cycles, "illegal")

    run(bench, command, script, **memory)


def test_illegal(bench):
    def script(cycles):
        assert len(strobes(cycles, "illegal")) == 1
        assert not strobes(cycles, "advance") + strobes(cycles, "flush") + strobes(cycles, "fault")

    run(bench, (0, 0), script)


def test_stops(bench):
    """Nothing is fetched while the queue is empty, off, or stopped by an error."""
    dut = CommandQueue(IommuParams())
    this = bench(dut)

    @this.testbench
    async def testbench(ctx):
        for active, empty, stopped in ((0, 0, 0), (1, 1, 0), (1, 0, 1), (1, 0, 0)):
            ctx.set(dut.queue.active, active)
            ctx.set(dut.queue.empty, empty)
            ctx.set(dut.stopped, stopped)
            await ctx.tick().repeat(3)
            runs = active and not empty and not stopped
            assert ctx.get(dut.fetch.request.valid) == runs
            assert ctx.get(dut.queue.idle) == (not runs)

    this.run()


@pytest.mark.parametrize("params", [{"phys_bits": 32}, {"phys_bits": 56, "sv39x4": True}])
def test_netlist(params):
    rtlil.convert(CommandQueue(IommuParams(**params)))
