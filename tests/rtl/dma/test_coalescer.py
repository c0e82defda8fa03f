"""Coalescer: an interrupt for every so many completions, and for the rest when idle or later."""

from amaranth.back import rtlil
from hypothesis import example, given
from hypothesis import strategies as st

from rtl.dma.coalescer import DELAY_CYCLES, Coalescer

EVENT = st.sampled_from(["", "", "completed", "completed", "idle", "reload", "wait"])
#: Cycles of the event of that name.
WAIT = 90


@given(threshold=st.sampled_from([1, 2, 3, 255]), events=st.lists(EVENT, max_size=60),
       after=st.integers(1, 4), delay=st.sampled_from([0, 0, 1, 3]))
@example(threshold=1, events=["completed", "idle"], after=1, delay=0)
def test_matches_model(bench, threshold, events, after, delay):
    dut = Coalescer()
    this = bench(dut)
    cycles = [name for event in events for name in (
        [""] * WAIT if event == "wait" else [event])]

    @this.testbench
    async def driver(ctx):
        ctx.set(dut.threshold, threshold)
        ctx.set(dut.delay, delay)
        ctx.set(dut.reload, 1)
        await ctx.tick()
        left, untold, quiet = threshold, False, 0
        for k, event in enumerate(cycles):
            if k == len(cycles) // 2:           # takes effect with the next count
                ctx.set(dut.threshold, after)
            now = after if k >= len(cycles) // 2 else threshold
            for name in ("completed", "idle", "reload"):
                ctx.set(getattr(dut, name), name == event)
            assert ctx.get(dut.left) == left
            done = event == "completed"
            untold = untold or done
            ioc = (done and left == 1) or (event == "idle" and untold and not delay)
            dly = untold and delay and not done and quiet >= delay * DELAY_CYCLES
            assert (ctx.get(dut.ioc), ctx.get(dut.dly)) == (ioc, dly)
            assert ctx.get(dut.waited) == quiet // DELAY_CYCLES
            await ctx.tick()
            quiet = quiet + 1 if untold and delay and not done and not dly else 0
            if ioc or dly:
                untold = False
            if ioc or dly or event == "reload":
                left = now
            elif done:
                left -= 1

    this.run()


def test_netlist():
    rtlil.convert(Coalescer())
