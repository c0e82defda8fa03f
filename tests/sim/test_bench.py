"""Bench: watchdog, waveform of a failure, and what it says of a second run that differs."""

import pytest
from amaranth import *
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from sim.bench import Bench, Timeout


class Counter(wiring.Component):
    en: In(1)
    count: Out(8)

    def elaborate(self, platform):
        m = Module()
        m.d.sync += self.count.eq(self.count + self.en)
        return m


@pytest.fixture
def rig(tmp_path):
    dut = Counter()
    return dut, Bench(dut, waves=tmp_path / "deep" / "wave.vcd", timeout=50), tmp_path / "deep"


def test_passes_without_a_trace(rig):
    dut, this, folder = rig

    @this.testbench
    async def driver(ctx):
        ctx.set(dut.en, 1)
        await ctx.tick().repeat(5)
        assert ctx.get(dut.count) == 5

    @this.background
    async def endless(ctx):
        await ctx.tick().until(dut.count == 200)

    this.run()
    assert not folder.exists()


def test_failure_leaves_a_waveform(rig):
    dut, this, folder = rig

    @this.testbench
    async def driver(ctx):
        ctx.set(dut.en, 1)
        await ctx.tick().repeat(7)
        assert ctx.get(dut.count) == 8, "wrong count"

    with pytest.raises(AssertionError, match="wrong count") as failure:
        this.run()
    assert failure.value.__notes__ == [f"waveform: {folder / 'wave.vcd'}"]
    vcd = (folder / "wave.vcd").read_text()
    assert "count" in vcd and "b111 " in vcd    # the last value before the failure
    assert "count" in (folder / "wave.gtkw").read_text()


def test_watchdog(rig):
    dut, this, folder = rig

    @this.testbench
    async def waits(ctx):
        await ctx.tick().until(dut.count == 1)

    with pytest.raises(Timeout, match=r"^no end after 50 clock cycles") as failure:
        this.run()
    assert failure.value.__notes__ == [f"waveform: {folder / 'wave.vcd'}"]
    assert (folder / "wave.vcd").exists()


def test_second_run_passes(rig):
    """State outside the testbench is pointed out."""
    _, this, folder = rig
    runs = []

    @this.testbench
    async def driver(ctx):
        runs.append(1)
        await ctx.tick()
        assert len(runs) > 1

    with pytest.raises(AssertionError) as failure:
        this.run()
    assert failure.value.__notes__ == [
        f"waveform: {folder / 'wave.vcd'} (second run passed: a testbench keeps state outside "
        "itself)"]


def test_second_run_fails_differently(rig):
    _, this, folder = rig
    runs = []

    @this.testbench
    async def driver(ctx):
        runs.append(1)
        await ctx.tick()
        if len(runs) > 1:
            raise KeyError("other")
        raise ValueError("one")

    with pytest.raises(ValueError, match=r"^one") as failure:
        this.run()
    assert failure.value.__notes__ == [
        f"waveform: {folder / 'wave.vcd'} (second run failed differently: KeyError('other'))"]


def test_fixture_names_the_waveform(bench):
    dut = Counter()
    this = bench(dut)

    @this.testbench
    async def driver(ctx):
        await ctx.tick()
        raise ValueError

    with pytest.raises(ValueError) as failure:
        this.run()
    (note,) = failure.value.__notes__
    assert note == ("waveform: build/waves/tests_sim_test_bench.py_"
                    "test_fixture_names_the_waveform.vcd")


def test_combinational_design(tmp_path):
    """There is a clock even so."""

    class Inverter(wiring.Component):
        i: In(1)
        o: Out(1)

        def elaborate(self, platform):
            m = Module()
            m.d.comb += self.o.eq(~self.i)
            return m

    dut = Inverter()
    this = Bench(dut, waves=tmp_path / "wave.vcd")

    @this.testbench
    async def driver(ctx):
        await ctx.tick()
        assert ctx.get(dut.o) == 1

    this.run()
