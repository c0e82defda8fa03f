"""Coalescer: an interrupt for every so many completions, and for the rest when idle."""

from amaranth.back import rtlil
from hypothesis import given
from hypothesis import strategies as st

from rtl.dma.coalescer import Coalescer

EVENT = st.sampled_from(["", "", "completed", "completed", "idle", "reload"])


@given(threshold=st.sampled_from([1, 2, 3, 255]), events=st.lists(EVENT, max_size=60),
       after=st.integers(1, 4))
def test_matches_model(bench, threshold, events, after):
    dut = Coalescer()
    this = bench(dut)

    @this.testbench
    async def driver(ctx):
        ctx.set(dut.threshold, threshold)
        ctx.set(dut.reload, 1)
        await ctx.tick()
        left, untold = threshold, 0
        for k, event in enumerate(events):
            if k == len(events) // 2:           # takes effect with the next count
                ctx.set(dut.threshold, after)
            now = after if k >= len(events) // 2 else threshold
            for name in ("completed", "idle", "reload"):
                ctx.set(getattr(dut, name), name == event)
            assert ctx.get(dut.left) == left
            untold += event == "completed"
            due = (event == "completed" and left == 1) or (event == "idle" and untold > 0)
            assert ctx.get(dut.ioc) == due
            await ctx.tick()
            if due:
                untold = 0
            if due or event == "reload":
                left = now
            elif event == "completed":
                left -= 1

    this.run()


def test_netlist():
    rtlil.convert(Coalescer())
