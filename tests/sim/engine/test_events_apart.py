"""Several prints and assertions of the same shape in one domain are apart."""

import pytest
from amaranth import *
from amaranth.hdl import Assert

from sim.engine import choose


class Design(Elaboratable):
    def __init__(self):
        self.count = Signal(4)

    def elaborate(self, platform):
        m = Module()
        m.d.sync += self.count.eq(self.count + 1)
        for limit in (9, 5, 12):
            m.d.sync += Assert(self.count != limit, Format("LIMIT {} reached", limit))
            with m.If(self.count == limit - 2):
                m.d.sync += Print(Format("near {}", limit))
        return m


@pytest.mark.parametrize("engine", ["wasm", "pysim"])
def test_only_what_happens(engine, capsys):
    design = Design()
    simulator = choose(engine)(design)
    simulator.add_clock(1e-6)
    with pytest.raises(AssertionError, match="LIMIT 5 reached"):
        simulator.run_until(20e-6)
    assert capsys.readouterr().out == "near 5\n"
